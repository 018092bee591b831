"""POST /v1/forecast, in process, with a forecaster whose answer is known."""

from types import SimpleNamespace

import numpy as np
import pytest

from service.schemas import SeriesInput
from service.times import Start
from service.unread import warnings_of
from tcn.series.conditions import Column, Conditions


def forecast(client, body, **options):
    response = client.post("/v1/forecast", body, **options)
    assert response.status_code == 200, response.text
    return response.json()


def test_one_series_of_numbers_gets_mean_and_quantiles(client):
    answer = forecast(client, {"series": [1, 2.5, None, 4], "horizon": 3})
    assert answer["model"] == "zero"
    (one,) = answer["forecasts"]
    assert one["id"] == "0"
    assert one["ds"] == [4, 5, 6]
    assert one["mean"] == [4.0, 4.0, 4.0]
    assert list(one["quantiles"]) == ["0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9"]
    assert one["quantiles"]["0.5"] == [4.0, 4.0, 4.0]


def test_many_series_keep_their_order_and_ids(client):
    series = [{"id": f"shop-{n}", "y": [n] * (n % 40 + 1)} for n in range(1, 600)]
    answer = forecast(client, {"series": series, "horizon": 2, "quantile_levels": [0.5]})
    assert [item["id"] for item in answer["forecasts"]] == [item["id"] for item in series]
    assert [item["mean"][0] for item in answer["forecasts"]] == list(map(float, range(1, 600)))


def test_lists_of_numbers_are_many_series(client):
    answer = forecast(client, {"series": [[1, 2], [3]], "horizon": 1})
    assert [item["mean"] for item in answer["forecasts"]] == [[2.0], [3.0]]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, [3, 4]),
        ({"start": 10}, [13, 14]),
        ({"start": "2024-01", "freq": "MS"}, ["2024-04-01", "2024-05-01"]),
        ({"start": "2024-01-31", "freq": "ME"}, ["2024-04-30", "2024-05-31"]),
        ({"start": "2024-02-28", "freq": "D"}, ["2024-03-02", "2024-03-03"]),
        (
            {"start": "2024-01-01T22:30", "freq": "h"},
            ["2024-01-02T01:30:00", "2024-01-02T02:30:00"],
        ),
        (
            {"start": "2024-01-01T00:00:00Z", "freq": "6h"},
            ["2024-01-01T18:00:00Z", "2024-01-02T00:00:00Z"],
        ),
        (
            {"start": "2024-03-28", "freq": "D", "tz": "Europe/Berlin"},
            ["2024-03-31T00:00:00+01:00", "2024-04-01T00:00:00+02:00"],
        ),
        (
            {"start": "2024-01-01T00:00:00+05:30", "freq": "D"},
            ["2024-01-04T00:00:00+05:30", "2024-01-05T00:00:00+05:30"],
        ),
    ],
)
def test_stamps_follow_start_frequency_and_zone(client, fields, expected):
    answer = forecast(client, {"series": [1, 2, 3], "horizon": 2, **fields})
    assert answer["forecasts"][0]["ds"] == expected


def test_series_of_different_frequencies_share_a_request(client):
    series = [
        {"id": "monthly", "start": "2024-01-01", "freq": "MS", "y": [1, 2]},
        {"id": "plain", "y": [5]},
        {"id": "monthly too", "start": "2023-01-01", "freq": "M", "y": [7, 8]},
    ]
    answer = forecast(client, {"series": series, "horizon": 1})
    assert [item["ds"] for item in answer["forecasts"]] == [["2024-03-01"], [1], ["2023-03-31"]]


def test_the_season_length_reaches_the_forecaster(client):
    answer = forecast(client, {"series": [1], "horizon": 1, "season_length": 12})
    assert answer["forecasts"][0]["mean"] == [13.0]


def test_covariates_reach_the_forecaster(make_client):
    from service.testing import LastValue

    seen = []

    class Watching(LastValue):
        def predict(self, panel, horizon=None, quantile_levels=(0.5,), *, season_length=None):
            seen.append(panel)
            return super().predict(panel, horizon, quantile_levels, season_length=season_length)

    client = make_client(lambda _: Watching())
    series = [
        {
            "id": name,
            "y": [1, 2],
            "past_covariates": {"load": [1, None]},
            "future_covariates": {"price": [1, 2, 3], "holiday": ["no", "yes", None]},
            "static_covariates": {"size": 4, "region": region},
        }
        for name, region in (("a", "north"), ("b", "south"))
    ]
    forecast(client, {"series": series, "horizon": 1})
    (panel,) = [panel for panel in seen if panel.past_covariates is not None]
    assert panel.past_covariates.names == ("load",)
    np.testing.assert_array_equal(panel.past_covariates.values, [[1, np.nan, 1, np.nan]])
    assert panel.future_covariates.names == ("price", "holiday")
    assert panel.future_covariates.categories == (None, ("no", "yes"))
    np.testing.assert_array_equal(panel.future_covariates[0], [[1, 2, 3], [0, 1, np.nan]])
    assert panel.static_covariates.categories == (None, ("north", "south"))
    np.testing.assert_array_equal(panel.static_covariates.values, [[4, 0], [4, 1]])


@pytest.mark.parametrize(
    "series_id", ["🙂", "\u202ebidi", "<img src=x onerror=alert(1)>", "a" * 256]
)
def test_any_printable_id_comes_back_as_it_was(client, series_id):
    answer = forecast(client, {"series": [{"id": series_id, "y": [1]}], "horizon": 1})
    assert answer["forecasts"][0]["id"] == series_id


def test_a_request_id_is_returned(client):
    response = client.get("/health/live", headers={"x-request-id": "abc-1"})
    assert response.headers["x-request-id"] == "abc-1"
    response = client.get("/health/live", headers={"x-request-id": "a b"})
    assert response.headers["x-request-id"] != "a b"


def test_covariates_that_the_model_does_not_read_are_named(client):
    item = {"y": [1, 2], "past_covariates": {"price": [1, 2]}, "static_covariates": {"b": 1}}
    plain = forecast(client, {"series": [{"y": [1, 2]}], "horizon": 1})
    answer = forecast(client, {"series": [item], "horizon": 1})
    (warning,) = answer.pop("warnings")
    assert "'zero' was trained without 'b', 'price'" in warning
    assert "trained on such series" in warning
    assert answer == plain


def test_covariates_that_the_model_reads_are_not_named():
    column, price = Column("price"), {"price": np.zeros(2)}
    series = [SeriesInput("a", np.zeros(2), Start(), None, past_covariates=price)]
    predictor = SimpleNamespace(conditions=Conditions(past=(column,)))
    assert warnings_of("mine", predictor, series) == {}
    predictor = SimpleNamespace(conditions=Conditions(static=(column,)))
    assert "does not read it" in str(warnings_of("mine", predictor, series))

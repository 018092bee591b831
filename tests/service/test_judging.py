"""Backtests and anomalies over HTTP."""

import numpy as np
import pytest

import tcn

SERIES = [float(10 + n % 4) for n in range(40)]


def test_a_backtest_measures_the_model_beside_the_baselines(client):
    body = {"series": SERIES, "horizon": 4, "n_windows": 3, "season_length": 4}
    answer = client.post("/v1/backtest", body | {"quantile_levels": [0.1, 0.5, 0.9]}).json()
    assert answer["model"] == "zero"
    assert answer["n_windows"] == 3
    assert set(answer["measures"]) == {"forecaster", "seasonal_naive", "naive", "drift"}
    assert answer["measures"]["seasonal_naive"]["mae"] == 0.0
    assert [row["cutoff"] for row in answer["forecasts"]] == [27, 31, 35]
    assert answer["forecasts"][0]["ds"] == [28, 29, 30, 31]
    for row in answer["forecasts"]:
        assert row["y"] == SERIES[row["ds"][0] : row["ds"][-1] + 1]
        assert list(row["quantiles"]) == ["0.1", "0.5", "0.9"]


def test_no_window_sees_what_comes_after_it(client):
    body = {"horizon": 2, "n_windows": 2, "step_size": 2}
    before = client.post("/v1/backtest", {"series": SERIES, **body}).json()
    after = client.post("/v1/backtest", {"series": [*SERIES[:-2], 50, 60], **body}).json()
    for a, b in zip(before["forecasts"], after["forecasts"], strict=True):
        assert a["mean"] == b["mean"]


def test_the_route_gives_what_the_library_gives(client):
    body = {"series": SERIES, "horizon": 4, "n_windows": 2}
    answer = client.post("/v1/backtest", body).json()
    from service.testing import LastValue

    result = tcn.backtest(LastValue().predict, tcn.Panel.from_arrays([SERIES]), 4, 2)
    assert answer["measures"]["forecaster"]["mae"] == result.measures["forecaster"].mae


def test_an_outlier_is_flagged_and_nothing_else(client):
    values = [10.0] * 30
    values[25] = 100.0
    values[20] = None
    body = {"series": values, "horizon": 1, "detection_length": 8, "level": 0.5}
    answer = client.post("/v1/anomalies", body).json()
    (one,) = answer["series"]
    assert one["ds"] == list(range(22, 30))
    assert [n for n, flag in zip(one["ds"], one["anomaly"], strict=True) if flag] == [25]
    assert one["score"][3] > 1
    assert one["y"] == values[22:]
    assert all(np.array(one["lo"]) <= np.array(one["hi"]))


def test_missing_values_are_no_anomalies(client):
    values = [10.0] * 20 + [None] + [10.0] * 4
    body = {"series": values, "detection_length": 6, "horizon": 2}
    answer = client.post("/v1/anomalies", body).json()
    assert answer["series"][0]["y"] == [10.0, None, 10.0, 10.0, 10.0, 10.0]
    assert not any(answer["series"][0]["anomaly"])


def test_the_detection_starts_where_it_should_in_hourly_data(client):
    series = [{"id": "a", "y": SERIES, "freq": "h", "start": "2024-01-01"}]
    body = {"series": series, "detection_length": 17, "horizon": 3}
    (one,) = client.post("/v1/anomalies", body).json()["series"]
    assert (len(one["ds"]), one["ds"][0]) == (17, "2024-01-01T23:00:00")
    assert one["ds"][1] == "2024-01-02T00:00:00"


def test_series_too_short_are_named(client):
    series = [{"id": "long", "y": SERIES}, {"id": "short", "y": [1.0, 2.0]}]
    answer = client.post("/v1/anomalies", {"series": series, "detection_length": 4}).json()
    assert [item["id"] for item in answer["series"]] == ["long"]
    assert answer["left_out"] == ["short"]


@pytest.mark.parametrize(
    ("path", "fields", "sentence"),
    [
        ("backtest", {"n_windows": 0}, "#/n_windows"),
        ("backtest", {"n_windows": 10**6}, "from 1 to 1,000, got a larger number"),
        ("backtest", {"step_size": 0}, "#/step_size"),
        ("backtest", {"level": 0.9}, "unknown field 'level'"),
        ("backtest", {"horizon": 100}, "No series is long enough"),
        ("backtest", {"series": [[1] * 9, {"y": [1] * 9, "freq": "D"}]}, "the same freq"),
        ("anomalies", {"level": 1.0}, "#/level"),
        ("anomalies", {"level": "high"}, "#/level"),
        ("anomalies", {"detection_length": 39}, "from 1 to 38, got a larger number"),
        ("anomalies", {"series": [1.0] * 5000, "horizon": 1}, "Raise the horizon"),
    ],
)
def test_a_wrong_request_is_refused_with_the_place(client, problem, path, fields, sentence):
    body = {"series": SERIES, "horizon": 2, **fields}
    assert sentence in problem(client.post(f"/v1/{path}", body), 422)["detail"]


def test_large_requests_are_refused(make_client, problem):
    client = make_client(max_forecast_values=20)
    body = {"series": SERIES, "horizon": 4, "n_windows": 6}
    detail = problem(client.post("/v1/backtest", body), 422)["detail"]
    assert "times windows may be 20, got 24" in detail


@pytest.mark.parametrize("path", ["/v1/backtest", "/v1/anomalies"])
def test_measures_of_huge_values_are_null_and_no_failure(client, path):
    body = {"series": [1e200, -2e200, 3e200, -1e200, 2e200, 1e190, 5e199], "horizon": 1}
    response = client.post(path, body)
    assert response.status_code == 200, response.text
    if path == "/v1/backtest":
        assert response.json()["measures"]["forecaster"]["mse"] is None


def test_series_too_short_to_judge_are_told_so_in_words_that_fit(client, problem):
    detail = problem(client.post("/v1/anomalies", {"series": [1, 2]}), 422)["detail"]
    assert detail.startswith("No series is long enough to look for anomalies")
    detail = problem(client.post("/v1/backtest", {"series": [1, 2], "horizon": 1}), 422)["detail"]
    assert detail.startswith("No series is long enough for a backtest")


def test_covariates_that_are_not_read_are_named_in_the_past_too(client):
    series = [{"y": SERIES, "past_covariates": {"price": SERIES}}]
    for path in ("/v1/backtest", "/v1/anomalies"):
        answer = client.post(path, {"series": series, "horizon": 2}).json()
        assert "'price'" in answer["warnings"][0]


def test_the_past_needs_no_covariates_of_the_future(client):
    series = [{"y": SERIES, "future_covariates": {"price": SERIES}}]
    for path in ("/v1/backtest", "/v1/anomalies"):
        assert client.post(path, {"series": series, "horizon": 2}).status_code == 200
    assert client.post("/v1/forecast", {"series": series, "horizon": 2}).status_code == 422

"""Panels of arrays: what they hold, how they are cut, and what they refuse."""

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcn.errors import DataError
from tcn.evaluation import backtest, seasonal_naive
from tcn.forecaster import Forecaster
from tcn.series import Covariates, Forecast, Panel
from tcn.series.source import Source
from tcn.stream import ForecastStream
from tcn.training import fit

lengths_of_series = st.lists(st.integers(2, 9), min_size=1, max_size=6)


def panel_of(lengths: list[int]) -> Panel:
    """Series of counting values, so that every point is known by its number."""
    numbers = np.arange(float(sum(lengths)))
    arrays = np.split(numbers, np.cumsum(lengths)[:-1])
    return Panel.from_arrays(arrays, freq="MS", starts=["2024-01-01"] * len(lengths))


def with_covariates(panel: Panel, beyond: int) -> Panel:
    """The values again as past, future-known and static covariates."""
    offsets = np.r_[0, np.cumsum(panel.lengths + beyond)]
    future = np.concatenate([np.r_[series, np.full(beyond, -1.0)] for series in panel])
    return Panel(
        ids=panel.ids,
        values=panel.values,
        offsets=panel.offsets,
        starts=panel.starts,
        freq=panel.freq,
        past_covariates=Covariates(("p",), panel.values[None].copy(), panel.offsets),
        future_covariates=Covariates(("f",), future[None], offsets),
        static_covariates=Covariates(("s",), np.arange(float(len(panel)))[:, None]),
    )


def test_a_series_is_a_view_of_the_values():
    panel = panel_of([3, 2])
    assert panel[1].tolist() == [3.0, 4.0]
    assert panel[-1].base is panel.values
    with pytest.raises(IndexError):
        panel[2]


def test_a_missing_value_is_nan_however_it_is_written():
    panel = Panel.from_arrays([[1, None, 3], np.array([np.nan, 2.0])])
    assert np.isnan(panel.values).tolist() == [False, True, False, True, False]


def test_what_a_mask_hides_is_missing():
    masked = np.ma.array([1, 2, 3], mask=[False, True, False])
    panel = Panel.from_arrays([masked], past_covariates={"p": [masked]})
    assert np.array_equal(panel[0], [1.0, np.nan, 3.0], equal_nan=True)
    assert panel.past_covariates is not None
    assert np.array_equal(panel.past_covariates[0], [[1.0, np.nan, 3.0]], equal_nan=True)


def test_without_starts_times_are_whole_numbers_even_with_a_frequency():
    panel = Panel.from_arrays([[1.0, 2.0]], freq="h")
    assert not panel.is_dated
    assert panel.future_times(2).tolist() == [[2, 3]]
    assert panel.freq == "h"


@pytest.mark.parametrize(
    "start",
    [
        "2024-03-01T00:00:00Z",
        "2024-03-01T01:00:00+01:00",
        "2024-03-01",
        np.datetime64("2024-03-01"),
        datetime(2024, 3, 1),
        datetime(2024, 3, 1, tzinfo=UTC),
        date(2024, 3, 1),
    ],
)
def test_starts_may_be_given_in_many_ways(start):
    panel = Panel.from_arrays([[1.0]], freq="D", starts=[start])
    assert panel.starts.tolist() == np.array(["2024-03-01"], "datetime64[ns]").tolist()


def test_a_panel_of_no_series_is_a_panel():
    assert len(Panel.from_arrays([], past_covariates={"p": []})) == 0
    panel = Panel.from_arrays([])
    assert (len(panel), panel.times().size, panel.future_times(3).shape) == (0, 0, (0, 3))
    assert len(panel.take([])) == 0


@settings(derandomize=True)
@given(lengths_of_series, st.data())
def test_take_equals_a_loop(lengths, data):
    panel = with_covariates(panel_of(lengths), beyond=2)
    chosen = data.draw(st.lists(st.integers(0, len(lengths) - 1), max_size=8))
    taken = panel.take(chosen)
    assert taken.ids.tolist() == [str(i) for i in chosen]
    for place, i in enumerate(chosen):
        assert taken[place].tolist() == panel[i].tolist()
        assert taken.past_covariates[place].tolist() == [panel[i].tolist()]
        assert taken.future_covariates[place].tolist() == [[*panel[i].tolist(), -1.0, -1.0]]
        assert taken.static_covariates[place].tolist() == [i]


@settings(derandomize=True)
@given(lengths_of_series)
def test_history_and_future_make_the_whole_again(lengths):
    panel = with_covariates(panel_of(lengths), beyond=3)
    history, future = panel.split(1)
    for i in range(len(panel)):
        assert [*history[i], *future[i]] == panel[i].tolist()
        assert [*history.past_covariates[i][0], *future.past_covariates[i][0]] == [*panel[i]]
        assert future.future_covariates[i].shape == (1, 4)
    assert history.future_covariates.values.tolist() == panel.future_covariates.values.tolist()
    assert history.future_times(1)[:, 0].tolist() == future.starts.tolist()


@pytest.mark.parametrize(
    "at", ["2024-03-01", "2024-02-17", date(2024, 3, 1), pd.Timestamp(2024, 3, 1)]
)
def test_a_date_splits_every_series_there(at):
    panel = with_covariates(panel_of([4, 2]), beyond=1)
    history, future = panel.split(at)
    assert (history.lengths.tolist(), future.lengths.tolist()) == ([2, 2], [2, 0])
    assert future[0].tolist() == [2.0, 3.0]
    assert future.starts.astype("datetime64[D]").astype(str).tolist() == ["2024-03-01"] * 2
    assert history.equals(panel.until(2))


def test_a_date_is_one_of_the_zone_of_the_panel():
    panel = Panel.from_arrays([np.arange(4.0)], freq="D", starts="2026-03-28", tz="Europe/Berlin")
    history, future = panel.split("2026-03-30")
    assert (history.lengths.tolist(), future.lengths.tolist()) == ([2], [2])


def test_one_number_or_id_takes_one_series():
    panel = panel_of([2, 3])
    assert panel.take(1).ids.tolist() == panel.take("1").ids.tolist() == ["1"]
    assert panel.take(-2).ids.tolist() == ["0"]


def test_a_mask_takes_where_it_is_true():
    assert panel_of([2, 3, 4]).take([True, False, True]).lengths.tolist() == [2, 4]


def test_taking_all_in_order_copies_no_values():
    panel = panel_of([2, 3, 4])
    assert np.shares_memory(panel.take([0, 1, 2]).values, panel.values)


def test_until_keeps_what_was_asked_for():
    assert [list(series) for series in panel_of([3, 3]).until([0, 2])] == [[], [3.0, 4.0]]


def test_times_follow_each_series_from_its_start():
    panel = Panel.from_arrays([[1, 2], [1]], freq="YS", starts=["2020-01-01", "1999-01-01"])
    assert panel.times().astype("datetime64[Y]").astype(str).tolist() == ["2020", "2021", "1999"]


def test_equality_knows_values_times_and_covariates():
    panel = with_covariates(panel_of([3, 2]), 1)
    assert panel.equals(with_covariates(panel_of([3, 2]), 1))
    assert not panel.equals(panel_of([3, 2]))
    assert not panel_of([3, 2]).equals(panel_of([2, 3]))
    assert not panel.equals(panel.take([1, 0]))


def test_it_shows_its_size_and_not_its_values():
    assert repr(panel_of([3, 2])) == "Panel(2 series, 5 values, freq='MS')"
    told = "Panel(1 series, 3 values, freq='MS', past=p, future=f, static=s)"
    assert repr(with_covariates(panel_of([3]), 1)) == told


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Panel.from_arrays([[1, 2], ["a"]]), r"^Series '1' is not an array of numbers"),
        (lambda: Panel.from_arrays([[[1, 2]]]), r"^Series '0' has shape \(1, 2\); a series is 1-D"),
        (
            lambda: Panel.from_arrays([[1, np.inf]]),
            r"^Series '0' has inf at position 1\. Values are",
        ),
        (lambda: Panel.from_arrays([[1]], ids=["a", "b"]), r"^1 series need as many ids, got 2\.$"),
        (lambda: Panel.from_arrays([[1], [2]], ids=["a", "a"]), r"^Series id 'a' appears twice"),
        (
            lambda: Panel.from_arrays([[1]], ids=["a" * 300]),
            r"at most 256 characters, got one of 300",
        ),
        (
            lambda: Panel.from_arrays([[1]], freq="D", starts=["x"]),
            r"^starts\[0\]: 'x' is not a time\. Give",
        ),
        (lambda: Panel.from_arrays([[1]], starts=["2020-01-01"]), r"start at dates need freq="),
        (
            lambda: Panel.from_arrays([[1]], freq="D", starts=["NaT"]),
            r"^starts\[0\]: 'NaT' is not a time",
        ),
        (lambda: Panel.from_arrays([[1]], freq="D", starts=[0, 1]), r"^1 ids need as many starts"),
        (lambda: Panel.from_arrays([[1]], season_length=0), r"^season_length must be 1 or more"),
        (lambda: Panel.from_arrays([[1]], tz="Mars/Base"), r"^Unknown time zone 'Mars/Base'\. Use"),
        (lambda: panel_of([3]).until(4), r"^Series '0' has 3 points, cannot keep the first 4"),
        (lambda: panel_of([5, 3]).split(3), r"^Series '1' has 3 points; splitting off 3 needs 4"),
        (lambda: panel_of([5]).split(2.5), r"^split takes a whole number of points, or a date"),
        (lambda: panel_of([5]).split("1999-01-01"), r"'0' has no point before 1999-01-01\. Leave"),
        (lambda: Panel.from_arrays([[1, 2]]).split("x"), r"or a date where the times are dates"),
        (
            lambda: panel_of([5])[1:],
            r"^panel\[\.\.\.\] is one series, .* got slice\(1, None, None\)",
        ),
        (lambda: Panel.from_arrays([[1]], season_length="7"), r"one whole number, got '7'\.$"),
        (lambda: Panel.from_arrays(pd.DataFrame({"a": [1.0]})), r"read by Panel\.from_frame \("),
        (lambda: panel_of([5]).split(0), r"^horizon must be 1 or more to split, got 0\.$"),
        (lambda: Panel.from_arrays([[10**400]]), r"^Series '0' is not an array of numbers \(int"),
        (
            lambda: Panel.from_arrays([np.array([1j])]),
            r"^Series '0' .* \(got the dtype complex128\)",
        ),
        (
            lambda: Panel.from_arrays([pd.date_range("2024-01-01", periods=2)]),
            r"^Series '0' is not an array of numbers \(got the dtype datetime64",
        ),
        (
            lambda: Panel.from_arrays([[1]], freq=5),
            r"^freq must be a text such as 'min', .*, got 5",
        ),
        (lambda: panel_of([3]).until(1.5), r"^until takes one whole number, .* 1 series, got 1\.5"),
        (lambda: panel_of([3]).until([1, 1]), r"^until takes one whole number, or one for each of"),
        (
            lambda: panel_of([3]).last(-1),
            r"^last takes a whole number of points, 0 or more, got -1",
        ),
        (lambda: panel_of([3]).take([1]), r"^There is no series at position 1; there are 1\.$"),
        (lambda: panel_of([3]).take([-2]), r"^There is no series at position -2; there are 1\.$"),
        (lambda: panel_of([3]).take([0.5]), r"^Series are taken by whole numbers, a mask or ids"),
        (lambda: panel_of([3]).take([True, False]), r"^A mask has one entry for each of 1 series"),
        (
            lambda: panel_of([3]).extended([[1], [2]]),
            r"^New values need the shape \(1,\) or \(1, k",
        ),
        (lambda: panel_of([3]).extended([np.inf]), r"^New value 0 of series '0' is infinite\."),
        (
            lambda: Panel(np.array(["a"]), np.ones(2), np.array([1, 2]), np.zeros(1, np.int64)),
            r"^1 ids need 2 offsets from 0 to 2, got 2 with the ends \[1, 2\]\.$",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_value(build, message):
    with pytest.raises(DataError, match=message):
        build()


def test_covariates_must_fit_the_series():
    panel, values = panel_of([3, 2]), np.zeros((1, 5))
    with pytest.raises(DataError, match=r"^Covariates \('a', 'b'\) need values of shape"):
        Covariates(("a", "b"), values, panel.offsets)
    with pytest.raises(DataError, match=r"have 4 rows, but their offsets end at 5\.$"):
        Covariates(("a",), values[:, :4], panel.offsets)
    short = Covariates(("a",), values[:, :4], np.array([0, 2, 4]))
    with pytest.raises(DataError, match=r"^Past covariates of '0' have 2 rows, the series has 3"):
        Panel(panel.ids, panel.values, panel.offsets, panel.starts, past_covariates=short)
    with pytest.raises(DataError, match=r"^Future covariates of '0' have 2 rows.* for the horizon"):
        Panel(panel.ids, panel.values, panel.offsets, panel.starts, future_covariates=short)
    with pytest.raises(DataError, match=r"^static_covariates must be static in shape"):
        Panel(panel.ids, panel.values, panel.offsets, panel.starts, static_covariates=short)
    other = Covariates(("a",), np.zeros((3, 1)))
    with pytest.raises(DataError, match=r"^static_covariates have 3 series, the panel has 2\.$"):
        Panel(panel.ids, panel.values, panel.offsets, panel.starts, static_covariates=other)


def test_a_forecast_checks_its_shapes_and_knows_its_levels():
    times = panel_of([3, 2]).future_times(2)
    forecast = Forecast(
        np.array(["a", "b"]), times, np.zeros((2, 2)), np.ones((2, 2, 1)), (0.5,), freq="MS"
    )
    assert (len(forecast), forecast.horizon, forecast.quantile(0.5).tolist()) == (
        2,
        2,
        [[1, 1]] * 2,
    )
    with pytest.raises(DataError, match=r"^Quantile level 0\.9 is not in this forecast; it has"):
        forecast.quantile(0.9)
    with pytest.raises(DataError, match=r"^A forecast of 2 series and 2 quantile levels needs"):
        Forecast(forecast.ids, times, np.zeros((2, 2)), np.ones((2, 2, 1)), (0.1, 0.5))


def forecast_of(panel: Panel) -> Forecast:
    return seasonal_naive(panel, 3, (0.1, 0.25, 0.5, 0.75, 0.9))


def test_an_interval_lies_between_its_two_quantiles():
    forecast = forecast_of(panel_of([9, 5]))
    low, high = forecast.interval(0.8)
    assert (low == forecast.quantile(0.1)).all()
    assert (high == forecast.quantile(0.9)).all()
    assert (forecast.interval(0.5)[1] == forecast.quantile(0.75)).all()
    with pytest.raises(
        DataError, match=r"^An interval holds a share between 0 and 1, got 80; 80 %"
    ):
        forecast.interval(80)
    with pytest.raises(DataError, match=r"^Quantile level 0\.025 is not in this forecast"):
        forecast.interval(0.95)


def test_forecasts_are_taken_as_series_are():
    panel = panel_of([9, 5, 7])
    taken = forecast_of(panel).take(["2", "0"])
    alone = forecast_of(panel.take(["2", "0"]))
    assert taken.to_frame().equals(alone.to_frame())
    assert len(forecast_of(panel).take([True, False, False])) == 1
    with pytest.raises(DataError, match=r"^There is no series 'x'; the ids are '0', '1', '2'\.$"):
        forecast_of(panel).take(["x"])


def test_a_source_says_what_was_chosen():
    long = Source("long", "store", "day", ("sales",), ("price",), ("A note.",))
    assert long.describe() == (
        "Series by 'store': values from 'sales', times from 'day'. Not used: 'price'. A note."
    )
    wide = Source("wide", None, None, tuple(f"c{i}" for i in range(10)))
    assert wide.describe().endswith("'c7' and 2 more; rows as steps (no time column).")


def test_arrays_may_be_named_by_their_keys():
    panel = Panel.from_arrays({"b": [1.0, 2.0], "a": [3.0]}, freq="D", starts="2024-01-01")
    assert panel.ids.tolist() == ["b", "a"]
    assert panel["a"].tolist() == [3.0]
    assert panel.future_times(1).astype("datetime64[D]").astype(str).tolist() == [
        ["2024-01-03"],
        ["2024-01-02"],
    ]


def test_series_are_taken_by_id():
    panel = Panel.from_arrays({"b": [1.0, 2.0], "a": [3.0], "c": [4.0]})
    assert panel.take(["c", "b"]).ids.tolist() == ["c", "b"]
    assert panel.take("a").values.tolist() == [3.0]
    assert panel.take([]).ids.tolist() == []
    for look_up in (panel.__getitem__, panel.take):
        with pytest.raises(DataError, match=r"^There is no series 'd'; the ids are 'b', 'a', 'c'"):
            look_up("d")


def test_keys_and_ids_together_are_refused():
    with pytest.raises(DataError, match=r"named by their keys\. Leave out ids=\.$"):
        Panel.from_arrays({"a": [1.0]}, ids=["b"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            pd.DataFrame({"y": [1.0]}),
            r"got a DataFrame\. Make one: tcn\.Panel\.from_frame\(frame\)",
        ),
        (np.zeros(3), r"got a ndarray\. Make one: tcn\.Panel\.from_arrays\(\[values\]\)"),
    ],
)
@pytest.mark.parametrize(
    "call",
    [
        lambda given: Forecaster(None, None).predict(given, 3),
        lambda given: ForecastStream(Forecaster(None, None), given),
        fit,
        lambda given: backtest(seasonal_naive, given, horizon=1),
    ],
    ids=["predict", "stream", "fit", "backtest"],
)
def test_what_is_no_panel_is_refused_with_the_way_to_make_one(call, given, message):
    with pytest.raises(DataError, match=message):
        call(given)


def test_a_forecast_shows_its_size_and_not_its_values():
    forecast = seasonal_naive(panel_of([3, 2]), 4, (0.1, 0.5, 0.9))
    assert repr(forecast) == "Forecast(2 series, 4 steps, 3 quantile levels, freq='MS')"

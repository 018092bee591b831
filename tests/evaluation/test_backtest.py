"""A backtest shows a forecaster the past alone, and counts what it could not judge."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tcn.errors import ConfigError, DataError
from tcn.evaluation import backtest, baselines, metrics
from tcn.evaluation.measures import central_interval
from tcn.forecaster import Forecaster
from tcn.series import Covariates, Forecast, Panel

NAN = np.nan


def panel_of(n: int = 3, length: int = 40, **options) -> Panel:
    random = np.random.default_rng(0)
    arrays = [random.normal(size=length + i).cumsum() for i in range(n)]
    return Panel.from_arrays(arrays, ids=[f"s{i}" for i in range(n)], **options)


def oracle(full: Panel):
    """Knows the whole truth: gives each series' true continuation of the history it is shown."""

    def predict(panel, horizon, quantile_levels):
        rows = [full.ids.tolist().index(name) for name in panel.ids]
        lengths = panel.lengths
        mean = np.stack([full[r][n : n + horizon] for r, n in zip(rows, lengths, strict=True)])
        quantiles = np.repeat(mean[:, :, None], len(quantile_levels), axis=2)
        times = panel.future_times(horizon)
        return Forecast(panel.ids, times, mean, quantiles, quantile_levels)

    return predict


def test_a_forecaster_that_knows_the_future_has_no_error_so_windows_are_where_they_should_be():
    panel = panel_of(season_length=4)
    result = backtest(oracle(panel), panel, horizon=5, n_windows=4, step_size=3)
    assert result.n_windows == 4
    assert result.measures["forecaster"].mae == 0.0
    assert result.measures["forecaster"].mase == 0.0
    assert result.measures["seasonal_naive"].mae > 0.0


def test_a_forecaster_is_shown_nothing_after_the_cutoff():
    panel = panel_of(season_length=1)
    seen = []

    def predict(history, horizon, quantile_levels):
        seen.append(history)
        return baselines.naive(history, horizon, quantile_levels)

    result = backtest(predict, panel, horizon=4, n_windows=3, step_size=2)
    for history, held_back in zip(seen, (8, 6, 4), strict=True):
        assert history.lengths.tolist() == (panel.lengths - held_back).tolist()
        for i in range(len(panel)):
            np.testing.assert_array_equal(history[i], panel[i][:-held_back])
            assert not np.shares_memory(history.values, panel.values) or len(panel) == 1
    changed = replace(panel, values=panel.values.copy())
    for i in range(len(panel)):
        changed.values[panel.offsets[i + 1] - 4 : panel.offsets[i + 1]] = 1e9
    again = backtest(predict, changed, horizon=4, n_windows=1)
    np.testing.assert_array_equal(again.windows[0].forecast.mean, result.windows[2].forecast.mean)


def test_covariates_known_in_advance_end_with_the_horizon_and_past_ones_at_the_cutoff():
    lengths = np.array([20, 25])
    offsets = np.array([0, 20, 45])
    beyond = np.array([0, 30, 65])
    panel = Panel(
        ids=np.array(["a", "b"]),
        values=np.random.default_rng(0).normal(size=45),
        offsets=offsets,
        starts=np.zeros(2, np.int64),
        past_covariates=Covariates(("p",), np.arange(45.0)[None], offsets),
        future_covariates=Covariates(("f",), np.arange(65.0)[None], beyond),
        static_covariates=Covariates(("s",), np.array([[1.0], [2.0]])),
    )
    seen = []

    def predict(history, horizon, quantile_levels):
        seen.append(history)
        return baselines.naive(history, horizon, quantile_levels)

    backtest(predict, panel, horizon=3, n_windows=2, step_size=2)
    for history, held_back in zip(seen, (5, 3), strict=True):
        ends = lengths - held_back
        assert history.past_covariates.lengths.tolist() == ends.tolist()
        assert history.future_covariates.lengths.tolist() == (ends + 3).tolist()
        first = history.future_covariates[1]
        np.testing.assert_array_equal(first[0], 30.0 + np.arange(ends[1] + 3))
        assert history.static_covariates.values.tolist() == [[1.0], [2.0]]


def test_measures_over_windows_are_those_of_all_forecasts_together():
    panel = panel_of(season_length=3)
    values = panel.values.copy()
    values[panel.offsets[1] - 2] = NAN
    panel = replace(panel, values=values)
    result = backtest(baselines.drift, panel, horizon=6, n_windows=3)
    actual = np.concatenate([window.actual for window in result.windows])
    mean = np.concatenate([window.forecast.mean for window in result.windows])
    quantiles = np.concatenate([window.forecast.quantiles for window in result.windows])
    levels = result.windows[0].forecast.quantile_levels
    scale = np.concatenate(
        [metrics.seasonal_error(panel.until(panel.lengths - back), 3) for back in (18, 12, 6)]
    )
    found = result.measures["forecaster"]
    assert found == result.measures["drift"]
    assert found.mase == pytest.approx(metrics.mase(actual=actual, mean=mean, scale=scale))
    assert found.rmse == pytest.approx(metrics.rmse(actual=actual, mean=mean))
    assert found.smape == pytest.approx(metrics.smape(actual=actual, mean=mean))
    assert found.wql == pytest.approx(
        metrics.wql(actual=actual, quantiles=quantiles, quantile_levels=levels)
    )
    assert found.coverage == pytest.approx(
        metrics.coverage(actual=actual, lower=quantiles[:, :, 0], upper=quantiles[:, :, -1])
    )


def test_series_too_short_for_a_window_are_left_out_and_named():
    arrays = [np.arange(4.0), np.arange(30.0), np.arange(9.0), np.full(30, NAN)]
    panel = Panel.from_arrays(arrays, ids=["tiny", "long", "middle", "unknown"])
    result = backtest(baselines.naive, panel, horizon=3, n_windows=2)
    assert [window.forecast.ids.tolist() for window in result.windows] == [
        ["long", "middle"],
        ["long", "middle"],
    ]
    assert result.windows[0].left_out.tolist() == ["tiny", "unknown"]
    assert "Window 1 leaves out 2 series that are too short: tiny, unknown" in result.to_text()
    assert result.to_dict()["windows"][0]["n_left_out"] == 2


def test_series_with_nothing_known_before_or_after_the_cutoff_are_left_out():
    known = np.arange(9.0)
    ended, begun = np.r_[known[:6], [NAN] * 3], np.r_[[NAN] * 5, known[5:]]
    panel = Panel.from_arrays([known, ended, begun], ids=["whole", "ended", "begun"])
    (window,) = backtest(baselines.naive, panel, horizon=3, n_windows=1).windows
    assert window.left_out.tolist() == ["ended", "begun"]


def test_windows_may_be_one_point_apart_and_keep_what_is_no_baseline():
    panel = panel_of(season_length=1)
    result = backtest(oracle(panel), panel, horizon=2, n_windows=2, step_size=1)
    first, second = (window.actual for window in result.windows)
    np.testing.assert_array_equal(first[:, 1], second[:, 0])
    assert [list(window.forecasts) for window in result.windows] == [["forecaster"]] * 2


def test_windows_no_series_is_long_enough_for_are_skipped():
    panel = Panel.from_arrays([np.arange(8.0)])
    result = backtest(baselines.naive, panel, horizon=3, n_windows=5)
    assert result.n_windows == 2


def test_ratios_are_to_seasonal_naive():
    panel = panel_of(season_length=2)
    result = backtest(baselines.naive, panel, horizon=4)
    assert result.relative("seasonal_naive").mase == 1.0
    expected = result.measures["naive"].mae / result.measures["seasonal_naive"].mae
    assert result.relative("naive").mae == pytest.approx(expected)
    alone = backtest(baselines.naive, panel, horizon=4, baselines=())
    assert alone.relative() is None
    assert list(alone.measures) == ["forecaster"]


def test_the_season_length_given_is_used_and_shown_to_the_forecaster():
    panel = panel_of()
    seen = []

    def predict(history, horizon, quantile_levels):
        seen.append(history.season_length)
        return baselines.seasonal_naive(history, horizon, quantile_levels)

    result = backtest(predict, panel, horizon=4, season_length=7)
    assert seen == [7, 7, 7]
    assert result.measures["forecaster"] == result.measures["seasonal_naive"]


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_the_frame_has_a_row_for_each_forecast_point(kind):
    pytest.importorskip(kind)
    panel = panel_of(2, 20, freq="MS", starts=["2020-01-01", "2021-01-01"])
    result = backtest(
        baselines.naive, panel, horizon=3, n_windows=2, quantile_levels=(0.1, 0.5, 0.9)
    )
    frame = result.to_frame(kind)
    names = list(frame.column_names if kind == "pyarrow" else frame.columns)
    assert names == ["unique_id", "ds", "cutoff", "y", "mean", "q0.1", "q0.5", "q0.9"]
    assert len(frame) == 2 * 2 * 3
    if kind == "pandas":
        first = frame.iloc[0]
        assert str(first["cutoff"])[:10] == "2021-02-01"
        assert str(first["ds"])[:10] == "2021-03-01"
        assert first["y"] == panel[0][14]


def test_the_summary_is_json():
    result = backtest(baselines.naive, panel_of(1, 10), horizon=2, quantile_levels=(0.3,))
    summary = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert summary["measures"]["forecaster"]["coverage"] is None
    assert summary["n_windows"] == 3
    assert summary["windows"][0]["n_series"] == 1


def test_the_text_names_every_method_best_first():
    lines = backtest(oracle(panel_of()), panel_of(), horizon=5).to_text().splitlines()
    assert lines[0].split()[:3] == ["method", "MASE", "relative"]
    assert lines[1].startswith("forecaster")
    assert {line.split()[0] for line in lines[2:]} == {"seasonal_naive", "naive", "drift"}


def test_several_forecasters_stand_beside_each_other_each_as_if_alone():
    panel = panel_of(season_length=4)
    both = {"oracle": oracle(panel), "line": baselines.drift}
    result = backtest(both, panel, horizon=5, n_windows=2)
    assert list(result.measures) == ["oracle", "line", "seasonal_naive", "naive", "drift"]
    assert result.measures["line"] == result.measures["drift"]
    assert result.relative() == result.relative("oracle")
    alone = backtest(baselines.drift, panel, horizon=5, n_windows=2)
    assert result.to_frame(method="line").equals(alone.to_frame())
    assert result.to_frame().equals(result.to_frame(method="oracle"))
    with pytest.raises(DataError, match=r"^There is no method 'naive' here; use one of oracle, "):
        result.to_frame(method="naive")


@pytest.mark.parametrize(
    ("predict", "message"),
    [
        ({}, r"^No forecaster is given\."),
        ({"mine": 3}, r"got a int\. Pass forecaster\.predict, .* or several by name"),
        ({"drift": baselines.drift}, r"^'drift' is also a baseline\. Rename it"),
    ],
)
def test_forecasters_that_cannot_be_called_or_told_apart_are_refused(predict, message):
    with pytest.raises(ConfigError, match=message):
        backtest(predict, panel_of(), horizon=2)


def test_the_measures_of_a_series_are_those_of_a_backtest_of_it_alone():
    random = np.random.default_rng(3)
    arrays = [random.normal(size=n).cumsum() for n in (40, 12, 33)]
    arrays[2][-3] = NAN
    panel = Panel.from_arrays(arrays, ids=["b", "short", "a"], season_length=3)
    result = backtest(baselines.drift, panel, horizon=5, n_windows=3)
    frame = result.by_series("pandas").set_index("unique_id")
    assert set(frame.index) == set(panel.ids)
    for name in panel.ids.tolist():
        alone = backtest(baselines.drift, panel.take([name]), horizon=5, n_windows=3)
        expected = alone.measures["forecaster"].to_dict()
        assert frame.loc[name].to_dict() == pytest.approx(expected), name


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_a_series_that_never_changes_has_no_mase_but_other_measures(kind):
    pytest.importorskip(kind)
    panel = Panel.from_arrays([np.ones(30), np.arange(30.0)], ids=["flat", "line"])
    result = backtest(baselines.naive, panel, horizon=2, quantile_levels=(0.5,))
    frame = result.by_series(kind)
    columns = frame.to_pydict() if kind == "pyarrow" else frame.to_dict(*LISTS[kind])
    columns = {name: list(column) for name, column in columns.items()}
    assert columns["unique_id"] == ["flat", "line"]
    assert np.isnan(columns["mase"][0])
    assert columns["mase"][1] == pytest.approx(1.5)
    assert columns["mae"] == pytest.approx([0.0, 1.5])
    assert np.isnan(columns["coverage"]).all()


LISTS = {"pandas": ["list"], "polars": []}


def test_a_result_is_printed_as_its_table_and_shown_in_a_line():
    result = backtest(baselines.naive, panel_of(), horizon=2, n_windows=2)
    assert str(result) == result.to_text()
    methods = "forecaster, seasonal_naive, naive, drift"
    assert repr(result) == f"BacktestResult(horizon=2, 2 windows: {methods})"


def test_progress_counts_windows():
    calls = []
    backtest(
        baselines.naive,
        panel_of(),
        horizon=2,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"horizon": 0}, r"horizon must be 1 or more, got 0\."),
        ({"horizon": 2, "n_windows": 0}, r"n_windows must be from 1 to 1000, got 0\."),
        ({"horizon": 2, "n_windows": 10**9}, r"n_windows must be from 1 to 1000, got 1000000000\."),
        ({"horizon": 2, "step_size": 0}, r"step_size must be 1 or more, got 0\."),
        ({"horizon": 99}, r"the longest of 3 has 42 points, and a window of horizon 99 needs 101"),
        ({"horizon": 2, "baselines": ("magic",)}, r"Unknown baseline 'magic'"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(DataError, match=message):
        backtest(baselines.naive, panel_of(), **options)


def test_a_forecast_that_is_not_finite_or_of_other_series_is_refused():
    def broken(panel, horizon, quantile_levels):
        forecast = baselines.naive(panel, horizon, quantile_levels)
        forecast.quantiles[1, 0, 0] = NAN
        return forecast

    def shuffled(panel, horizon, quantile_levels):
        return baselines.naive(panel.take([2, 1, 0]), horizon, quantile_levels)

    with pytest.raises(
        DataError, match=r"'forecaster' for series 's1' has NaN .* \(1 of 3 series\)"
    ):
        backtest(broken, panel_of(), horizon=2)
    with pytest.raises(DataError, match=r"for the same series in the same order"):
        backtest(shuffled, panel_of(), horizon=2)


def test_the_interval_measured_is_the_widest_up_to_eighty_percent():
    assert central_interval((0.05, 0.1, 0.5, 0.9, 0.95)) == (0.1, 0.9)
    assert central_interval((0.25, 0.5, 0.75)) == (0.25, 0.75)
    assert central_interval((0.1, 0.5)) is None


def test_a_forecaster_in_place_of_its_function_is_told_which_to_pass():
    with pytest.raises(ConfigError, match=r"got a Forecaster\. Pass forecaster\.predict, a base"):
        backtest(Forecaster(None, None), Panel.from_arrays([np.arange(9.0)]), horizon=2)

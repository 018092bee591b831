"""Baselines forecast what they say, for any panel, with intervals that cover."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcn.errors import ConfigError, DataError
from tcn.evaluation import baselines, metrics, statistical
from tcn.evaluation.baselines import BASELINES, drift, naive, seasonal_naive
from tcn.series import Panel

LEVELS = (0.1, 0.5, 0.9)
NAN = np.nan


def loop_seasonal_naive(values, horizon, m):
    """Walk back from each step by whole seasons to a known value."""
    known = [v for v in values if not np.isnan(v)]
    answer = []
    for step in range(horizon):
        at = len(values) + step
        while at >= 0 and (at >= len(values) or np.isnan(values[at])):
            at -= m
        answer.append(values[at] if at >= 0 else known[-1])
    return answer


@settings(derandomize=True, max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    season=st.integers(1, 9),
    horizon=st.integers(1, 20),
    n=st.integers(1, 5),
)
def test_seasonal_naive_equals_a_plain_loop(seed, season, horizon, n):
    random = np.random.default_rng(seed)
    arrays = [random.normal(size=random.integers(1, 30)) for _ in range(n)]
    for array in arrays:
        array[random.random(len(array)) < 0.3] = NAN
        array[random.integers(len(array))] = 1.0
    panel = Panel.from_arrays(arrays, season_length=season)
    forecast = seasonal_naive(panel, horizon, LEVELS)
    expected = [loop_seasonal_naive(array, horizon, season) for array in arrays]
    np.testing.assert_array_equal(forecast.mean, expected)


def test_naive_and_drift_by_hand():
    panel = Panel.from_arrays([[1.0, 4.0, NAN, 7.0, NAN], [2.0]])
    np.testing.assert_array_equal(naive(panel, 2).mean, [[7.0, 7.0], [2.0, 2.0]])
    np.testing.assert_allclose(drift(panel, 2).mean, [[11.0, 13.0], [2.0, 2.0]])


@pytest.mark.parametrize("name", BASELINES)
def test_a_long_gap_before_the_forecast_leaves_the_last_known_values(name):
    random = np.random.default_rng(2)
    gap = np.full(700, NAN)
    values = random.normal(size=60).cumsum()
    panel = Panel.from_arrays([np.r_[values, gap], np.arange(760.0)], season_length=7)
    forecast = BASELINES[name](panel, 14, LEVELS)
    later = BASELINES[name](Panel.from_arrays([values], season_length=7), 714, LEVELS)
    np.testing.assert_allclose(forecast.mean[0], later.mean[0, 700:])
    assert np.isfinite(forecast.quantiles).all()


@pytest.mark.parametrize("name", BASELINES)
def test_quantiles_ascend_widen_and_centre_on_the_forecast(name):
    random = np.random.default_rng(1)
    panel = Panel.from_arrays(
        [random.normal(size=n).cumsum() for n in (5, 40, 300)], season_length=4
    )
    forecast = BASELINES[name](panel, 25, (0.05, 0.2, 0.5, 0.8, 0.95))
    assert (np.diff(forecast.quantiles, axis=2) >= 0).all()
    np.testing.assert_array_equal(forecast.quantile(0.5), forecast.mean)
    width = forecast.quantile(0.95) - forecast.quantile(0.05)
    assert (np.diff(width, axis=1) > -1e-9).all()
    assert (width[:, -1] > width[:, 0]).all()


@pytest.mark.parametrize("name", BASELINES)
def test_intervals_cover_a_random_walk(name):
    random = np.random.default_rng(2)
    walks = random.normal(size=(400, 132)).cumsum(axis=1)
    panel = Panel.from_arrays(list(walks[:, :120]), season_length=1)
    forecast = BASELINES[name](panel, 12, LEVELS)
    covered = metrics.coverage(
        actual=walks[:, 120:], lower=forecast.quantile(0.1), upper=forecast.quantile(0.9)
    )
    assert 0.74 < covered < 0.86


def test_a_scaled_and_shifted_series_gets_a_scaled_and_shifted_forecast():
    values = np.random.default_rng(3).normal(size=50)
    panel = Panel.from_arrays([values, 1000 * values + 7], season_length=5)
    for predict in BASELINES.values():
        forecast = predict(panel, 9, LEVELS)
        np.testing.assert_allclose(
            forecast.quantiles[1], 1000 * forecast.quantiles[0] + 7, rtol=1e-9
        )


def test_each_series_is_forecast_as_if_alone(monkeypatch):
    random = np.random.default_rng(4)
    arrays = [random.normal(size=n) for n in (3, 700, 20, 20)]
    panel = Panel.from_arrays(arrays, season_length=4)
    whole = {name: predict(panel, 6, LEVELS) for name, predict in BASELINES.items()}
    monkeypatch.setattr(baselines, "_CHUNK_POINTS", 1)
    for name, predict in BASELINES.items():
        chunked = predict(panel, 6, LEVELS)
        np.testing.assert_array_equal(chunked.quantiles, whole[name].quantiles)
        for i in range(len(panel)):
            alone = predict(panel.take([i]), 6, LEVELS)
            np.testing.assert_allclose(alone.quantiles[0], whole[name].quantiles[i], rtol=1e-12)


def test_a_forecast_carries_ids_times_and_levels():
    panel = Panel.from_arrays([[1.0, 2.0]], freq="D", ids=["shop"], starts=["2024-02-28"])
    forecast = naive(panel, 2, (0.25, 0.75))
    assert forecast.ids.tolist() == ["shop"]
    days = forecast.times.astype("datetime64[D]").astype(str)
    assert days.tolist() == [["2024-03-01", "2024-03-02"]]
    assert forecast.quantile_levels == (0.25, 0.75)


def test_the_season_is_the_given_one_then_the_panels_then_the_frequencys():
    panel = Panel.from_arrays([np.arange(30.0)], freq="MS", starts=["2020-01-01"])
    assert baselines.seasons_for(panel).tolist() == [12]
    assert baselines.seasons_for(panel, 3).tolist() == [3]
    assert seasonal_naive(panel, 1).mean[0, 0] == 18.0
    bare = Panel.from_arrays([np.tile([1.0, 5.0, 2.0, 9.0], 10)])
    assert baselines.seasons_for(bare).tolist() == [4], "found in the values"
    assert seasonal_naive(panel, 1, season_length=[4]).mean[0, 0] == 26.0


def test_bad_requests_are_named():
    panel = Panel.from_arrays([[1.0], [NAN, NAN]], ids=["a", "empty"])
    with pytest.raises(DataError, match=r"Series 'empty' has no known value; nothing can be"):
        naive(panel, 1)
    with pytest.raises(DataError, match=r"horizon must be 1 or more, got 0\."):
        naive(panel, 0)
    with pytest.raises(DataError, match=r"strictly between 0 and 1, got 1\.0\."):
        naive(panel, 1, (0.5, 1.0))
    with pytest.raises(DataError, match=r"season_length must be 1 or more, got 0\."):
        seasonal_naive(panel, 1, season_length=0)
    with pytest.raises(DataError, match=r"Unknown baseline 'magic'\. Known are seasonal_naive, na"):
        baselines.named_baseline("magic")


@pytest.mark.parametrize("name", statistical.STATISTICAL)
def test_statistical_models_continue_a_clear_pattern(name):
    pytest.importorskip("statsforecast")
    season = np.array([10.0, 20.0, 30.0, 20.0])
    values = np.tile(season, 12) + np.random.default_rng(5).normal(0, 0.3, 48)
    values[10] = NAN
    cut = values.copy()
    cut[-1] = NAN
    panel = Panel.from_arrays([values, cut, [3.0]], season_length=4)
    forecast = statistical.STATISTICAL[name](panel, 4, LEVELS)
    np.testing.assert_allclose(forecast.mean[:2], [season, season], atol=2.0)
    assert (np.diff(forecast.quantiles, axis=2) >= 0).all()
    assert forecast.mean[2].tolist() == [3.0] * 4, "too short to fit: seasonal naive"


def test_without_statsforecast_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "statsforecast", None)
    with pytest.raises(ConfigError, match=r"need statsforecast, which is not installed\."):
        statistical.auto_ets(Panel.from_arrays([[1.0, 2.0]]), 1)

"""What the bundled model must do on series whose future is known."""

import numpy as np
import pytest

import tcn
from tcn.forecaster import Forecaster


@pytest.fixture(scope="module")
def zero() -> Forecaster:
    return tcn.load("zero")


def forecast(zero, series, horizon, **options):
    panel = tcn.Panel.from_arrays([np.asarray(series, dtype=np.float64)])
    return zero.predict(panel, horizon, **options)


@pytest.mark.parametrize("level", [0.0, 1.0, -3.5, 1e-9, 1e12])
def test_a_constant_series_stays_constant(zero, level):
    answer = forecast(zero, np.full(40, level), 30)
    np.testing.assert_allclose(answer.mean, level, rtol=1e-9, atol=0)
    np.testing.assert_allclose(answer.quantiles, level, rtol=1e-9, atol=0)


@pytest.mark.parametrize("period", [3, 4, 5, 7, 9, 12, 17, 24, 30, 48, 52, 60, 96, 121, 168])
def test_a_sine_seen_four_times_is_continued(zero, period):
    time = np.arange(5 * period)
    wave = 5.0 + np.sin(2 * np.pi * time / period + 0.7)
    answer = forecast(zero, wave[: 4 * period], period)
    assert np.abs(answer.quantile(0.5)[0] - wave[4 * period :]).mean() < 0.2


@pytest.mark.parametrize("start", [10.0, 1000.0, -50.0])
@pytest.mark.parametrize("length", [16, 20, 60, 200])
@pytest.mark.parametrize("slope", [1.0, -2.0])
def test_a_straight_line_is_continued(zero, start, length, slope):
    line = start + slope * np.arange(length + 12)
    answer = forecast(zero, line[:length], 12)
    assert np.abs(answer.quantile(0.5)[0] - line[length:]).max() < 0.25 * 12 * abs(slope)


def test_the_interval_of_a_random_walk_grows_like_the_square_root(zero):
    rng = np.random.default_rng(0)
    walks = rng.standard_normal((50, 300)).cumsum(axis=1)
    answer = zero.predict(tcn.Panel.from_arrays(list(walks), season_length=1), 64)
    width = (answer.quantile(0.9) - answer.quantile(0.1)).mean(axis=0)
    exponent = np.log(width[63] / width[3]) / np.log(64 / 4)
    assert 0.35 < exponent < 0.65
    assert 0.7 < width[0] / 2.563 < 1.4


@pytest.mark.parametrize(("factor", "shift"), [(3.0, 0.0), (1.0, 50.0), (0.01, -7.0), (1e6, 20.0)])
def test_a_forecast_follows_a_change_of_units(zero, factor, shift):
    rng = np.random.default_rng(1)
    season = np.sin(2 * np.pi * np.arange(120) / 12)
    series = rng.standard_normal(120) + 2 * season - 100.0
    plain = forecast(zero, series, 24, season_length=12)
    changed = forecast(zero, factor * series + shift * factor, 24, season_length=12)
    spread = np.ptp(plain.quantiles) * factor
    expected = factor * plain.quantiles + shift * factor
    assert np.abs(changed.quantiles - expected).max() < 1e-3 * spread


@pytest.mark.parametrize(
    ("growth", "amplitude"), [(0.02, 3.0), (0.0, 3.0), (0.0, 6.0)], ids=["growing", "flat", "high"]
)
def test_rolled_to_ten_times_the_trained_horizon_it_beats_the_seasonal_naive(
    zero, growth, amplitude
):
    rng = np.random.default_rng(2)
    time = np.arange(480 + 1920)
    base = 50 + growth * time + amplitude * np.sin(2 * np.pi * time / 24)
    series = base + rng.standard_normal((4, len(time)))
    history, future = series[:, :480], series[:, 480:]
    answer = zero.predict(tcn.Panel.from_arrays(list(history), season_length=24), 1920)
    loss = np.mean(
        [
            np.maximum(q * (future - answer.quantile(q)), (q - 1) * (future - answer.quantile(q)))
            for q in answer.quantile_levels
        ]
    )
    naive = np.resize(history[:, -24:].T, (1920, 4)).T
    assert 2 * loss < np.abs(future - naive).mean()
    inside = (answer.quantile(0.1) <= future) & (future <= answer.quantile(0.9))
    assert inside.mean() >= 0.70


@pytest.mark.parametrize("values", [[5.0], [1.0, 2.0], [3.0, 3.0, 4.0]])
def test_one_two_and_three_points_get_a_sensible_answer(zero, values):
    answer = forecast(zero, values, 6)
    reach = 10 * max(np.ptp(values), 0.3 * max(values))
    assert np.all(np.abs(answer.quantiles - values[-1]) < reach)
    assert np.all(np.diff(answer.quantiles, axis=-1) >= 0)


def test_no_quantile_of_a_non_negative_series_is_negative(zero):
    rng = np.random.default_rng(3)
    answer = forecast(zero, rng.poisson(0.3, 90), 30, quantile_levels=(0.01, 0.5, 0.99))
    assert answer.quantiles.min() >= 0.0
    assert answer.mean.min() >= 0.0


def test_half_of_the_values_may_be_missing(zero):
    time = np.arange(132)
    wave = 100 + 10 * np.sin(2 * np.pi * time / 12)
    gaps = np.where(np.random.default_rng(4).random(120) < 0.5, np.nan, wave[:120])
    answer = forecast(zero, gaps, 12, season_length=12)
    assert np.abs(answer.quantile(0.5)[0] - wave[120:]).mean() < 4.0

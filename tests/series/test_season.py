"""Seasons found in bare values."""

import numpy as np
import pytest

from tcn.errors import DataError
from tcn.series import Panel, detect_season, detect_seasons, seasons_of

PERIODS = (3, 4, 5, 6, 7, 10, 12, 24, 30, 48, 52, 96, 168)


def sine(period: int, n: int, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.sin(2 * np.pi * np.arange(n) / period + 1) + noise * rng.normal(size=n)


@pytest.mark.parametrize("period", PERIODS)
def test_a_sine_shows_its_period(period):
    assert detect_season(sine(period, 3 * period + 10)) == period


@pytest.mark.parametrize("period", PERIODS)
def test_noise_and_trend_do_not_hide_it(period):
    n = 10 * period
    assert detect_season(sine(period, n, noise=0.1) + 0.05 * np.arange(n)) == period


@pytest.mark.parametrize("period", PERIODS)
def test_missing_values_do_not_hide_it(period):
    values = sine(period, 10 * period)
    values[np.random.default_rng(1).random(len(values)) < 0.2] = np.nan
    assert detect_season(values) == period


@pytest.mark.parametrize("period", [7, 12, 24])
def test_scale_and_level_do_not_matter(period):
    assert detect_season(1e9 + 1e-3 * sine(period, 80)) == period
    assert detect_season(-1e12 * sine(period, 80)) == period


@pytest.mark.parametrize("spike", [7, 12, 52])
def test_a_single_spike_a_cycle_is_a_season(spike):
    rng = np.random.default_rng(0)
    assert (
        detect_season((np.arange(6 * spike) % spike == 3) + 0.05 * rng.normal(size=6 * spike))
        == spike
    )


@pytest.mark.parametrize(
    "values",
    [
        [], [1.0], [1.0] * 100, np.arange(100.0), np.exp(np.arange(60) / 10), np.full(50, np.nan),
        np.arange(200.0) ** 2, np.r_[np.zeros(50), np.ones(50)], [1e308, -1e308] + [0.0] * 3,
    ],
)  # fmt: skip
def test_there_is_none_in_constants_trends_and_steps(values):
    assert detect_season(values) == 1


def share_without(walks: list[np.ndarray]) -> float:
    return float(np.mean(detect_seasons(Panel.from_arrays(walks)) == 1))


def test_slow_walks_have_none_and_noise_and_walks_mostly_none():
    rng = np.random.default_rng(0)
    noise = [rng.normal(size=n) for n in rng.integers(20, 400, 200)]
    assert share_without([x.cumsum().cumsum() for x in noise]) > 0.97
    assert share_without([x.cumsum() for x in noise]) > 0.75
    assert share_without(noise) > 0.6


def test_a_batch_of_unequal_series_gives_what_each_gives_alone():
    rng = np.random.default_rng(0)
    series = [sine(int(rng.choice(PERIODS)), int(n), 0.3, int(n)) for n in rng.integers(1, 900, 60)]
    together = detect_seasons(Panel.from_arrays(series))
    assert together.tolist() == [detect_season(values) for values in series]


def test_what_is_given_comes_before_the_frequency_and_this_before_the_values():
    values = sine(7, 70)
    assert seasons_of(Panel.from_arrays([values])).tolist() == [7]
    assert seasons_of(Panel.from_arrays([values], freq="10")).tolist() == [7]
    assert seasons_of(Panel.from_arrays([values], freq="MS")).tolist() == [12]
    assert seasons_of(Panel.from_arrays([values], freq="YS")).tolist() == [1]
    assert seasons_of(Panel.from_arrays([values], freq="MS", season_length=3)).tolist() == [3]
    assert seasons_of(Panel.from_arrays([values] * 2, freq="MS"), season_length=5).tolist() == [
        5,
        5,
    ]
    with pytest.raises(DataError, match=r"^season_length must be 1 or more, got 0\.$"):
        seasons_of(Panel.from_arrays([values]), season_length=0)

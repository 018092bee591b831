"""Seasons found in bare values."""

from dataclasses import replace

import numpy as np
import pytest

from tcn.errors import DataError
from tcn.series import Panel, detect_season, detect_seasons, seasons_of
from tcn.series.season import cycles_of

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
    assert detect_season(1.7e308 * sine(period, 80)) == period
    both = Panel.from_arrays([1.7e308 * sine(period, 80), 1e-300 * sine(period, 80)])
    assert detect_seasons(both).tolist() == [period, period]


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


def hours_of(weekend: float, n_weeks: int = 5, noise: float = 1.0, seed: int = 0):
    """Hourly values with a daily cycle, whose weekends lie elsewhere."""
    hours = np.arange(24 * 7 * n_weeks)
    level = np.where(hours // 24 % 7 >= 5, weekend, 0.0)
    random = np.random.default_rng(seed)
    return 10 * np.sin(2 * np.pi * hours / 24) + level + noise * random.normal(size=len(hours))


def test_the_cycle_is_a_week_where_weeks_are_more_alike_than_days():
    arrays = [hours_of(20), hours_of(0), hours_of(20, n_weeks=2)[:-1], hours_of(20, n_weeks=2)]
    arrays[0][[5, 400]] = np.nan
    panel = Panel.from_arrays(arrays, freq="h")
    assert cycles_of(panel).tolist() == [168, 24, 24, 168]
    assert cycles_of(panel, newest=335).tolist() == [24, 24, 24, 24]
    assert cycles_of(panel, 24).tolist() == [24] * 4
    assert seasons_of(panel).tolist() == [24] * 4
    assert cycles_of(replace(panel, freq=None, season_length=24)).tolist() == [168, 24, 24, 168]
    assert cycles_of(replace(panel, season_length=168)).tolist() == [168] * 4
    assert cycles_of(Panel.from_arrays([arrays[0]], freq="D")).tolist() == [7]


def test_changes_beyond_what_floats_hold_are_no_week():
    alternating = np.tile([1.7e308, -1.7e308], 24 * 14)
    panel = Panel.from_arrays([alternating], freq="h", starts="2024-01-01")
    assert cycles_of(panel).tolist() == [24]


def test_series_are_compared_alone_and_in_parts_alike(monkeypatch):
    arrays = [hours_of(4 * i, seed=i) * 10.0 ** (5 * i - 20) for i in range(8)]
    panel = Panel.from_arrays(arrays, freq="h")
    whole = cycles_of(panel)
    assert len(set(whole.tolist())) == 2
    monkeypatch.setattr("tcn.series.season.VALUES_AT_ONCE", 1000)
    assert cycles_of(panel).tolist() == whole.tolist()
    assert [cycles_of(panel.take([i]))[0] for i in range(8)] == whole.tolist()


def test_what_never_changes_has_days():
    assert cycles_of(Panel.from_arrays([np.ones(400)], freq="h")).tolist() == [24]

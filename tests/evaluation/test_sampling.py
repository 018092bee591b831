"""Sample paths keep the quantiles of every step, and hang together as past errors did."""

import json
from dataclasses import replace
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tcn
from tcn.errors import ConfigError, DataError
from tcn.evaluation import naive, sample_paths
from tcn.evaluation.sampling import LEVELS
from tcn.series import Forecast, Panel

HORIZON = 8
K = 200


def standard_normal(history, horizon, quantile_levels):
    """The right forecast, step by step, of values that are standard normal."""
    quantiles = np.array([NormalDist().inv_cdf(level) for level in quantile_levels])
    shape = (len(history), horizon)
    return Forecast(
        ids=history.ids,
        times=history.future_times(horizon),
        mean=np.zeros(shape),
        quantiles=np.broadcast_to(quantiles, (*shape, len(quantiles))),
        quantile_levels=tuple(quantile_levels),
    )


def panel_of(values: np.ndarray) -> Panel:
    return Panel.from_arrays(list(values), season_length=1)


def spread_of_totals(values: np.ndarray) -> float:
    """Standard deviation of the totals, by that of one step."""
    paths = sample_paths(standard_normal, panel_of(values), HORIZON, K)
    return float(paths.values.sum(axis=2).std(axis=1).mean() / paths.values.std(axis=1).mean())


def test_totals_of_independent_steps_spread_by_the_root_of_their_number():
    values = np.random.default_rng(0).normal(size=(50, 40 * HORIZON))
    assert spread_of_totals(values) == pytest.approx(HORIZON**0.5, rel=0.05)


def test_totals_of_steps_that_err_together_spread_by_their_number():
    levels = np.random.default_rng(0).normal(size=(200, 40))
    ends_with_a_block = levels.repeat(HORIZON, axis=1)
    assert spread_of_totals(ends_with_a_block) == pytest.approx(HORIZON, rel=0.02)


def test_totals_of_steps_that_err_apart_cancel():
    rng = np.random.default_rng(0)
    first = rng.normal(size=(200, 20 * HORIZON))
    first[:, 1::2] = -first[:, ::2]
    assert spread_of_totals(first) < 0.3


def test_the_intervals_of_totals_hold_what_they_say_where_errors_persist():
    rng = np.random.default_rng(1)
    values = rng.normal(size=(400, 200))
    for t in range(1, 200):  # standard normal at each step, and like the one before
        values[:, t] = 0.8 * values[:, t - 1] + 0.6 * values[:, t]
    history, future = panel_of(values).split(HORIZON)
    low, high = sample_paths(standard_normal, history, HORIZON, K).total((0.1, 0.9)).T
    total = future.values.reshape(400, HORIZON).sum(axis=1)
    assert 0.75 < ((low <= total) & (total <= high)).mean() < 0.85


@settings(max_examples=10)
@given(st.lists(st.integers(20, 60), min_size=1, max_size=4), st.integers(1, 6), st.integers(2, 40))
def test_every_step_keeps_the_quantiles_of_the_forecast(lengths, horizon, n_paths):
    rng = np.random.default_rng(sum(lengths))
    panel = Panel.from_arrays([rng.normal(size=n).cumsum() for n in lengths])
    paths = sample_paths(naive, panel, horizon, n_paths)
    assert paths.values.shape == (len(lengths), n_paths, horizon)
    quantiles = naive(panel, horizon, LEVELS).quantiles
    knots = [NormalDist().inv_cdf(level) for level in LEVELS]
    middles = [NormalDist().inv_cdf((k + 0.5) / n_paths) for k in range(n_paths)]
    for i in range(len(lengths)):
        for step in range(horizon):
            expected = np.interp(middles, knots, quantiles[i, step])
            np.testing.assert_allclose(np.sort(paths.values[i, :, step]), expected)


def test_paths_are_those_of_their_seed():
    panel = panel_of(np.random.default_rng(0).normal(size=(3, 60)))
    first = sample_paths(naive, panel, 4, 20)
    assert np.array_equal(first.values, sample_paths(naive, panel, 4, 20).values)
    assert not np.array_equal(first.values, sample_paths(naive, panel, 4, 20, seed=1).values)


def test_paths_of_different_series_are_drawn_apart():
    levels = np.random.default_rng(0).normal(size=(2, 400)).repeat(HORIZON, axis=1)
    first, second = sample_paths(standard_normal, panel_of(levels), HORIZON, K).values.sum(axis=2)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.3


def test_one_window_of_the_past_makes_wide_totals_and_not_narrow_ones():
    values = np.random.default_rng(0).normal(size=(1, HORIZON + 2))
    assert spread_of_totals(values) == pytest.approx(HORIZON, rel=0.02)


def test_series_that_never_move_do_not_loosen_the_steps_of_others():
    def flat_where_dead(history, horizon, quantile_levels):
        forecast = standard_normal(history, horizon, quantile_levels)
        is_alive = np.array([len(set(values)) > 1 for values in history])
        return replace(forecast, quantiles=forecast.quantiles * is_alive[:, None, None])

    levels = np.random.default_rng(0).normal(size=(200, 40))
    levels[50:] = 0.0
    panel = panel_of(levels.repeat(HORIZON, axis=1))
    paths = sample_paths(flat_where_dead, panel, HORIZON, K).values
    spread = paths[:50].sum(axis=2).std(axis=1) / paths[:50].std(axis=1).mean(axis=1)
    assert spread.mean() == pytest.approx(HORIZON, rel=0.02)
    assert (paths[50:] == 0.0).all()
    dead = sample_paths(flat_where_dead, panel.take(range(60, 70)), HORIZON, K)
    assert (dead.values == 0.0).all()


def test_windows_with_missing_values_tell_nothing():
    rng = np.random.default_rng(0)
    holed = rng.normal(size=(40, 30 * HORIZON))
    whole = holed.copy()
    holed[:20, ::3] = np.nan
    found = sample_paths(standard_normal, panel_of(holed), HORIZON, K)
    assert np.isfinite(found.values).all()
    whole[:, ::3] = np.nan
    with pytest.raises(DataError, match=r"^No window of 8 steps of the past is without missing"):
        sample_paths(standard_normal, panel_of(whole), HORIZON, K)


def test_counts_with_many_zeros_have_paths_that_are_never_negative():
    counts = np.random.default_rng(0).poisson(0.3, (30, 120)).astype(float)
    paths = sample_paths(tcn.load("zero").predict, panel_of(counts), 7, 50)
    assert (paths.values >= 0.0).all()
    low, high = paths.total((0.05, 0.95)).T
    assert (low <= high).all()


def test_paths_go_into_a_frame_with_their_stamps():
    panel = tcn.read_csv("data/air_passengers.csv")
    done = []
    paths = tcn.sample_paths(naive, panel, 3, 5, progress=lambda *numbers: done.append(numbers))
    frame = paths.to_frame()
    assert list(frame) == ["unique_id", "ds", "path", "y"]
    assert frame["path"].tolist() == np.arange(5).repeat(3).tolist()
    assert frame["ds"].astype(str).tolist() == ["1961-01-01", "1961-02-01", "1961-03-01"] * 5
    np.testing.assert_array_equal(frame["y"], paths.values.ravel())
    assert repr(paths) == "SamplePaths(1 series, 5 paths, 3 steps, freq='MS')"
    assert len(paths) == 1
    assert done[-1][0] == done[-1][1]


def test_what_cannot_be_drawn_is_refused_with_a_sentence():
    panel = panel_of(np.arange(20.0)[None])
    with pytest.raises(ConfigError, match=r"^n_paths must be from 2 to 10,000, got 1\.$"):
        sample_paths(naive, panel, 4, 1)
    with pytest.raises(DataError, match=r"^No series is long enough to tell how 20 st"):
        sample_paths(naive, panel, 20, 10)
    with pytest.raises(ConfigError, match=r"^quantile_levels must"):
        sample_paths(naive, panel, 2, 10).total((0.5, 2.0))


def test_the_page_quotes_the_coverage_that_was_measured():
    root = Path(__file__).parents[2]
    result = json.loads((root / "benchmarks" / "results" / "totals.json").read_text())
    page = (root / "docs" / "evaluation.md").read_text().split("## Totals")[1].split("\n## ")[0]
    rows = [line.split(" | ")[1:] for line in page.splitlines() if line.endswith(" % |")]
    columns = ("steps", "paths 0.8", "paths 0.9", "independent 0.8", "together 0.8")
    expected = [
        [f"{found['n_totals']:,}", *(f"{100 * found[column]:.0f} %" for column in columns)]
        for name, found in result.items()
        if name not in ("date", "n_paths")
    ]
    assert [[cell.removesuffix(" |") for cell in row] for row in rows] == expected

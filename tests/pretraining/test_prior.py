"""Synthetic series: finite, of the right shape, and a function of their generator alone."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tcn.pretraining.prior import FAMILIES, sample_series
from tcn.pretraining.prior.disturbances import saturate
from tcn.pretraining.prior.families import (
    Traits,
    bursts,
    exact,
    family_shares,
    regimes,
    settled,
)
from tcn.pretraining.prior.seasons import day_shapes, outer_levels, outer_starts, steady_pattern

CYCLES = np.array([1, 4, 7, 12, 1, 5])


def traits(length: int) -> Traits:
    season = np.minimum(CYCLES, length // 3)
    return Traits(season, np.linspace(0.0, 0.6, len(season)))


@pytest.mark.parametrize("length", [20, 97])
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_each_family_is_finite_of_its_shape_and_reproducible(family, length):
    first = family(np.random.default_rng(1), traits(length), length)
    second = family(np.random.default_rng(1), traits(length), length)
    other = family(np.random.default_rng(2), traits(length), length)
    assert first.shape == (len(CYCLES), length)
    assert first.dtype == np.float64
    assert np.isfinite(first).all()
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)
    assert (np.ptp(first, axis=1) > 0).mean() > 0.5


def test_shares_of_the_families_sum_to_one():
    assert sum(FAMILIES.values()) == pytest.approx(1.0)
    assert sum(family_shares(512)) == pytest.approx(1.0)


def test_long_series_are_settled_more_often_than_short_ones():
    place = list(FAMILIES).index(settled)
    assert family_shares(512)[place] > 3 * family_shares(60)[place]


def test_the_page_of_the_prior_shows_every_family_with_its_share():
    page = (Path(__file__).parents[2] / "docs" / "prior.md").read_text()
    for family, share, of_long in zip(FAMILIES, family_shares(50), family_shares(512), strict=True):
        assert f"| `{family.__name__}` | {100 * share:.0f} % | {100 * of_long:.0f} % |" in page
        assert f"images/prior_{family.__name__}.png" in page


def test_settled_series_neither_grow_nor_spread():
    several = Traits(np.full(400, 24), np.full(400, 0.5))
    values = settled(np.random.default_rng(0), several, 960)
    early, late = values[:, :480], values[:, 480:]
    unit = values.std(axis=1)
    assert abs(np.median((late.mean(axis=1) - early.mean(axis=1)) / unit)) < 0.05
    assert 0.85 < np.median(late.std(axis=1) / early.std(axis=1)) < 1.15


def test_a_steady_pattern_repeats_itself_exactly():
    season = np.array([3, 7, 24])
    pattern = steady_pattern(np.random.default_rng(0), season, 100)
    for row, m in zip(pattern, season, strict=True):
        np.testing.assert_allclose(row[m:], row[:-m], atol=1e-12)


def test_an_outer_level_holds_through_an_inner_cycle_or_moves_slowly():
    rng, inner = np.random.default_rng(0), np.full(300, 24)
    levels = outer_levels(rng, inner, 24 * 21, outer_starts(rng, inner))
    moves = (np.abs(np.diff(levels, axis=1)) > 1e-12).sum(axis=1)
    assert np.median(moves) <= 24
    week = 24 * 7
    again = np.abs(levels[:, week:] - levels[:, :-week]).max(axis=1) < 1e-12
    assert again.mean() > 0.75


def test_weekends_have_a_shape_of_their_own_in_half_of_the_series():
    rng, inner = np.random.default_rng(0), np.full(400, 24)
    days = day_shapes(rng, inner, 24 * 14, np.zeros(400, np.int64)).reshape(400, 14, 24)
    workday = np.abs(days[:, 1] - days[:, 0]).mean(axis=1)
    weekend = np.abs(days[:, 5] - days[:, 4]).mean(axis=1)
    assert 0.3 < (weekend > 3.0 * workday + 0.05).mean() < 0.6


def test_bursts_rise_at_once_and_fall_slowly():
    several = Traits(np.ones(400, np.int64), np.zeros(400))
    moves = np.diff(bursts(np.random.default_rng(0), several, 300), axis=1)
    assert np.median(moves.max(axis=1) / -moves.min(axis=1)) > 1.2
    assert (moves > 0).mean() < 0.51


def test_regimes_stay_for_a_while():
    several = Traits(np.ones(400, np.int64), np.zeros(400))
    values = regimes(np.random.default_rng(0), several, 400)
    centred = values - values.mean(axis=1, keepdims=True)
    again = (centred[:, 1:] * centred[:, :-1]).mean(axis=1) / centred.var(axis=1)
    assert np.median(again) > 0.5


def test_saturated_values_keep_their_order_inside_two_bounds():
    values = np.random.default_rng(0).normal(10.0, 3.0, (50, 200))
    squeezed = saturate(np.random.default_rng(1), values.copy())
    order = np.argsort(values, axis=1)
    assert (np.diff(np.take_along_axis(squeezed, order, axis=1), axis=1) >= 0).all()
    assert (np.ptp(squeezed, axis=1) <= 2.0 * values.std(axis=1) + 1e-9).all()


def test_half_of_the_exact_lines_and_waves_have_no_noise_at_all():
    values = exact(np.random.default_rng(0), Traits(np.ones(400, np.int64), np.zeros(400)), 60)
    bends = np.abs(np.diff(values, n=2, axis=1)).max(axis=1) / np.ptp(values, axis=1)
    assert 0.15 < (bends < 1e-9).mean() < 0.4  # straight to rounding


@settings(max_examples=15)
@given(st.integers(20, 200), st.integers(1, 20), st.integers(0, 2**32))
def test_samples_have_values_to_learn_from(length, n, seed):
    series = sample_series(np.random.default_rng(seed), n, length)
    assert series.values.shape == (n, length)
    assert series.season_hint.shape == (n,)
    assert not np.isinf(series.values).any()
    assert (np.isfinite(series.values).sum(axis=1) > length // 4).all()
    assert series.season_hint.min() >= 1
    assert series.season_hint.max() <= length


def test_samples_are_a_function_of_their_generator_alone():
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    first = sample_series(np.random.default_rng(3), 200, 60)
    random.seed(2)
    np.random.seed(2)  # noqa: NPY002
    states = random.getstate(), np.random.get_state(), torch.random.get_rng_state()  # noqa: NPY002
    second = sample_series(np.random.default_rng(3), 200, 60)
    assert np.array_equal(first.values, second.values, equal_nan=True)
    assert np.array_equal(first.season_hint, second.season_hint)
    assert random.getstate() == states[0]
    after = np.random.get_state()  # noqa: NPY002
    assert np.array_equal(after[1], states[1][1])
    assert after[2] == states[1][2]
    assert torch.equal(torch.random.get_rng_state(), states[2])


def test_a_sample_is_mixed():
    series = sample_series(np.random.default_rng(0), 1500, 72)
    missing = np.isnan(series.values).any(axis=1)
    assert 0.1 < missing.mean() < 0.4
    assert 0.3 < (series.season_hint > 1).mean() < 0.9
    lowest = np.nanmin(series.values, axis=1)
    assert 0.5 < (lowest >= 0).mean() < 0.98
    assert len(np.unique(series.season_hint)) > 5

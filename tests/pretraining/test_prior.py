"""Synthetic series: finite, of the right shape, and a function of their generator alone."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tcn.pretraining.prior import FAMILIES, sample_series
from tcn.pretraining.prior.families import Traits

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

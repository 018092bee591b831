"""Heads: distributions from raw numbers."""

import numpy as np
import pytest
import torch
from contract_heads import check_head
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tcn.config import DEFAULT_QUANTILE_LEVELS
from tcn.errors import ConfigError
from tcn.models.heads import (
    GaussianHead,
    QuantileHead,
    StudentTHead,
    build_head,
    interpolation_weights,
)
from tcn.models.heads.student_t import LARGEST_INVERSE, SMALLEST_INVERSE, t_quantiles

FAR_LEVELS = (1e-6, 0.001, 0.01, 0.1, 0.3, 0.5, 0.6, 0.9, 0.99, 0.9999)


def levels_strategy(least: int = 1):
    grid = st.integers(1, 999).map(lambda k: k / 1000)
    return st.lists(grid, min_size=least, max_size=12, unique=True).map(sorted).map(tuple)


def normal_draws(head, raw, count):
    return raw[0] + head.scale(raw) * torch.randn(count, dtype=torch.float64)


def t_draws(head, raw, count):
    degrees = 1.0 / float(head.inverse_degrees(raw))
    draws = np.random.default_rng(0).standard_t(degrees, count)
    return raw[0] + head.scale(raw) * torch.from_numpy(draws)


def quantile_draws(head, raw, count):
    """Uniform numbers through the quantile function, linear in the normal quantile of the level."""
    known = head.trained_quantiles(raw).numpy()
    at = stats.norm.ppf(head.levels)
    probit = np.random.default_rng(0).standard_normal(count)
    draws = np.interp(probit, at, known)
    below, above = probit < at[0], probit > at[-1]
    low_slope, high_slope = np.diff(known)[[0, -1]] / np.diff(at)[[0, -1]]
    draws[below] = known[0] + (probit[below] - at[0]) * low_slope
    draws[above] = known[-1] + (probit[above] - at[-1]) * high_slope
    return torch.from_numpy(draws)


@pytest.mark.parametrize(
    ("head", "sample"),
    [
        (QuantileHead(), quantile_draws),
        (QuantileHead((0.1, 0.5, 0.9)), quantile_draws),
        (GaussianHead(), normal_draws),
        (StudentTHead(), t_draws),
    ],
    ids=["quantile", "three quantiles", "gaussian", "student_t"],
)
def test_a_head_keeps_its_contract(head, sample):
    check_head(head.double(), sample)


def test_heads_are_built_by_name():
    assert isinstance(build_head("gaussian", (0.5,)), GaussianHead)
    assert isinstance(build_head("student_t", (0.5,)), StudentTHead)
    head = build_head("quantile", (0.2, 0.5, 0.9))
    assert isinstance(head, QuantileHead)
    assert head.levels == (0.2, 0.5, 0.9)


def test_an_unknown_head_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"one of 'quantile', 'gaussian', 'student_t', got 'cat'"):
        build_head("cat", (0.5,))


def test_a_quantile_head_without_the_median_is_refused():
    with pytest.raises(ConfigError, match=r"must include 0\.5, got \(0\.1, 0\.9\)\.$"):
        build_head("quantile", (0.1, 0.9))


@pytest.mark.parametrize("head", [QuantileHead(), GaussianHead(), StudentTHead()])
def test_a_new_head_has_the_spread_of_a_new_network(head):
    low, high = head.quantiles(torch.zeros(head.n_raw), (0.1, 0.9))
    assert float(low) == pytest.approx(-float(high), rel=1e-4)
    assert 0.7 < float(high) < 0.9


def test_gaussian_loss_and_quantiles_are_those_of_scipy():
    head = GaussianHead()
    raw = 2.0 * torch.randn(300, 2, dtype=torch.float64)
    target = 3.0 * torch.randn(300, dtype=torch.float64)
    law = stats.norm(raw[:, 0].numpy(), head.scale(raw).numpy())
    np.testing.assert_allclose(head.loss(raw, target), -law.logpdf(target.numpy()), rtol=1e-12)
    expected = np.stack([law.ppf(level) for level in FAR_LEVELS], axis=1)
    np.testing.assert_allclose(head.quantiles(raw, FAR_LEVELS), expected, rtol=1e-9, atol=1e-9)


def test_student_t_loss_and_quantiles_are_those_of_scipy():
    head = StudentTHead()
    raw = 2.0 * torch.randn(300, 3, dtype=torch.float64)
    target = 3.0 * torch.randn(300, dtype=torch.float64)
    degrees = 1.0 / head.inverse_degrees(raw).numpy()
    law = stats.t(degrees, raw[:, 0].numpy(), head.scale(raw).numpy())
    np.testing.assert_allclose(head.loss(raw, target), -law.logpdf(target.numpy()), rtol=1e-9)
    expected = np.stack([law.ppf(level) for level in FAR_LEVELS], axis=1)
    np.testing.assert_allclose(head.quantiles(raw, FAR_LEVELS), expected, rtol=1e-7, atol=1e-7)


def test_t_quantiles_are_exact_over_the_whole_range_of_degrees_of_freedom():
    inverse = np.linspace(SMALLEST_INVERSE, LARGEST_INVERSE, 501)
    found = t_quantiles(torch.from_numpy(inverse), FAR_LEVELS).numpy()
    expected = stats.t.ppf(np.array(FAR_LEVELS), 1.0 / inverse[:, None])
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8)


@settings(max_examples=10)
@given(levels_strategy())
def test_t_quantiles_ascend_at_any_levels(levels):
    quantiles = t_quantiles(torch.tensor([SMALLEST_INVERSE, 0.2, LARGEST_INVERSE]), levels)
    assert (quantiles.diff(dim=-1) > 0).all()


def test_degrees_of_freedom_stay_where_the_variance_is_finite():
    inverse = StudentTHead().inverse_degrees(torch.tensor([[0.0, 0.0, -1e4], [0.0, 0.0, 1e4]]))
    torch.testing.assert_close(1.0 / inverse, torch.tensor([200.0, 2.1]))


def test_the_pinball_loss_is_twice_the_mean_over_levels():
    head = QuantileHead((0.1, 0.5, 0.9))
    raw = torch.randn(50, 3)
    target = torch.randn(50)
    quantiles = head.trained_quantiles(raw).numpy()
    expected = []
    for y, row in zip(target.tolist(), quantiles, strict=True):
        losses = [
            2.0 * max(level * (y - q), (level - 1.0) * (y - q))
            for level, q in zip(head.levels, row, strict=True)
        ]
        expected.append(sum(losses) / len(losses))
    np.testing.assert_allclose(head.loss(raw, target), expected, rtol=1e-5)


def test_known_levels_are_given_back_unchanged():
    head = QuantileHead()
    raw = torch.randn(20, head.n_raw)
    some = (0.05, 0.5, 0.99)
    columns = [DEFAULT_QUANTILE_LEVELS.index(level) for level in some]
    expected = head.trained_quantiles(raw)[:, columns]
    torch.testing.assert_close(head.quantiles(raw, some), expected)


@given(levels_strategy(least=2), levels_strategy())
def test_interpolation_gives_back_a_normal_distribution(known, wanted):
    """Exact for any normal distribution, inside and beyond the known levels."""
    weights = interpolation_weights(known, wanted).numpy()
    np.testing.assert_allclose(weights.sum(axis=0), 1.0, atol=1e-9)
    expected = stats.norm.ppf(wanted, 3.0, 2.0)
    np.testing.assert_allclose(stats.norm.ppf(known, 3.0, 2.0) @ weights, expected, atol=1e-8)


@given(levels_strategy(least=2), levels_strategy(least=2), st.integers(0, 1000))
def test_interpolated_quantiles_never_cross(known, wanted, seed):
    steps = np.random.default_rng(seed).exponential(size=len(known))
    quantiles = np.cumsum(steps) @ interpolation_weights(known, wanted).numpy()
    assert (np.diff(quantiles) >= -1e-9).all()


@given(levels_strategy())
def test_a_single_known_quantile_stands_for_all(wanted):
    assert interpolation_weights((0.5,), wanted).eq(1.0).all()

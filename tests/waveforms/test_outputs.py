"""Likelihoods are those of distributions, and samples follow them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tcn.models.waveform import (
    CategoricalOutput,
    GaussianMixtureOutput,
    LogisticMixtureOutput,
    dequantise,
)

OUTPUTS = {
    "categorical": CategoricalOutput(17),
    "logistic": LogisticMixtureOutput(17, 3),
    "gaussian": GaussianMixtureOutput(3),
}


def random_raw(output, seed, spread):
    generator = torch.Generator().manual_seed(seed)
    shift = torch.randn(output.n_raw, generator=generator, dtype=torch.float64)
    return output.first_bias().double() + spread * shift


def probabilities(output, raw):
    levels = torch.from_numpy(dequantise(np.arange(output.n_levels), output.n_levels))
    return output.log_probability(raw.expand(output.n_levels, -1), levels).exp()


@given(st.sampled_from(["categorical", "logistic"]), st.integers(0, 999), st.floats(0.0, 30.0))
def test_the_probabilities_of_all_levels_add_up_to_one(name, seed, spread):
    output = OUTPUTS[name]
    found = probabilities(output, random_raw(output, seed, spread))
    assert float(found.sum()) == pytest.approx(1.0, abs=1e-9)
    assert (found >= 0.0).all()


def test_the_probabilities_of_65536_levels_add_up_to_one():
    output = LogisticMixtureOutput(65_536, 10)
    found = probabilities(output, random_raw(output, 0, 1.0))
    assert float(found.sum()) == pytest.approx(1.0, abs=1e-9)


@given(st.integers(0, 999))
def test_the_density_of_a_gaussian_mixture_integrates_to_one(seed):
    output = OUTPUTS["gaussian"]
    raw = random_raw(output, seed, 0.5)
    values = torch.linspace(-12.0, 12.0, 20_001, dtype=torch.float64)
    density = output.log_probability(raw.expand(len(values), -1), values).exp()
    assert float(torch.trapezoid(density, values)) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("value", [-1.0, -0.5, 0.25, 1.0])
def test_the_logistic_mixture_equals_the_difference_of_its_distribution_function(value):
    output = LogisticMixtureOutput(17, 1)
    raw = torch.tensor([0.0, 0.3, -0.9], dtype=torch.float64)
    half, scale = 1.0 / 16, np.exp(-0.9)
    above = 1.0 if value == 1.0 else 1 / (1 + np.exp(-(value + half - 0.3) / scale))
    below = 0.0 if value == -1.0 else 1 / (1 + np.exp(-(value - half - 0.3) / scale))
    found = output.log_probability(raw, torch.tensor(value, dtype=torch.float64)).exp()
    assert float(found) == pytest.approx(above - below, rel=1e-9)


@pytest.mark.parametrize("name", ["categorical", "logistic"])
@pytest.mark.parametrize("far", [-40.0, 0.0, 40.0])
def test_gradients_are_finite_wherever_the_distribution_stands(name, far):
    output = OUTPUTS[name]
    raw = (random_raw(output, 0, 1.0).float() + far).requires_grad_()
    levels = torch.from_numpy(dequantise(np.arange(17), 17)).float()
    output.log_probability(raw.expand(17, -1), levels).sum().backward()
    assert torch.isfinite(raw.grad).all()


@pytest.mark.parametrize("name", ["categorical", "logistic"])
def test_samples_have_the_frequencies_of_the_likelihood(name):
    output, n = OUTPUTS[name], 40_000
    raw = random_raw(output, 3, 1.0)
    draws = output.draws(np.random.default_rng(0), n)
    values = output.sample(np.tile(raw.numpy(), (n, 1)), draws, 1.0)
    counts = np.bincount(np.rint((values + 1.0) * 8.0).astype(int), minlength=17)
    expected = n * probabilities(output, raw).numpy()
    is_likely = expected > 5
    surprise = ((counts - expected) ** 2 / expected)[is_likely].sum()
    assert surprise < 2.5 * is_likely.sum()


def test_samples_of_the_gaussian_mixture_have_its_mean_and_deviation():
    output, n = GaussianMixtureOutput(1), 40_000
    raw = np.tile([0.0, 0.1, -1.5], (n, 1))
    values = output.sample(raw, output.draws(np.random.default_rng(0), n), 1.0)
    assert values.mean() == pytest.approx(0.1, abs=0.005)
    assert values.std() == pytest.approx(np.exp(-1.5), abs=0.005)


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_temperature_of_zero_draws_nothing(name):
    output = OUTPUTS[name]
    raw = random_raw(output, 1, 1.0).numpy()[None].repeat(50, axis=0)
    values = output.sample(raw, output.draws(np.random.default_rng(0), 50), 0.0)
    assert (values == values[0]).all()


@pytest.mark.parametrize("name", ["categorical", "logistic"])
def test_less_temperature_draws_the_likeliest_level_more_often(name):
    output, n = OUTPUTS[name], 4000
    raw = random_raw(output, 2, 1.0).numpy()[None].repeat(n, axis=0)
    draws = output.draws(np.random.default_rng(0), n)
    likeliest = output.sample(raw[:1], draws[:1], 0.0)
    found = [output.sample(raw, draws, temperature) for temperature in (1.0, 0.5, 0.1)]
    shares = [float((values == likeliest).mean()) for values in found]
    assert shares[0] < shares[1] < shares[2]
    assert shares[2] > 0.5

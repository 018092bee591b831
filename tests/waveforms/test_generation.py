"""Writing sample by sample from cached state gives what computing the whole past anew gives."""

import numpy as np
import pytest
import torch
from contract import check_streamable
from hypothesis import given
from hypothesis import strategies as st
from waveforms.small_generators import (
    CONFIGS,
    generate_anew,
    generator_of,
    random_conditions,
    random_network,
)

from tcn.errors import ConfigError, DataError
from tcn.generator import WaveformGenerator
from tcn.layers import Condition
from tcn.models.waveform import (
    WaveformConfig,
    WaveformNetwork,
    WaveformSet,
    compand,
    expand,
)


def condition_of(config, n_series, length):
    told = random_conditions(config, n_series, length)
    given = (told["constant"], told["steps"])
    return Condition(*(None if each is None else torch.tensor(each) for each in given))


@pytest.mark.parametrize("name", ["categorical", "conditioned"])
def test_the_network_keeps_the_streaming_contract(name):
    config = CONFIGS[name]
    told = name == "conditioned"
    check_streamable(
        WaveformNetwork(config),
        in_channels=1,
        condition=(lambda n, length: condition_of(config, n, length)) if told else None,
    )


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
def test_cached_generation_equals_generation_anew(name, temperature):
    generator = generator_of(name)
    n_series, n_prefix, n_samples = 2, 4, 30
    told = random_conditions(generator.config, n_series, n_prefix + n_samples)
    prefix = np.random.default_rng(1).uniform(-1, 1, (n_series, n_prefix))
    options = {"seed": 5, "temperature": temperature, **told}
    found = generator.generate(n_samples, n_series=n_series, prefix=prefix, **options)
    mu = generator.config.mu
    before = generator.network.output.snap(compand(np.float32(prefix), mu))
    expected = expand(generate_anew(generator, n_samples, before, **options), mu)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_float32_weights_write_the_same_levels_as_float64_ones():
    double = generator_of("categorical")
    single = WaveformGenerator(double.config, random_network(double.config, torch.float32))
    single.network.load_state_dict(double.network.state_dict())
    np.testing.assert_array_equal(double.generate(200, seed=3), single.generate(200, seed=3))


def test_a_waveform_does_not_depend_on_its_mates():
    generator = generator_of("logistic")
    three = generator.generate(25, n_series=3, seed=9)
    np.testing.assert_array_equal(three[:1], generator.generate(25, seed=9))
    assert np.abs(three[0] - three[1]).max() > 0.01


def test_going_on_from_a_prefix_equals_writing_in_one_go_where_nothing_is_drawn():
    generator = generator_of("categorical")
    whole = generator.generate(30, temperature=0.0)
    rest = generator.generate(18, temperature=0.0, prefix=whole[:, :12])
    np.testing.assert_array_equal(whole[:, 12:], rest)


def test_the_seed_decides_and_the_global_generator_is_left_alone():
    generator = generator_of("gaussian")
    before = torch.random.get_rng_state()
    first = generator.generate(20, seed=1)
    np.testing.assert_array_equal(first, generator.generate(20, seed=1))
    assert not np.array_equal(first, generator.generate(20, seed=2))
    assert torch.equal(before, torch.random.get_rng_state())


@given(st.sampled_from(["categorical", "logistic"]), st.floats(0.0, 3.0), st.integers(0, 99))
def test_samples_are_levels_between_minus_one_and_one(name, temperature, seed):
    generator = generator_of(name)
    told = generator.generate(6, n_series=2, temperature=temperature, seed=seed)
    assert told.dtype == np.float32
    level = (compand(told, generator.config.mu) + 1.0) * 0.5 * (generator.config.n_levels - 1)
    assert np.abs(level - np.rint(level)).max() < 1e-3
    assert np.abs(told).max() <= 1.0


def test_bits_of_a_sample_do_not_depend_on_the_pieces_they_are_computed_in(monkeypatch):
    generator = generator_of("conditioned", torch.float32)
    random = np.random.default_rng(0)
    waves = [random.uniform(-1, 1, length) for length in (50, 7)]
    told = {"constant": random.normal(size=(2, 2)), "steps": [np.ones((3, 50)), np.ones((3, 7))]}
    waveforms = WaveformSet.from_arrays(waves, **told)
    whole = generator.bits_per_sample(waveforms)
    monkeypatch.setattr("tcn.generator.SCORED_AT_ONCE", 8)
    assert generator.bits_per_sample(waveforms) == pytest.approx(whole, rel=1e-6)


def test_a_network_that_knows_nothing_needs_all_bits_of_a_level():
    config = WaveformConfig(n_levels=16, dilations=(1, 2))
    network = WaveformNetwork(config)
    torch.nn.init.zeros_(network.out.weight)
    waveforms = WaveformSet.from_arrays([np.linspace(-1, 1, 40)])
    bits = WaveformGenerator(config, network).bits_per_sample(waveforms)
    assert bits == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_samples": 0}, r"must be at least 1 .* got 0 x 1\.$"),
        ({"n_series": 0}, r"got 5 x 0\.$"),
        ({"temperature": -1.0}, r"from 0 to 100, got -1\.0\.$"),
        ({"temperature": float("nan")}, r"from 0 to 100, got nan\.$"),
        ({"seed": -1}, r"at least 0, got -1\.$"),
        ({"prefix": np.zeros((2, 2, 2))}, r"\(P,\) or \(1, P\), got \(2, 2, 2\)\.$"),
        ({"prefix": np.zeros((3, 4))}, r"\(P,\) or \(1, P\), got \(3, 4\)\.$"),
        ({"constant": [1.0]}, r"^This model is told no constant\. Leave the argument out\.$"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        generator_of("categorical").generate(**{"n_samples": 5, **options})


@pytest.mark.parametrize("broken", [[0.0, np.nan], [0.0, 1.5]])
def test_a_prefix_that_is_no_waveform_is_refused(broken):
    with pytest.raises(
        DataError, match=r"^The prefix has samples from .* Divide by the largest\.$"
    ):
        generator_of("categorical").generate(5, prefix=broken)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({}, r"^This model needs constant, of the shape \(1, 2\) or \(2,\)\.$"),
        ({"constant": [1.0, 2.0]}, r"needs steps, of the shape \(1, 3, 5\) or \(3, 5\)\.$"),
        (
            {"constant": [1.0, np.inf], "steps": np.zeros((3, 5))},
            r"^constant must be finite, of the shape \(1, 2\) or \(2,\), got \(2,\)\.$",
        ),
        (
            {"constant": [1.0, 2.0], "steps": np.zeros((3, 4))},
            r"^steps must be finite, of the shape \(1, 3, 5\) or \(3, 5\), got \(3, 4\)\.$",
        ),
    ],
)
def test_conditions_of_another_shape_are_refused(told, message):
    with pytest.raises(ConfigError, match=message):
        generator_of("conditioned").generate(5, **told)

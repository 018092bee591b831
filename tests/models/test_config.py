"""Configs: plain data, checked, with a limit on every size."""

import contextlib
import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcn.config import Config, TCNConfig, TrainConfig, WaveNetConfig
from tcn.errors import ConfigError
from tcn.models import kind_of

KINDS = (TCNConfig, WaveNetConfig)


@pytest.mark.parametrize("config", [TCNConfig(), WaveNetConfig(), TrainConfig()])
def test_a_config_goes_through_json_unchanged(config):
    assert type(config).from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize("kind", [TCNConfig, WaveNetConfig, TrainConfig])
def test_unknown_keys_are_named_with_those_that_are_known(kind):
    known = ", ".join(sorted(field.name for field in dataclasses.fields(kind)))
    with pytest.raises(ConfigError) as error:
        kind.from_dict({"seed_": 1})
    assert str(error.value) == f"Unknown key 'seed_' in {kind.__name__}. Known keys: {known}."


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"channels": 10**9}, r"^channels must be a whole number from 1 to 2,048, got 1000000000"),
        ({"channels": 0}, r"^channels must be a whole number from 1 to 2,048, got 0\.$"),
        ({"channels": True}, r"^channels must be a whole number .*, got True\.$"),
        ({"horizon": 2.5}, r"^horizon must be a whole number from 1 to 10,000, got 2\.5\.$"),
        ({"context_length": 7}, r"^context_length must be a whole number from 8 to 65,536, got 7"),
        ({"season_length": 0}, r"^season_length must be a whole number from 1 to 65,536, got 0\.$"),
        ({"head": "normal"}, r"^head must be one of 'quantile', 'gaussian', 'student_t', got"),
        ({"dilations": ()}, r"^dilations must list 1 to 64 numbers, got \(\)\.$"),
        ({"dilations": [1, 0]}, r"^each dilation must be a whole number from 1 to 65,536, got 0\."),
        ({"dilations": [1] * 65}, r"^dilations must list 1 to 64 numbers, got \(1, 1, "),
        ({"dropout": 1.0}, r"^dropout must be a number from 0 to 0\.9, got 1\.0\.$"),
        ({"dropout": float("nan")}, r"^dropout must be a number from 0 to 0\.9, got nan\.$"),
        ({"kernel_size": "3"}, r"^kernel_size must be a whole number from 1 to 1,024, got '3'\.$"),
        ({"quantile_levels": [0.5, 1.5]}, r"^quantile_levels must lie strictly between 0 and 1"),
        ({"past_covariates": "rain"}, r"^past_covariates must be a list of names, got 'rain'\.$"),
        ({"past_covariates": ["a", "a"]}, r"^past_covariates has a name twice: \('a', 'a'\)\. G"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_sizes_that_are_not_allowed_are_named_with_their_limits(kind, values, message):
    with pytest.raises(ConfigError, match=message):
        kind.from_dict(values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_epochs": -1}, r"^max_epochs must be a whole number from 0 to 100,000, got -1\.$"),
        ({"learning_rate": 0.0}, r"^learning_rate must be a number from 1e-08 to 1, got 0\.0\.$"),
        ({"precision": "float16"}, r"^precision must be one of 'auto', 'float32', 'bfloat16', got"),
        ({"seed": -1}, r"^seed must be a whole number from 0 to 2,147,483,647, got -1\.$"),
    ],
)
def test_training_options_that_are_not_allowed_are_named(values, message):
    with pytest.raises(ConfigError, match=message):
        TrainConfig.from_dict(values)


@given(
    st.sampled_from([field.name for field in dataclasses.fields(TCNConfig)]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
        max_leaves=5,
    ),
)
def test_any_json_value_is_taken_or_refused_by_a_sentence(name, value):
    with contextlib.suppress(ConfigError):
        assert getattr(TCNConfig.from_dict({name: value}), name) is not None or value is None


@given(st.lists(st.integers(1, 64), min_size=1, max_size=8), st.integers(1, 64))
def test_configs_are_values(dilations, channels):
    first = TCNConfig(dilations=tuple(dilations), channels=channels)
    second = TCNConfig.from_dict({"dilations": dilations, "channels": channels})
    assert first == second
    assert hash(first) == hash(second)


def test_a_config_of_no_network_has_no_kind():
    with pytest.raises(ConfigError, match=r"^No network is built from a Config\.$"):
        kind_of(Config())

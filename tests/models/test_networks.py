"""Networks: the contract for each kind, head and set of covariates."""

from dataclasses import replace

import pytest
import torch
from contract import check_streamable
from contract_networks import READ, batch, check_network, random_network, random_values

from tcn.config import TCNConfig, WaveNetConfig
from tcn.errors import ConfigError
from tcn.layers import Condition
from tcn.models import ForecastNetwork, build_network, kind_of
from tcn.models.gated_encoder import GatedEncoder

SMALL = {
    "horizon": 5,
    "context_length": 64,
    "channels": 8,
    "hidden_channels": 12,
    "head_channels": 16,
    "kernel_size": 3,
    "dilations": (1, 2, 1, 4),
}
NAMES = {
    "past_covariates": ("rain",),
    "future_covariates": ("price", "holiday"),
    "static_covariates": ("shop=A", "shop=B"),
}
CASES = {
    f"{config.__name__} {head} {'covariates' if names else 'alone'}": config(
        **SMALL, head=head, **names
    )
    for config in (TCNConfig, WaveNetConfig)
    for head in ("quantile", "gaussian", "student_t")
    for names in ({}, NAMES)
}


@pytest.mark.parametrize("config", CASES.values(), ids=CASES.keys())
def test_a_network_keeps_its_contract(config, tmp_path):
    check_network(config, tmp_path)


@pytest.mark.parametrize("patch_length", [1, 3])
def test_a_network_with_other_patches_keeps_its_contract(patch_length, tmp_path):
    check_network(TCNConfig(**SMALL, patch_length=patch_length), tmp_path)


@pytest.mark.parametrize("n_static", [0, 3])
def test_the_gated_encoder_is_a_streaming_layer(n_static):
    encoder = GatedEncoder(4, 6, 2, (1, 2, 1), n_static=n_static)
    for weight in encoder.parameters():
        torch.nn.init.normal_(weight, std=0.5)

    def condition(n, length):
        return Condition(constant=torch.randn(n, n_static, dtype=torch.float64))

    check_streamable(encoder, 4, condition=condition if n_static else None)


def test_positions_read_are_those_that_reach_the_newest_state():
    config = TCNConfig(**SMALL, patch_length=2)
    network = random_network(config)
    assert network.positions_read == 2 * (1 + 2 * (1 + 2 + 1 + 4))
    origins = torch.tensor([-(-READ // 2) - 1])
    inputs, _ = batch(config, random_values(), READ, origins)
    cut = inputs._replace(features=inputs.features[..., -network.positions_read :])
    torch.testing.assert_close(network(cut), network(inputs), rtol=1e-4, atol=1e-5)
    less = inputs._replace(features=inputs.features[..., -network.positions_read + 2 :])
    assert not torch.equal(network(less), network(cut))


@pytest.mark.parametrize("kind", [TCNConfig, WaveNetConfig])
def test_new_covariates_change_nothing_before_training(kind):
    """What reads static covariates and known steps starts at zero."""
    network = ForecastNetwork(kind(**SMALL, **NAMES)).eval()
    origins = torch.tensor([-(-READ // 4) - 1])
    inputs, _ = batch(kind(**SMALL, **NAMES), random_values(), READ, origins)
    other = inputs._replace(known=inputs.known + 1.0, static=inputs.static + 1.0)
    assert torch.equal(network(other), network(inputs))


def test_static_covariates_enter_the_gates_of_wavenet():
    config = WaveNetConfig(**SMALL, static_covariates=("shop=A",))
    network = random_network(config)
    torch.nn.init.zeros_(network.step_head.static.weight)
    torch.nn.init.zeros_(network.step_head.static.bias)
    inputs, _ = batch(config, random_values(), READ, torch.tensor([12]))
    other = inputs._replace(static=inputs.static + 100.0)
    assert (network(other) - network(inputs)).abs().max() > 1e-3


def test_a_new_network_forecasts_the_mean_of_the_same_phase():
    config = TCNConfig(**SMALL)
    inputs, _ = batch(config, random_values(), READ, torch.tensor([12]))
    network = ForecastNetwork(config).eval()
    mean = network.distribution.mean(network(inputs))
    torch.testing.assert_close(mean, inputs.step.drafts[..., 1])


def test_a_network_is_built_from_the_values_of_its_config():
    config = WaveNetConfig(**SMALL)
    built, network = build_network(kind_of(config), config.to_dict())
    assert (built, kind_of(built)) == (config, "wavenet")
    assert isinstance(network, ForecastNetwork)


def test_unknown_kinds_and_keys_are_refused_by_name():
    with pytest.raises(ConfigError, match=r"^Unknown kind of network 'rnn'\. Known: tcn, wavenet"):
        build_network("rnn", {})
    with pytest.raises(ConfigError, match=r"^Unknown key 'kernel' in TCNConfig\. Known keys: ca?h"):
        build_network("tcn", {"kernel": 3})
    with pytest.raises(ConfigError, match=r"^channels must be a whole number from 1 to 2,048, got"):
        build_network("tcn", {"channels": 10**9})


def test_other_dropout_leaves_forecasts_alone():
    config = TCNConfig(**SMALL)
    network = random_network(config)
    other = ForecastNetwork(replace(config, dropout=0.5)).eval()
    other.load_state_dict(network.state_dict())
    inputs, _ = batch(config, random_values(), READ, torch.tensor([12]))
    assert torch.equal(other(inputs), network(inputs))


@pytest.mark.parametrize("kind", [TCNConfig, WaveNetConfig])
def test_forecasts_follow_the_weights_when_these_change(kind):
    """What is prepared for many forecasts is never that of older weights."""
    config = kind(**SMALL)
    network, other = random_network(config), random_network(config)
    origins = torch.tensor([12])
    inputs, _ = batch(config, random_values(), READ, origins)
    for source in (other, random_network(config)):
        with torch.inference_mode():
            network(inputs)
        with torch.no_grad():
            for value, new in zip(network.parameters(), source.parameters(), strict=True):
                value.copy_(new)
        with torch.inference_mode():
            last = network(inputs)
            dense = source(inputs, origins.expand(len(inputs.features), -1))
        torch.testing.assert_close(last, dense, rtol=1e-3, atol=1e-4)

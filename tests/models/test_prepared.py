"""Prepared layers: as the plain ones, and never older than the weights."""

import copy
import pickle

import pytest
import torch
from contract_networks import READ, batch, random_network, random_values

from tcn.config import TCNConfig, WaveNetConfig
from tcn.models import ForecastNetwork

SMALL = {
    "horizon": 5,
    "context_length": 64,
    "channels": 8,
    "hidden_channels": 12,
    "head_channels": 16,
    "dilations": (1, 2, 1, 4),
}
CONFIG = TCNConfig(**SMALL)
ORIGINS = torch.tensor([-(-READ // CONFIG.patch_length) - 1])


def change_the_head(network):
    with torch.no_grad():
        network.step_head.first.film.bias.add_(1.5)


def both_ways(network: ForecastNetwork) -> tuple[torch.Tensor, torch.Tensor]:
    """Raw outputs by prepared layers, and by plain ones, for the same inputs at each call."""
    torch.manual_seed(0)
    inputs, _ = batch(CONFIG, random_values(), READ, ORIGINS)
    plain = copy.deepcopy(network)(inputs).detach()
    with torch.inference_mode():
        return network(inputs), plain


@pytest.mark.parametrize("kind", [TCNConfig, WaveNetConfig])
@pytest.mark.parametrize("read", [1, 2, 3, 4, 5, 7, 16, 29, 63, 64])
def test_prepared_layers_give_the_outputs_of_plain_ones(kind, read):
    config = kind(**SMALL)
    network = random_network(config)
    origins = torch.tensor([-(-read // config.patch_length) - 1])
    inputs, _ = batch(config, random_values(read), read, origins)
    plain = network(inputs).detach()
    with torch.inference_mode():
        torch.testing.assert_close(network(inputs), plain, rtol=1e-5, atol=1e-5)


def change_in_place(network):
    with torch.no_grad():
        network.encoder.layers[0].conv.weight.mul_(1.5)


def step_an_optimiser(network):
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.1, fused=True)
    inputs, _ = batch(CONFIG, random_values(), READ, ORIGINS)
    network(inputs).square().sum().backward()
    optimiser.step()


def put_another(network):
    weight = network.encoder.layers[1].project.weight
    network.encoder.layers[1].project.weight = torch.nn.Parameter(weight.detach() * 2.0)


def load_others(network):
    network.load_state_dict({name: 1.1 * w for name, w in network.state_dict().items()})


def point_elsewhere(network):
    bias = network.encoder.layers[0].conv.bias
    bias.data = bias.detach() + 1.0


@pytest.mark.parametrize(
    "change",
    [
        change_in_place,
        step_an_optimiser,
        put_another,
        load_others,
        point_elsewhere,
        change_the_head,
    ],
)
def test_a_change_of_weights_is_seen_at_once(change):
    network = random_network(CONFIG)
    before, _ = both_ways(network)
    change(network)
    found, plain = both_ways(network)
    torch.testing.assert_close(found, plain, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(found, before, rtol=1e-3)


def test_a_copy_has_its_own_weights():
    network = random_network(CONFIG)
    before, _ = both_ways(network)
    other = copy.deepcopy(network)
    change_in_place(other)
    found, plain = both_ways(other)
    torch.testing.assert_close(found, plain, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(both_ways(network)[0], before)


def test_a_network_can_be_sent_to_another_process_after_a_forecast():
    network = random_network(CONFIG)
    expected, _ = both_ways(network)
    received = pickle.loads(pickle.dumps(network))  # noqa: S301
    torch.testing.assert_close(both_ways(received)[0], expected)


def test_weights_made_in_inference_mode_are_used_as_they_are():
    with torch.inference_mode():
        network = random_network(CONFIG)
        inputs, _ = batch(CONFIG, random_values(), READ, ORIGINS)
        first = network(inputs)
        network.encoder.layers[0].conv.weight.mul_(1.5)
        second = network(inputs)
        network.train()
        torch.testing.assert_close(network(inputs), second, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(first, second, rtol=1e-3)


def test_origins_asked_for_after_a_change_see_the_new_weights():
    network = random_network(CONFIG)
    inputs, _ = batch(CONFIG, random_values(), READ, ORIGINS)
    with torch.inference_mode():
        network(inputs)  # prepares the head
        change_the_head(network)
        origins = ORIGINS.expand(len(inputs.features), -1)
        found = network(inputs, origins)
        torch.testing.assert_close(found, network(inputs), rtol=1e-5, atol=1e-5)

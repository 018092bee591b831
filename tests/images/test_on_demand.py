"""The last position of causal layers, computed from the positions it reads and no others."""

import pytest
import torch
from contract import check_streamable
from torch import nn

from tcn.layers import CausalConv1d
from tcn.models.image import ImageConfig, ImageNetwork, pixel_tcn
from tcn.models.image.builder import build_layers
from tcn.models.image.on_demand import LastOnDemand

CAUSAL = {"type": "conv", "channels": 6, "kernel_size": 3, "padding": "causal"}
DILATED = CAUSAL | {"dilation": 4}
RESIDUAL = {"type": "residual", "layers": [DILATED, {"type": "relu"}], "activation": "relu"}
NORMED = {"type": "residual", "layers": [DILATED, {"type": "instance_norm"}]}
LAST = [{"type": "global_pool", "pool": "last"}, {"type": "dense", "units": 3}]
NETWORKS = {
    "convolutions": [CAUSAL, {"type": "tanh"}, DILATED, *LAST],
    "residual with a shortcut": [RESIDUAL, RESIDUAL, *LAST],
    "norm of positions": [RESIDUAL, {"type": "rms_norm"}, DILATED, *LAST],
    "norm over time before": [CAUSAL, {"type": "batch_norm"}, RESIDUAL, *LAST],
    "norm over time within": [CAUSAL, NORMED, RESIDUAL, *LAST],
    "both sides before": [{"type": "conv", "channels": 4}, RESIDUAL, *LAST],
    "stride before": [CAUSAL | {"stride": 2}, RESIDUAL, *LAST],
}


def causal_residual(channels):
    """The only layer of a network: one residual layer of `channels`."""
    layers = [RESIDUAL["layers"][0] | {"channels": channels}, {"type": "relu"}]
    residual = RESIDUAL | {"layers": layers, "activation": "tanh"}
    network = ImageNetwork(ImageConfig((None, 4), [residual, *LAST]))
    (layer,) = network.body[0].layers.layers
    return layer


@pytest.mark.parametrize("channels", [4, 6], ids=["plain", "with a shortcut"])
def test_a_causal_residual_layer_is_streamable(channels):
    check_streamable(causal_residual(channels), in_channels=4)


def whole_and_on_demand(config, shape):
    """The layers one by one, every position, and the network, with the same weights."""
    network = ImageNetwork(config)
    built = build_layers(config.layers, shape)
    whole = nn.Sequential(*(module for layer in built for module in layer.modules))
    weights = network.state_dict().values()
    whole.load_state_dict(dict(zip(whole.state_dict(), weights, strict=True)))
    return whole, network


@pytest.mark.parametrize("layers", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("length", [1, 9, 40])
def test_the_last_position_and_its_gradients_are_those_of_the_whole_output(layers, length):
    whole, network = whole_and_on_demand(ImageConfig((None, 2), layers), (2, None))
    if length == 1 and any(layer["type"] == "batch_norm" for layer in layers):
        whole, network = whole.eval(), network.eval()
    if length == 1 and NORMED in layers:
        return  # a norm over one position is refused in training
    x = torch.randn(3, 2, length)
    expected, found = whole(x), network(x)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    expected.square().sum().backward()
    found.square().sum().backward()
    for slow, fast in zip(whole.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(fast.grad, slow.grad, rtol=1e-4, atol=1e-5)


def test_a_network_of_pixels_computes_a_quarter_of_its_positions(monkeypatch):
    config = pixel_tcn(dropout=0.0)
    whole, network = whole_and_on_demand(config, (1, 28, 28))
    columns = []
    convolve = CausalConv1d._convolve

    def counted(layer, x, dilation, stride):
        y = convolve(layer, x, dilation, stride)
        columns.append(y.shape[-1])
        return y

    monkeypatch.setattr(CausalConv1d, "_convolve", counted)
    x = torch.randn(2, 1, 28, 28)
    expected, n_whole = whole(x), sum(columns)
    columns.clear()
    torch.testing.assert_close(network(x), expected, rtol=1e-5, atol=1e-6)
    assert sum(columns) < 0.3 * n_whole


def test_only_causal_layers_that_keep_the_length_are_read_on_demand():
    def joined(name):
        network = ImageNetwork(ImageConfig((None, 2), NETWORKS[name]))
        found = [part for part in network.body if isinstance(part, LastOnDemand)]
        return [len(part.layers.layers) for part in found]

    assert joined("convolutions") == [3]
    assert joined("norm over time before") == [1]
    assert joined("norm over time within") == [1]
    assert joined("stride before") == [1]
    mean = [CAUSAL, {"type": "global_pool", "pool": "average"}, {"type": "dense", "units": 3}]
    assert not any(
        isinstance(m, LastOnDemand) for m in ImageNetwork(ImageConfig((9, 2), mean)).body
    )

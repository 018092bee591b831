"""Rows D1 to D13: causal and dilated convolution of series, WaveNet, TCN, recurrent networks."""

import time

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import tcn
from tcn.forecaster import Forecaster
from tcn.layers import (
    CausalConv1d,
    GatedStack,
    ResidualBlock,
    Stack,
    StreamSequential,
    dilation_cycles,
    levels_for,
    stack_field,
)
from tcn.models import ForecastNetwork
from tcn.models.image import ImageConfig, ImageNetwork, pixel_tcn, specs


def positive(layer):
    """The layer in float64 with positive weights, so that no path to an input is hidden."""
    layer = layer.double().eval()
    for weight in layer.parameters():
        nn.init.uniform_(weight, 0.1, 0.2)
    return layer


def inputs_read(layer, length, channels=1):
    """Positions, counted back from the last, that the last output reads."""
    x = torch.rand(1, channels, length, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(positive(layer)(x)[..., -1].sum(), x)
    read = gradient.abs().sum((0, 1)).nonzero().flatten()
    return sorted((length - 1 - read).tolist())


def series_network(padding):
    layers = [specs.Conv(channels=3, padding=padding, dilation=d) for d in (1, 2, 4)]
    return ImageNetwork(ImageConfig((None, 1), tuple(layers))).eval()


@pytest.mark.row("D1")
def test_a_convolution_in_one_dimension_is_a_sliding_sum():
    conv = CausalConv1d(2, 3, kernel_size=4)
    x = torch.randn(1, 2, 20)
    padded = functional.pad(x, (3, 0))
    for t in range(20):
        by_hand = (conv.weight * padded[:, :, t : t + 4]).sum((1, 2)) + conv.bias
        torch.testing.assert_close(conv(x)[0, :, t], by_hand)
    spec = specs.Conv(channels=3, kernel_size=4, padding="causal")
    built = ImageNetwork(ImageConfig((20, 2), [spec])).body[0]
    built.load_state_dict(conv.state_dict())
    assert torch.equal(built(x), conv(x))


@pytest.mark.row("D2")
@pytest.mark.parametrize(("padding", "is_causal"), [("causal", True), ("same", False)])
def test_causal_padding_reads_the_past_alone_and_same_padding_peeks_ahead(padding, is_causal):
    network = series_network(padding)
    x = torch.randn(1, 1, 40)
    other = x.clone()
    other[..., 25:] += 1.0
    assert torch.equal(network(x)[..., :25], network(other)[..., :25]) is is_causal
    jacobian = torch.autograd.functional.jacobian(lambda v: network(v)[0].sum(0), x)[:, 0, 0]
    assert bool((jacobian.triu(1) == 0).all()) is is_causal


@pytest.mark.row("D2")
def test_causal_padding_is_kernel_minus_one_times_dilation_on_the_left():
    conv = CausalConv1d(1, 1, kernel_size=3, dilation=4)
    x = torch.randn(1, 1, 30)
    plain = functional.conv1d(functional.pad(x, (8, 0)), conv.weight, conv.bias, dilation=4)
    torch.testing.assert_close(conv(x), plain)


@pytest.mark.row("D3")
@pytest.mark.parametrize("dilation", [1, 2, 4])
def test_a_dilated_kernel_is_one_stuffed_with_zeros(dilation):
    conv = CausalConv1d(1, 1, kernel_size=3, dilation=dilation)
    stuffed = CausalConv1d(1, 1, kernel_size=2 * dilation + 1)
    with torch.no_grad():
        stuffed.weight.zero_()
        stuffed.weight[..., ::dilation] = conv.weight
        stuffed.bias.copy_(conv.bias)
    x = torch.randn(1, 1, 30)
    torch.testing.assert_close(conv(x), stuffed(x))
    assert inputs_read(CausalConv1d(1, 1, 3, dilation), 30) == [0, dilation, 2 * dilation]


@pytest.mark.row("D4")
def test_parameters_do_not_depend_on_the_dilation():
    counts = {
        sum(p.numel() for p in CausalConv1d(4, 4, 3, dilation).parameters())
        for dilation in (1, 2, 64)
    }
    assert counts == {3 * 4 * 4 + 4}


@pytest.mark.row("D5", "D6")
@pytest.mark.parametrize(("levels", "cycles", "field"), [(6, 1, 64), (10, 1, 1024), (10, 3, 3070)])
def test_doubling_dilations_read_as_many_steps_as_the_documents_say(levels, cycles, field):
    dilations = dilation_cycles(levels, cycles)
    layers = [CausalConv1d(1, 1, 2, dilation) for dilation in dilations]
    network = StreamSequential(layers)
    assert network.receptive_field == stack_field(2, dilations) == field
    assert inputs_read(network, field + 5) == list(range(field))


@pytest.mark.row("D5")
def test_a_kernel_of_one_is_a_dense_layer_at_each_step():
    conv = CausalConv1d(6, 4, kernel_size=1)
    dense = nn.Linear(6, 4)
    with torch.no_grad():
        dense.weight.copy_(conv.weight[..., 0])
        dense.bias.copy_(conv.bias)
    x = torch.randn(2, 6, 9)
    torch.testing.assert_close(conv(x), dense(x.transpose(1, 2)).transpose(1, 2))


@pytest.mark.row("D7")
def test_two_convolutions_a_block_read_twice_as_far():
    assert stack_field(7, dilation_cycles(8), convs_per_level=2) == 3061
    blocks = [ResidualBlock(1, 1, 3, dilation) for dilation in dilation_cycles(5)]
    network = StreamSequential(blocks)
    assert network.receptive_field == 1 + 2 * (3 - 1) * 31 == 125
    assert inputs_read(network, 140) == list(range(125))
    assert network.receptive_field != stack_field(3, dilation_cycles(5))


@pytest.mark.row("D7")
def test_the_field_needed_for_a_context_is_solved_backwards():
    levels = levels_for(784, kernel_size=7, convs_per_level=2)
    assert stack_field(7, dilation_cycles(levels), 2) >= 784
    assert stack_field(7, dilation_cycles(levels - 1), 2) < 784


@pytest.mark.row("D8")
@pytest.mark.parametrize("make", [Stack, GatedStack])
def test_the_gradient_reaches_each_step_inside_the_field_and_none_outside(make):
    network = small_stack(make)
    field = network.receptive_field
    read = inputs_read(network, field + 10, channels=2)
    assert read[0] == 0
    assert read[-1] == field - 1
    assert read == list(range(field))


def small_stack(make):
    blocks = [ResidualBlock(2, 2, 2, dilation) for dilation in (1, 2, 4)]
    if make is Stack:
        return StreamSequential(blocks)
    return StreamSequential([CausalConv1d(2, 2, 2, dilation) for dilation in (1, 2, 4, 8)])


def forecaster():
    torch.manual_seed(0)
    config = tcn.TCNConfig(
        horizon=4,
        context_length=64,
        channels=8,
        hidden_channels=8,
        head_channels=8,
        dilations=(1, 2),
    )
    return Forecaster(config, ForecastNetwork(config).eval())


@pytest.mark.row("D9")
def test_silence_is_forecast_as_silence():
    forecast = forecaster().predict(tcn.Panel.from_arrays([np.full(60, 3.25)]))
    np.testing.assert_allclose(forecast.mean, 3.25, atol=1e-6)
    assert np.isfinite(forecast.quantiles).all()


@pytest.mark.row("D9")
def test_points_that_are_missing_do_not_count_in_the_loss():
    from tcn.models.heads import build_head
    from tcn.training.origins import Targets, weighted_loss

    head = build_head("gaussian", (0.5,))
    raw = torch.randn(2, 1, 3, head.n_raw)
    weights = torch.tensor([[[1.0, 0, 1]], [[1, 1, 0]]])
    values = torch.randn(2, 1, 3)
    silent = torch.where(weights > 0, values, 1e6)
    losses = [
        float(weighted_loss(head, raw, Targets(values=v, weights=weights)))
        for v in (values, silent)
    ]
    assert losses[0] == pytest.approx(losses[1])


@pytest.mark.row("D11", "D12")
def test_a_path_through_a_tcn_is_as_long_as_its_depth_and_through_an_lstm_as_long_as_time():
    torch.manual_seed(0)
    x = torch.randn(1, 1, 1000, requires_grad=True)
    blocks = [ResidualBlock(1 if d == 1 else 8, 8, 3, d) for d in dilation_cycles(9)]
    convolutional = StreamSequential(blocks)
    recurrent = nn.LSTM(1, 16, batch_first=True)
    (ours,) = torch.autograd.grad(convolutional(x)[0, :, -1].sum(), x)
    (theirs,) = torch.autograd.grad(recurrent(x.transpose(1, 2))[0][0, -1].sum(), x)
    assert float(ours[0, 0, 0].abs()) > 1e-12
    assert float(theirs[0, 0, 0].abs()) < 1e-12 * float(theirs[0, 0, -1].abs())


@pytest.mark.row("D12")
def test_without_a_good_start_a_deep_convolution_loses_its_gradient_too():
    torch.manual_seed(0)
    layers = [CausalConv1d(4, 4, 2, d) for d in dilation_cycles(9, cycles=3)]
    network = StreamSequential(layers)
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(0.2)
    x = torch.randn(1, 4, 1000, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(x)[0, :, -1].sum(), x)
    assert float(gradient.norm()) < 1e-12


@pytest.mark.row("D13")
def test_training_is_parallel_in_time_and_both_times_are_reported(record_property):
    torch.manual_seed(0)
    network = ImageNetwork(pixel_tcn((256, 1), 10, channels=16, kernel_size=4, levels=5))
    lstm = nn.LSTM(1, 58, batch_first=True)
    sizes = [sum(p.numel() for p in module.parameters()) for module in (network, lstm)]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.35)
    x = torch.randn(4, 1, 256)

    def seconds(forward):
        start = time.perf_counter()
        forward().sum().backward()
        return time.perf_counter() - start

    record_property("tcn_step_ms", 1e3 * seconds(lambda: network(x)))
    record_property("lstm_step_ms", 1e3 * seconds(lambda: lstm(x.transpose(1, 2))[0]))


@pytest.mark.row("D13")
def test_generation_goes_step_by_step_from_a_state_as_in_a_recurrent_network():
    network = StreamSequential([CausalConv1d(2, 2, 2, d) for d in (1, 2, 4)]).eval()
    x = torch.randn(1, 2, 12)
    state, pieces = network.initial_state(1), []
    for t in range(12):
        y, state = network.step(x[..., t : t + 1], state)
        pieces.append(y)
    torch.testing.assert_close(torch.cat(pieces, dim=2), network(x))

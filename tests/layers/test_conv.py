"""Causal convolution against plain references, and its refusals."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from tcn.errors import ConfigError
from tcn.layers import (
    CausalConv1d,
    CausalConvTranspose1d,
    Demand,
    PreNormBlock,
    ResidualBlock,
    SeparableConv1d,
    Stack,
    StreamSequential,
    channels_last,
    dilation_cycles,
    is_channels_last,
    pick,
    whole,
)


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 7])
@pytest.mark.parametrize("dilation", [1, 2, 16])
@pytest.mark.parametrize("length", [1, 5, 50])
def test_equals_a_left_padded_convolution_exactly(kernel_size, dilation, length):
    layer = CausalConv1d(3, 5, kernel_size, dilation)
    x = torch.randn(2, 3, length)
    padded = functional.pad(x, ((kernel_size - 1) * dilation, 0))
    expected = functional.conv1d(padded, layer.weight, layer.bias, dilation=dilation)
    assert torch.equal(layer(x), expected)


@pytest.mark.parametrize("dilation", [1, 4])
@pytest.mark.parametrize("length", [1, 6, 40])
def test_equals_padding_both_sides_and_chopping_the_right_off(dilation, length):
    layer = CausalConv1d(3, 5, kernel_size=3, dilation=dilation)
    x = torch.randn(2, 3, length)
    both = functional.conv1d(x, layer.weight, layer.bias, padding=2 * dilation, dilation=dilation)
    assert (layer(x) - both[..., :length]).abs().max().item() == 0.0


def test_a_residual_block_equals_the_published_order_of_operations():
    block = ResidualBlock(3, 5, kernel_size=3, dilation=2)
    x = torch.randn(2, 3, 30)

    def conv(x, layer, dilation):
        both = functional.conv1d(
            x, layer.weight, layer.bias, padding=2 * dilation, dilation=dilation
        )
        return functional.relu(both[..., : x.shape[-1]])

    inner = conv(conv(x, block.first, 2), block.second, 2)
    shortcut = functional.conv1d(x, block.project.weight, block.project.bias)
    assert torch.equal(block(x), functional.relu(inner + shortcut))


@given(
    kernel_size=st.integers(1, 5),
    dilation=st.integers(1, 5),
    stride=st.integers(1, 4),
    length=st.integers(0, 12),
)
def test_equals_a_loop_over_taps(kernel_size, dilation, stride, length):
    layer = CausalConv1d(2, 3, kernel_size, dilation, stride=stride).double()
    x = torch.randn(1, 2, length, dtype=torch.float64)
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    expected = np.zeros((3, -(-length // stride)))
    for position in range(expected.shape[1]):
        expected[:, position] = bias
        for tap in range(kernel_size):
            source = position * stride - tap * dilation
            if source >= 0:
                expected[:, position] += (
                    weight[:, :, kernel_size - 1 - tap] @ x[0, :, source].numpy()
                )
    np.testing.assert_allclose(layer(x)[0].detach().numpy(), expected, atol=1e-12)


def test_dilation_is_a_kernel_with_zeros_between():
    layer = CausalConv1d(2, 3, kernel_size=3, dilation=4)
    stuffed = CausalConv1d(2, 3, kernel_size=9)
    with torch.no_grad():
        stuffed.weight.zero_()[..., ::4] = layer.weight
        stuffed.bias.copy_(layer.bias)
    x = torch.randn(2, 2, 40)
    torch.testing.assert_close(layer(x), stuffed(x))


def test_a_kernel_of_one_is_a_dense_layer_at_each_position():
    layer = CausalConv1d(4, 6, kernel_size=1)
    x = torch.randn(2, 4, 9)
    dense = functional.linear(x.transpose(1, 2), layer.weight[..., 0], layer.bias)
    torch.testing.assert_close(layer(x), dense.transpose(1, 2))


def test_dilation_costs_no_parameters():
    counts = {sum(p.numel() for p in CausalConv1d(4, 6, 3, d).parameters()) for d in (1, 2, 64)}
    assert counts == {4 * 6 * 3 + 6}


@given(
    kernel_size=st.integers(1, 4),
    dilation=st.integers(1, 12),
    stride=st.integers(1, 12),
    count=st.integers(1, 6),
    later=st.integers(0, 20),
)
def test_needs_covers_each_tap_of_each_demanded_output(kernel_size, dilation, stride, count, later):
    demand = Demand((count - 1) * stride + 1 + later, count, stride)
    needed = set(CausalConv1d(1, 1, kernel_size, dilation).needs(demand).positions())
    taps = {
        position - tap * dilation for position in demand.positions() for tap in range(kernel_size)
    }
    assert {tap for tap in taps if tap >= 0} <= needed
    assert min(needed) >= 0
    assert max(needed) == demand.length - 1


@given(
    levels=st.integers(1, 6),
    kernel_size=st.integers(2, 3),
    length=st.integers(1, 90),
    count=st.integers(1, 4),
)
def test_the_pyramid_equals_the_whole_for_any_length(levels, kernel_size, length, count):
    stack = Stack(lambda d: PreNormBlock(2, 3, kernel_size, d), dilation_cycles(levels)).double()
    for block in stack.layers:
        nn.init.normal_(block.project.weight)
    x = torch.randn(2, 2, length, dtype=torch.float64)
    count = min(count, length)
    torch.testing.assert_close(stack.last(x, count), stack(x)[..., -count:])


def test_the_last_position_of_a_doubling_stack_reads_a_pyramid():
    stack = Stack(lambda d: ResidualBlock(1, 1, 3, d), dilation_cycles(8))
    demand, columns = Demand(512, 1, 1), []
    for block in reversed(stack.layers):
        demand = block.needs(demand)
        columns.append(demand.count)
    assert columns == [4, 8, 16, 32, 64, 128, 256, 512]


def test_pick_takes_the_demanded_columns():
    x = torch.arange(20.0).reshape(1, 1, 20)
    held = Demand(20, 7, 3)
    columns = pick(x, whole(20), held)
    assert columns.flatten().tolist() == list(held.positions()) == [1, 4, 7, 10, 13, 16, 19]
    wanted = Demand(20, 3, 6)
    assert pick(columns, held, wanted).flatten().tolist() == list(wanted.positions())


def test_keeps_channels_last_memory_through_a_stack():
    stack = Stack(lambda d: PreNormBlock(8, 12, 3, d), (1, 2, 4))
    x = channels_last(torch.randn(2, 8, 20))
    assert is_channels_last(x)
    assert is_channels_last(stack(x))
    assert not is_channels_last(stack(x.contiguous()))


def test_the_state_is_the_last_inputs():
    layer = CausalConv1d(2, 3, kernel_size=3, dilation=2)
    x = torch.randn(1, 2, 11)
    assert layer.initial_state(5).shape == (5, 2, 4)
    _, state = layer.step(x, layer.initial_state(1))
    assert torch.equal(state, x[..., -4:])


def test_a_state_serves_two_continuations():
    layer = CausalConv1d(2, 3, kernel_size=3)
    x, other = torch.randn(1, 2, 6), torch.randn(1, 2, 3)
    _, state = layer.step(x[..., :3], layer.initial_state(1))
    layer.step(other, state)
    again, _ = layer.step(x[..., 3:], state)
    torch.testing.assert_close(again, layer(x)[..., 3:])


def test_streams_with_a_state_in_bfloat16():
    layer = CausalConv1d(2, 3, kernel_size=3, dilation=2).bfloat16()
    x = torch.randn(1, 2, 9).bfloat16()
    y, state = layer.step(x, layer.initial_state(1))
    assert y.dtype == state.dtype == torch.bfloat16


@given(kernel_size=st.integers(1, 7), stride=st.integers(1, 5), length=st.integers(1, 9))
def test_the_transposed_layer_equals_the_start_of_the_transposed_convolution(
    kernel_size, stride, length
):
    layer = CausalConvTranspose1d(2, 3, kernel_size, stride)
    x = torch.randn(2, 2, length)
    full = functional.conv_transpose1d(x, layer.weight, layer.bias, stride)
    expected = layer.bias[:, None].expand(2, 3, length * stride).clone()
    n = min(full.shape[-1], length * stride)
    expected[..., :n] = full[..., :n]
    torch.testing.assert_close(layer(x), expected)


def test_the_transposed_layer_is_the_adjoint_of_the_strided_one():
    up = CausalConvTranspose1d(3, 2, kernel_size=5, stride=2, bias=False).double()
    x, y = torch.randn(1, 3, 6, dtype=torch.float64), torch.randn(1, 2, 12, dtype=torch.float64)
    ahead = functional.pad(y, (0, 4))  # an output reads the past; its adjoint reads the future
    down = functional.conv1d(ahead, up.weight, stride=2)[..., :6]
    torch.testing.assert_close((up(x) * y).sum(), (x * down).sum())


def test_a_separable_layer_is_a_depthwise_and_a_pointwise_one():
    layer = SeparableConv1d(4, 6, kernel_size=3, dilation=2)
    x = torch.randn(2, 4, 12)
    depthwise = functional.conv1d(
        functional.pad(x, (4, 0)), layer.depthwise.weight, layer.depthwise.bias, 1, 0, 2, 4
    )
    expected = functional.conv1d(depthwise, layer.pointwise.weight, layer.pointwise.bias)
    torch.testing.assert_close(layer(x), expected)


def test_the_gradient_at_the_first_of_a_thousand_inputs_is_finite_and_not_zero():
    stack = Stack(lambda d: ResidualBlock(32, 32, 3, d), dilation_cycles(8))
    x = torch.randn(1, 32, 1000, requires_grad=True)
    stack.last(x).sum().backward()
    assert torch.isfinite(x.grad).all()
    assert x.grad[..., 0].abs().sum() > 0


@pytest.mark.parametrize(
    "name", ["in_channels", "out_channels", "kernel_size", "dilation", "stride"]
)
def test_rejects_sizes_below_one_and_names_them(name):
    sizes = {"in_channels": 1, "out_channels": 1, "kernel_size": 2, "dilation": 1, "stride": 1}
    with pytest.raises(ConfigError, match=rf"must be at least 1, got .*{name}=0"):
        CausalConv1d(**{**sizes, name: 0})


def test_rejects_groups_that_do_not_divide_the_channels():
    with pytest.raises(
        ConfigError, match=r"^groups must divide in_channels=4 and out_channels=6, got 4\.$"
    ):
        CausalConv1d(4, 6, 3, groups=4)


@pytest.mark.parametrize("count", [0, -1, 6])
def test_last_rejects_a_count_that_the_input_does_not_give(count):
    with pytest.raises(ConfigError, match=rf"from 1 to the 5 outputs .* got {count}\.$"):
        CausalConv1d(1, 1, 2).last(torch.zeros(1, 1, 5), count)


def test_rejects_an_empty_sequence():
    with pytest.raises(ConfigError, match="at least one layer, got none"):
        StreamSequential([])


def test_starts_with_the_weights_that_torch_draws():
    torch.manual_seed(3)
    ours = CausalConv1d(4, 6, 3)
    torch.manual_seed(3)
    theirs = nn.Conv1d(4, 6, 3)
    assert torch.equal(ours.weight, theirs.weight)
    assert torch.equal(ours.bias, theirs.bias)
    assert ours.bias.abs().max() <= 1 / math.sqrt(12)


def test_transposed_starts_with_the_weights_that_torch_draws():
    torch.manual_seed(3)
    ours = CausalConvTranspose1d(4, 6, 3, 2)
    torch.manual_seed(3)
    theirs = nn.ConvTranspose1d(4, 6, 3, 2)
    assert torch.equal(ours.weight, theirs.weight)
    assert torch.equal(ours.bias, theirs.bias)


def test_a_sequence_takes_a_list_or_each_layer_by_itself():
    convs = [CausalConv1d(1, 4, 2), CausalConv1d(4, 1, 2, 2)]
    x = torch.randn(2, 1, 9)
    assert torch.equal(StreamSequential(*convs)(x), StreamSequential(convs)(x))
    assert torch.equal(StreamSequential(convs[0])(x), convs[0](x))
    nested = StreamSequential(StreamSequential(convs))
    assert len(nested.layers) == 1


def test_a_sequence_says_which_layer_has_no_stream():
    with pytest.raises(ConfigError, match=r"^Layer 1 is a ReLU, which is no .* Activation\(nn\.Re"):
        StreamSequential(CausalConv1d(1, 1, 2), nn.ReLU())
    with pytest.raises(ConfigError, match=r"^A sequence needs at least one layer, got none\.$"):
        StreamSequential()


@pytest.mark.parametrize("shape", [(3, 9), (2, 9, 3), (2, 4, 9), (1, 2, 3, 9)])
def test_inputs_of_another_shape_are_named(shape):
    with pytest.raises(ConfigError, match=r"^Inputs need the shape \(N, 3, L\), channels before t"):
        ResidualBlock(3, 4, 2)(torch.zeros(shape))

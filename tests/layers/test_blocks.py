"""Norms, dropout, weight norm and the gate."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from tcn.errors import ConfigError
from tcn.layers import (
    CausalConv1d,
    ChannelDropout,
    Condition,
    GatedBlock,
    GatedStack,
    LayerNorm,
    PreNormBlock,
    ResidualBlock,
    RMSNorm,
    Stack,
    channels_last,
    dilation_cycles,
    fold_weight_norm,
    levels_for,
    stack_field,
)


@pytest.mark.parametrize("layout", [torch.Tensor.contiguous, channels_last])
def test_layer_norm_equals_that_of_torch_over_channels(layout):
    layer = LayerNorm(6)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    x = layout(torch.randn(3, 6, 10))
    expected = functional.layer_norm(x.transpose(1, 2), (6,), layer.weight, layer.bias)
    torch.testing.assert_close(layer(x), expected.transpose(1, 2))


@pytest.mark.parametrize("layout", [torch.Tensor.contiguous, channels_last])
def test_rms_norm_equals_that_of_torch_over_channels(layout):
    layer = RMSNorm(6)
    nn.init.normal_(layer.weight)
    x = layout(torch.randn(3, 6, 10))
    expected = functional.rms_norm(x.transpose(1, 2), (6,), layer.weight, 1e-6)
    torch.testing.assert_close(layer(x), expected.transpose(1, 2))


@pytest.mark.parametrize("norm", [LayerNorm(6), RMSNorm(6)])
def test_a_norm_of_constant_channels_is_finite(norm):
    assert torch.isfinite(norm(torch.zeros(1, 6, 4))).all()
    assert torch.isfinite(norm(torch.full((1, 6, 4), 1e6))).all()
    half = norm(torch.full((1, 6, 4), 300.0).bfloat16())
    assert half.dtype == torch.bfloat16
    assert torch.isfinite(half).all()


def test_channel_dropout_takes_whole_channels_and_keeps_the_mean():
    layer = ChannelDropout(0.25)
    y = layer(torch.ones(400, 50, 3))
    assert set(y.unique().tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    assert torch.equal(y[..., 0], y[..., 2])
    assert (y[..., 0] == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)


def test_channel_dropout_passes_its_input_on_after_training():
    x = torch.randn(2, 3, 4)
    assert ChannelDropout(0.5).eval()(x) is x
    assert ChannelDropout(0.0)(x) is x


@pytest.mark.parametrize("p", [-0.1, 1.0])
def test_channel_dropout_rejects_a_probability_outside_its_range(p):
    with pytest.raises(ConfigError, match=rf"in \[0, 1\), got {p}\.$"):
        ChannelDropout(p)


def test_training_drops_whole_channels_in_the_pyramid_too():
    stack = Stack(lambda d: ResidualBlock(4, 4, 3, d, dropout=0.5), (1, 2))
    x = torch.randn(2, 4, 9)
    assert not torch.equal(stack.last(x), stack.last(x))


def test_a_new_pre_norm_block_passes_its_input_on():
    x = torch.randn(2, 4, 9)
    assert torch.equal(PreNormBlock(4, 8, 3, 2)(x), x)


def test_a_pre_norm_block_rejects_an_unknown_norm():
    with pytest.raises(ConfigError, match="'layer' or 'rms', got 'batch'"):
        PreNormBlock(4, 8, 3, norm="batch")


def test_weight_norm_starts_from_the_drawn_weights():
    layer = CausalConv1d(4, 6, 3, weight_norm=True)
    torch.testing.assert_close(layer.effective_weight(), layer.weight)


def test_weight_norm_equals_that_of_torch():
    layer = CausalConv1d(4, 6, 3, weight_norm=True)
    plain = nn.Conv1d(4, 6, 3)
    plain.load_state_dict({"weight": layer.weight, "bias": layer.bias})
    theirs = nn.utils.parametrizations.weight_norm(plain)
    gain = torch.rand(6, 1, 1) + 0.5
    with torch.no_grad():
        layer.gain.copy_(gain)
        theirs.parametrizations.weight.original0.copy_(gain)
    x = torch.randn(2, 4, 9)
    torch.testing.assert_close(layer(x), theirs(functional.pad(x, (2, 0))))


def test_the_length_of_the_direction_does_not_matter():
    layer = CausalConv1d(4, 6, 3, weight_norm=True)
    x = torch.randn(2, 4, 9)
    y = layer(x)
    with torch.no_grad():
        layer.weight.mul_(7.0)
    torch.testing.assert_close(layer(x), y)


def test_weight_norm_survives_copies_saved_weights_and_folding():
    block = ResidualBlock(4, 6, 3, 2, weight_norm=True).eval()
    with torch.no_grad():
        block.first.gain.mul_(1.5)
    x = torch.randn(2, 4, 20)
    y = block(x)
    other = ResidualBlock(4, 6, 3, 2, weight_norm=True).eval()
    other.load_state_dict(block.state_dict())
    folded = fold_weight_norm(block)
    plain = ResidualBlock(4, 6, 3, 2).eval()
    plain.load_state_dict(folded.state_dict())
    assert torch.equal(copy.deepcopy(block)(x), y)
    assert torch.equal(other(x), y)
    assert torch.equal(folded(x), y)
    assert torch.equal(plain(x), y)
    assert block.first.gain is not None


def test_a_gate_is_tanh_times_sigmoid():
    block = GatedBlock(3, kernel_size=2, dilation=4, hidden=5, skip_channels=7)
    x = torch.randn(2, 3, 20)
    signal, gate = block.conv(x).chunk(2, dim=1)
    z = torch.tanh(signal) * torch.sigmoid(gate)
    output, skip, _ = block.step_with_skip(x, block.initial_state(2))
    torch.testing.assert_close(output, x + block.residual(z))
    torch.testing.assert_close(skip, block.skip(z))
    assert torch.equal(block(x), output)


def test_a_condition_acts_inside_the_gate():
    block = GatedBlock(3, global_channels=2, step_channels=4)
    x, constant, steps = torch.randn(2, 3, 9), torch.randn(2, 2), torch.randn(2, 4, 9)
    hidden = block.conv(x) + block.steps(steps) + block.constant(constant[:, :, None])
    signal, gate = hidden.chunk(2, dim=1)
    expected = x + block.residual(torch.tanh(signal) * torch.sigmoid(gate))
    torch.testing.assert_close(block(x, Condition(constant, steps)), expected)


def test_a_condition_of_the_future_leaves_earlier_outputs_alone():
    stack = GatedStack(3, skip_channels=5, dilations=(1, 2, 4), step_channels=2)
    x, steps = torch.randn(1, 3, 20), torch.randn(1, 2, 20)
    changed = steps.clone()
    changed[..., 12:] += 1.0
    y, z = stack(x, Condition(steps=steps)), stack(x, Condition(steps=changed))
    assert torch.equal(y[..., :12], z[..., :12])
    assert not torch.equal(y[..., 12], z[..., 12])


def test_a_gated_stack_sums_the_skips():
    stack = GatedStack(3, skip_channels=5, dilations=(1, 2, 4))
    x = torch.randn(2, 3, 15)
    hidden, total = x, torch.zeros(2, 5, 15)
    for block in stack.blocks:
        hidden, skip, _ = block.step_with_skip(hidden, block.initial_state(2))
        total = total + skip
    torch.testing.assert_close(stack(x), total)


def test_each_parameter_of_a_gated_stack_gets_a_gradient():
    stack = GatedStack(3, skip_channels=5, dilations=(1, 2), global_channels=2)
    stack(torch.randn(2, 3, 9), Condition(torch.randn(2, 2))).sum().backward()
    assert all(parameter.grad is not None for parameter in stack.parameters())


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (Condition(), r"takes \(2, 4\) as condition\.constant, got nothing"),
        (Condition(torch.zeros(2, 3)), r"takes \(2, 4\) as condition\.constant, got \(2, 3\)"),
        (
            Condition(torch.zeros(2, 4), torch.zeros(2, 1, 9)),
            r"takes nothing as condition\.steps, got \(2, 1, 9\)",
        ),
    ],
)
def test_a_wrong_condition_is_named(condition, message):
    block = GatedBlock(3, global_channels=4)
    with pytest.raises(ConfigError, match=message):
        block(torch.zeros(2, 3, 9), condition)


def test_a_block_without_skip_says_so():
    block = GatedBlock(3)
    with pytest.raises(ConfigError, match="Build it with skip_channels >= 1"):
        block.step_with_skip(torch.zeros(1, 3, 4), block.initial_state(1))


def test_a_gated_stack_rejects_no_dilations():
    with pytest.raises(ConfigError, match=r"at least one dilation .* dilations=\(\)"):
        GatedStack(3, skip_channels=5, dilations=())


@pytest.mark.parametrize(
    ("kernel_size", "levels", "convs", "cycles", "field"),
    [(2, 6, 1, 1, 64), (2, 10, 1, 1, 1024), (2, 10, 1, 3, 3070), (7, 8, 2, 1, 3061)],
)
def test_known_receptive_fields(kernel_size, levels, convs, cycles, field):
    dilations = dilation_cycles(levels, cycles)
    assert stack_field(kernel_size, dilations, convs) == field
    if convs == 1:
        stack = Stack(lambda d: CausalConv1d(1, 1, kernel_size, d), dilations)
    else:
        stack = Stack(lambda d: ResidualBlock(1, 1, kernel_size, d), dilations)
    assert stack.receptive_field == field


@pytest.mark.parametrize("kernel_size", [2, 3, 7])
@pytest.mark.parametrize("convs", [1, 2])
@pytest.mark.parametrize("cycles", [1, 3])
@pytest.mark.parametrize("growth", [1, 2, 3])
def test_levels_for_is_the_least_that_covers_the_context(kernel_size, convs, cycles, growth):
    for context in [*range(1, 200), 2**20, 2**53 + 1 if growth > 1 else 10**6]:
        levels = levels_for(
            context, kernel_size, convs_per_level=convs, cycles=cycles, growth=growth
        )
        total = levels if growth == 1 else (growth**levels - 1) // (growth - 1)
        less = levels - 1 if growth == 1 else (growth ** (levels - 1) - 1) // (growth - 1)
        per_dilation = cycles * convs * (kernel_size - 1)
        assert 1 + per_dilation * total >= context
        assert levels == 1 or 1 + per_dilation * less < context


def test_no_depth_lets_a_kernel_of_one_read_the_past():
    assert levels_for(1, kernel_size=1) == 1
    with pytest.raises(ConfigError, match="size 1 read one input at any depth, not 10"):
        levels_for(10, kernel_size=1)


def test_levels_for_rejects_an_empty_context():
    with pytest.raises(ConfigError, match=r"^context_length must be at least 1, got 0\.$"):
        levels_for(0, kernel_size=2)

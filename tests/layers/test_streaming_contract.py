"""Every causal layer, block and stack keeps the streaming contract."""

from collections.abc import Callable

import pytest
import torch
from contract import check_streamable
from torch import nn

from tcn.layers import (
    Activation,
    CausalConv1d,
    CausalConvTranspose1d,
    ChannelDropout,
    Condition,
    GatedBlock,
    GatedStack,
    LayerNorm,
    PreNormBlock,
    ResidualBlock,
    RMSNorm,
    SeparableConv1d,
    Stack,
    StreamLayer,
    StreamSequential,
    dilation_cycles,
)

LAYERS: dict[str, Callable[[], StreamLayer]] = {
    "conv": lambda: CausalConv1d(4, 6, 3),
    "conv of one tap": lambda: CausalConv1d(4, 6, 1),
    "dilated conv": lambda: CausalConv1d(4, 6, 3, 4),
    "dilated conv of two taps": lambda: CausalConv1d(4, 6, 2, 5, bias=False),
    "grouped conv": lambda: CausalConv1d(4, 6, 3, 2, groups=2),
    "depthwise conv": lambda: CausalConv1d(4, 4, 5, 2, groups=4),
    "normed conv": lambda: CausalConv1d(4, 6, 3, 2, weight_norm=True),
    "strided conv": lambda: CausalConv1d(4, 6, 3, stride=2),
    "strided dilated conv": lambda: CausalConv1d(4, 6, 4, 3, stride=2),
    "stride past the kernel": lambda: CausalConv1d(4, 6, 2, 2, stride=5),
    "one tap with stride": lambda: CausalConv1d(4, 6, 1, stride=3),
    "separable conv": lambda: SeparableConv1d(4, 6, 3, 2),
    "strided separable conv": lambda: SeparableConv1d(4, 6, 3, 2, stride=2, weight_norm=True),
    "transposed conv": lambda: CausalConvTranspose1d(4, 6, 4, 2),
    "transposed conv, odd kernel": lambda: CausalConvTranspose1d(4, 6, 7, 3, groups=2),
    "transposed conv, short kernel": lambda: CausalConvTranspose1d(4, 6, 2, 5),
    "transposed conv, stride 1": lambda: CausalConvTranspose1d(4, 6, 3, 1, bias=False),
    "layer norm": lambda: LayerNorm(4),
    "rms norm": lambda: RMSNorm(4),
    "channel dropout": lambda: ChannelDropout(0.5),
    "activation": lambda: Activation(nn.GELU()),
    "residual block": lambda: ResidualBlock(4, 6, 3, 4, dropout=0.3),
    "residual block, same width": lambda: ResidualBlock(4, 4, 2, 3, weight_norm=True),
    "pre-norm block": lambda: awake(PreNormBlock(4, 6, 3, 4, dropout=0.3)),
    "pre-norm block, rms": lambda: awake(PreNormBlock(4, 6, 3, 2, norm="rms")),
    "gated block": lambda: GatedBlock(4, 2, 4, dropout=0.3),
    "wide gated block": lambda: GatedBlock(4, 3, 2, hidden=7, weight_norm=True),
    "gated stack": lambda: GatedStack(4, skip_channels=5, dilations=(1, 2, 4, 8)),
    "gated stack, two cycles": lambda: GatedStack(
        4, skip_channels=5, dilations=dilation_cycles(3, cycles=2), kernel_size=3
    ),
    "doubling stack": lambda: Stack(lambda d: ResidualBlock(4, 4, 3, d), dilation_cycles(5)),
    "two cycles": lambda: Stack(
        lambda d: awake(PreNormBlock(4, 6, 2, d)), dilation_cycles(4, cycles=2)
    ),
    "dilations that do not divide": lambda: Stack(
        lambda d: ResidualBlock(4, 4, 2, d), (1, 3, 2, 6, 4)
    ),
    "falling dilations": lambda: Stack(lambda d: GatedBlock(4, 2, d), (8, 4, 2, 1)),
    "stem, norm, blocks and outlet": lambda: StreamSequential(
        [
            CausalConv1d(4, 8, 1),
            awake(PreNormBlock(8, 8, 3, 1)),
            awake(PreNormBlock(8, 8, 3, 2)),
            Stack(lambda d: ResidualBlock(8, 8, 2, d), (1, 2)),
            RMSNorm(8),
            Activation(torch.tanh),
            CausalConv1d(8, 3, 1),
        ]
    ),
    "down and up": lambda: StreamSequential(
        [
            CausalConv1d(4, 6, 3, stride=2),
            ResidualBlock(6, 6, 3, 2),
            CausalConvTranspose1d(6, 4, 4, 2),
        ]
    ),
    "down twice": lambda: StreamSequential(
        [CausalConv1d(4, 6, 3, 2, stride=2), CausalConv1d(6, 5, 2, 3, stride=3)]
    ),
    "up twice": lambda: StreamSequential(
        [CausalConvTranspose1d(4, 6, 3, 2), CausalConvTranspose1d(6, 5, 5, 3)]
    ),
}


def awake(block: PreNormBlock) -> PreNormBlock:
    """The block with a projection that is not zero, so that its inner path shows."""
    nn.init.normal_(block.project.weight, std=0.3)
    return block


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("name", LAYERS)
def test_keeps_the_streaming_contract(name):
    check_streamable(LAYERS[name](), in_channels=4)


def whole_condition(batch_size, length):
    generator = torch.Generator().manual_seed(length)
    return Condition(
        torch.randn(batch_size, 3, generator=generator, dtype=torch.float64),
        torch.randn(batch_size, 2, length, generator=generator, dtype=torch.float64),
    )


@pytest.mark.parametrize(
    "layer",
    [
        lambda: GatedBlock(4, 2, 4, global_channels=3, step_channels=2),
        lambda: GatedStack(
            4, skip_channels=5, dilations=(1, 2, 4), global_channels=3, step_channels=2
        ),
    ],
    ids=["block", "stack"],
)
def test_conditioned_layers_keep_the_streaming_contract(layer):
    check_streamable(layer(), in_channels=4, condition=whole_condition)


def test_every_streaming_layer_is_checked_here():
    checked = {type(layer()) for layer in LAYERS.values()}
    assert concrete(StreamLayer) <= checked


def concrete(kind):
    found = set()
    for child in kind.__subclasses__():
        if not child.__abstractmethods__ and child.__module__.startswith("tcn.layers"):
            found.add(child)
        found |= concrete(child)
    return found


@pytest.mark.parametrize("name", ["residual block", "pre-norm block", "gated block"])
def test_an_exported_block_takes_any_batch_and_length(name):
    layer = LAYERS[name]().eval()
    sizes = ({0: torch.export.Dim("n"), 2: torch.export.Dim("length")},)
    exported = torch.export.export(layer, (torch.randn(2, 4, 30),), dynamic_shapes=sizes).module()
    for x in (torch.randn(3, 4, 100), torch.randn(5, 4, 7)):
        torch.testing.assert_close(exported(x), layer(x))

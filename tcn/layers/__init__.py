"""Causal layers with exact streaming, and 2D layers in the same style."""

from tcn.layers.activation import Activation
from tcn.layers.conv import CausalConv1d
from tcn.layers.conv2d import Conv2d, ConvTranspose2d, MaskedConv2d
from tcn.layers.dropout import ChannelDropout
from tcn.layers.field import dilation_cycles, levels_for, stack_field
from tcn.layers.folding import fold_weight_norm
from tcn.layers.gated import Condition, GatedBlock
from tcn.layers.layout import channels_last, is_channels_last
from tcn.layers.norms import LayerNorm, RMSNorm
from tcn.layers.pre_norm import PreNormBlock
from tcn.layers.residual import ResidualBlock
from tcn.layers.separable import SeparableConv1d
from tcn.layers.sequential import StreamSequential
from tcn.layers.shapes import conv_out, conv_transpose_out, same_padding
from tcn.layers.stack import GatedStack, Stack
from tcn.layers.states import join_states, take_states
from tcn.layers.stream import (
    Demand,
    PointwiseLayer,
    RowsFunction,
    StreamLayer,
    module_list,
    pick,
    whole,
)
from tcn.layers.streams import Streams
from tcn.layers.transposed import CausalConvTranspose1d

__all__ = [
    "Activation",
    "CausalConv1d",
    "CausalConvTranspose1d",
    "ChannelDropout",
    "Condition",
    "Conv2d",
    "ConvTranspose2d",
    "Demand",
    "GatedBlock",
    "GatedStack",
    "LayerNorm",
    "MaskedConv2d",
    "PointwiseLayer",
    "PreNormBlock",
    "RMSNorm",
    "ResidualBlock",
    "RowsFunction",
    "SeparableConv1d",
    "Stack",
    "StreamLayer",
    "StreamSequential",
    "Streams",
    "channels_last",
    "conv_out",
    "conv_transpose_out",
    "dilation_cycles",
    "fold_weight_norm",
    "is_channels_last",
    "join_states",
    "levels_for",
    "module_list",
    "pick",
    "same_padding",
    "stack_field",
    "take_states",
    "whole",
]

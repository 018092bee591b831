"""Causal layers with exact streaming, and 2D layers in the same style."""

from tcn.layers.conv import CausalConv1d
from tcn.layers.dropout import ChannelDropout
from tcn.layers.gated import Condition, GatedBlock
from tcn.layers.layout import channels_last, is_channels_last
from tcn.layers.norms import LayerNorm, RMSNorm
from tcn.layers.pre_norm import PreNormBlock
from tcn.layers.sequential import StreamSequential
from tcn.layers.stream import Demand, PointwiseLayer, StreamLayer, module_list, pick, whole
from tcn.layers.weight_norm import fold_weight_norm

__all__ = [
    "CausalConv1d",
    "ChannelDropout",
    "Condition",
    "Demand",
    "GatedBlock",
    "LayerNorm",
    "PointwiseLayer",
    "PreNormBlock",
    "RMSNorm",
    "StreamLayer",
    "StreamSequential",
    "channels_last",
    "fold_weight_norm",
    "is_channels_last",
    "module_list",
    "pick",
    "whole",
]

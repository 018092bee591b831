"""Weight normalisation: the length and the direction of weights as separate parameters.

Source: Salimans and Kingma 2016 (arXiv:1602.07868). A layer that supports it has a parameter `gain`
beside `weight`; both are ordinary parameters, so that copies and saved weights need no care.
"""

import torch
from torch import Tensor


def direction_norm(weight: Tensor) -> Tensor:
    """Euclidean length of each output channel's weights, (C_out, 1, 1)."""
    axes = tuple(range(1, weight.ndim))
    length: Tensor = torch.linalg.vector_norm(weight, dim=axes, keepdim=True)
    return length


def scaled(weight: Tensor, gain: Tensor) -> Tensor:
    """Weights in the direction of `weight` (C_out, C_in, k) with length `gain` (C_out, 1, 1)."""
    return weight * (gain / direction_norm(weight))

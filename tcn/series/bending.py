"""The inverse hyperbolic sine, cheap: how large numbers are bent before a network reads them."""

import math

import torch
from torch import Tensor

MANY = 4096  # from so many numbers on, several fast functions beat one slow one


def bent(x: Tensor, largest: float) -> Tensor:
    """asinh(x) cut to [-largest, largest], float32 to rounding; largest is at most 40.

    Many are bent with log1p and sqrt, which run on whole vectors where asinh does not.
    """
    x = x.float()
    if not torch.compiler.is_compiling() and x.numel() < MANY:
        return x.asinh().clamp_(-largest, largest)
    size = x.abs().clamp_max(math.sinh(largest))
    square = size.square()
    # with y = x^2, asinh(x) = log1p(x + y / (1 + sqrt(1 + y))), exact for small x too
    return torch.sign(x) * torch.log1p(size + square / (1.0 + torch.sqrt(1.0 + square)))

"""A normal distribution."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from tcn.models.heads.base import FIRST_SCALE, Head, softplus_offset

SMALLEST_SCALE = 1e-3


class GaussianHead(Head):
    r"""Normal distribution with mean raw[0] and standard deviation softplus(raw[1] + c) + 0.001.

    Trained by its negative log-likelihood; c makes the deviation of a new network 0.6. The floor
    keeps the loss of targets that are met exactly finite; being a density's, the loss may be
    negative.

    Shape: raw (..., 2).

    >>> GaussianHead().quantiles(torch.zeros(2), (0.5,))
    tensor([0.])
    """

    n_raw = 2

    def scale(self, raw: Tensor) -> Tensor:
        """Standard deviation, (...)."""
        offset = softplus_offset(FIRST_SCALE - SMALLEST_SCALE)
        return functional.softplus(raw[..., 1] + offset) + SMALLEST_SCALE

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        scale = self.scale(raw)
        error = (target - raw[..., 0]) / scale
        return 0.5 * error.square() + scale.log() + 0.5 * math.log(2.0 * math.pi)

    def mean(self, raw: Tensor) -> Tensor:
        return raw[..., 0]

    def quantiles(self, raw: Tensor, levels: tuple[float, ...]) -> Tensor:
        probits: Tensor = torch.special.ndtri(torch.tensor(levels, dtype=torch.float64))
        return raw[..., :1] + self.scale(raw)[..., None] * probits.to(raw)

    def mean_and_quantiles(self, raw: Tensor, levels: tuple[float, ...]) -> tuple[Tensor, Tensor]:
        return self.mean(raw).double(), self.quantiles(raw, levels).double()

"""What a head is: raw network outputs to a loss, a mean and quantiles.

A head knows nothing of the backbone, of scaling or of time. Its first raw output is the location;
networks add their drafts to that one.
"""

import math
from abc import ABC, abstractmethod

from torch import Tensor, nn

FIRST_SCALE = 0.6  # standard deviation that a new network's forecasts have, in z units


class Head(nn.Module, ABC):
    """Turns `n_raw` numbers per step into a distribution.

    Shape: raw (..., n_raw), target (...), loss (...), mean (...), quantiles (..., Q).
    """

    n_raw: int

    @abstractmethod
    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        """Loss of each step, unreduced."""

    @abstractmethod
    def mean(self, raw: Tensor) -> Tensor:
        """Mean of each step's distribution."""

    @abstractmethod
    def quantiles(self, raw: Tensor, levels: tuple[float, ...]) -> Tensor:
        """Quantiles at `levels`, ascending along the last axis."""

    @abstractmethod
    def mean_and_quantiles(self, raw: Tensor, levels: tuple[float, ...]) -> tuple[Tensor, Tensor]:
        """Both at once, in float64: what the two share is computed once."""


def softplus_offset(value: float) -> float:
    """What softplus turns into `value`."""
    return math.log(math.expm1(value))

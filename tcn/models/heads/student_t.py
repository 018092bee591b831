r"""Student's t distribution, and its quantiles for degrees of freedom that differ at each step.

The quantile function has no closed form in the degrees of freedom $\nu$, but for each level it is a
smooth function of $1 / \nu$. Its logarithm, relative to the normal quantile, is interpolated at
Chebyshev points, where it is found once by bisection; evaluating it is then one matrix product.
"""

import functools
import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from tcn.models.heads.base import FIRST_SCALE, Head, softplus_offset

SMALLEST_SCALE = 1e-3
SMALLEST_INVERSE, LARGEST_INVERSE = 1.0 / 200.0, 1.0 / 2.1
FIRST_INVERSE = 1.0 / 8.0
N_POINTS = 20
N_NODES = 64
N_BISECTIONS = 60
FURTHEST = 40.0  # of asinh(quantile)


class StudentTHead(Head):
    r"""Location raw[0], scale softplus(raw[1] + c) + 0.001, degrees of freedom 2.1 to 200.

    The inverse degrees of freedom are a sigmoid of raw[2], so that the tails range from heavy, with
    a finite variance, to normal. Trained by the negative log-likelihood; a new network starts at
    scale 0.6 and 8 degrees of freedom.

    Shape: raw (..., 3).
    """

    n_raw = 3

    def scale(self, raw: Tensor) -> Tensor:
        """Scale (not the standard deviation), (...)."""
        offset = softplus_offset(FIRST_SCALE - SMALLEST_SCALE)
        return functional.softplus(raw[..., 1] + offset) + SMALLEST_SCALE

    def inverse_degrees(self, raw: Tensor) -> Tensor:
        """One over the degrees of freedom, (...)."""
        span = LARGEST_INVERSE - SMALLEST_INVERSE
        share = (FIRST_INVERSE - SMALLEST_INVERSE) / span
        offset = math.log(share / (1.0 - share))
        return SMALLEST_INVERSE + span * torch.sigmoid(raw[..., 2] + offset)

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        scale = self.scale(raw)
        degrees = 1.0 / self.inverse_degrees(raw)
        error = (target - raw[..., 0]) / scale
        tail = 0.5 * (degrees + 1.0) * torch.log1p(error.square() / degrees)
        return tail + scale.log() - _log_peak(degrees)

    def mean(self, raw: Tensor) -> Tensor:
        return raw[..., 0]

    def quantiles(self, raw: Tensor, levels: tuple[float, ...]) -> Tensor:
        standard = t_quantiles(self.inverse_degrees(raw), levels).to(raw)
        return raw[..., :1] + self.scale(raw)[..., None] * standard

    def mean_and_quantiles(self, raw: Tensor, levels: tuple[float, ...]) -> tuple[Tensor, Tensor]:
        return self.mean(raw).double(), self.quantiles(raw, levels).double()


def t_quantiles(inverse_degrees: Tensor, levels: tuple[float, ...]) -> Tensor:
    """Quantiles of the standard t distribution, (...) -> (..., Q) float64.

    inverse_degrees: in [1/200, 1/2.1]. The relative error is below 1e-8.
    """
    at = _to_unit(inverse_degrees.double())
    order = torch.arange(N_POINTS, device=at.device)
    terms = torch.cos(order * torch.acos(at.clamp(-1.0, 1.0))[..., None])
    tau = torch.tensor(levels, dtype=torch.float64, device=at.device)
    probits: Tensor = torch.special.ndtri(tau)
    return probits * torch.exp(terms @ torch.from_numpy(_coefficients(levels)).to(at.device))


def _log_peak(degrees: Tensor) -> Tensor:
    """Log of the standard density at 0."""
    ratio = torch.lgamma(0.5 * (degrees + 1.0)) - torch.lgamma(0.5 * degrees)
    return ratio - 0.5 * torch.log(math.pi * degrees)


def _to_unit(inverse_degrees: Tensor) -> Tensor:
    middle = 0.5 * (SMALLEST_INVERSE + LARGEST_INVERSE)
    return (inverse_degrees - middle) / (0.5 * (LARGEST_INVERSE - SMALLEST_INVERSE))


@functools.lru_cache(maxsize=128)
def _coefficients(levels: tuple[float, ...]) -> NDArray[np.float64]:
    """Chebyshev coefficients of log(t quantile / normal quantile), (N_POINTS, Q)."""
    angles = (np.arange(N_POINTS) + 0.5) * (np.pi / N_POINTS)
    span = LARGEST_INVERSE - SMALLEST_INVERSE
    inverse = SMALLEST_INVERSE + 0.5 * span * (1.0 + np.cos(angles))
    ratios = torch.log(_exact_ratios(torch.from_numpy(1.0 / inverse), levels)).numpy()
    basis = np.cos(np.arange(N_POINTS)[:, None] * angles) * (2.0 / N_POINTS)
    basis[0] /= 2.0
    return np.asarray(basis @ ratios)


def _exact_ratios(degrees: Tensor, levels: tuple[float, ...]) -> Tensor:
    """Quantiles of t over those of the normal distribution, (D,) -> (D, Q), by bisection.

    In w = asinh(t) the density is smooth on both the scale of its peak and that of its tails, so
    that a Gauss-Legendre rule gives the probability between 0 and t to rounding.
    """
    tau = torch.tensor(levels, dtype=torch.float64)
    probits = torch.special.ndtri(tau)
    wanted = (tau - 0.5).abs().expand(len(degrees), -1)
    low, high = torch.zeros_like(wanted), torch.full_like(wanted, FURTHEST)
    for _ in range(N_BISECTIONS):
        middle = 0.5 * (low + high)
        is_short = _probability_to(middle, degrees[:, None]) < wanted
        low, high = torch.where(is_short, middle, low), torch.where(is_short, high, middle)
    at_median = torch.exp(-_log_peak(degrees)[:, None] - 0.5 * math.log(2.0 * math.pi))
    quantile = torch.sinh(0.5 * (low + high))
    return torch.where(probits == 0.0, at_median, quantile / probits.abs())


def _probability_to(w: Tensor, degrees: Tensor) -> Tensor:
    """Probability that t lies between 0 and sinh(w)."""
    nodes, weights = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(N_NODES))
    at = 0.5 * w[..., None] * (1.0 + nodes)
    tail = 0.5 * (degrees + 1.0)[..., None]
    density = torch.exp(-tail * torch.log1p(torch.sinh(at).square() / degrees[..., None]))
    integral = 0.5 * w * ((density * torch.cosh(at)) @ weights)
    return torch.exp(_log_peak(degrees)) * integral

"""Heads turn raw network outputs into a loss, a mean and quantiles."""

from tcn.config import HeadName, require_choice
from tcn.models.heads.base import Head
from tcn.models.heads.gaussian import GaussianHead
from tcn.models.heads.quantile import QuantileHead, interpolation_weights
from tcn.models.heads.student_t import StudentTHead


def build_head(name: HeadName, quantile_levels: tuple[float, ...]) -> Head:
    """Head of that name; `quantile_levels` are those the quantile head is trained on."""
    require_choice("head", name, HeadName)
    if name == "gaussian":
        return GaussianHead()
    if name == "student_t":
        return StudentTHead()
    return QuantileHead(quantile_levels)


__all__ = [
    "GaussianHead",
    "Head",
    "QuantileHead",
    "StudentTHead",
    "build_head",
    "interpolation_weights",
]

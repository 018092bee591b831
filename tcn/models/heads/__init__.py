"""Heads turn raw network outputs into a loss, a mean and quantiles."""

from tcn.config import HeadName
from tcn.models.heads.base import Head
from tcn.models.heads.quantile import QuantileHead, interpolation_weights


def build_head(name: HeadName, quantile_levels: tuple[float, ...]) -> Head:
    """Head of that name; `quantile_levels` are those the quantile head is trained on."""
    return QuantileHead(quantile_levels)


__all__ = ["Head", "QuantileHead", "build_head", "interpolation_weights"]

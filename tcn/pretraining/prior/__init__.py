"""Synthetic series to pretrain on: families, disturbances and their mixture."""

from tcn.pretraining.prior.families import FAMILIES
from tcn.pretraining.prior.mixture import SyntheticSeries, sample_series

__all__ = ["FAMILIES", "SyntheticSeries", "sample_series"]

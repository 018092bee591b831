"""The prior: families mixed, disturbed and labelled with a season hint."""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tcn.pretraining.prior.disturbances import disturb
from tcn.pretraining.prior.families import FAMILIES, Family, Traits, family_shares
from tcn.pretraining.prior.noise import Array, column, log_uniform, pick
from tcn.pretraining.prior.seasons import season_lengths

SEASONAL_SHARE = 0.62
SEASONAL_SHARE_OF_SHORT = 0.55
SHORT = 90
HINT_KEPT = 0.88
HINT_WRONG = 0.05
HINT_WITHOUT_SEASON = 0.5
YEARLY_GROWTH = 0.52  # median over series
GROWTH_SPREAD = 0.5  # of its logarithm


class SyntheticSeries(NamedTuple):
    """Series of one length and what a forecaster is told of their season."""

    values: Array  # (N, L), NaN where missing
    season_hint: NDArray[np.int64]  # (N,) 1 for none; may be wrong, as users' hints may be


def sample_series(rng: Generator, n: int, length: int) -> SyntheticSeries:
    """Draw `n` series of `length` from the mixture."""
    names = list(FAMILIES)
    family = rng.choice(len(names), size=n, p=family_shares(length))
    nominal = season_lengths(rng, n, length)
    share = SEASONAL_SHARE_OF_SHORT if length < SHORT else SEASONAL_SHARE
    is_seasonal = pick(rng, share, n)
    season = np.where(is_seasonal, nominal, 1)
    hints = _hints(rng, season, nominal, length)
    traits = Traits(season, _growth(rng, hints))
    values = np.empty((n, length))
    for number, make in enumerate(names):
        rows = np.flatnonzero(family == number)
        if rows.size:
            part = Traits(traits.season[rows], traits.growth[rows])
            values[rows] = _finite(make, rng, part, length)
    values = disturb(rng, _lift(rng, values))
    return SyntheticSeries(values, hints)


def _growth(rng: Generator, hints: NDArray[np.int64]) -> Array:
    """Drift per step against its shocks: that of years, shrunk by the root of the steps in one.

    Series differ in it: some hardly grow, others do so steadily, and the past tells which. A cycle
    other than a year says less of growth, so it has half of it.
    """
    halved = np.where(np.isin(hints, (1, 4, 12)), 1.0, 0.5)
    own = np.exp(GROWTH_SPREAD * rng.standard_normal(hints.size))
    return YEARLY_GROWTH * own * halved / np.sqrt(hints)


def _finite(make: Family, rng: Generator, traits: Traits, length: int) -> Array:
    values = make(rng, traits, length)
    return np.clip(np.nan_to_num(values, nan=0.0, posinf=1e9, neginf=-1e9), -1e9, 1e9)


def _lift(rng: Generator, values: Array) -> Array:
    """Raise most series that cross zero above it, since most measured quantities are positive."""
    low = values.min(axis=1, keepdims=True)
    spread = np.maximum(np.ptp(values, axis=1, keepdims=True), 1e-9)
    room = column(log_uniform(rng, 0.01, 5.0, values.shape[0])) * spread
    lifted = column(pick(rng, 0.75, values.shape[0])) & (low < 0)
    return np.where(lifted, values - low + room, values)


def _hints(
    rng: Generator, season: NDArray[np.int64], nominal: NDArray[np.int64], length: int
) -> NDArray[np.int64]:
    n = season.size
    other = season_lengths(rng, n, length)
    draw = rng.random(n)
    seasonal = np.where(draw < HINT_KEPT, season, np.where(draw < HINT_KEPT + HINT_WRONG, other, 1))
    flat = np.where(draw < HINT_WITHOUT_SEASON, nominal, 1)
    return np.where(season > 1, seasonal, flat).astype(np.int64)

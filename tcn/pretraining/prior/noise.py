"""Noise and other building bricks of synthetic series, all (N, L) and seeded."""

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Array = NDArray[np.float64]


def column(values: Any) -> Any:
    """A number per series as a column, (N, 1), of whatever dtype."""
    return values[:, None]


def log_uniform(rng: Generator, low: float, high: float, n: int) -> Array:
    """Log-uniform numbers in [low, high], (N,)."""
    return np.exp(rng.uniform(np.log(low), np.log(high), n))


def pick(rng: Generator, share: float, n: int) -> NDArray[np.bool_]:
    """True for each series with probability `share`, (N,)."""
    return rng.random(n) < share


def innovations(rng: Generator, n: int, length: int) -> Array:
    """Unit-variance shocks: mostly normal, a quarter Student-t with 3 to 8 degrees, (N, L)."""
    shocks = rng.standard_normal((n, length))
    heavy = np.flatnonzero(pick(rng, 0.25, n))
    degrees = column(rng.uniform(3.0, 8.0, heavy.size))
    mixing = rng.chisquare(degrees, (heavy.size, length)) / degrees
    shocks[heavy] *= np.sqrt((degrees - 2.0) / degrees / mixing)
    return shocks


def ar1(rng: Generator, coefficient: Array, n: int, length: int) -> Array:
    """Stationary first-order autoregression with unit variance, (N, L). coefficient: (N,)."""
    shocks = innovations(rng, n, length) * column(np.sqrt(1.0 - coefficient**2))
    out = np.empty((length, n))
    out[0] = rng.standard_normal(n)
    for t in range(1, length):
        out[t] = coefficient * out[t - 1] + shocks[:, t]
    return out.T


def coloured(rng: Generator, n: int, length: int) -> Array:
    """Noise of unit variance, white in half of the series, else autocorrelated, (N, L)."""
    coefficient = np.where(pick(rng, 0.5, n), 0.0, rng.uniform(-0.3, 0.95, n))
    return ar1(rng, coefficient, n, length)


def volatility(rng: Generator, n: int, length: int) -> Array:
    """Positive multipliers of noise: constant in most series, else slowly wandering, (N, L)."""
    spread = np.where(pick(rng, 0.75, n), 0.0, rng.uniform(0.2, 0.8, n))
    return np.exp(column(spread) * ar1(rng, np.full(n, 0.97), n, length))


def smooth_path(rng: Generator, n: int, length: int, knots: int) -> Array:
    """Smooth random curves through `knots` standard normal points, by cosine blending, (N, L)."""
    points = rng.standard_normal((n, knots + 1))
    at = np.linspace(0.0, knots, length, endpoint=False)
    left = at.astype(np.int64)
    share = 0.5 - 0.5 * np.cos(np.pi * (at - left))
    path: Array = points[:, left] * (1.0 - share) + points[:, left + 1] * share
    return path


def standardise(values: Array) -> Array:
    """Zero mean and unit standard deviation along time; constant rows become zero."""
    centred = values - values.mean(axis=1, keepdims=True)
    return centred / np.maximum(centred.std(axis=1, keepdims=True), 1e-9)

"""What happens to measured series: mixtures, shifts, outliers, rounding, gaps."""

import numpy as np
from numpy.random import Generator

from tcn.pretraining.prior.noise import Array, column, log_uniform, pick


def disturb(rng: Generator, values: Array) -> Array:
    """Apply each disturbance to its share of the series, (N, L) -> (N, L)."""
    for make, share in (
        (mix, 0.10),
        (flip, 0.06),
        (shift_level, 0.07),
        (add_outliers, 0.10),
        (add_pulse, 0.10),
        (round_values, 0.10),
        (censor, 0.03),
        (saturate, 0.03),
        (remove_values, 0.20),
    ):
        rows = np.flatnonzero(pick(rng, share, values.shape[0]))
        if rows.size:
            values[rows] = make(rng, values[rows])
    return values


def mix(rng: Generator, values: Array) -> Array:
    """Weighted sums of two series in common units (TSMixup, Ansari et al. 2024)."""
    scale = np.maximum(values.std(axis=1, keepdims=True), 1e-9)
    weight = column(rng.uniform(0.5, 1.0, values.shape[0]))
    other = rng.permutation(values.shape[0])
    return weight * values + (1.0 - weight) * values[other] / scale[other] * scale


def flip(rng: Generator, values: Array) -> Array:  # noqa: ARG001 - all are called alike
    """Negated series."""
    return -values


def shift_level(rng: Generator, values: Array) -> Array:
    """A lasting jump at a random time."""
    n, length = values.shape
    at = column(rng.integers(1, length, n))
    size = column(rng.normal(0.0, 1.5, n)) * values.std(axis=1, keepdims=True)
    return values + size * (np.arange(length) >= at)


def add_outliers(rng: Generator, values: Array) -> Array:
    """Single points far off, up to 5 % of them."""
    share = column(rng.uniform(0.0, 0.05, values.shape[0]))
    size = values.std(axis=1, keepdims=True) * rng.normal(0.0, 4.0, values.shape)
    return values + size * (rng.random(values.shape) < share)


def add_pulse(rng: Generator, values: Array) -> Array:
    """An event of one to four steps that passes: a strike, an outage, a promotion."""
    n, length = values.shape
    start = column(rng.integers(0, length, n))
    width = column(rng.integers(1, 5, n))
    size = column(rng.normal(0.0, 3.0, n)) * np.diff(values, axis=1).std(axis=1, keepdims=True)
    position = np.arange(length)
    return values + size * ((position >= start) & (position < start + width))


def round_values(rng: Generator, values: Array) -> Array:
    """Values on a grid of 3 to 100 steps per standard deviation."""
    grid = values.std(axis=1, keepdims=True) / column(log_uniform(rng, 1.0, 60.0, values.shape[0]))
    return np.round(values / np.maximum(grid, 1e-12)) * grid


def censor(rng: Generator, values: Array) -> Array:
    """Values cut at a high or low quantile."""
    level = rng.uniform(0.6, 0.95)
    high = np.quantile(values, level, axis=1, keepdims=True)
    low = np.quantile(values, 1.0 - level, axis=1, keepdims=True)
    upper = column(pick(rng, 0.5, values.shape[0]))
    return np.where(upper, np.minimum(values, high), np.maximum(values, low))


def saturate(rng: Generator, values: Array) -> Array:
    """Shares and fill levels: values squeezed smoothly between two bounds."""
    scale = np.maximum(values.std(axis=1, keepdims=True), 1e-9)
    steep = column(log_uniform(rng, 0.5, 4.0, values.shape[0]))
    middle = np.median(values, axis=1, keepdims=True)
    middle = middle + scale * column(rng.normal(0.0, 0.8, values.shape[0]))
    squeezed: Array = np.tanh(steep * (values - middle) / scale)
    return middle + scale * squeezed


def remove_values(rng: Generator, values: Array) -> Array:
    """Missing points at random in half of the series, missing blocks in the others."""
    n, length = values.shape
    single = rng.random((n, length)) < column(rng.uniform(0.0, 0.4, n))
    start = column(rng.integers(0, length, n))
    width = column(np.maximum(1, (length * rng.uniform(0.02, 0.25, n)).astype(np.int64)))
    position = np.arange(length)
    block = (position >= start) & (position < start + width)
    gone = np.where(column(pick(rng, 0.5, n)), single, block)
    return np.where(gone, np.nan, values)

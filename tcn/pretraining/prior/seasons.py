"""Season lengths and seasonal patterns."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tcn.pretraining.prior.noise import Array, column, pick, smooth_path, standardise

Ints = NDArray[np.int64]

# cycle in steps: weight. Quarters, months, weekdays and hours first; the rest for breadth.
_COMMON: dict[int, float] = {
    4: 16, 12: 22, 7: 12, 24: 14, 5: 3, 6: 3, 8: 1, 10: 1, 13: 1.5, 26: 1.5, 30: 1.5, 48: 4, 52: 5,
    60: 1, 96: 2, 144: 1, 168: 2, 288: 0.5, 336: 0.5, 365: 1,
}  # fmt: skip


def season_lengths(rng: Generator, n: int, length: int) -> Ints:
    """Season lengths (N,), of which at least two cycles fit into `length`."""
    common = np.array([m for m in _COMMON if 2.5 * m <= length])
    weights = np.array([_COMMON[int(m)] for m in common], dtype=np.float64)
    chosen = rng.choice(common, size=n, p=weights / weights.sum())
    other = np.exp(rng.uniform(np.log(2.0), np.log(length / 2.5), n)).round().astype(np.int64)
    return np.where(pick(rng, 0.85, n), chosen, np.maximum(other, 2)).astype(np.int64)


def phases(rng: Generator, season: Ints, length: int) -> Ints:
    """Phase of each position, (N, L), from a random start."""
    start = rng.integers(0, season)
    return (column(start) + np.arange(length)) % column(season)


def steady_pattern(rng: Generator, season: Ints, length: int) -> Array:
    """Periodic patterns of unit variance that never change, (N, L)."""
    return _pattern(rng, season, phases(rng, season, length))


def seasonal(rng: Generator, season: Ints, length: int) -> Array:
    """Periodic patterns of unit variance that drift slowly in some series, (N, L)."""
    n = season.size
    phase = phases(rng, season, length)
    pattern = _pattern(rng, season, phase)
    drifting = pick(rng, 0.35, n)
    swing = np.where(drifting, rng.uniform(0.1, 0.6, n), 0.0)
    pattern = pattern * np.exp(column(swing) * smooth_path(rng, n, length, 4))
    return _change_shape(rng, pattern, season, phase, pick(rng, 0.2, n))


def outer_starts(rng: Generator, inner: Ints) -> Ints:
    """Random places in a year of 52 weeks of seven inner cycles, (N,)."""
    return rng.integers(0, inner * 364)


def outer_levels(rng: Generator, inner: Ints, length: int, start: Ints) -> Array:
    """Levels of the cycles inside an outer cycle: weekdays, or weeks of a year, (N, L).

    Seven cycles to an outer one in most series, 52 where a cycle is a week of days; the last two
    stand out in most (weekends), in the others each has a level of its own, a year a smooth one.
    start: (N,) where in the outer cycle the first position lies.
    """
    n = inner.size
    usual = np.where((inner == 7) | (inner == 5), 52, 7)
    other = rng.choice(np.array([2, 3, 4, 5, 12, 30]), n)
    ratio = np.where(pick(rng, 0.8, n), usual, other).astype(np.int64)
    within = np.arange(length) + column(start)
    block = (within // column(inner)) % column(ratio)
    table = rng.normal(0.0, 1.0, (n, int(ratio.max())))
    free = np.take_along_axis(table, block, axis=1) * 0.5
    weekend = (block >= column(np.maximum(ratio - 2, 1))) * column(rng.uniform(-1.5, 0.5, n))
    angle = 2.0 * np.pi * within / column(inner * ratio)
    year = np.cos(angle) + column(rng.normal(0.0, 0.3, n)) * np.cos(2.0 * angle)
    levels = np.where(column(pick(rng, 0.7, n)), weekend, free)
    return np.where(column(ratio >= 30), year, levels)


def day_shapes(rng: Generator, inner: Ints, length: int, start: Ints) -> Array:
    """Patterns of an inner cycle; in half of the series the last two of seven have their own.

    A Sunday on the roads is no small Monday. start: (N,) place in the outer cycle. (N, L)
    """
    usual = seasonal(rng, inner, length)
    within = np.arange(length) + column(start)
    is_weekend = within // column(inner) % 7 >= 5
    other = _pattern(rng, inner, within % column(inner))
    nearness = column(rng.uniform(0.0, 0.7, inner.size))
    weekend = nearness * usual + (1.0 - nearness) * other
    return np.where(is_weekend & column(pick(rng, 0.5, inner.size)), weekend, usual)


def _pattern(rng: Generator, season: Ints, phase: Ints) -> Array:
    kind = rng.integers(0, 10, season.size)
    pattern = np.zeros(phase.shape)
    for low, high, make in ((0, 4, _fourier), (4, 7, _profile), (7, 9, _smooth), (9, 10, _spikes)):
        rows = np.flatnonzero((kind >= low) & (kind < high))
        if rows.size:
            pattern[rows] = make(rng, season[rows], phase[rows])
    return standardise(pattern)


def _change_shape(
    rng: Generator, pattern: Array, season: Ints, phase: Ints, chosen: NDArray[np.bool_]
) -> Array:
    """Blend from one profile to another over time in the chosen series."""
    rows = np.flatnonzero(chosen)
    if rows.size:
        other = standardise(_profile(rng, season[rows], phase[rows]))
        share = np.linspace(0.0, 1.0, pattern.shape[1]) * column(rng.uniform(0.2, 0.9, rows.size))
        pattern[rows] = (1.0 - share) * pattern[rows] + share * other
    return pattern


def _fourier(rng: Generator, season: Ints, phase: Ints) -> Array:
    """A few harmonics with falling amplitudes."""
    n = season.size
    angle = 2.0 * np.pi * phase / column(season)
    pattern = np.zeros(phase.shape)
    number = rng.integers(1, 6, n)
    decay = rng.uniform(0.3, 1.5, n)
    for k in range(1, 6):
        size = np.where((k <= number) & (2 * k <= season), rng.standard_normal(n) * k**-decay, 0.0)
        pattern += column(size) * np.cos(k * angle + column(rng.uniform(0, 2 * np.pi, n)))
    return pattern


def _profile(rng: Generator, season: Ints, phase: Ints) -> Array:
    """Free values per phase, some of them with one phase that stands out."""
    n = season.size
    table = rng.standard_normal((n, int(season.max())))
    if rng.random() < 0.3:
        special = rng.integers(0, season)
        table[np.arange(n), special] += rng.choice([-1.0, 1.0], n) * rng.uniform(2.0, 5.0, n)
    return np.take_along_axis(table, phase, axis=1)


def _smooth(rng: Generator, season: Ints, phase: Ints) -> Array:
    """Daily-load like shapes: smooth bumps on a flat night, sharper than harmonics."""
    n = season.size
    position = phase / column(season)
    pattern = np.zeros(phase.shape)
    for _ in range(3):
        centre = column(rng.random(n))
        width = column(rng.uniform(0.04, 0.25, n))
        distance = np.abs((position - centre + 0.5) % 1.0 - 0.5)
        pattern += column(rng.uniform(-0.5, 1.0, n)) * np.exp(-0.5 * (distance / width) ** 2)
    return pattern


def _spikes(rng: Generator, season: Ints, phase: Ints) -> Array:
    """Flat but for a part of the cycle, such as weekends or opening hours."""
    n = season.size
    width = np.maximum(1, (season * rng.uniform(0.05, 0.5, n)).astype(np.int64))
    return np.where(phase < column(width), 1.0, 0.0)

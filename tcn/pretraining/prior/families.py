"""Families of synthetic series: one law each, (traits of N series, length) -> (N, L).

Time scales are relative to the length, so that a series of
20 points trends as a yearly economic series does, and is not a piece cut from a long flat one.
No real series, nor a statistic of one, is used anywhere.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from tcn.pretraining.prior.noise import (
    Array,
    ar1,
    coloured,
    column,
    innovations,
    log_uniform,
    pick,
    smooth_path,
    standardise,
    volatility,
)
from tcn.pretraining.prior.seasons import (
    Ints,
    day_shapes,
    outer_levels,
    outer_starts,
    seasonal,
    steady_pattern,
)
from tcn.pretraining.prior.trends import LONG, trend


class Traits(NamedTuple):
    """What the series of a batch are told: their cycle and how strongly they tend to grow."""

    season: Ints  # (N,) steps of a cycle, 1 for none
    growth: Array  # (N,) usual drift per step in units of the shocks: large where steps are years


Family = Callable[[Generator, Traits, int], Array]


def trend_season_noise(rng: Generator, traits: Traits, length: int) -> Array:
    """Trend, season and noise, added, or multiplied in two fifths of the series."""
    season = traits.season
    n = season.size
    cyclic = season > 1
    amplitude = np.where(cyclic, log_uniform(rng, 0.1, 3.0, n), 0.0)
    noise = column(log_uniform(rng, 0.02, 1.0, n)) * coloured(rng, n, length)
    noise *= volatility(rng, n, length)
    path = trend(rng, n, length, traits.growth)
    total = path + column(amplitude) * seasonal(rng, np.maximum(season, 2), length) + noise
    spread = column(log_uniform(rng, 0.03, 0.5, n) / (1.0 + amplitude))
    multiplied = np.exp(np.clip(spread * total, -8.0, 8.0))
    return np.where(column(pick(rng, 0.45, n)), multiplied, total)


def exponential_smoothing(rng: Generator, traits: Traits, length: int) -> Array:
    """Innovations state space: level, damped trend, season (Hyndman et al. 2008, chapter 3).

    Errors are additive or multiplicative; smoothing parameters mostly small, as fitted ones are.
    """
    season = traits.season
    n = season.size
    cyclic = season > 1
    alpha = rng.beta(1.2, 2.0, n)
    beta = np.where(pick(rng, 0.5, n), alpha * rng.beta(1.0, 8.0, n), 0.0)
    gamma = np.where(cyclic, (1.0 - alpha) * rng.beta(1.0, 5.0, n), 0.0)
    damping = np.where(pick(rng, 0.5, n), rng.uniform(0.85, 1.0, n), 1.0)
    relative = pick(rng, 0.45, n)
    sigma = np.where(relative, log_uniform(rng, 0.01, 0.2, n), log_uniform(rng, 0.05, 1.0, n))
    shocks = column(sigma) * innovations(rng, n, length) * volatility(rng, n, length)
    level = np.where(relative, 1.0, rng.normal(0.0, 3.0, n))
    drift = sigma * traits.growth * rng.normal(1.0, 1.0, n)
    drift = np.where(pick(rng, 0.75, n), drift, 0.0)
    scale = np.where(relative, log_uniform(rng, 0.03, 0.4, n), log_uniform(rng, 0.2, 4.0, n))
    width = int(season.max())
    pattern = seasonal(rng, np.maximum(season, 2), width) * column(np.where(cyclic, scale, 0.0))
    rows = np.arange(n)
    out = np.empty((length, n))
    for t in range(length):
        phase = t % season
        current = pattern[rows, phase]
        base = level + damping * drift
        size = np.where(relative, np.maximum(np.abs(base) * (1.0 + current), 1e-3), 1.0)
        error = shocks[:, t] * size
        expected = np.where(relative, base * (1.0 + current), base + current)
        out[t] = expected + error
        share = np.where(relative, error / np.maximum(1.0 + current, 0.1), error)
        level = base + alpha * share
        drift = damping * drift + beta * share
        change = np.where(relative, error / np.maximum(np.abs(base), 1e-3), error)
        pattern[rows, phase] = current + gamma * change
    return np.nan_to_num(np.clip(out.T, -1e6, 1e6))


def sarima(rng: Generator, traits: Traits, length: int) -> Array:
    """Seasonal ARIMA: (p, d, q) x (P, D, Q) with p, q, P, Q at most 1, d and D 0 or 1."""
    season = traits.season
    n = season.size
    cyclic = season > 1
    warm = int(min(2 * season.max(), 2 * length)) + 20
    size = length + warm
    phi = np.where(pick(rng, 0.6, n), rng.uniform(-0.4, 0.95, n), 0.0)
    theta = np.where(pick(rng, 0.6, n), rng.uniform(-0.9, 0.5, n), 0.0)
    seasonal_root = cyclic & pick(rng, 0.6, n)
    big_phi = np.where(cyclic, np.where(seasonal_root, 0.0, rng.uniform(0.3, 0.98, n)), 0.0)
    big_theta = np.where(seasonal_root, -rng.beta(4.0, 2.0, n), 0.0)
    shocks = innovations(rng, n, size) * volatility(rng, n, size)
    noise = shocks.copy()
    noise[:, 1:] += column(theta) * shocks[:, :-1]
    driven = _lagged_sum(noise, shocks, np.where(cyclic, season, 1), big_theta)
    series = np.zeros((size, n))
    rows = np.arange(n)
    back = np.where(cyclic, season, 1)
    for t in range(size):
        value = driven[:, t]
        if t >= 1:
            value = value + phi * series[t - 1]
        at = t - back
        known = at >= 0
        value = value + np.where(known, big_phi * series[np.maximum(at, 0), rows], 0.0)
        before = at - 1 >= 0
        value = value - np.where(before, phi * big_phi * series[np.maximum(at - 1, 0), rows], 0.0)
        series[t] = value
    out = series.T
    out = np.where(column(seasonal_root), _integrate_season(out, back), out)
    integrated = pick(rng, 0.55, n)
    slope = traits.growth * rng.normal(0.8, 1.0, n) * pick(rng, 0.6, n)
    walked = np.cumsum(standardise(out) + column(slope), axis=1)
    out = np.where(column(integrated & ~seasonal_root), walked, out)
    return np.clip(out[:, warm:], -1e8, 1e8)


def _lagged_sum(noise: Array, shocks: Array, lag: Ints, weight: Array) -> Array:
    index = np.arange(noise.shape[1]) - column(lag)
    earlier = np.take_along_axis(shocks, np.maximum(index, 0).astype(np.int64), axis=1)
    return noise + column(weight) * np.where(index >= 0, earlier, 0.0)


def _integrate_season(values: Array, season: Ints) -> Array:
    """Invert the difference at lag `season`: y_t = x_t + y_{t-m}."""
    out = values.T.copy()
    rows = np.arange(season.size)
    for t in range(out.shape[0]):
        at = t - season
        out[t] += np.where(at >= 0, out[np.maximum(at, 0), rows], 0.0)
    return out.T


def random_walks(rng: Generator, traits: Traits, length: int) -> Array:
    """Random walks with drift, local trends, near unit roots, geometric walks; season on top."""
    season = traits.season
    n = season.size
    shocks = innovations(rng, n, length) * volatility(rng, n, length)
    drift = traits.growth * rng.normal(1.0, 1.0, n) * pick(rng, 0.8, n)
    walk = np.cumsum(shocks + column(drift), axis=1)
    slope_noise = column(log_uniform(rng, 0.01, 0.3, n)) * innovations(rng, n, length)
    slope = np.cumsum(slope_noise, axis=1) + column(traits.growth * rng.normal(0.8, 1.0, n))
    local = np.cumsum(slope, axis=1) + column(log_uniform(rng, 0.1, 2.0, n)) * shocks
    reverting = ar1(rng, 1.0 - log_uniform(rng, 0.005, 0.3, n), n, length) * np.sqrt(length) / 2
    kind = column(rng.choice(3, n, p=[0.5, 0.25, 0.25]))
    path = np.choose(kind, [walk, local, reverting])
    measured = column(np.where(pick(rng, 0.5, n), log_uniform(rng, 0.1, 2.0, n), 0.0))
    path = path + measured * rng.standard_normal((n, length))
    size = np.where(season > 1, log_uniform(rng, 0.3, 6.0, n), 0.0)
    path = path + column(size) * seasonal(rng, np.maximum(season, 2), length)
    growth = column(log_uniform(rng, 0.005, 0.08, n))
    geometric = np.exp(np.clip(growth * path, -8.0, 8.0))
    return np.where(column(pick(rng, 0.4, n)), geometric, path)


def gaussian_process(rng: Generator, traits: Traits, length: int) -> Array:
    """Smooth, periodic and rough kernels by random Fourier features (Rahimi and Recht 2007)."""
    season = traits.season
    n = season.size
    time = np.arange(length) / length
    total = np.zeros((n, length))
    for weight, low, high in ((1.0, 0.3, 3.0), (0.6, 3.0, 20.0), (0.3, 20.0, length / 4.0)):
        usual = log_uniform(rng, low, max(high, low * 2), n)
        frequency = rng.standard_t(4.0, (n, 12, 1)) * column(usual)[:, None]
        angle = 2.0 * np.pi * frequency * time + rng.uniform(0, 2 * np.pi, (n, 12, 1))
        size = weight * rng.exponential(1.0, n) * pick(rng, 0.6, n)
        total += column(size) * np.cos(angle).sum(axis=1) / np.sqrt(6.0)
    size = np.where(season > 1, log_uniform(rng, 0.2, 4.0, n), 0.0)
    total += column(size) * seasonal(rng, np.maximum(season, 2), length)
    total += column(log_uniform(rng, 0.01, 0.6, n)) * coloured(rng, n, length)
    return total


def counts(rng: Generator, traits: Traits, length: int) -> Array:
    """Counts and intermittent demand: Poisson and negative binomial, many zeros in half of them."""
    season = traits.season
    n = season.size
    swing = np.where(season > 1, rng.uniform(0.0, 1.2, n), 0.0)
    rate = np.log(column(log_uniform(rng, 0.05, 30.0, n)))
    rate = rate + column(swing) * seasonal(rng, np.maximum(season, 2), length)
    rate = rate + column(rng.uniform(0.0, 0.5, n)) * smooth_path(rng, n, length, 3)
    mean = np.exp(np.clip(rate, -6.0, 7.0))
    shape = column(np.where(pick(rng, 0.5, n), 1e4, log_uniform(rng, 0.3, 10.0, n)))
    drawn = rng.poisson(mean * rng.gamma(shape, 1.0 / shape, mean.shape)).astype(np.float64)
    share = np.where(pick(rng, 0.5, n), 1.0, rng.uniform(0.05, 0.8, n))
    present: Array = drawn * (rng.random((n, length)) < column(share))
    return present


def shapes(rng: Generator, traits: Traits, length: int) -> Array:
    """Steps, ramps, pulses, sawtooth and square waves, with little noise."""
    season = traits.season
    n = season.size
    cyclic = np.maximum(season, 2)
    start = column(rng.integers(0, cyclic))
    position = ((np.arange(length) + start) % column(cyclic)) / column(cyclic)
    duty = column(rng.uniform(0.1, 0.9, n))
    saw = np.where(position < duty, position / duty, (1.0 - position) / (1.0 - duty))
    square = (position < duty).astype(np.float64)
    sine = np.sin(2.0 * np.pi * position)
    wave = np.choose(column(rng.integers(0, 3, n)), [saw, square, sine])
    wave = np.where(column(season > 1), wave, 0.0)
    jumps = rng.random((n, length)) < column(rng.uniform(0.0, 4.0, n)) / length
    steps = np.cumsum(jumps * rng.standard_normal((n, length)), axis=1)
    ramp = column(rng.normal(0.2, 1.0, n) * pick(rng, 0.4, n)) * np.linspace(0.0, 2.0, length)
    noise = column(log_uniform(rng, 0.001, 0.3, n)) * rng.standard_normal((n, length))
    return wave * column(rng.uniform(0.5, 3.0, n)) + steps + ramp + noise


def two_seasons(rng: Generator, traits: Traits, length: int) -> Array:
    """A short cycle inside a longer one (hours in a week, days in a year), modulated or added."""
    season = traits.season
    n = season.size
    inner = np.where(season > 1, season, 2)
    start = outer_starts(rng, inner)
    levels = outer_levels(rng, inner, length, start) * column(season > 1)
    first = day_shapes(rng, inner, length, start) * column(season > 1)
    modulated = first * np.exp(0.5 * levels) + levels * column(rng.uniform(0.0, 1.0, n))
    added = first + column(rng.uniform(0.2, 1.0, n)) * levels
    base = np.where(column(pick(rng, 0.5, n)), modulated, added)
    base = base * column(log_uniform(rng, 0.5, 4.0, n))
    base = base + trend(rng, n, length, traits.growth) * 0.5
    base = base + column(log_uniform(rng, 0.03, 0.7, n)) * coloured(rng, n, length)
    lifted = np.exp(np.clip(0.3 * base, -6.0, 6.0))
    return np.where(column(pick(rng, 0.4, n)), lifted, base)


def settled(rng: Generator, traits: Traits, length: int) -> Array:
    """What stays as it is for ever: fixed cycles, of one height or a new one each time, and noise.

    The noise forgets within a few steps, or in some series within a few cycles. A third of the
    series are proportional, a sixth cut off at a floor (no sun at night, no trade on Sundays).
    """
    season = traits.season
    n = season.size
    cyclic = season > 1
    inner = np.where(cyclic, season, 2)
    pattern = steady_pattern(rng, inner, length)
    height = 1.0 + _heights(rng, inner, length)
    start = outer_starts(rng, inner)
    levels = outer_levels(rng, inner, length, start) * column(pick(rng, 0.4, n))
    base = (pattern * height + levels) * column(
        np.where(cyclic, log_uniform(rng, 0.3, 8.0, n), 0.0)
    )
    memory = np.where(pick(rng, 0.4, n), 0.0, 1.0 - log_uniform(rng, 0.01, 0.8, n))
    total = base + ar1(rng, memory, n, length) * volatility(rng, n, length)
    grown = np.exp(np.clip(column(log_uniform(rng, 0.05, 0.5, n)) * total, -8.0, 8.0))
    total = np.where(column(pick(rng, 0.35, n)), grown, total)
    floor = np.quantile(total, rng.uniform(0.05, 0.5), axis=1, keepdims=True)
    return np.where(column(pick(rng, 0.15, n)), np.maximum(total, floor), total)


def _heights(rng: Generator, season: Ints, length: int) -> Array:
    """How much higher than usual each cycle is, the same through the cycle, (N, L)."""
    n = season.size
    number = length // int(season.min()) + 1
    per_cycle = ar1(rng, rng.uniform(0.0, 0.8, n), n, number)
    spread = np.where(pick(rng, 0.4, n), rng.uniform(0.1, 0.6, n), 0.0)
    which = np.arange(length) // column(season)
    return column(spread) * np.take_along_axis(per_cycle, which, axis=1)


def bursts(rng: Generator, traits: Traits, length: int) -> Array:
    """Events that come without warning and die away: floods, campaigns, news (shot noise).

    They come evenly, or more often in one part of the cycle; each is as large as it likes.
    """
    season = traits.season
    n = season.size
    often = column(np.where(season > 1, rng.uniform(0.0, 1.5, n), 0.0))
    rate = column(log_uniform(rng, 1.0, 0.3 * length, n)) / length
    rate = rate * np.exp(often * seasonal(rng, np.maximum(season, 2), length))
    heavy = column(rng.uniform(0.3, 1.2, n))
    size = np.exp(heavy * rng.standard_normal((n, length))) * (rng.random((n, length)) < rate)
    path = _decayed(size, 1.0 - log_uniform(rng, 0.02, 0.7, n))
    unit = np.maximum(path.std(axis=1, keepdims=True), 1e-9)
    base = column(log_uniform(rng, 0.02, 0.6, n)) * coloured(rng, n, length)
    base = base + column(np.where(season > 1, log_uniform(rng, 0.05, 1.0, n), 0.0)) * seasonal(
        rng, np.maximum(season, 2), length
    )
    base = base + column(log_uniform(rng, 0.05, 1.0, n)) * smooth_path(rng, n, length, 4)
    return path / unit + np.where(column(pick(rng, 0.4, n)), np.exp(base), base)


def _decayed(shocks: Array, kept: Array) -> Array:
    """What is left of all shocks so far, a share `kept` (N,) of it from step to step, (N, L)."""
    out = np.empty(shocks.shape[::-1])
    level = np.zeros(shocks.shape[0])
    for t in range(shocks.shape[1]):
        level = kept * level + shocks[:, t]
        out[t] = level
    return out.T


def regimes(rng: Generator, traits: Traits, length: int) -> Array:
    """Two or three states, each with a level and a noise of its own: machines, markets, weather.

    A state lasts from a few steps to a fifth of the series, geometrically (Hamilton 1989).
    """
    season = traits.season
    n = season.size
    stay = column(1.0 - 1.0 / log_uniform(rng, 3.0, max(length / 5.0, 4.0), n))
    moves = rng.random((n, length)) > stay
    states = rng.integers(0, column(rng.integers(2, 4, n)), (n, length))
    since = np.maximum.accumulate(np.where(moves, np.arange(length), 0), axis=1)
    state = np.take_along_axis(states, since, axis=1)
    level = np.take_along_axis(rng.normal(0.0, 1.5, (n, 3)), state, axis=1)
    spread = np.take_along_axis(rng.lognormal(-1.5, 0.8, (n, 3)), state, axis=1)
    size = column(np.where(season > 1, log_uniform(rng, 0.1, 2.0, n), 0.0))
    cycle = size * seasonal(rng, np.maximum(season, 2), length)
    total = level + cycle + spread * coloured(rng, n, length)
    return total + 0.3 * trend(rng, n, length, traits.growth)


def exact(rng: Generator, traits: Traits, length: int) -> Array:
    """Straight lines, sines and the same pattern again and again, with next to no noise."""
    n = traits.season.size
    time = np.arange(length)
    period = log_uniform(rng, 3.0, max(length / 3.0, 4.0), n)
    period = np.where(traits.season > 1, traits.season, period)
    sine = np.sin(2.0 * np.pi * time / column(period) + column(rng.uniform(0, 2 * np.pi, n)))
    again = steady_pattern(rng, np.maximum(traits.season, 2), length)
    line = column(rng.normal(0.0, 1.0, n)) * (time / length)
    start = column(rng.normal(0.0, 3.0, n))
    kind = column(rng.choice(4, n, p=[0.5, 0.2, 0.15, 0.15]))
    path = np.choose(kind, [line, sine, again, sine + 3.0 * line])
    noise = column(np.where(pick(rng, 0.5, n), 0.0, log_uniform(rng, 1e-4, 0.05, n)))
    return start + path + noise * rng.standard_normal((n, length))


FAMILIES: dict[Family, float] = {
    trend_season_noise: 0.25,
    exponential_smoothing: 0.19,
    sarima: 0.15,
    random_walks: 0.13,
    gaussian_process: 0.06,
    counts: 0.06,
    shapes: 0.03,
    two_seasons: 0.05,
    settled: 0.04,
    bursts: 0.01,
    regimes: 0.01,
    exact: 0.02,
}
# How much more often a family is drawn where series are long: hours and days outlast their trends.
LONG_FACTOR: dict[Family, float] = {
    two_seasons: 3.5,
    settled: 8.0,
    counts: 0.7,
    bursts: 4.0,
    regimes: 3.0,
}


def family_shares(length: int) -> Array:
    """Probability of each of FAMILIES for series of `length`, in their order."""
    shares = [
        share * (LONG_FACTOR.get(family, 1.0) if length >= LONG else 1.0)
        for family, share in FAMILIES.items()
    ]
    return np.array(shares) / sum(shares)

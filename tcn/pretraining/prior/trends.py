"""Trends: flat, straight, damped, logistic, exponential, broken or wandering."""

import numpy as np
from numpy.random import Generator

from tcn.pretraining.prior.noise import Array, column, log_uniform, smooth_path

STRONG_GROWTH = 0.3
LONG = 300  # hours and days outlast their trends
# shares of flat, straight, damped, logistic, exponential and broken lines
KINDS = (0.15, 0.3, 0.12, 0.13, 0.15, 0.15)
KINDS_OF_LONG = (0.4, 0.2, 0.1, 0.1, 0.05, 0.15)


def trend(rng: Generator, n: int, length: int, growth: Array) -> Array:
    """Trend paths (N, L); the larger `growth` (N,), the stronger and the more often upward."""
    time = np.linspace(0.0, 1.0, length)
    kind = column(rng.choice(6, n, p=KINDS_OF_LONG if length >= LONG else KINDS))
    strong = growth > STRONG_GROWTH
    size = np.where(strong, log_uniform(rng, 0.5, 10.0, n), log_uniform(rng, 0.1, 5.0, n))
    upward = np.where(strong, 0.85, 0.7)
    sign = np.where(rng.random(n) < upward, 1.0, -1.0)
    straight = np.broadcast_to(time, (n, length))
    damped = 1.0 - np.exp(-column(log_uniform(rng, 1.0, 6.0, n)) * time)
    steep = column(log_uniform(rng, 4.0, 20.0, n))
    logistic = 1.0 / (1.0 + np.exp(-steep * (time - column(rng.uniform(0.1, 1.1, n)))))
    rate = column(log_uniform(rng, 0.5, 3.0, n))
    exponential = np.expm1(rate * time) / np.expm1(rate)
    broken = _broken_line(rng, n, time)
    path = np.choose(kind, [np.zeros((n, length)), straight, damped, logistic, exponential, broken])
    wandering = rng.random(n) < (0.2 if length >= LONG else 0.35)
    wander = np.where(wandering, log_uniform(rng, 0.05, 1.5, n), 0.0)
    return column(size * sign) * path + column(wander) * smooth_path(rng, n, length, 4)


def _broken_line(rng: Generator, n: int, time: Array) -> Array:
    """Straight pieces that meet at one to three random times."""
    path = column(rng.standard_normal(n)) * time
    for _ in range(3):
        at = column(rng.uniform(0.05, 0.95, n))
        change = column(rng.normal(0.0, 1.2, n) * (rng.random(n) < 0.6))
        path = path + change * np.maximum(time - at, 0.0)
    return path

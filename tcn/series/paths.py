r"""Sample paths from quantiles, for forecasts that feed on themselves.

A block of quantiles says how far the future may lie at each step, not how steps hang together. Two
extremes are known by how the width $w_h$ of the interval grows: errors of a random walk add up and
stay, $w_h^2 \propto h$; errors around a fixed level are drawn anew at each step and $w_h = w_1$.
So the share of the variance at step $h$ that stays is taken as $s_h = 1 - w_1^2 / w_h^2$, and a
path is

    u_h = Phi(sqrt(s_h) z + sqrt(1 - s_h) e_h),   y_h = quantile of level u_h,

with one standard normal `z` for the path and a fresh `e_h` for each step: a Gaussian copula between
the two extremes, both shrunk (measured in docs/log.md). The normals are stratified and the same for
every series, so that an answer does not depend on its batch.
"""

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FIRST_STEPS = 24
SHARE_OF_LEVEL = 0.55  # of z: the next block's own width adds to what a path has moved
SHARE_OF_NOISE = 0.65  # of e: full noise would pass for a larger scale in the next block
_SEED = 20_161_109


def path_normals(n_paths: int, block: int, size: int) -> tuple[Array, Array]:
    """The normals `z` (K,) of K paths in a block, stratified, and `e` (K, size) of its steps."""
    rng = np.random.default_rng([_SEED, block])
    z = normal_quantiles((np.arange(n_paths) + 0.5) / n_paths)
    steps = np.stack([rng.permutation(z) for _ in range(size)], axis=1)
    return rng.permutation(z), steps


def persistent_share(low: Array, high: Array) -> Array:
    """Share of each step's variance that stays, (..., H), from an interval's bounds (..., H)."""
    width = np.maximum(high - low, 0.0)
    first = width[..., :FIRST_STEPS].mean(axis=-1, keepdims=True)
    ratio = np.divide(first, width, out=np.ones_like(width), where=width > 0)
    share: Array = 1.0 - np.minimum(ratio, 1.0) ** 2
    return share


def draw_paths(quantiles: Array, levels: tuple[float, ...], z: Array, steps: Array) -> Array:
    """Paths (N, K, H) through quantiles (N, K, H, Q) or (N, 1, H, Q) at `levels`.

    z: (K,) normals of paths. steps: (K, H) normals of steps.
    """
    low, high = quantiles[..., levels.index(0.1)], quantiles[..., levels.index(0.9)]
    share = persistent_share(low, high)
    normal = SHARE_OF_LEVEL * np.sqrt(share) * z[:, None]
    normal = normal + SHARE_OF_NOISE * np.sqrt(1.0 - share) * steps
    knots = normal_quantiles(np.asarray(levels))
    right = np.clip(np.searchsorted(knots, normal), 1, len(knots) - 1)
    weight = np.clip((normal - knots[right - 1]) / (knots[right] - knots[right - 1]), 0.0, 1.0)
    quantiles = np.broadcast_to(quantiles, (*normal.shape, len(levels)))
    below = np.take_along_axis(quantiles, right[..., None] - 1, axis=-1)[..., 0]
    above = np.take_along_axis(quantiles, right[..., None], axis=-1)[..., 0]
    paths: Array = below + weight * (above - below)
    return paths


def mixture_quantiles(quantiles: Array, levels: tuple[float, ...], wanted: Array) -> Array:
    """Quantiles (N, H, W) at `wanted` of the equal mixture of K laws (N, K, H, Q) at `levels`."""
    edges = np.concatenate([[0.0], (np.asarray(levels)[1:] + np.asarray(levels)[:-1]) / 2, [1.0]])
    mass = np.diff(edges)
    n, k, size, n_levels = quantiles.shape
    flat = quantiles.transpose(0, 2, 1, 3).reshape(n, size, k * n_levels)
    order = np.argsort(flat, axis=-1)
    values = np.take_along_axis(flat, order, axis=-1)
    weight = np.tile(mass, k)[order] / k
    middle = np.cumsum(weight, axis=-1) - 0.5 * weight
    return _interpolated(middle, values, wanted)


def _interpolated(position: Array, values: Array, wanted: Array) -> Array:
    """Linear interpolation along the last axis at `wanted` (W,), flat beyond the ends."""
    last = values.shape[-1] - 1
    right = (position[..., None, :] < wanted[:, None]).sum(axis=-1).clip(1, last)
    left_at = np.take_along_axis(position, right - 1, axis=-1)
    right_at = np.take_along_axis(position, right, axis=-1)
    weight = np.clip((wanted - left_at) / np.maximum(right_at - left_at, 1e-12), 0.0, 1.0)
    below = np.take_along_axis(values, right - 1, axis=-1)
    above = np.take_along_axis(values, right, axis=-1)
    between: Array = below + weight * (above - below)
    return between


def normal_quantiles(levels: Array) -> Array:
    """Standard normal quantiles of levels in (0, 1)."""
    return np.array([NormalDist().inv_cdf(float(level)) for level in levels])

r"""Mu-law companding: samples from -1 to 1, with finer steps where they are small.

Source: ITU-T G.711; van den Oord et al. 2016, WaveNet, section 2.2 (arXiv:1609.03499).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values = NDArray[np.float64]


def compand(samples: ArrayLike, mu: float | None = 255.0) -> Values:
    r"""sign(x) log(1 + mu |x|) / log(1 + mu), for samples in [-1, 1]; None leaves them as they are.

    >>> compand([-1.0, 0.0, 0.01, 1.0]).round(3).tolist()
    [-1.0, 0.0, 0.228, 1.0]
    """
    x = np.asarray(samples, dtype=np.float64)
    if mu is None:
        return x.copy()
    return np.asarray(np.copysign(np.log1p(mu * np.abs(x)) / np.log1p(mu), x))


def expand(companded: ArrayLike, mu: float | None = 255.0) -> Values:
    """The samples that `compand` made into these values."""
    u = np.asarray(companded, dtype=np.float64)
    if mu is None:
        return u.copy()
    return np.asarray(np.copysign(np.expm1(np.abs(u) * np.log1p(mu)) / mu, u))


def quantise(values: ArrayLike, n_levels: int) -> NDArray[np.int64]:
    """The nearest of `n_levels` levels from -1 to 1, as its number from 0.

    >>> quantise([-1.0, -0.4, 0.0, 1.0], n_levels=5).tolist()
    [0, 1, 2, 4]
    """
    place = (np.asarray(values, dtype=np.float64) + 1.0) * (0.5 * (n_levels - 1))
    return np.clip(np.rint(place), 0, n_levels - 1).astype(np.int64)


def dequantise(levels: ArrayLike, n_levels: int) -> Values:
    """The value in [-1, 1] of each level."""
    return np.asarray(levels, dtype=np.float64) * (2.0 / (n_levels - 1)) - 1.0

"""Hashing arrays without copying them."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

AT_ONCE = 1 << 20  # numbers of a strided array that are moved together


def add_arrays(digest: Any, arrays: Iterable[NDArray[Any]]) -> None:
    """Update a hash of `hashlib` with the numbers of arrays, in order; only strided ones move."""
    for array in arrays:
        for piece in _pieces(array):
            digest.update(np.ascontiguousarray(piece).reshape(-1).view(np.uint8))


def _pieces(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """What is hashed at once: arrays as they lie in memory, and strided ones a part at a time."""
    if array.flags.c_contiguous or array.size <= AT_ONCE:
        yield array
    elif array.ndim > 1:
        for row in array:
            yield from _pieces(row)
    else:
        yield from (array[first : first + AT_ONCE] for first in range(0, len(array), AT_ONCE))

"""Series of unequal length laid end to end: index arithmetic without a loop per series."""

from collections.abc import Iterator
from typing import cast

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.int64]

AT_ONCE = 1 << 22  # numbers of a long array, which may lie in a file, that are looked at together


def offsets_of(lengths: NDArray[np.integer]) -> Index:
    """Where each piece begins, and where the last one ends: (S,) lengths to (S + 1,) offsets."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def flat_index(begins: Index, lengths: Index) -> Index | slice:
    """Positions of the pieces [begins, begins + lengths) one after another.

    A slice where the pieces touch in order, so that indexing with it copies nothing.
    """
    if len(begins) == 0:
        return slice(0, 0)
    if np.array_equal(begins[1:], begins[:-1] + lengths[:-1]):
        return slice(int(begins[0]), int(begins[-1] + lengths[-1]))
    shift = begins - offsets_of(lengths)[:-1]
    return cast("Index", np.repeat(shift, lengths) + np.arange(int(lengths.sum()), dtype=np.int64))


def positions_within(lengths: Index) -> Index:
    """0 .. n_i - 1 for every piece, one after another."""
    begins = offsets_of(lengths)
    return cast("Index", np.arange(begins[-1], dtype=np.int64) - np.repeat(begins[:-1], lengths))


def in_parts(values: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """A long array (total,) a part at a time, so that what is made of it stays small."""
    return (values[first : first + AT_ONCE] for first in range(0, len(values), AT_ONCE))


def count_known(values: NDArray[np.float64], offsets: Index) -> Index:
    """Numbers of each piece that are not missing, (S,)."""
    counts = np.diff(offsets)
    for number, part in enumerate(in_parts(values)):
        missing = np.flatnonzero(np.isnan(part)) + number * AT_ONCE
        pieces, lacking = np.unique(
            np.searchsorted(offsets, missing, side="right") - 1, return_counts=True
        )
        counts[pieces] -= lacking
    return counts


def known_lengths(values: NDArray[np.float64], offsets: Index) -> Index:
    """Numbers of each piece up to the last that is not missing, (S,); 0 where all are."""
    begins, ends = offsets[:-1], offsets[1:]
    lengths = ends - begins
    if (lengths > 0).all() and not np.isnan(values[ends - 1]).any():
        return lengths
    lengths[:] = 0
    for number, part in enumerate(in_parts(values)):
        start = number * AT_ONCE
        known = np.flatnonzero(~np.isnan(part)) + start
        if known.size:
            first = int(np.searchsorted(ends, start, side="right"))
            stop = int(np.searchsorted(begins, known[-1], side="right"))
            place = np.searchsorted(known, ends[first:stop])
            after = np.where(place > 0, known[place - 1] + 1, 0)
            lengths[first:stop] = np.maximum(lengths[first:stop], after - begins[first:stop])
    return lengths

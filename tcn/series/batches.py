"""From a panel's flat arrays to right-aligned windows, without a Python loop over series."""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tcn.series.panel import Panel

Array = NDArray[np.float64]
Index = NDArray[np.int64]


class Windows(NamedTuple):
    """Right-aligned windows of some series of a panel."""

    rows: Index  # (N,) which series
    values: Array  # (N, L) float64, NaN where missing or before the start


def windows_ending_at(panel: Panel, rows: Index, ends: Index, length: int) -> Array:
    """The `length` values before position `ends[i]` of series `rows[i]`, (N, length).

    Positions before a series' start are NaN, and so are those past its end.
    """
    position = ends[:, None] - length + np.arange(length)
    begin = panel.offsets[rows][:, None]
    size = panel.offsets[rows + 1][:, None] - begin
    inside = (position >= 0) & (position < size)
    flat = np.where(inside, begin + position, 0)
    if len(panel.values) == 0:
        return np.full(flat.shape, np.nan)
    return np.where(inside, panel.values[flat], np.nan)


def batches_by_length(
    lengths: Index, groups: Index, batch_size: int, longest: int
) -> Iterator[tuple[Index, int]]:
    """Rows in batches of similar length within a group, each with its window length.

    lengths: (S,) points of each series. groups: (S,) rows of different groups never share a batch.
    """
    needed = np.clip(lengths, 1, longest)
    order = np.lexsort((needed, groups))
    edges = np.flatnonzero(np.diff(groups[order])) + 1
    for begin, end in itertools.pairwise([0, *edges.tolist(), len(order)]):
        for start in range(begin, end, batch_size):
            rows = order[start : min(start + batch_size, end)]
            yield rows, int(needed[rows].max())

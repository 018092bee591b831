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
    if len(rows) == 1:
        return _window_ending_at(panel[int(rows[0])], int(ends[0]), length)[None]
    position = ends[:, None] - length + np.arange(length)
    begin = panel.offsets[rows][:, None]
    size = panel.offsets[rows + 1][:, None] - begin
    inside = (position >= 0) & (position < size)
    flat = np.where(inside, begin + position, 0)
    if len(panel.values) == 0:
        return np.full(flat.shape, np.nan)
    return np.where(inside, panel.values[flat], np.nan)


def _window_ending_at(series: Array, end: int, length: int) -> Array:
    first, last = max(end - length, 0), min(end, len(series))
    window = np.full(length, np.nan)
    if last > first:
        window[first - end + length : last - end + length] = series[first:last]
    return window


def batches_by_length(
    lengths: Index, groups: Index, batch_size: int, longest: int, kinds: Index | None = None
) -> Iterator[tuple[Index, int]]:
    """Rows in batches of similar length within a group, each with its window length.

    lengths: (S,) points of each series. groups: (S,) rows of different groups never share a batch.
    kinds: (S,) rows of one length that are of one kind are neighbours.
    """
    if len(lengths) == 1:
        yield np.zeros(1, np.int64), min(max(int(lengths[0]), 1), longest)
        return
    needed = np.clip(lengths, 1, longest)
    order = np.lexsort((needed if kinds is None else kinds, needed, groups))
    edges = np.flatnonzero(np.diff(groups[order])) + 1
    for begin, end in itertools.pairwise([0, *edges.tolist(), len(order)]):
        for start in range(begin, end, batch_size):
            rows = order[start : min(start + batch_size, end)]
            yield rows, int(needed[rows].max())

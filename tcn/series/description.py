"""What a panel holds, a row a series."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tcn.series.frames import plain_frame, stamps
from tcn.series.panel import Panel

Array = NDArray[np.float64]


def describe(panel: Panel, kind: str) -> Any:
    """See `Panel.describe`."""
    last = panel.frequency.shift(panel.starts, np.maximum(panel.lengths - 1, 0), panel.tz)
    known = ~np.isnan(panel.values)
    owner = np.repeat(np.arange(len(panel)), panel.lengths)[known]
    values = panel.values[known]
    counts = np.bincount(owner, minlength=len(panel))
    with np.errstate(invalid="ignore"):
        means = np.bincount(owner, values, len(panel)) / counts
    columns = {
        "unique_id": panel.ids.tolist(),
        "first": stamps(panel.starts, panel.tz),
        "last": stamps(last, panel.tz),
        "length": panel.lengths,
        "missing": panel.lengths - counts,
        "zeros": np.bincount(owner[values == 0.0], minlength=len(panel)),
        "mean": means,
        "min": _extremes(np.fmin, values, owner, len(panel)),
        "max": _extremes(np.fmax, values, owner, len(panel)),
    }
    return plain_frame(columns, kind)


def _extremes(choose: np.ufunc, values: Array, owner: NDArray[np.int64], n_series: int) -> Array:
    """The smallest or largest value of each series, (S,); NaN where none is known."""
    found = np.full(n_series, np.nan)
    choose.at(found, owner, values)
    return found

"""The public series the benchmarks run on, read from a folder that is not part of the project.

The folder is given by --data or the environment variable TCN_DATA, and holds `univariate/*.parquet`
(unique_id, y, split) and `multivariate/*.parquet` (date, then one column a channel).
"""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyarrow import parquet

from tcn.errors import DataError
from tcn.evaluation.metrics import seasonal_error
from tcn.series import Panel

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Split:
    """One collection: all but the last `horizon` points, and those points, (S, horizon)."""

    name: str
    history: Panel
    actual: Array
    horizon: int
    season_length: int
    scale: Array  # seasonal error of each history, (S,)


def data_folder(given: str | Path | None = None) -> Path:
    """The folder with the series: `given`, or the environment variable TCN_DATA."""
    named = given or os.environ.get("TCN_DATA")
    if not named:
        raise DataError("No data folder. Pass --data or set TCN_DATA to it.")
    folder = Path(named)
    if not folder.is_dir():
        raise DataError(f"The data folder '{folder}' is not there. Pass --data or set TCN_DATA.")
    return folder


@lru_cache(maxsize=32)
def read_split(folder: Path, name: str, season_length: int) -> Split:
    """Read `univariate/<name>.parquet` and split it where the competition did."""
    columns = _read(folder / "univariate" / f"{name}.parquet", ["unique_id", "y", "split"])
    ids = columns["unique_id"].astype(str)
    is_test = columns["split"].astype(str) == "test"
    begins = np.concatenate([[0], np.flatnonzero(ids[1:] != ids[:-1]) + 1])
    if len(np.unique(ids)) != len(begins):
        raise DataError(f"The rows of '{name}' are not grouped by series.")
    n_test = np.unique(np.add.reduceat(is_test.astype(np.int64), begins))
    if len(n_test) != 1:
        raise DataError(f"The series of '{name}' have test parts of {n_test.tolist()} points.")
    horizon = int(n_test[0])
    panel = Panel.from_arrays(
        np.split(columns["y"].astype(np.float64), begins[1:]),
        ids=ids[begins],
        season_length=season_length,
    )
    history, future = panel.split(horizon)
    actual = future.values.reshape(len(panel), horizon)
    scale = seasonal_error(history, season_length)
    return Split(name, history, actual, horizon, season_length, scale)


@lru_cache(maxsize=4)
def read_channels(folder: Path, name: str) -> tuple[tuple[str, ...], Array]:
    """Read `multivariate/<name>.parquet`: the names of the channels, and their values (C, rows)."""
    columns = _read(folder / "multivariate" / f"{name}.parquet", None)
    names = tuple(column for column in columns if column != "date")
    return names, np.stack([columns[column].astype(np.float64) for column in names])


def _read(path: Path, names: list[str] | None) -> dict[str, NDArray[Any]]:
    if not path.is_file():
        raise DataError(f"The data folder lacks '{path}'.")
    table = parquet.read_table(path, columns=names)
    return {name: table[name].to_numpy() for name in table.column_names}

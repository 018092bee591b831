"""Series given as arrays: their ids, values, first stamps and lengths, checked."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tcn.errors import DataError
from tcn.series.frequency import Times
from tcn.series.ragged import Index
from tcn.series.stamps import BadCell, ReadTimes, check_range, parse_times
from tcn.series.zones import to_utc

MAX_ID_LENGTH = 256


def read_ids(ids: Sequence[str] | NDArray[np.str_] | None, n_series: int) -> NDArray[np.str_]:
    """One distinct id a series, (S,); "0", "1", ... where none are given."""
    if ids is None:
        return np.arange(n_series).astype(np.str_)
    names = np.asarray(ids, np.str_)
    if names.shape != (n_series,):
        raise DataError(f"{n_series} series need as many ids, got {names.size}.")
    if names.dtype.itemsize // 4 > MAX_ID_LENGTH:
        raise DataError(
            f"A series id may have at most {MAX_ID_LENGTH} characters, "
            f"got one of {names.dtype.itemsize // 4}. Shorten it."
        )
    unique, counts = np.unique(names, return_counts=True)
    if len(unique) < n_series:
        raise DataError(f"Series id {str(unique[counts > 1][0])!r} appears twice; ids are unique.")
    return names


def read_values(array: ArrayLike, name: str) -> NDArray[Any]:
    """One series as a 1-D array of finite numbers and NaN; arrays of numbers are not copied.

    What a masked array masks is missing.
    """
    try:
        values = _numbers(array)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"Series {name!r} is not an array of numbers ({error}). "
            f"Give numbers, with NaN or None where one is missing."
        ) from error
    if values.ndim != 1:
        raise DataError(
            f"Series {name!r} has shape {values.shape}; a series is 1-D. "
            f"Give a list with one 1-D array a series, such as [values]."
        )
    infinite = np.flatnonzero(np.isinf(values))
    if infinite.size:
        raise DataError(
            f"Series {name!r} has {values[infinite[0]]} at position {infinite[0]}. "
            f"Values are finite; use NaN where one is missing."
        )
    return values


def read_starts(starts: Any, n_series: int, freq: str | None, tz: str | None) -> Times:
    """The first stamp of each series, (S,): UTC datetime64[ns], or int64 for plain steps.

    starts: one for each series or one for all; None counts from 0.
    """
    if starts is None:
        return np.zeros(n_series, np.int64)
    given = np.asarray(starts)
    if given.ndim == 0:
        given = np.repeat(given, n_series)
    if np.issubdtype(given.dtype, np.integer):
        return given.astype(np.int64)
    try:
        read = _parse_starts(given)
    except BadCell as bad:
        raise DataError(
            f"starts[{bad.index}]: {bad.reason}. Give dates, all in one format, or whole numbers."
        ) from None
    if not np.issubdtype(read.values.dtype, np.datetime64):
        return read.values
    if freq is None:
        raise DataError("Series that start at dates need freq=, such as 'D' or 'MS'.")
    return read.values if read.is_utc else to_utc(read.values, tz)


def read_new_values(new_values: ArrayLike, ids: NDArray[np.str_]) -> NDArray[np.float64]:
    """What comes after each series, (S, k), from one row a series or one number each."""
    values = np.asarray(new_values, dtype=np.float64)
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2 or len(values) != len(ids):
        raise DataError(
            f"New values need the shape ({len(ids)},) or ({len(ids)}, k), one row per series, got "
            f"{np.shape(new_values)}."
        )
    if np.isinf(values).any():
        row, column = np.argwhere(np.isinf(values))[0]
        raise DataError(
            f"New value {column} of series {str(ids[row])!r} is infinite. "
            "Give finite numbers, or NaN where one is missing."
        )
    return values


def read_lengths(lengths: ArrayLike, most: Index, ids: NDArray[np.str_]) -> Index:
    """How many points of each series are wanted, (S,), at most as many as it has."""
    asked = np.asarray(lengths)
    if asked.dtype.kind not in "iu" or asked.shape not in ((), (len(ids),)):
        raise DataError(
            f"until takes one whole number, or one for each of {len(ids)} series, got "
            f"{lengths!r:.80}."
        )
    wanted = np.broadcast_to(asked.astype(np.int64), (len(ids),)).copy()
    bad = np.flatnonzero((wanted < 0) | (wanted > most))
    if bad.size:
        i = int(bad[0])
        raise DataError(
            f"Series {str(ids[i])!r} has {most[i]} points, cannot keep the first {wanted[i]}. "
            f"Give lengths from 0 to the length of each series."
        )
    return wanted


def _numbers(array: ArrayLike) -> NDArray[Any]:
    if type(array) is np.ndarray and array.dtype.kind in "fiu":
        return array
    kind = getattr(getattr(array, "dtype", None), "kind", "")
    if kind in ("c", "m", "M"):
        raise TypeError(f"got the dtype {array.dtype}")  # type: ignore[union-attr]
    if isinstance(array, np.ma.MaskedArray):
        return np.ma.filled(array.astype(np.float64), np.nan)
    return np.asarray(array, np.float64)


def _parse_starts(given: NDArray[Any]) -> ReadTimes:
    if np.issubdtype(given.dtype, np.datetime64):
        if np.isnat(given).any():
            raise BadCell(int(np.argmax(np.isnat(given))), "the time is missing")
        return ReadTimes(check_range(given))
    texts = [
        start.isoformat() if hasattr(start, "isoformat") else start for start in given.tolist()
    ]
    return parse_times([None if text is None else str(text) for text in texts])

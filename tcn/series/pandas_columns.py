"""A pandas frame read like an arrow table, a column at a time and without arrow where it can be."""

import ctypes
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tcn.errors import DataError


class Names(NamedTuple):
    """Texts of a column: codes (R,) into sorted, distinct ids."""

    codes: NDArray[np.int32]
    ids: NDArray[np.str_]


class PandasColumns:
    """What `Table` asks of an arrow table. Only columns that are asked for are converted."""

    def __init__(self, frame: Any) -> None:
        self.frame = frame
        self.num_rows = len(frame)

    @cached_property
    def column_names(self) -> list[str]:
        """Names as texts, in order."""
        return [str(name) for name in self.frame.columns]

    def column(self, index: int) -> Any:
        """A column as an arrow array."""
        import pyarrow as pa

        name = self.frame.columns[index]
        try:
            return _to_arrow(self.frame[name])
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise DataError(
                f"Column {name!r} mixes kinds of values ({str(error).splitlines()[0]}). "
                f"Convert it to one type first."
            ) from error

    def array(self, index: int) -> NDArray[Any] | None:
        """Numbers or stamps without a zone as pandas holds them; None for all else."""
        column = self.frame[self.frame.columns[index]]
        dtype = column.dtype
        is_plain = isinstance(dtype, np.dtype) and dtype.kind in "fiuM"
        return column.to_numpy() if is_plain else None

    def names(self, index: int) -> Names | None:
        """Ids that stand in runs: whole numbers, or one and the same text; None for all else."""
        column = self.frame[self.frame.columns[index]]
        is_text = column.dtype == object
        if not is_text and not (isinstance(column.dtype, np.dtype) and column.dtype.kind in "iu"):
            return None
        values = np.ascontiguousarray(column.to_numpy())
        starts = _runs(values) if is_text else _begins(values)
        if 2 * len(starts) > len(values):
            return None
        found = values[starts].tolist()
        if is_text and not all(type(text) is str and text.strip() for text in found):
            return None
        ids = sorted(set(found))  # numbers by value
        places = {name: place for place, name in enumerate(ids)}
        codes = np.fromiter((places[name] for name in found), np.int32, len(found))
        lengths = np.diff(np.append(starts, len(values)))
        return Names(np.repeat(codes, lengths), np.array(ids).astype(np.str_))


def _to_arrow(column: Any) -> Any:
    """A pandas column as an arrow array; texts repeated row by row as a dictionary."""
    import pyarrow as pa

    if column.dtype != object or len(column) < 2:
        is_period = str(column.dtype).startswith("period[")
        return pa.Array.from_pandas(column.dt.to_timestamp() if is_period else column)
    values = np.ascontiguousarray(column.to_numpy())
    starts = _runs(values)
    texts = values[starts]
    if 2 * len(starts) > len(values) or not all(type(text) is str for text in texts):
        return pa.Array.from_pandas(column)
    encoded = pa.array(texts, pa.large_string()).dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    lengths = np.diff(np.append(starts, len(values)))
    return pa.DictionaryArray.from_arrays(np.repeat(codes, lengths), encoded.dictionary)


def _runs(values: NDArray[np.object_]) -> NDArray[np.int64]:
    """Where runs of one and the same object begin, told by addresses: no value is looked at."""
    held = (ctypes.c_ssize_t * len(values)).from_address(values.ctypes.data)
    addresses: NDArray[np.intp] = np.ctypeslib.as_array(held)
    return _begins(addresses)


def _begins(values: NDArray[Any]) -> NDArray[np.int64]:
    """Where another value than the one before stands, and 0."""
    return np.append(0, np.flatnonzero(values[1:] != values[:-1]) + 1)

"""Frames of any kind as arrow tables, or as columns that are read like one."""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tcn.errors import DataError
from tcn.series.frames import KINDS
from tcn.series.pandas_columns import PandasColumns


def with_index(frame: Any, time_col: str, target_col: str = "y") -> Any:
    """A pandas frame without the column `time_col` with its index as columns; others as they are.

    Dates in an index are the times whatever their name; a series is a frame of its values.
    """
    pandas = sys.modules.get("pandas")
    if pandas is None or not isinstance(frame, pandas.DataFrame | pandas.Series):
        return frame
    if isinstance(frame, pandas.Series):
        return frame.to_frame(target_col).rename_axis(time_col).reset_index()
    if time_col in frame.columns:
        return frame
    if isinstance(frame.index, pandas.DatetimeIndex | pandas.PeriodIndex):
        return frame.rename_axis(time_col).reset_index()
    return frame.reset_index() if any(name is not None for name in frame.index.names) else frame


def columns_of(frame: Any, id_col: str | Sequence[str] | None) -> tuple[Any, str]:
    """A frame as something to take arrow columns from, and its kind by name."""
    pandas = sys.modules.get("pandas")
    is_pandas = pandas is not None and isinstance(frame, pandas.DataFrame)
    if is_pandas and isinstance(id_col, str) and frame.columns.is_unique:
        return PandasColumns(frame), "pandas"
    return to_arrow(frame)


def to_arrow(frame: Any) -> tuple[Any, str]:
    """A frame as an arrow table, and its kind by name."""
    import narwhals as nw
    import pyarrow as pa

    if isinstance(frame, pa.Table):
        return frame, "pyarrow"
    pandas = sys.modules.get("pandas")
    is_pandas = pandas is not None and isinstance(frame, pandas.DataFrame)
    if is_pandas and frame.columns.is_unique:
        columns = PandasColumns(frame)
        arrays = {name: columns.column(i) for i, name in enumerate(columns.column_names)}
        return pa.table(arrays), "pandas"
    try:
        known = nw.from_native(frame)
    except nw.exceptions.DuplicateError as error:
        twice = [name for name, count in Counter(map(str, frame.columns)).items() if count > 1]
        raise DataError(
            f"The frame has the column {twice[0]!r} twice. Give every column its own name."
        ) from error
    except TypeError as error:
        raise DataError(
            f"A {type(frame).__name__} is not a data frame. Give a pandas, polars or pyarrow "
            f"frame, or use Panel.from_arrays for lists of numbers."
        ) from error
    if isinstance(known, nw.LazyFrame):
        known = known.collect()
    kind = known.implementation.value
    table = _table_of(known.columns, known.__getitem__, lambda column: column.to_arrow())
    return table, kind if kind in KINDS else "pandas"


def _table_of(
    names: Iterable[Any], column: Callable[[Any], Any], convert: Callable[[Any], Any]
) -> Any:
    """An arrow table of the columns, each converted on its own."""
    import pyarrow as pa

    arrays = {}
    for name in names:
        try:
            arrays[str(name)] = convert(column(name))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise DataError(
                f"Column {name!r} mixes kinds of values ({str(error).splitlines()[0]}). "
                f"Convert it to one type first."
            ) from error
    return pa.table(arrays)

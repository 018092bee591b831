"""Columns of an arrow table as arrays of numbers, times, categories and series codes."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tcn.errors import DataError
from tcn.series.array_series import MAX_ID_LENGTH
from tcn.series.frequency import Times
from tcn.series.grid import Column
from tcn.series.pandas_columns import PandasColumns
from tcn.series.stamps import BadCell, ReadTimes, check_range, parse_times, read_whole_numbers
from tcn.series.text_numbers import Parsed, parse_numbers


@dataclass(frozen=True)
class Table:
    """An arrow table and how to speak of it: a file's rows count from 2, its cells are text.

    `parsed` remembers the columns that were read as numbers. `places` (R,) are the rows of the
    user's table, if not in order.
    """

    arrow: Any
    first_row: int = 0
    delimiter: str = ","
    decimal: str | None = None
    time_format: str | None = None
    places: NDArray[np.int64] | None = None
    parsed: dict[str, Parsed] = field(default_factory=dict, repr=False)

    @cached_property
    def names(self) -> list[str]:
        """Column names, in order."""
        return [str(name) for name in self.arrow.column_names]

    @cached_property
    def place(self) -> dict[str, int]:
        """Where each column is; of two with one name, the first."""
        return {name: i for i, name in reversed(list(enumerate(self.names)))}

    @property
    def n_rows(self) -> int:
        """Rows, without the header."""
        return int(self.arrow.num_rows)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column as float64, NaN where missing; text and infinity are errors with their row."""
        parsed = self.parse(name)
        if parsed.is_ambiguous:
            row = int(np.argmax(parsed.is_bad))
            raise DataError(
                f"Column {name!r}, {self._row(row)}: {self._cell(name, row)!r} may have a decimal "
                f"comma or a thousands comma. Pass decimal=',' or decimal='.'."
            )
        if parsed.is_bad.any():
            row = int(np.argmax(parsed.is_bad))
            raise DataError(
                f"Column {name!r}, {self._row(row)}: {self._cell(name, row)!r} is not a number. "
                f"Give a finite number, or an empty cell where the value is missing."
            )
        is_infinite = np.isinf(parsed.values)
        if is_infinite.any():
            row = int(np.argmax(is_infinite))
            raise DataError(
                f"Column {name!r}, {self._row(row)}: {parsed.values[row]} is not a finite number. "
                f"Leave the cell empty where the value is missing."
            )
        return parsed.values

    def parse(self, name: str) -> Parsed:
        """A column as numbers, with the cells that are none; read once."""
        if name not in self.parsed:
            self.parsed[name] = self._parse(name)
        return self.parsed[name]

    def _parse(self, name: str) -> Parsed:
        import pyarrow as pa
        import pyarrow.types as is_type

        array = self._array(name)
        if array is not None and array.dtype.kind in "fiu":
            return Parsed(array.astype(np.float64, copy=False), np.zeros(self.n_rows, bool))
        column = self._column(name)
        kind = column.type
        if is_type.is_null(kind):
            return Parsed(np.full(self.n_rows, np.nan), np.zeros(self.n_rows, bool))
        if is_type.is_string(kind) or is_type.is_large_string(kind):
            return parse_numbers(column, self.delimiter, self.decimal)
        if _is_number(kind):
            values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
            return Parsed(np.asarray(values, np.float64), np.zeros(self.n_rows, bool))
        is_bad = np.asarray(column.is_valid().to_numpy(zero_copy_only=False), bool)
        return Parsed(np.full(self.n_rows, np.nan), is_bad)

    def times(self, name: str) -> ReadTimes:
        """A column as UTC stamps, wall-clock stamps or whole numbers; none may be missing."""
        array = self._array(name)
        try:
            if array is not None and array.dtype.kind == "M":
                return _read_stamps(array)
            return self._read_times(self._column(name))
        except BadCell as bad:
            raise DataError(
                f"Column {name!r}, {self._row(bad.index)}: {bad.reason}. {_hint(bad.reason)}"
            ) from None

    def codes(self, name: str) -> tuple[NDArray[np.int32], NDArray[np.str_]]:
        """A column as (codes, sorted unique texts): numbers sort by value; none may be missing."""
        if isinstance(self.arrow, PandasColumns):
            names = self.arrow.names(self.place[name])
            if names is not None:
                self._check_ids(name, names.ids)
                return names.codes, names.ids
        column = self._column(name, decode=False)
        codes, uniques = _encoded(column)
        is_missing = codes < 0
        if is_missing.any():
            raise DataError(
                f"Column {name!r}, {self._row(int(np.argmax(is_missing)))}: the series id is "
                f"missing. Fill it in, or leave the row out."
            )
        rank, ids = ranked(uniques)
        self._check_ids(name, ids)
        return rank[codes], ids

    def cells(self, name: str) -> tuple[NDArray[np.int32], NDArray[Any]]:
        """A column as (codes, distinct cells as they come); -1 where missing or blank."""
        return _encoded(self._column(name, decode=False))

    def _check_ids(self, name: str, ids: NDArray[np.str_]) -> None:
        if ids.dtype.itemsize // 4 > MAX_ID_LENGTH:
            longest = int(np.argmax(np.char.str_len(ids)))
            raise DataError(
                f"Column {name!r} has a series id of {len(ids[longest])} characters, at most "
                f"{MAX_ID_LENGTH} are allowed. Shorten the ids, or pass another id_col=."
            )

    def with_id(self, id_col: str | Sequence[str] | None, keep: Sequence[str] = ()) -> "Table":
        """Several id columns as one, named by `id_name`; its texts are joined by a slash too.

        The parts are dropped, except those to `keep`.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        if id_col is None or isinstance(id_col, str):
            return self
        missing = [name for name in id_col if name not in self.names]
        if missing or not id_col:
            raise DataError(f"Columns missing for id_col=: {missing}; found: {self.names[:20]}.")
        parts = [self._column(name).cast(pa.large_string()) for name in id_col]
        joined = pc.binary_join_element_wise(*parts, pa.scalar("/", pa.large_string()))
        left = self.arrow.drop_columns([name for name in id_col if name not in keep])
        return replace(self, arrow=left.append_column(id_name(id_col), joined), parsed={})

    def covariate(self, name: str) -> Column:
        """A column as numbers if all of it is numbers, else as categories (sorted texts)."""
        parsed = self.parse(name)
        if not parsed.is_bad.any():
            return Column(self.numbers(name))
        column = self._column(name)
        codes, uniques = _encoded(column)
        texts = np.array([str(value) for value in uniques.tolist()], dtype=np.str_)
        order = np.argsort(texts, kind="stable")
        rank = np.empty(len(order) + 1)
        rank[order] = np.arange(len(order))
        rank[-1] = np.nan  # code -1: missing
        return Column(rank[codes], tuple(texts[order].tolist()))

    def _array(self, name: str) -> NDArray[Any] | None:
        """A column as a pandas frame holds it, if it is such a frame and one of numpy's kinds."""
        is_pandas = isinstance(self.arrow, PandasColumns)
        return self.arrow.array(self.place[name]) if is_pandas else None

    def _column(self, name: str, *, decode: bool = True) -> Any:
        """One array; a dictionary of distinct texts, each of them used, may stay one."""
        import pyarrow as pa
        import pyarrow.types as is_type

        column = self.arrow.column(self.place[name])
        if isinstance(column, pa.ChunkedArray):
            column = column.combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = (
                pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
            )
        if is_type.is_dictionary(column.type) and (decode or not _is_plain_dictionary(column)):
            column = column.dictionary_decode()
        if str(column.type) == "string_view":
            column = column.cast(pa.large_string())
        return column

    def _read_times(self, column: Any) -> ReadTimes:
        import pyarrow.types as is_type

        if column.null_count:
            missing = ~np.asarray(column.is_valid().to_numpy(zero_copy_only=False), bool)
            raise BadCell(int(np.argmax(missing)), "the time is missing")
        kind = column.type
        if is_type.is_timestamp(kind):
            stamps = check_range(column.to_numpy(zero_copy_only=False))
            return ReadTimes(stamps, is_utc=kind.tz is not None, zone=kind.tz)
        if is_type.is_date(kind):
            return ReadTimes(check_range(column.to_numpy(zero_copy_only=False)))
        if is_type.is_integer(kind):
            return read_whole_numbers(column.cast("int64").to_numpy(zero_copy_only=False))
        if is_type.is_floating(kind):
            return _whole_floats(column.to_numpy(zero_copy_only=False))
        codes, uniques = _encoded(column)
        if codes.size and codes.min() < 0:
            raise BadCell(int(np.argmin(codes)), "the time is missing")
        return _through_uniques(codes, uniques.tolist(), self.time_format)

    def _row(self, row: int) -> str:
        place = row if self.places is None else int(self.places[row])
        return f"row {place + self.first_row}"

    def _cell(self, name: str, row: int) -> str:
        text = str(self.arrow.column(self.place[name])[row].as_py())
        return text if len(text) <= 40 else text[:37] + "..."


def id_name(id_col: str | Sequence[str] | None) -> str | None:
    """The column that holds the ids: of several the names, joined by a slash."""
    return id_col if id_col is None or isinstance(id_col, str) else "/".join(id_col)


def ranked(cells: NDArray[Any]) -> tuple[NDArray[np.int32], NDArray[np.str_]]:
    """The place of each distinct cell among all, and the sorted texts: numbers sort by value."""
    if cells.dtype.kind == "f" and np.all(cells == np.floor(cells)):
        cells = cells.astype(np.int64)
    texts = cells if cells.dtype.kind in "iufM" else cells.astype(np.str_)
    order = np.argsort(texts, kind="stable")
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return rank, texts[order].astype(np.str_)


def _read_stamps(stamps: NDArray[np.datetime64]) -> ReadTimes:
    is_missing = np.isnat(stamps)
    if is_missing.any():
        raise BadCell(int(np.argmax(is_missing)), "the time is missing")
    return ReadTimes(check_range(stamps))


def _hint(reason: str) -> str:
    if "outside the years" in reason:
        return "Use whole numbers as times for such years."
    if "is missing" in reason:
        return "Fill it in, or leave the row out."
    if "pass time_format" in reason:
        return "One format holds for the whole column."
    return "Give one time format in the whole column, such as 2024-01-31, or pass time_format=."


def _is_number(kind: Any) -> bool:
    import pyarrow.types as is_type

    checks = (is_type.is_boolean, is_type.is_integer, is_type.is_floating, is_type.is_decimal)
    return any(check(kind) for check in checks)


def _is_plain_dictionary(column: Any) -> bool:
    """Whether the entries are texts, differ from each other, and all occur."""
    import pyarrow.compute as pc
    import pyarrow.types as is_type

    names = column.dictionary
    is_text = is_type.is_string(names.type) or is_type.is_large_string(names.type)
    if not is_text or names.null_count or pc.count_distinct(names).as_py() < len(names):
        return False
    is_used = np.zeros(len(names), bool)
    is_used[column.indices.drop_null().to_numpy()] = True
    return bool(is_used.all())


def _encoded(column: Any) -> tuple[NDArray[np.int32], NDArray[Any]]:
    """(codes, uniques in order of appearance); missing and blank cells have the code -1."""
    import pyarrow.compute as pc

    encoded = column.dictionary_encode()
    indices = encoded.indices.cast("int32")
    codes = pc.fill_null(indices, -1).to_numpy(zero_copy_only=False)
    uniques = encoded.dictionary.to_numpy(zero_copy_only=False)
    if uniques.dtype != object:
        return codes, uniques
    is_kept = np.array([str(value).strip() != "" for value in uniques.tolist()], bool)
    if is_kept.all():
        return codes, uniques
    place = np.append(np.where(is_kept, np.cumsum(is_kept) - 1, -1), -1).astype(np.int32)
    return place[codes], uniques[is_kept]


def _through_uniques(
    codes: NDArray[np.int32], uniques: list[Any], time_format: str | None
) -> ReadTimes:
    try:
        read = parse_times([str(value) for value in uniques], time_format)
    except BadCell as bad:
        raise BadCell(int(np.argmax(codes == bad.index)), bad.reason) from None
    values: Times = read.values[codes]
    return ReadTimes(values, read.is_utc, read.zone, read.note)


def _whole_floats(values: NDArray[np.floating]) -> ReadTimes:
    is_bad = ~np.isfinite(values) | (values != np.floor(values)) | (np.abs(values) > 2**53)
    if is_bad.any():
        row = int(np.argmax(is_bad))
        raise BadCell(row, f"{values[row]} is not a date or a whole number")
    return read_whole_numbers(values.astype(np.int64))

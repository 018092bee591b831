"""Choosing the id, time and value columns of a table that nobody explained."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from tcn.errors import DataError
from tcn.series.columns import Table
from tcn.series.source import listed

ID_NAMES = (
    "unique_id", "id", "series_id", "item_id", "series", "item", "ts_id", "store_id", "product_id",
    "sku", "store", "product", "name", "symbol", "ticker", "key",
)  # fmt: skip
TIME_NAMES = (
    "ds", "date", "datetime", "time", "timestamp", "date_time", "time_stamp", "period", "month",
    "week", "day", "quarter", "year", "hour", "t", "step",
)  # fmt: skip
VALUE_NAMES = (
    "y", "value", "values", "target", "sales", "demand", "quantity", "qty", "count", "amount",
)  # fmt: skip
HEAD = 1000  # rows read to judge a column
ALL = "*"  # as the target column: every column of numbers with no other role is a series
_INDEX_NAMES = ("", "rownames", "index", "row", "rowid", "row_id")
_CLOCKS = ("hour", "time")
_CALENDAR_PARTS = ("year", "quarter", "month", "week", "day", "hour")


@dataclass(frozen=True)
class Choice:
    """The columns chosen: several targets are one series each (wide)."""

    id_col: str | None
    time_col: str | None
    targets: tuple[str, ...]

    @property
    def is_wide(self) -> bool:
        """Whether every target column is a series of its own."""
        return len(self.targets) > 1


@dataclass
class Chooser:
    """Looks at names first and at contents where they do not decide; says so when it cannot."""

    table: Table
    id_col: str | None = None
    time_col: str | None = None
    target_cols: Sequence[str] = ()
    covariates: Sequence[str] = ()

    def choose(self) -> Choice:
        """The roles of the columns; what was asked for is kept."""
        is_wide = len(self.target_cols) > 1 or self._takes_all
        if is_wide and self.id_col is not None:
            raise DataError(
                f"Several target columns are a series each, so that id_col={self.id_col!r} is of "
                "no use. Pass one target_col=, or leave out id_col=."
            )
        time_col = self.time_col or self._find_time()
        if self.time_col is None and time_col is not None:
            self._refuse_clock_apart(time_col)
        id_col = None if is_wide else self.id_col or self._find_id(time_col)
        return Choice(id_col, time_col, self._find_targets(id_col, time_col))

    @property
    def _takes_all(self) -> bool:
        """Whether every column of numbers that nobody named is a series."""
        return tuple(self.target_cols) == (ALL,) and ALL not in self.table.names

    @cached_property
    def _free(self) -> list[str]:
        """Columns nobody has named."""
        taken = {self.id_col, self.time_col, *self.target_cols, *self.covariates}
        return [name for name in self.table.names if name not in taken]

    @cached_property
    def _numeric(self) -> dict[str, None]:
        return {name: None for name in self._free if self._is_numeric(name)}

    def _is_numeric(self, name: str) -> bool:
        """Numbers, or numbers with a few bad cells: mistakes in a value column, to be told of."""
        if self.table.n_rows > HEAD:
            is_bad = self._head(name).parse(name).is_bad
            if is_bad.sum() > 0.5 * len(is_bad):
                return False
        parsed = self.table.parse(name)
        return parsed.is_numeric or bool(0 < parsed.is_bad.sum() <= 0.1 * len(parsed.is_bad))

    def _head(self, name: str) -> Table:
        """The first cells of a column that are not missing, enough to judge it."""
        column = self.table.arrow.select([self.table.place[name]])
        head = column.slice(0, HEAD).filter(column.column(0).slice(0, HEAD).is_valid())
        return replace(self.table, arrow=head, parsed={})

    def _find_time(self) -> str | None:
        named = _first_named(TIME_NAMES, self._free)
        if named is not None:
            self._refuse_split_dates(named)
            return named
        for name in self._free:
            if name not in self._numeric and self._is_time(name):
                return name
        return None

    def _is_time(self, name: str) -> bool:
        """Whether the first cells read as dates; the rest is checked where errors are told."""
        head = self._head(name)
        first = replace(head, arrow=head.arrow.slice(0, 3))
        if first.n_rows == 0:
            return False
        try:
            return bool(np.issubdtype(first.times(name).values.dtype, np.datetime64))
        except DataError as error:
            text = str(error)
            return "(pass time_format=" in text or "outside the years" in text

    def _refuse_split_dates(self, time_col: str) -> None:
        parts = [name for name in self._free if name.strip().lower() in _CALENDAR_PARTS]
        if time_col in parts and len(parts) > 1 and set(parts) <= set(self._numeric):
            raise DataError(
                f"The time is split over the columns {listed(tuple(parts))}. Make one column of "
                f"them, such as 2024-01-31 or 2024Q1, or pass time_col=."
            )

    def _refuse_clock_apart(self, time_col: str) -> None:
        """Refuse days that come more than once, where another column has the time of day."""
        apart = [n for n in self._free if n.strip().lower() in _CLOCKS and n != time_col]
        if not apart or self.table.n_rows == 0 or self._is_unique(time_col):
            return
        cell = str(self._cells(time_col)[0].as_py())
        clock = str(self._cells(apart[0])[0].as_py())
        if ":" not in cell and re.fullmatch(r"\d{1,2}(:\d{2}){0,2}(\.0*)?", clock):
            raise DataError(
                f"The time is split over the columns {listed((time_col, apart[0]))}. Make one "
                f"column of them, such as 2024-01-31 13:00, or pass time_col=."
            )

    def _find_id(self, time_col: str | None) -> str | None:
        free = [name for name in self._free if name != time_col]
        left = [name for name in free if not self._is_row_id(name, time_col)]
        named = _first_named(ID_NAMES, left)
        if named is not None and (named not in self._numeric or self._names_a_value(left, named)):
            return named
        texts = [name for name in left if name not in self._numeric and not self._is_empty(name)]
        if not texts or not (self.target_cols or self._numeric):
            return None
        if time_col is not None and self._is_unique(time_col):
            return None  # every time comes once: one series, whatever the texts say
        if len(texts) == 1:
            return None if self._is_unique(texts[0]) else texts[0]
        raise DataError(
            f"Several columns could name the series: {listed(tuple(texts))}. "
            f"Pass id_col= with one or several of them, or leave out those that do not."
        )

    def _names_a_value(self, left: list[str], id_col: str) -> bool:
        """Numeric ids are ids only where another numeric column is left for the values."""
        return any(name in self._numeric for name in left if name != id_col)

    def _find_targets(self, id_col: str | None, time_col: str | None) -> tuple[str, ...]:
        if self.target_cols and not self._takes_all:
            return tuple(self.target_cols)
        left = [name for name in self._numeric if name not in (id_col, time_col)]
        numeric = [
            name
            for name in left
            if not self._is_row_number(name) and not self._is_row_id(name, time_col)
        ]
        if not numeric:
            raise self._no_values(id_col, time_col)
        if self._takes_all:
            return tuple(numeric)
        named = _first_named(VALUE_NAMES, numeric)
        if named is not None:
            return (named,)
        if len(numeric) == 1:
            return (numeric[0],)
        self._refuse_times_as_columns(numeric, time_col)
        if id_col is not None or self.covariates:
            several = f" with one of them, or with several series ({ALL!r} for all)"
            raise DataError(
                f"Several columns could hold the values: {listed(tuple(numeric))}. "
                f"Pass target_col={'' if id_col is not None else several}."
            )
        return tuple(numeric)

    def _no_values(self, id_col: str | None, time_col: str | None) -> DataError:
        used = [name for name in (id_col, time_col) if name is not None]
        others = [name for name in self.table.names if name not in used]
        meant = _first_named(VALUE_NAMES, others) or (others[0] if len(others) == 1 else None)
        for name in [meant] if meant is not None else others:
            if meant is not None or not np.isnan(self.table.parse(name).values).all():
                self.table.numbers(name)  # says which cell is no number
        if meant is not None:
            return DataError(f"Column {meant!r} has no values. Give one observation at least.")
        read = f" besides {listed(tuple(used))}" if used else ""
        return DataError(
            f"No numeric column{read}: found {listed(tuple(others)) or 'nothing else'}. "
            f"Give one column of numbers, or pass target_col=."
        )

    def _refuse_times_as_columns(self, numeric: list[str], time_col: str | None) -> None:
        is_time_like = [bool(re.fullmatch(r"\d{4}([-/.]?\d{2}){0,2}", name)) for name in numeric]
        if time_col is None and all(is_time_like):
            raise DataError(
                f"The columns {listed(tuple(numeric), 4)} look like times. A table has one row a "
                f"time: turn it round (transpose it), with the times in a first column."
            )

    def _is_row_number(self, name: str) -> bool:
        """An index that a spreadsheet or R wrote: 0 or 1 and so on, without a real name."""
        if name.strip().lower() not in _INDEX_NAMES and not re.match(r"unnamed", name.lower()):
            return False
        values = self.table.parse(name).values
        return bool(values[0] in (0, 1) and np.all(np.diff(values) == 1))

    def _is_row_id(self, name: str, time_col: str | None) -> bool:
        """A number for every row, named like an id, where times tell that rows are not series."""
        is_named = name.strip().lower().replace(" ", "_") in ID_NAMES
        if not is_named or name not in self._numeric or time_col is None:
            return False
        return self._is_unique(name) and len(self._cells(time_col).unique()) > 1

    def _is_empty(self, name: str) -> bool:
        head = self._head(name)
        if self.table.n_rows > HEAD and head.parse(name).is_bad.any():
            return False
        parsed = self.table.parse(name)
        return not parsed.is_bad.any() and bool(np.isnan(parsed.values).all())

    def _is_unique(self, name: str) -> bool:
        """Whether no cell comes twice; the first rows tell of most columns."""
        cells = self._cells(name)
        head = cells.slice(0, HEAD)
        return len(head.unique()) == len(head) and len(cells.unique()) == len(cells)

    def _cells(self, name: str) -> Any:
        return self.table.arrow.column(self.table.place[name])


def _first_named(names: Sequence[str], columns: Sequence[str]) -> str | None:
    by_name = {column.strip().lower().replace(" ", "_"): column for column in reversed(columns)}
    return next((by_name[name] for name in names if name in by_name), None)

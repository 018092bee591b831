"""Panels whose values lie in files: as long as the disk, not the memory, has room for them."""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tcn.errors import DataError
from tcn.series import parquet_pieces
from tcn.series.columns import Table
from tcn.series.covariates import Covariates
from tcn.series.files import read_parquet
from tcn.series.grid import Roles, Spacing
from tcn.series.panel import Panel
from tcn.series.parquet_pieces import ROWS_PER_BATCH, look_through, opened, pieces_of
from tcn.series.ragged import offsets_of
from tcn.series.tables import Asked, panel_of_table

Array = NDArray[np.float64]
AT_ONCE = 1 << 20  # numbers of a file that are changed together


@contextmanager
def open_parquet(
    file: str | os.PathLike[str],
    *,
    folder: str | os.PathLike[str] | None = None,
    id_col: str | Sequence[str] | None = None,
    time_col: str | None = None,
    target_col: str | Sequence[str] | None = None,
    past_covariates: Sequence[str] = (),
    future_covariates: Sequence[str] = (),
    static_covariates: Sequence[str] = (),
    future: str | os.PathLike[str] | None = None,
    freq: str | None = None,
    tz: str | None = None,
    season_length: int | None = None,
    time_format: str | None = None,
) -> Iterator[Panel]:
    """Read a parquet file as `read_parquet` does, without having it in memory.

    Values and covariates over time are written to a temporary folder within `folder` (8 bytes a
    number; rows that are not in the order of series need as much again meanwhile), from where
    they are mapped; it is removed at the end of the context. The panel is the same, but for its
    frequency: where none is given it is that of the first million rows.

    A short file, one of a single series, a wide one and one with a second file `future` are read
    into memory. Raises DataError as `read_parquet` does, and where the disk is full.
    """
    request = Request(
        Path(file),
        Asked(id_col, time_col, target_col),
        Roles(tuple(past_covariates), tuple(future_covariates), tuple(static_covariates)),
        Spacing(freq, tz, season_length),
        time_format,
    )
    plan = None if future is not None else request.plan()
    if plan is None:
        yield request.whole(future)
        return
    with tempfile.TemporaryDirectory(prefix=".panel-", dir=folder) as place:
        try:
            panel = plan.stored(Path(place))
        except OSError as error:
            raise DataError(
                f"The values of '{file}' cannot be written to '{place}': {error.strerror}. They "
                f"need 8 bytes each; give a folder= with more room."
            ) from error
        yield panel


@dataclass(frozen=True)
class Request:
    """What is known of a file before it is read."""

    path: Path
    asked: Asked
    roles: Roles
    spacing: Spacing
    time_format: str | None

    def whole(self, future: str | os.PathLike[str] | None) -> Panel:
        """The panel in memory."""
        return read_parquet(
            self.path,
            **vars(self.asked),
            past_covariates=self.roles.past,
            future_covariates=self.roles.future,
            static_covariates=self.roles.static,
            future=future,
            time_format=self.time_format,
            **vars(self.spacing),
        )

    def plan(self) -> "Plan | None":
        """How to read the file in pieces; None where it is to be read as a whole."""
        head, id_col = self._head(), self.asked.id_col
        if head is None:
            return None
        try:
            table = head.with_id(id_col, keep=self.roles.names)
            choice = self.asked.choose(table, self.roles.names)
        except DataError:
            return None  # whole, so that the reader says what is wrong with all of it in sight
        ids = choice.id_col if id_col is None or isinstance(id_col, str) else tuple(id_col)
        if ids is None or choice.is_wide:
            return None
        return Plan(self, Asked(ids, choice.time_col, choice.targets[0]), tuple(table.names))

    def _head(self) -> Table | None:
        """The first rows of a long file that can be read at all."""
        import pyarrow as pa

        try:
            with opened(self.path) as file:
                if file.metadata.num_rows <= parquet_pieces.ROWS_PER_PIECE:
                    return None
                batch = next(file.iter_batches(ROWS_PER_BATCH))
        except (pa.ArrowException, OSError):
            return None
        return Table(pa.Table.from_batches([batch]), time_format=self.time_format)


@dataclass(frozen=True)
class Plan:
    """A long file whose columns are known."""

    request: Request
    columns: Asked
    names: tuple[str, ...]

    def stored(self, folder: Path) -> Panel:
        """The panel, its numbers in `folder`."""
        path, id_col = self.request.path, self.columns.id_col
        assert id_col is not None  # a file without is read as a whole
        series = look_through(path, id_col)
        if series is None:
            return self.request.whole(None)
        roles = self.request.roles
        ids = [id_col] if isinstance(id_col, str) else id_col
        used = dict.fromkeys((*ids, *self.columns.names[1:], *roles.names))
        panel = joined(self._panels(pieces_of(path, tuple(used), id_col, series, folder)), folder)
        known = {*self.columns.names, *roles.names}
        ignored = tuple(name for name in self.names if name not in known)
        return replace(panel, source=replace(panel.source, ignored=ignored))

    def _panels(self, tables: Iterable[Table]) -> Iterator[Panel]:
        roles, spacing = self.request.roles, self.request.spacing
        for table in tables:
            table = replace(table, time_format=self.request.time_format)  # noqa: PLW2901
            panel = panel_of_table(table, self.columns, roles, spacing)
            spacing = replace(spacing, freq=panel.freq or "1")
            yield panel


def joined(panels: Iterable[Panel], folder: Path) -> Panel:
    """Panels one after another as one, its numbers in files in `folder`."""
    ids, starts, lengths = [], [], []
    values = Numbers(folder / "values.f8", 1)
    past, future, static = (Growing(folder, kind) for kind in ("past", "future", "static"))
    last = None
    for panel in panels:
        ids.append(panel.ids)
        starts.append(panel.starts)
        lengths.append(panel.lengths)
        values.append(panel.values[None])
        past.append(panel.past_covariates)
        future.append(panel.future_covariates)
        static.append(panel.static_covariates)
        last = panel
    assert last is not None  # a file that is read in pieces has rows
    return replace(
        last,
        ids=np.concatenate(ids),
        values=values.mapped()[0],
        offsets=offsets_of(np.concatenate(lengths)),
        starts=np.concatenate(starts),
        past_covariates=past.whole(),
        future_covariates=future.whole(),
        static_covariates=static.whole(),
    )


class Numbers:
    """Columns (K, rows) in a file that grows at its end."""

    def __init__(self, path: Path, n_columns: int) -> None:
        self.path, self.n_columns, self.n_rows = path, n_columns, 0
        path.touch()

    def append(self, values: Array) -> None:
        """Columns (K, n) behind those that are there."""
        with self.path.open("ab") as file:
            np.ascontiguousarray(values.T).tofile(file)
        self.n_rows += values.shape[1]

    def mapped(self) -> Array:
        """All of them, (K, rows), to be read only."""
        if self.n_rows == 0:
            return np.empty((self.n_columns, 0))
        return np.asarray(self._map("r")).T

    def change(self, column: int, function: Callable[[Array], Array]) -> None:
        """Put a function of the numbers of one column in their place."""
        table = self._map("r+")
        for first in range(0, self.n_rows, AT_ONCE):
            piece = table[first : first + AT_ONCE, column]
            piece[:] = function(piece)
        table.flush()

    def _map(self, mode: Any) -> Any:
        return np.memmap(self.path, np.float64, mode, shape=(self.n_rows, self.n_columns))


class Growing:
    """Covariates of one kind, of some series after others."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._path = folder / f"{kind}.f8"
        self._lengths: list[NDArray[np.int64]] = []
        self._kinds: list[Kind] = []
        self._numbers: Numbers | None = None
        self._first: Covariates | None = None

    def append(self, covariates: Covariates | None) -> None:
        """Those of further series."""
        if covariates is None:
            return
        if self._numbers is None:
            self._first = covariates
            self._numbers = Numbers(self._path, len(covariates.names))
            self._kinds = [Kind(name) for name in covariates.names]
        values = covariates.values.T if covariates.is_static else covariates.values
        columns = zip(self._kinds, values, covariates.categories, strict=True)
        self._numbers.append(np.stack([kind.coded(*column) for kind, *column in columns]))
        self._lengths.append(covariates.lengths)

    def whole(self) -> Covariates | None:
        """All of them; None where there are none."""
        if self._numbers is None or self._first is None:
            return None
        for column, kind in enumerate(self._kinds):
            if kind.categories:
                self._numbers.change(column, kind.sorted_codes)
        values = self._numbers.mapped()
        is_static = self._first.is_static
        return Covariates(
            self._first.names,
            values.T.copy() if is_static else values,
            None if is_static else offsets_of(np.concatenate(self._lengths)),
            tuple(tuple(sorted(kind.categories)) or None for kind in self._kinds),
        )


class Kind:
    """Whether a column holds numbers or categories, and which, as it is read piece by piece."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.categories: dict[str, int] = {}
        self._has_numbers = False

    def coded(self, values: Array, categories: tuple[str, ...] | None) -> Array:
        """Numbers as they are; codes into `categories` as codes into those of all pieces."""
        seen = ~np.isnan(values)
        self._has_numbers |= categories is None and bool(seen.any())
        known = self.categories
        places = [known.setdefault(text, len(known)) for text in categories or ()]
        if self._has_numbers and known:
            raise DataError(
                f"Covariate {self.name!r} holds numbers alone for some series and texts for "
                "others. Convert it to one type first."
            )
        return _looked_up(values, np.array(places, np.float64)) if places else values

    def sorted_codes(self, codes: Array) -> Array:
        """Codes by appearance as codes by order."""
        rank = np.empty(len(self.categories))
        rank[[self.categories[text] for text in sorted(self.categories)]] = np.arange(len(rank))
        return _looked_up(codes, rank)


def _looked_up(codes: Array, table: Array) -> Array:
    """table[codes], NaN where the code is NaN."""
    found = np.full(codes.shape, np.nan)
    seen = ~np.isnan(codes)
    found[seen] = table[codes[seen].astype(np.int64)]
    return found

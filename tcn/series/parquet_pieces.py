"""A parquet file of any length and order of rows, as tables of complete series in order of ids."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tcn.series.columns import Table, id_name, ranked

ROWS_PER_PIECE = 1_000_000
ROWS_PER_BATCH = 131_072
MOST_PIECES = 256  # that are written at once, a file each
_ROW = "\0row"  # the column that remembers where a row stood

Index = NDArray[np.int64]
Cells = dict[Any, int]


@dataclass(frozen=True)
class SeriesOfFile:
    """Which series a file has: `places` gives the rank of each id, `sizes` (S,) the rows by rank.

    is_in_order: whether the rows of each series stand together, and the series in order of ids.
    """

    places: Cells
    rank: NDArray[np.int32]
    sizes: Index
    is_in_order: bool

    def ranks(self, table: Table, name: str) -> NDArray[np.int32]:
        """The rank of the series of each row."""
        codes, cells = table.cells(name)
        found = np.fromiter((self.places[each] for each in cells.tolist()), np.int64, len(cells))
        ranks: NDArray[np.int32] = self.rank[found[codes]]
        return ranks

    def ends_of_pieces(self) -> Index:
        """Ranks at which pieces of about `ROWS_PER_PIECE` rows end."""
        rows = np.cumsum(self.sizes)
        size = max(ROWS_PER_PIECE, -(-int(rows[-1]) // MOST_PIECES))
        ends = np.searchsorted(rows, np.arange(size, rows[-1], size)) + 1
        return np.unique(np.append(ends, len(rows)))


def look_through(path: Path, id_col: str | Sequence[str]) -> SeriesOfFile | None:
    """Read the id column alone; None where an id is missing or blank."""
    places: Cells = {}
    sizes = np.zeros(0, np.int64)
    seen: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]  # the series of each run of rows
    n_runs, is_grouped = 0, True
    dtype: Any = np.str_
    for table in _batches(path, _parts(id_col), ROWS_PER_BATCH):
        codes, cells = table.with_id(id_col).cells(str(id_name(id_col)))
        if codes.min(initial=0) < 0 or (cells.dtype.kind == "f" and np.isnan(cells).any()):
            return None
        dtype = cells.dtype
        found = np.fromiter(
            (places.setdefault(cell, len(places)) for cell in cells.tolist()), np.int64, len(cells)
        )[codes]
        counts = np.bincount(found, minlength=len(places))
        counts[: len(sizes)] += sizes
        sizes = counts
        if is_grouped:
            runs = found[np.append(True, found[1:] != found[:-1])]
            runs = runs[1:] if len(seen[-1]) and runs[0] == seen[-1][-1] else runs
            seen.append(runs if len(runs) else seen[-1][-1:])
            n_runs += len(runs)
            is_grouped = n_runs == len(places)
    rank, _ = ranked(np.array(list(places), dtype))
    by_rank = np.empty_like(sizes)
    by_rank[rank] = sizes
    # places are given in order of appearance, so that grouped rows are in order where ranks rise
    is_in_order = is_grouped and bool((np.diff(rank) > 0).all())
    return SeriesOfFile(places, rank, by_rank, is_in_order)


def pieces_of(
    path: Path,
    names: Sequence[str],
    id_col: str | Sequence[str],
    series: SeriesOfFile,
    folder: Path,
) -> Iterator[Table]:
    """Tables of complete series, in order of ids, with the columns `names`.

    Rows in another order are first written to files in `folder`, one for each piece.
    """
    ends = series.ends_of_pieces()
    if series.is_in_order:
        yield from tables_between(path, np.cumsum(series.sizes)[ends - 1].tolist(), names)
        return
    files = [folder / f"piece-{number}.arrow" for number in range(len(ends))]
    with ExitStack() as stack:
        _sort_into(files, path, names, id_col, series, ends, stack)
    for file in files:
        yield _read_piece(file)
        file.unlink()


def tables_between(path: Path, cuts: list[int], names: Sequence[str] | None) -> Iterator[Table]:
    """Tables of the rows up to each of `cuts`, of which the last is the number of rows."""
    import pyarrow as pa

    cuts = list(cuts)
    held: list[Any] = []
    n_held = first = 0
    for batch in _arrow_batches(path, names, ROWS_PER_BATCH):
        held.append(batch)
        n_held += batch.num_rows
        while cuts and first + n_held >= cuts[0]:
            table = pa.Table.from_batches(held)
            size = cuts.pop(0) - first
            yield Table(table.slice(0, size), first_row=first)
            rest = table.slice(size)
            held, n_held, first = rest.to_batches(), rest.num_rows, first + size


def _sort_into(
    files: Sequence[Path],
    path: Path,
    names: Sequence[str],
    id_col: str | Sequence[str],
    series: SeriesOfFile,
    ends: Index,
    stack: ExitStack,
) -> None:
    import pyarrow as pa

    writers: list[Any] = []
    for table in _batches(path, names, ROWS_PER_PIECE):
        ranks = series.ranks(table.with_id(id_col), str(id_name(id_col)))
        piece = np.searchsorted(ends, ranks, side="right")
        order = np.argsort(piece, kind="stable")
        rows = pa.array(order + table.first_row)
        sorted_ = table.arrow.take(order).append_column(_ROW, rows)
        if not writers:
            writers = [
                stack.enter_context(pa.ipc.new_file(str(file), sorted_.schema)) for file in files
            ]
        bounds = np.searchsorted(piece[order], np.arange(len(files) + 1))
        for writer, begin, end in zip(writers, bounds[:-1], bounds[1:], strict=True):
            if end > begin:
                writer.write_table(sorted_.slice(begin, end - begin))


def _read_piece(file: Path) -> Table:
    import pyarrow as pa

    with pa.ipc.open_file(str(file)) as reader:
        table = reader.read_all()
    rows = table.column(_ROW).to_numpy()
    return Table(table.drop_columns([_ROW]), places=rows)


def _batches(path: Path, names: Sequence[str], size: int) -> Iterator[Table]:
    import pyarrow as pa

    first = 0
    for batch in _arrow_batches(path, names, size):
        if batch.num_rows:
            yield Table(pa.Table.from_batches([batch]), first_row=first)
        first += batch.num_rows


def _arrow_batches(path: Path, names: Sequence[str] | None, size: int) -> Iterator[Any]:
    with opened(path) as file:
        yield from file.iter_batches(size, columns=None if names is None else list(names))


def opened(path: Path) -> Any:
    """A parquet file to be read batch by batch: arrow would hold all that is read ahead."""
    import pyarrow.parquet as pq

    return pq.ParquetFile(path, memory_map=True, pre_buffer=False)


def _parts(id_col: str | Sequence[str]) -> list[str]:
    return [id_col] if isinstance(id_col, str) else list(id_col)

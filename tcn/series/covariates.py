"""Covariates: what is known beside the series themselves."""

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tcn.errors import DataError
from tcn.series.ragged import Index, flat_index, offsets_of

Categories = tuple[tuple[str, ...] | None, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Covariates:
    """K columns beside S series.

    Over time (past or future-known) `values` is (K, total) with `offsets` (S + 1,) of its own:
    past covariates have a series' n_i rows, future-known ones n_i + f_i, history and beyond.
    Static covariates have `values` (S, K) and no offsets. NaN is missing. A categorical column
    holds codes into its tuple in `categories`, which is None for a numeric column.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    offsets: Index | None = None
    categories: Categories = ()

    def __post_init__(self) -> None:
        """Check shapes against each other."""
        if not self.categories:
            object.__setattr__(self, "categories", (None,) * len(self.names))
        n_columns = self.values.shape[1 if self.is_static else 0] if self.values.ndim == 2 else -1
        if not n_columns == len(self.names) == len(self.categories):
            raise DataError(
                f"Covariates {self.names!r} need values of shape "
                f"{'(series, columns)' if self.is_static else '(columns, rows)'} and one entry of "
                f"categories a column, got shape {self.values.shape} and {len(self.categories)}."
            )
        if self.offsets is not None and self.offsets[-1] != self.values.shape[1]:
            raise DataError(
                f"Covariates {self.names!r} have {self.values.shape[1]} rows, "
                f"but their offsets end at {self.offsets[-1]}."
            )

    def __repr__(self) -> str:
        rows = "static" if self.is_static else f"{self.values.shape[1]} rows"
        return f"Covariates({', '.join(self.names)}: {len(self)} series, {rows})"

    @property
    def is_static(self) -> bool:
        """Whether there is one row a series instead of one a step."""
        return self.offsets is None

    @property
    def lengths(self) -> Index:
        """Rows of each series, (S,); ones for static covariates."""
        if self.offsets is None:
            return np.ones(len(self.values), np.int64)
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.values) if self.offsets is None else len(self.offsets) - 1

    def __getitem__(self, index: int) -> NDArray[np.float64]:
        """The (K, rows) values of one series; (K,) if static."""
        if self.offsets is None:
            row: NDArray[np.float64] = self.values[index]
            return row
        index = range(len(self))[index]
        return self.values[:, self.offsets[index] : self.offsets[index + 1]]

    def rows(self, begins: Index, lengths: Index, indices: Index) -> "Covariates":
        """Rows [begins, begins + lengths), counted within each of the chosen series."""
        if self.offsets is None:
            return replace(self, values=self.values[indices])
        where = flat_index(self.offsets[indices] + begins, lengths)
        return replace(self, values=self.values[:, where], offsets=offsets_of(lengths))

    def without(self, names: Collection[str]) -> "Covariates | None":
        """The other columns; None where none is left."""
        kept = [index for index, name in enumerate(self.names) if name not in names]
        if not kept:
            return None
        return replace(
            self,
            names=tuple(self.names[index] for index in kept),
            values=self.values[:, kept] if self.is_static else self.values[kept],
            categories=tuple(self.categories[index] for index in kept),
        )

    def equals(self, other: "Covariates") -> bool:
        """Whether names, categories, series and values are the same (NaN equals NaN)."""
        return (
            (self.names, self.categories) == (other.names, other.categories)
            and self.is_static == other.is_static
            and np.array_equal(self.lengths, other.lengths)
            and np.array_equal(self.values, other.values, equal_nan=True)
        )

    def padded(self, count: int) -> "Covariates":
        """Every series with `count` missing rows after its end."""
        if self.offsets is None:
            return self
        lengths = self.lengths + count
        offsets = offsets_of(lengths)
        values = np.full((len(self.names), int(lengths.sum())), np.nan)
        values[:, flat_index(offsets[:-1], self.lengths)] = self.values
        return replace(self, values=values, offsets=offsets)

    def take(self, indices: Index) -> "Covariates":
        """The chosen series, in that order."""
        return self.rows(np.zeros(len(indices), np.int64), self.lengths[indices], indices)


def require_covariates(
    ids: NDArray[np.str_],
    lengths: Index,
    past: Covariates | None,
    future: Covariates | None,
    static: Covariates | None,
) -> None:
    """Raise DataError unless the covariates are those of series with these ids and lengths."""
    for name, covariates in (("past", past), ("future", future), ("static", static)):
        if covariates is None:
            continue
        if covariates.is_static != (name == "static"):
            raise DataError(f"{name}_covariates must be {name} in shape; see Covariates.")
        if len(covariates) != len(ids):
            raise DataError(
                f"{name}_covariates have {len(covariates)} series, the panel has {len(ids)}."
            )
    if past is not None:
        _require_rows("Past", ids, lengths, past.lengths, past.lengths != lengths)
    if future is not None:
        _require_rows("Future", ids, lengths, future.lengths, future.lengths < lengths)


def _require_rows(
    name: str, ids: NDArray[np.str_], lengths: Index, rows: Index, is_wrong: NDArray[np.bool_]
) -> None:
    if is_wrong.any():
        i = int(np.argmax(is_wrong))
        more = ", and more for the horizon." if name == "Future" else "."
        raise DataError(
            f"{name} covariates of {str(ids[i])!r} have {rows[i]} rows, the series has "
            f"{lengths[i]} points. Give one row a point{more}"
        )

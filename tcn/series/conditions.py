"""Covariates as network inputs: standardised numbers and one column per category.

The encoding is fitted on the training panel, stored with the model, and applied unchanged later. A
missing value is 0 with a 0 in the mask beside it; a category that was not seen in training is 0 in
every column.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tcn.errors import DataError
from tcn.series.covariates import Covariates
from tcn.series.panel import Panel
from tcn.series.ragged import in_parts

Array = NDArray[np.float64]
Index = NDArray[np.int64]

Kind = Literal["past", "future", "static"]

MAX_CATEGORIES = 64


@dataclass(frozen=True)
class Column:
    """One encoded column: a standardised number, or whether a category holds."""

    name: str
    mean: float = 0.0
    deviation: float = 1.0
    category: str | None = None

    @property
    def label(self) -> str:
        """Name of the encoded column, such as `price` or `store=A`."""
        return self.name if self.category is None else f"{self.name}={self.category}"


class Encoded(NamedTuple):
    """What the network is told beside the series; None where there is nothing."""

    context: Tensor | None  # (N, 2 (P + K), L) values and masks over the window
    steps: Tensor | None  # (N, O, H, K) future covariates at each step
    static: Tensor | None  # (N, S)


@dataclass(frozen=True)
class Conditions:
    """How the covariates of a panel become columns of numbers."""

    past: tuple[Column, ...] = ()
    future: tuple[Column, ...] = ()
    static: tuple[Column, ...] = ()

    @classmethod
    def fitted(cls, panel: Panel) -> "Conditions":
        """Means, deviations and categories of the panel's covariates."""
        return cls(
            past=_fit(panel.past_covariates),
            future=_fit(panel.future_covariates),
            static=_fit(panel.static_covariates),
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            kind: [vars(column) for column in getattr(self, kind)]
            for kind in ("past", "future", "static")
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Conditions":
        """Inverse of `to_dict`."""
        return cls(**{kind: tuple(Column(**item) for item in values[kind]) for kind in values})

    @property
    def labels(self) -> dict[str, tuple[str, ...]]:
        """Labels of the encoded columns: those of "past", "future" and "static" covariates."""
        return {
            kind: tuple(column.label for column in getattr(self, kind))
            for kind in ("past", "future", "static")
        }

    @property
    def has_any(self) -> bool:
        """Whether any covariate is read."""
        return bool(self.past or self.future or self.static)

    def check(self, panel: Panel, horizon: int) -> None:
        """Raise DataError unless the panel has what is read, all known ahead `horizon` steps."""
        for kind in ("past", "future", "static"):
            _check_names(kind, getattr(self, kind), getattr(panel, f"{kind}_covariates"))
        covariates = panel.future_covariates
        if covariates is None:
            return
        short = np.flatnonzero(covariates.lengths < panel.lengths + horizon)
        if short.size:
            i = int(short[0])
            ahead = int(covariates.lengths[i] - panel.lengths[i])
            raise DataError(
                f"Future covariates of {str(panel.ids[i])!r} reach {ahead} steps beyond its last "
                f"value, but the horizon is {horizon}. Give {horizon - ahead} more rows, or a "
                f"horizon of {ahead} or less."
            )

    def unread(self, panel: Panel, *kinds: Kind) -> tuple[str, ...]:
        """Names of the panel's covariates of these kinds that this encoding does not read."""
        names: list[str] = []
        for kind in kinds:
            covariates = getattr(panel, f"{kind}_covariates")
            if covariates is not None:
                known = {column.name for column in getattr(self, kind)}
                names += [name for name in covariates.names if name not in known]
        return tuple(names)

    def encode(self, panel: Panel, rows: Index, length: int, first: int, last: int) -> Encoded:
        """Columns for windows that end with each series, and its next steps `first` to `last`.

        When first is above 1 the window ends at step `first - 1`, beyond the data.
        """
        ends = panel.lengths[rows] + first - 1
        steps = np.broadcast_to(np.arange(last - first + 1), (len(rows), 1, last - first + 1))
        return self.encode_at(panel, rows, ends, length, ends[:, None, None] + steps)

    def encode_at(
        self, panel: Panel, rows: Index, ends: Index, length: int, targets: Index
    ) -> Encoded:
        """Columns for windows of `length` before `ends` (N,), and at `targets` (N, O, H)."""
        position = ends[:, None] - length + np.arange(length)
        context = [
            *_over_time(panel.past_covariates, self.past, rows, position),
            *_over_time(panel.future_covariates, self.future, rows, position),
        ]
        steps = _over_time(panel.future_covariates, self.future, rows, targets)[::2]
        static = panel.static_covariates
        return Encoded(
            torch.stack(context, dim=1) if context else None,
            torch.stack(steps, dim=-1) if steps else None,
            _static(static, self.static, rows) if self.static and static is not None else None,
        )


def _fit(covariates: Covariates | None) -> tuple[Column, ...]:
    if covariates is None:
        return ()
    columns: list[Column] = []
    pairs = zip(covariates.names, covariates.categories, strict=True)
    for index, (name, names) in enumerate(pairs):
        if names is not None:
            columns += [Column(name, category=category) for category in names[:MAX_CATEGORIES]]
            continue
        values = covariates.values[:, index] if covariates.is_static else covariates.values[index]
        mean, deviation = _moments(values)
        columns.append(Column(name, mean, deviation if deviation > 1e-9 * abs(mean) else 1.0))
    return tuple(columns)


def _moments(values: Array) -> tuple[float, float]:
    """Mean and standard deviation of the numbers that are known; 0 and 1 where none is."""
    number = sum(int(np.isfinite(part).sum()) for part in in_parts(values))
    if number == 0:
        return 0.0, 1.0
    mean = sum(float(part[np.isfinite(part)].sum()) for part in in_parts(values)) / number
    squares = (np.square(part[np.isfinite(part)] - mean) for part in in_parts(values))
    return mean, math.sqrt(sum(float(each.sum()) for each in squares) / number)


def _check_names(kind: str, columns: tuple[Column, ...], covariates: Covariates | None) -> None:
    wanted = list(dict.fromkeys(column.name for column in columns))
    have = [] if covariates is None else list(covariates.names)
    missing = [name for name in wanted if name not in have]
    if missing:
        raise DataError(
            f"This model reads the {kind} covariates {wanted}; missing: {missing}, found: {have}. "
            f"Pass {kind}_covariates= with these names when reading the data."
        )


def _over_time(
    covariates: Covariates | None, columns: tuple[Column, ...], rows: Index, position: Index
) -> list[Tensor]:
    """Value and mask of each column at positions (N, ...) of the series `rows`, float32."""
    if covariates is None or covariates.offsets is None:
        return []
    shape = (-1,) + (1,) * (position.ndim - 1)
    begin = covariates.offsets[rows].reshape(shape)
    size = covariates.offsets[rows + 1].reshape(shape) - begin
    inside = (position >= 0) & (position < size)
    flat = np.where(inside, begin + position, 0)
    tensors: list[Tensor] = []
    for column in columns:
        index = covariates.names.index(column.name)
        raw = np.where(inside, covariates.values[index][flat], np.nan)
        values, mask = _encoded(raw, column, covariates.categories[index])
        tensors += [torch.from_numpy(values).float(), torch.from_numpy(mask).float()]
    return tensors


def _encoded(raw: Array, column: Column, categories: tuple[str, ...] | None) -> tuple[Array, Array]:
    mask = np.isfinite(raw)
    if column.category is not None:
        known = categories or ()
        code = known.index(column.category) if column.category in known else -1
        return (raw == code).astype(np.float64), mask.astype(np.float64)
    values = np.where(mask, (raw - column.mean) / column.deviation, 0.0)
    return np.clip(values, -10.0, 10.0), mask.astype(np.float64)


def _static(covariates: Covariates, columns: tuple[Column, ...], rows: Index) -> Tensor:
    encoded = []
    for column in columns:
        index = covariates.names.index(column.name)
        raw = covariates.values[rows, index]
        encoded.append(_encoded(raw, column, covariates.categories[index])[0])
    return torch.from_numpy(np.stack(encoded, axis=1)).float()

"""Exogenous columns that NixtlaClient sends: checked, and those known ahead as covariates.

`series.X` holds a column's values of all series one after the other; `series.X_future` the next `h`
of each series, for as many of the first columns as are known ahead. Tasks of the past have no
`X_future`: there all columns are known but those that `hist_exog` lists.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.covariates import Covariate
from service.engine import Predictor
from service.errors import Problem
from service.panels import to_panel
from service.schemas import SeriesInput
from service.values import FloatArray
from tcn.errors import TcnError
from tcn.series.effects import Effects

WAS_INFINITE = 3.4e38

Index = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Exogenous:
    """How many columns there are, and by series the covariates that are known ahead."""

    n_columns: int
    known: list[Mapping[str, Covariate]]


class Contributions(NamedTuple):
    """What K columns add to the forecasts of all series, one series after the other."""

    ahead: FloatArray  # (K, n * h)
    weights: list[float]  # (K,) shares of what all of them add to the past; 0 without any effect


def read_exogenous(data: Mapping[str, Any], body: Mapping[str, Any], sizes: Index) -> Exogenous:
    """Check the columns of a request whose series have these sizes. Raises `Problem` 422."""
    past, future = data.get("X") or [], data.get("X_future") or []
    if not isinstance(past, list) or not isinstance(future, list) or len(future) > len(past):
        raise Problem(422, "series.X and X_future must be lists of columns, X_future no more.")
    _check_columns("X", past, int(sizes.sum()))
    h = body.get("h")
    ahead = h if future and type(h) is int else 0
    if ahead:
        _check_columns("X_future", future, len(sizes) * ahead)
    known: list[dict[str, Covariate]] = [{} for _ in sizes]
    for number in _known_numbers(body, len(past), len(future) if ahead else 0):
        column = _values_of(past[number] + (future[number] if ahead else []))
        begins = np.cumsum(sizes) - sizes
        for place, (begin, size) in enumerate(zip(begins.tolist(), sizes.tolist(), strict=True)):
            next_ = int(sizes.sum()) + place * ahead
            pieces = column[begin : begin + size], column[next_ : next_ + ahead]
            known[place][f"x{number}"] = _joined(*pieces)
    return Exogenous(len(past), list(known))


def _known_numbers(body: Mapping[str, Any], n_columns: int, n_future: int) -> Sequence[int]:
    if n_future or "n_windows" not in body:
        return range(n_future)
    hidden = body.get("hist_exog")
    names = hidden if isinstance(hidden, list) else []
    return [number for number in range(n_columns) if number not in names]


def _check_columns(name: str, columns: Sequence[Any], length: int) -> None:
    for index, column in enumerate(columns):
        if not isinstance(column, list) or len(column) != length:
            raise Problem(422, f"series.{name}[{index}] must have {length:,} values.")
        if not set(map(type, column)) <= {int, float, str, type(None)}:
            raise Problem(422, f"series.{name}[{index}] must hold numbers, texts or null.")


def _values_of(column: list[Any]) -> Covariate:
    if str in set(map(type, column)):
        return [None if value is None else str(value) for value in column]
    values = np.array(column, np.float64)
    return np.where(np.abs(values) >= WAS_INFINITE, np.nan, values)


def _joined(past: Covariate, future: Covariate) -> Covariate:
    if isinstance(past, list) and isinstance(future, list):
        return past + future
    return np.concatenate([np.asarray(past, np.float64), np.asarray(future, np.float64)])


async def contributions(
    predictor: Predictor, series: Sequence[SeriesInput], horizon: int, n_columns: int
) -> Contributions:
    """What each of `n_columns` adds; nothing for models that do not tell."""
    found = None
    if hasattr(predictor, "effects") and any(item.future_covariates for item in series):
        found = await asyncio.to_thread(_effects, predictor, series, horizon)
    ahead = np.zeros((n_columns, len(series) * horizon))
    weights = [0.0] * n_columns
    if found is not None:
        sizes = np.abs(found.past).mean(axis=1)
        added = np.moveaxis(found.ahead, 2, 0)
        for name, steps, size in zip(found.names, added, sizes, strict=True):
            ahead[int(name[1:])] = steps.ravel()
            weights[int(name[1:])] = float(size / max(sizes.sum(), 1e-300))
    return Contributions(ahead, weights)


def _effects(predictor: Any, series: Sequence[SeriesInput], horizon: int) -> Effects | None:
    try:
        found: Effects | None = predictor.effects(to_panel(series), horizon)
    except TcnError:
        return None  # the forecast itself says what is wrong
    return found

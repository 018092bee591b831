"""The exogenous columns of NixtlaClient as covariates, and what each of them adds to a forecast.

Columns that are known ahead act by a regression in any model (see `tcn.series.effects`); those of
the past alone do not.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from service.covariates import Covariate
from service.engine import Predictor
from service.errors import Report
from service.panels import to_panel
from service.schemas import SeriesInput
from service.values import FloatArray, parse_values
from tcn.errors import TcnError
from tcn.series.effects import Effects

LARGEST = 3.4e38  # values beyond were infinite in the client: they count as missing
MOST_LETTERS = 64

Column = tuple[Covariate, Covariate]  # its values over the series, and over the horizon


class Contributions(NamedTuple):
    """What K columns add to the forecasts of all series, one series after the other."""

    ahead: FloatArray  # (K, n * h)
    weights: list[float]  # (K,) shares of what all of them add to the past; 0 without any effect


def parse_column(values: Any, where: tuple[str | int, ...], report: Report) -> Covariate:
    """Numbers, NaN where missing, or texts."""
    if str in set(map(type, values)):
        return [None if each is None else str(each)[:MOST_LETTERS] for each in values]
    numbers = parse_values(values, where, report, may_be_missing=True)
    return np.where(np.abs(numbers) < LARGEST, numbers, np.nan)


def with_covariates(
    series: Sequence[SeriesInput], columns: Sequence[Column | None]
) -> list[SeriesInput]:
    """The series with the columns known ahead as covariates, named by their places.

    Columns that are None are left out. Each holds the values of all series, one after the other.
    """
    pieces: list[dict[str, Covariate]] = [{} for _ in series]
    ends = np.cumsum([len(item.y) for item in series]).tolist()
    for k, column in enumerate(columns):
        if column is None:
            continue
        seen, ahead = column
        horizon = len(ahead) // len(series)
        for i, (item, end) in enumerate(zip(series, ends, strict=True)):
            parts = seen[end - len(item.y) : end], ahead[i * horizon : (i + 1) * horizon]
            pieces[i][str(k)] = _joined(*parts)
    return [
        replace(item, future_covariates=piece) for item, piece in zip(series, pieces, strict=True)
    ]


def _joined(first: Covariate, second: Covariate) -> Covariate:
    if isinstance(first, list) or isinstance(second, list):
        return [*_texts(first), *_texts(second)]
    return np.concatenate([first, second])


def _texts(column: Covariate) -> list[str | None]:
    if isinstance(column, list):
        return column
    return [None if np.isnan(each) else f"{each:g}" for each in column]


async def contributions(
    predictor: Predictor, series: Sequence[SeriesInput], horizon: int, n_columns: int
) -> Contributions:
    """What each of `n_columns` adds; nothing for models without an answer to that."""
    found = None
    if hasattr(predictor, "effects") and any(item.future_covariates for item in series):
        found = await asyncio.to_thread(_effects, predictor, series, horizon)
    ahead = np.zeros((n_columns, len(series) * horizon))
    weights = [0.0] * n_columns
    if found is not None:
        sizes = np.abs(found.past).mean(axis=1)
        for name, added, size in zip(
            found.names, np.moveaxis(found.ahead, 2, 0), sizes, strict=True
        ):
            ahead[int(name)] = added.ravel()
            weights[int(name)] = float(size / max(sizes.sum(), 1e-300))
    return Contributions(ahead, weights)


def _effects(predictor: Any, series: Sequence[SeriesInput], horizon: int) -> Effects | None:
    try:
        found: Effects | None = predictor.effects(to_panel(series), horizon)
    except TcnError:
        return None  # the forecast itself says what is wrong
    return found

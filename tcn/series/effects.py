"""What covariates known ahead do to a series, found by regression.

A forecaster that was not trained with the covariates of a panel forecasts what the regression
leaves, and the effects are added to its answer. Each series is regressed on its own. Both sides are
differences to the cycle before, so that neither a common season nor a common level counts as an
effect, and differences of these again as far as what is left persists (Cochrane and Orcutt 1949,
doi 10.1080/01621459.1949.10483290). Numbers act by straight lines with two bends. How strongly
weights are drawn to zero, and which differences are taken, is chosen by how well blocks of time are
predicted from the others, over the distance of the horizon. Effects that could be chance are none.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tcn.series.covariates import Covariates
from tcn.series.forecast import Forecast
from tcn.series.panel import Panel

Array = NDArray[np.float64]
Index = NDArray[np.int64]

LONGEST = 4096  # newest points of a series that are looked at
EVIDENCE = 8.0  # log likelihood ratio of left-out blocks below which effects are taken for chance
AGREEMENT = 1.0  # standard errors by which the mean of the blocks must be better
FEWEST_ROWS = 16
ROWS_PER_WEIGHT = 3
MOST_BLOCKS = 10
MOST_CATEGORIES = 64
POINTS_FOR_BENDS = 60
BEYOND = 0.25  # of its range that a covariate acts beyond what was seen of it
_PENALTIES = np.array([1e-3, 1e-2, 0.1, 0.3, 1.0, 3.0])
_ROUNDS = 2
_OUTLIER = 4.0  # robust standard deviations to which residuals are cut
_VANISHED = 1e-3  # share of a column's spread that differences must leave


class Effects(NamedTuple):
    """What K covariates add to each value of a panel and to each step ahead, in units of the data.

    Centred: a covariate adds nothing on the mean of a series' points.
    """

    names: tuple[str, ...]
    past: Array  # (K, total), as `panel.values`
    ahead: Array  # (S, H, K)

    def share_of_series(self, panel: Panel) -> float:
        """Share of the series on which any covariate acts."""
        has_effect = self.past.any(axis=0)
        owners = np.repeat(np.arange(len(panel)), panel.lengths)
        return len(np.unique(owners[has_effect])) / max(len(panel), 1)

    def taken_from(self, panel: Panel) -> Panel:
        """The panel whose values are those that the effects leave."""
        return replace(panel, values=panel.values - self.past.sum(axis=0))

    def added_to(self, forecast: Forecast, floor: Array) -> Forecast:
        """The forecast of what the effects leave with the effects; not below `floor` (S, 1)."""
        added = self.ahead.sum(axis=2)
        return replace(
            forecast,
            mean=np.maximum(forecast.mean + added, floor),
            quantiles=np.maximum(forecast.quantiles + added[..., None], floor[..., None]),
        )


def known_effects(panel: Panel, names: Sequence[str], seasons: Index, horizon: int) -> Effects:
    """Effects of the future-known covariates `names` on every series of a panel.

    seasons: (S,) steps of each series' cycle. A covariate that ends before the horizon does counts
    as its mean from there on.
    """
    covariates = panel.future_covariates
    if covariates is None:
        raise ValueError("The panel has no covariates known ahead.")
    chosen = [covariates.names.index(name) for name in names]
    past = np.zeros((len(chosen), len(panel.values)))
    ahead = np.zeros((len(panel), horizon, len(chosen)))
    for row in range(len(panel)):
        added = _effects_of_one(panel[row], _Told(covariates, row, chosen), seasons[row], horizon)
        if added is not None:
            first = panel.offsets[row]
            past[:, first : panel.offsets[row + 1]] = added[:, :-horizon]
            ahead[row] = added[:, -horizon:].T
    return Effects(tuple(names), past, ahead)


class _Told(NamedTuple):
    """Some covariates of one series."""

    covariates: Covariates
    row: int
    chosen: Sequence[int]


class _Basis(NamedTuple):
    """Columns (T + H, B) whose weighted sum is the effect, and the covariate that each is of."""

    columns: Array
    owners: Index


def _effects_of_one(values: Array, told: _Told, season: int, horizon: int) -> Array | None:
    """What each covariate adds to each position, (K, T + H); None without a sure effect."""
    known = values[np.isfinite(values)]
    unit = float(np.abs(known).max(initial=0.0))
    if len(known) < FEWEST_ROWS or unit == 0.0:
        return None
    seen = max(len(values) - LONGEST, 0)
    for has_bends in (True, False):
        basis = _basis_of(told, len(values), horizon, has_bends=has_bends)
        weights = _weights(values[seen:] / unit, basis, seen, int(season), horizon)
        if weights is not None:
            parts = basis.columns * (weights * unit)
            each = [parts[:, basis.owners == k].sum(axis=1) for k in range(len(told.chosen))]
            return np.stack(each)
    return None


def _basis_of(told: _Told, length: int, horizon: int, *, has_bends: bool) -> _Basis:
    columns: list[Array] = []
    owners: list[int] = []
    rows = told.covariates[told.row][:, : length + horizon]
    missing = length + horizon - rows.shape[1]
    rows = np.pad(rows, ((0, 0), (0, missing)), constant_values=np.nan)
    for k, index in enumerate(told.chosen):
        categories = told.covariates.categories[index]
        if categories is None:
            found = _lines(rows[index], length, has_bends=has_bends)
        else:
            found = _indicators(rows[index], length)
        columns += found
        owners += [k] * len(found)
    if not columns:
        return _Basis(np.zeros((length + horizon, 0)), np.zeros(0, np.int64))
    return _Basis(np.stack(columns, axis=1), np.array(owners))


def _lines(column: Array, length: int, *, has_bends: bool) -> list[Array]:
    """A number standardised over the history, and its excess over two bends; 0 where missing."""
    known = column[:length][np.isfinite(column[:length])]
    largest = max(float(np.abs(known).max(initial=0.0)), 1e-300)
    with np.errstate(over="ignore"):
        column, known = np.clip(column / largest, -1e3, 1e3), known / largest
    if known.size == 0 or known.std() <= 1e-9 * max(abs(known.mean()), 1e-300):
        return []
    reach = BEYOND * np.ptp(known)
    line = (np.clip(column, known.min() - reach, known.max() + reach) - known.mean()) / known.std()
    line = np.where(np.isfinite(line), line, 0.0)
    if not has_bends or length < POINTS_FOR_BENDS or len(np.unique(known)) <= MOST_BLOCKS:
        return [line]
    bends = np.quantile(line[:length], (1 / 3, 2 / 3))
    return [line, *(_centred(np.maximum(line - bend, 0.0), length) for bend in bends)]


def _indicators(column: Array, length: int) -> list[Array]:
    """Whether each category holds, for those that come and go in the history."""
    codes = np.unique(column[:length][np.isfinite(column[:length])])[:MOST_CATEGORIES]
    held = [(column == code).astype(np.float64) for code in codes]
    return [_centred(each, length) for each in held if each[:length].mean() < 1.0]


def _centred(column: Array, length: int) -> Array:
    centred: Array = column - column[:length].mean()
    return centred


def _weights(values: Array, basis: _Basis, first: int, season: int, horizon: int) -> Array | None:
    """Weight of each column, (B,); None where they could be chance.

    values: from position `first` of the series on, NaN where missing.
    """
    if len(values) < 3 * season:
        season = 1
    apart = -(-horizon // season) * season
    if len(values) < 3 * apart:
        apart = season
    columns = basis.columns[first : first + len(values)]
    changing = _changing(columns, season)
    columns = columns[:, changing]
    differences = _Differences(values, columns, apart + 1)
    n_rows, n_columns = differences.n_rows(apart), columns.shape[1]
    if n_columns == 0 or n_rows < max(FEWEST_ROWS, ROWS_PER_WEIGHT * n_columns):
        return None
    weights = np.zeros(n_columns)
    for _ in range(_ROUNDS):
        persistence = _persistence(values - columns @ weights, season)
        judged = differences.sums(apart, 0.0, weights)
        kinds = [differences.sums(season, share, weights) for share in (persistence, 0.0)]
        errors = [_errors(sums, judged) for sums in kinds]
        kind = int(np.argmin([each.sum(axis=1).min() for each in errors]))
        penalty = int(np.argmin(errors[kind].sum(axis=1)))
        weights = kinds[kind].weights(_PENALTIES[penalty])
    found = np.zeros(len(changing))
    found[changing] = weights * _share_kept(kinds[0], judged.squares - errors[kind][penalty])
    return found if found.any() else None


def _changing(columns: Array, season: int) -> NDArray[np.bool_]:
    """Columns that differ between cycles; the others are season, which a forecaster sees itself."""
    left = (columns[season:] - columns[:-season]).std(axis=0)
    changing: NDArray[np.bool_] = left > _VANISHED * columns.std(axis=0)
    return changing


def _persistence(remainder: Array, season: int) -> float:
    """How much of a seasonal difference is there still a step later."""
    difference = remainder[season:] - remainder[:-season]
    difference = (
        difference - np.nanmean(difference) if np.isfinite(difference).any() else difference
    )
    pairs = difference[1:] * difference[:-1]
    square = np.nanmean(difference * difference) if np.isfinite(pairs).any() else 0.0
    return float(np.clip(np.nanmean(pairs) / square, 0.0, 0.98)) if square > 0.0 else 0.0


class _Sums(NamedTuple):
    """Of the rows of a regression in each of K blocks of time."""

    products: Array  # (K, B, B) of columns with each other
    moments: Array  # (K, B) of columns with the target
    squares: Array  # (K,) of the target
    number: int  # rows in all

    def weights(self, penalty: float) -> Array:
        """Ridge regression on all blocks; a penalty of 1 is as heavy as the data."""
        whole = self.products.sum(axis=0)
        found: Array = np.linalg.solve(whole + penalty * _sizes(whole), self.moments.sum(axis=0))
        return found


class _Differences:
    """A regression of differences on differences, from position `begin` on, in blocks of time."""

    def __init__(self, values: Array, columns: Array, begin: int) -> None:
        self._values, self._columns, self._begin = values, columns, begin

    def n_rows(self, lag: int) -> int:
        """Differences that are known."""
        return int(np.isfinite(self._rows(self._values, lag, 0.0)).sum())

    def sums(self, lag: int, share: float, weights: Array) -> _Sums:
        """Sums over differences to `lag` steps before, less `share` of the difference before.

        What `weights` leave of the target is cut where it lies far out; without weights nothing is:
        a holiday may be all that lies there.
        """
        target, columns = (self._rows(x, lag, share) for x in (self._values, self._columns))
        places = np.flatnonzero(np.isfinite(target))
        target, columns = target[places], columns[places]
        target, columns = target - target.mean(), columns - columns.mean(axis=0)
        if weights.any():
            told = columns @ weights
            remainder = target - told
            limit = _OUTLIER * 1.4826 * float(np.median(np.abs(remainder)))
            target = told + np.clip(remainder, -limit, limit)
        n_blocks = min(max(len(target) // 8, 2), MOST_BLOCKS)
        length = len(self._values) - self._begin
        edges = np.searchsorted(places, np.linspace(0, length, n_blocks + 1))
        blocks = [slice(*pair) for pair in itertools.pairwise(edges)]
        return _Sums(
            np.stack([columns[block].T @ columns[block] for block in blocks]),
            np.stack([columns[block].T @ target[block] for block in blocks]),
            np.array([target[block] @ target[block] for block in blocks]),
            len(target),
        )

    def _rows(self, x: Array, lag: int, share: float) -> Array:
        difference = x[lag:] - x[:-lag]
        rows = difference[1:] - share * difference[:-1] if share else difference[1:]
        late: Array = rows[self._begin - lag - 1 :]
        return late


def _errors(sums: _Sums, judged: _Sums) -> Array:
    """Squared errors in each block of weights from the other blocks, (penalties, K)."""
    whole = sums.products.sum(axis=0)
    ridge = _PENALTIES[:, None, None, None] * _sizes(whole)
    others = sums.moments.sum(axis=0) - sums.moments
    left = np.linalg.solve(whole - sums.products + ridge, others[..., None])[..., 0]
    crossed = np.einsum("pkb,kb->pk", left, judged.moments)
    squared = np.einsum("pkb,kbc,pkc->pk", left, judged.products, left)
    errors: Array = judged.squares - 2.0 * crossed + squared
    return errors


def _sizes(whole: Array) -> Array:
    """Sums of squares of the columns as a diagonal matrix; none is 0."""
    squares = np.diag(whole)
    return np.diag(np.maximum(squares, 1e-6 * float(squares.mean()) + 1e-12))


def _share_kept(sums: _Sums, gains: Array) -> float:
    """How much of the weights is kept: 0 where they could be chance, nearly 1 where they are sure.

    sums: of rows that do not persist. gains: (K,) of the rows judged, as far apart as the horizon.
    """
    errors = _errors(sums, sums)
    best = errors[int(np.argmin(errors.sum(axis=1)))]
    before, after = float(sums.squares.sum()), float(best.sum())
    if not before > after:
        return 0.0
    evidence = sums.number * math.log(before / max(after, 1e-12 * before))
    is_agreed = _surely_positive(gains) and _surely_positive(sums.squares - best)
    return 1.0 - EVIDENCE / evidence if evidence > EVIDENCE and is_agreed else 0.0


def _surely_positive(gains: Array) -> bool:
    error = float(gains.std(ddof=1)) * math.sqrt(len(gains))
    return float(gains.sum()) > AGREEMENT * error

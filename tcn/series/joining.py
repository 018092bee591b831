"""Several panels as one: more series, or more of the same ones."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tcn.errors import DataError
from tcn.series.covariates import Covariates
from tcn.series.panel import KINDS_OF_COVARIATES, Panel, require_panel
from tcn.series.ragged import Index, flat_index, offsets_of
from tcn.series.source import ARRAYS

Array = NDArray[np.float64]

MAX_MISSING = 20  # points without a value for each one of the panels, as between years of seconds
MIN_LIMIT = 10_000_000


@dataclass(frozen=True)
class _Pieces:
    """The series of all panels, P pieces of S series.

    owner (P,): the series of a piece. begins (P,): its first step in that series.
    """

    ids: NDArray[np.str_]
    starts: NDArray[Any]
    owner: Index
    begins: Index
    lengths: Index


def join(panels: Sequence[Panel]) -> Panel:
    """See `Panel.concat`."""
    panels = list(panels)
    if not panels:
        raise DataError("There is no panel to join. Give at least one.")
    for panel in panels:
        require_panel(panel)
        _check_alike(panels[0], panel)
    first = panels[0]
    pieces = _placed(panels)
    lengths = _reach(pieces, pieces.lengths)
    if int(lengths.sum()) > max(MAX_MISSING * int(pieces.lengths.sum()), MIN_LIMIT):
        raise DataError(
            f"The series would have {int(lengths.sum()):,} points, nearly all of them missing. "
            "Check the times of the panels."
        )
    seasons = {panel.season_length for panel in panels}
    past, future, static = (
        _joined_covariates(panels, kind, pieces) for kind in KINDS_OF_COVARIATES
    )
    return replace(
        first,
        ids=pieces.ids,
        starts=pieces.starts,
        values=_spread([panel.values[None] for panel in panels], pieces, pieces.lengths)[0],
        offsets=offsets_of(lengths),
        season_length=first.season_length if len(seasons) == 1 else None,
        source=first.source if len({panel.source for panel in panels}) == 1 else ARRAYS,
        past_covariates=past,
        future_covariates=future,
        static_covariates=static,
    )


def _check_alike(first: Panel, panel: Panel) -> None:
    for what in ("freq", "tz", "is_dated"):
        one, other = getattr(first, what), getattr(panel, what)
        if one != other:
            raise DataError(f"Panels of {what}={one!r} and {what}={other!r} cannot be one.")
    for kind in KINDS_OF_COVARIATES:
        one, other = (_columns_of(getattr(each, kind)) for each in (first, panel))
        if one != other:
            raise DataError(
                f"Panels with the {kind} {sorted(one)} and {sorted(other)} cannot be one: each "
                "needs the same, of numbers or of texts. panel.without_covariates(names) leaves "
                "some out."
            )


def _columns_of(covariates: Covariates | None) -> dict[str, bool]:
    """Whether each column has categories, by name."""
    if covariates is None:
        return {}
    pairs = zip(covariates.names, covariates.categories, strict=True)
    return {name: categories is not None for name, categories in pairs}


def _placed(panels: Sequence[Panel]) -> _Pieces:
    """Where each series of the panels lies in the joined one; DataError where two overlap."""
    panel = panels[0]
    names = np.concatenate([each.ids for each in panels])
    unique, at, inverse = np.unique(names, return_index=True, return_inverse=True)
    rank = np.empty(len(unique), np.int64)
    rank[np.argsort(at)] = np.arange(len(unique))
    owner = rank[inverse]
    starts = np.concatenate([each.starts for each in panels])
    lengths = np.concatenate([each.lengths for each in panels])
    first = np.full(len(unique), np.iinfo(np.int64).max)
    np.minimum.at(first, owner, starts.view(np.int64))
    first_stamps = first.view(starts.dtype)
    begins = panel.frequency.steps_between(first_stamps[owner], starts, panel.tz)
    off = panel.frequency.shift(first_stamps[owner], begins, panel.tz) != starts
    if off.any():
        name = str(names[np.argmax(off)])
        raise DataError(
            f"The parts of series {name!r} are not on one grid of freq={panel.freq!r}. "
            "Bring their times onto one."
        )
    order = np.lexsort((begins, owner))
    is_same = owner[order][1:] == owner[order][:-1]
    overlap = is_same & (begins[order][1:] < (begins + lengths)[order][:-1])
    if overlap.any():
        name = str(names[order[1:][overlap][0]])
        raise DataError(
            f"Series {name!r} is in two of the panels at the same times. Give other ids, or cut "
            "one by panel.before(time) or panel.since(time)."
        )
    return _Pieces(unique[np.argsort(at)], first_stamps, owner, begins, lengths)


def _reach(pieces: _Pieces, lengths: Index) -> Index:
    """Length of each joined series, (S,), from those of its pieces, (P,)."""
    reach = np.zeros(len(pieces.ids), np.int64)
    np.maximum.at(reach, pieces.owner, pieces.begins + lengths)
    return reach


def _spread(parts: Sequence[Array], pieces: _Pieces, lengths: Index) -> Array:
    """Columns (K, total) of the panels, one after another, at their places in the joined one.

    Where two pieces know a step, as of covariates known ahead, the later piece is taken.
    """
    values = np.concatenate(parts, axis=1)
    offsets = offsets_of(_reach(pieces, lengths))
    joined = np.full((len(values), int(offsets[-1])), np.nan)
    places = flat_index(offsets[:-1][pieces.owner] + pieces.begins, lengths)
    if isinstance(places, slice):
        joined[:, places] = values
        return joined
    later_last = np.argsort(np.repeat(pieces.begins, lengths), kind="stable")
    for column, given in zip(joined, values, strict=True):
        known = later_last[~np.isnan(given[later_last])]
        column[places[known]] = given[known]
    return joined


def _joined_covariates(panels: Sequence[Panel], kind: str, pieces: _Pieces) -> Covariates | None:
    parts = [each for panel in panels if (each := getattr(panel, kind)) is not None]
    if not parts:
        return None
    names = parts[0].names
    tables = [_all_categories(parts, name) for name in names]
    columns = [_columns(part, names, tables) for part in parts]
    if parts[0].is_static:
        values = _one_each(np.concatenate(columns, axis=1), names, pieces)
        return Covariates(names, values, None, tuple(tables))
    lengths = np.concatenate([part.lengths for part in parts])
    offsets = offsets_of(_reach(pieces, lengths))
    return Covariates(names, _spread(columns, pieces, lengths), offsets, tuple(tables))


def _all_categories(parts: Sequence[Covariates], name: str) -> tuple[str, ...] | None:
    tables = [part.categories[part.names.index(name)] for part in parts]
    if tables[0] is None:
        return None
    return tuple(sorted({text for table in tables for text in table or ()}))


def _columns(
    part: Covariates, names: Sequence[str], tables: Sequence[tuple[str, ...] | None]
) -> Array:
    """The columns (K, rows) in the order of `names`, as codes into the joined categories."""
    values = part.values.T if part.is_static else part.values
    columns = []
    for name, table in zip(names, tables, strict=True):
        index = part.names.index(name)
        column, own = values[index], part.categories[index]
        if table is not None and own is not None:
            codes = np.array([float(table.index(text)) for text in own] + [np.nan])
            column = codes[np.where(np.isnan(column), len(own), column).astype(np.int64)]
        columns.append(column)
    return np.stack(columns)


def _one_each(columns: Array, names: Sequence[str], pieces: _Pieces) -> Array:
    """Static columns (K, P) of pieces as those of series, (S, K); DataError where parts differ."""
    values = np.full((len(pieces.ids), len(names)), np.nan)
    for k, column in enumerate(columns):
        known = np.flatnonzero(~np.isnan(column))
        values[pieces.owner[known], k] = column[known]
        differs = known[values[pieces.owner[known], k] != column[known]]
        if differs.size:
            name = str(pieces.ids[pieces.owner[differs[0]]])
            raise DataError(
                f"Static covariate {names[k]!r} of series {name!r} differs from panel to panel."
            )
    return values

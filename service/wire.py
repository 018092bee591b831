"""What NixtlaClient sends: all series in flat arrays, checked and taken apart.

A request holds `series.y`, all series one after the other, and `series.sizes`. Values beyond single
precision were infinite in the client: they count as missing, like null. Unknown fields are ignored,
as the client adds some with every version.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import Problem, Report, kind_of
from service.exogenous import WAS_INFINITE, read_exogenous
from service.schemas import SeriesInput
from service.settings import Settings
from service.times import Start, parse_start
from service.values import parse_values
from tcn.errors import DataError
from tcn.series import parse_frequency

DEFAULT_MODEL = re.compile(r"timegpt-.*|azureai", re.IGNORECASE)
MODEL_ID = re.compile(r"[a-zA-Z0-9\-_]{1,36}")
MAX_FREQ = 32
_SIZES = re.compile(rb'"sizes"\s*:\s*\[')


@dataclass(frozen=True, slots=True)
class Wire:
    """A checked request: its series, and its fields beside them."""

    fields: Mapping[str, Any]
    series: list[SeriesInput]
    n_exogenous: int

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Values of each series."""
        return np.array([len(item.y) for item in self.series], np.int64)

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Place of each series' first value in the flat `y`."""
        return np.concatenate([[0], np.cumsum(self.lengths)])[:-1]

    def whole(self, name: str, default: int | None, low: int, high: int) -> int:
        """Return a field that is a whole number in [low, high]."""
        value = self.fields.get(name, default)
        value = default if value is None else value
        if type(value) is not int or not low <= value <= high:
            raise Problem(422, f"{name} must be a whole number from {low} to {high:,}.")
        return value

    def levels(self) -> list[int | float] | None:
        """Return the wanted interval levels as they came; a scalar is a list of one."""
        value = self.fields.get("level")
        if value is None:
            return None
        levels = value if isinstance(value, list) else [value]
        if not 1 <= len(levels) <= 99 or not all(
            type(level) in (int, float) and 0 <= level < 100 for level in levels
        ):
            raise Problem(422, "level must be 1 to 99 numbers from 0 to below 100.")
        return levels


def parse(body: Any, settings: Settings) -> Wire:
    """Check the parts that all tasks have. Raises `Problem` 422."""
    if not isinstance(body, dict) or not isinstance(body.get("series"), dict):
        raise Problem(422, f"The body must be an object with 'series', got {kind_of(body)}.")
    data = body["series"]
    _refuse_many(data, settings)
    report = Report()
    y = parse_values(data.get("y"), ("series", "y"), report, may_be_missing=True)
    report.raise_if_any()
    y = np.where(np.abs(y) >= WAS_INFINITE, np.nan, y)
    sizes = _sizes(data.get("sizes"), len(y))
    freq = _frequency(body.get("freq"))
    starts = _starts(data.get("start_datetime"), len(sizes), freq)
    pieces = np.split(y, np.cumsum(sizes)[:-1])
    exogenous = read_exogenous(data, body, sizes)
    series = [
        SeriesInput(str(i), piece, start, freq, future_covariates=known)
        for i, (piece, start, known) in enumerate(zip(pieces, starts, exogenous.known, strict=True))
    ]
    fields = {name: value for name, value in body.items() if name != "series"}
    return Wire(fields, series, exogenous.n_columns)


def refuse_many_sizes(text: bytes, settings: Settings) -> None:
    """Refuse a JSON text with too many sizes before it is parsed."""
    found = _SIZES.search(text)
    if found is None:
        return
    begin = found.end()
    if text.count(b",", begin, text.find(b"]", begin)) >= settings.max_series:
        raise _too_many(settings.max_series, "series")


def _too_many(limit: int, things: str) -> Problem:
    return Problem(422, f"A request may hold {limit:,} {things}. Use num_partitions.")


def _refuse_many(data: Mapping[str, Any], settings: Settings) -> None:
    """Refuse too many series or values before any of them is looked at."""
    most = {"sizes": (settings.max_series, "series"), "y": (settings.max_points, "values")}
    for key, (limit, things) in most.items():
        found = data.get(key)
        if isinstance(found, list) and len(found) > limit:
            raise _too_many(limit, things)


def _sizes(value: Any, n_values: int) -> NDArray[np.int64]:
    if not isinstance(value, list) or not value or not all(type(size) is int for size in value):
        raise Problem(422, "series.sizes must be a list of whole numbers, one per series.")
    if min(value) < 1 or max(value) > n_values or sum(value) != n_values:
        raise Problem(
            422, f"series.sizes must be 1 or more each and sum to {n_values:,}, as y has."
        )
    return np.array(value, np.int64)


def _frequency(value: Any) -> str | None:
    """Return a frequency this library knows; only the season depends on it."""
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > MAX_FREQ or re.match(r"-|0+[A-Za-z]|$", value):
        raise Problem(422, f"freq must be a frequency of at most {MAX_FREQ} characters, such as D.")
    try:
        return parse_frequency(value).name
    except DataError:
        return None


def _starts(value: Any, n_series: int, freq: str | None) -> list[Start]:
    if value is None or freq is None:
        return [Start()] * n_series
    if not isinstance(value, list) or len(value) != n_series:
        raise Problem(422, "series.start_datetime must have one stamp per series.")
    report = Report()
    starts = [
        parse_start(text, freq, None, ("series", "start_datetime", i), report)
        for i, text in enumerate(value)
    ]
    report.raise_if_any()
    return starts if all(start.is_dated for start in starts) else [Start()] * n_series

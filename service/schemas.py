"""What a request must look like: own strict checks that name the place and the limit.

Numbers are numbers (no booleans, no strings), `null` in `y` is a missing value, unknown fields are
refused. The result is a `ForecastRequest` of numpy arrays.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from service.covariates import Covariate, CovariateReader
from service.errors import Problem, Report, kind_of, pointer, safe_key
from service.settings import NAME_PATTERN, Settings
from service.times import Start, parse_freq, parse_start, parse_tz
from service.values import CONTROL, NUMBERS, FloatArray, parse_values

DEFAULT_QUANTILE_LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
MAX_SEASON_LENGTH = 10_000
BETWEEN_0_AND_1 = "must be a number strictly between 0 and 1"
MODEL_NAME = re.compile(NAME_PATTERN[:-1] + r"(/[A-Za-z0-9][A-Za-z0-9._-]{0,63})?$")

_REQUEST_KEYS = frozenset(
    {"series", "horizon", "quantile_levels", "model", "freq", "start", "tz", "season_length"}
)
_SERIES_KEYS = frozenset(
    {
        "id",
        "start",
        "freq",
        "tz",
        "y",
        "past_covariates",
        "future_covariates",
        "static_covariates",
    }
)
MEANT: Mapping[str, str] = {  # what other tools call these fields
    "h": "horizon",
    "steps": "horizon",
    "prediction_length": "horizon",
    "quantiles": "quantile_levels",
    "level": "quantile_levels",
    "levels": "quantile_levels",
    "frequency": "freq",
    "timezone": "tz",
    "seasonality": "season_length",
    "values": "y",
    "target": "y",
    "unique_id": "id",
    "item_id": "id",
    "name": "id",
    "ds": "start",
    "timestamps": "start",
    "time": "start",
    "data": "series",
    "history": "series",
    "inputs": "series",
}


@dataclass(frozen=True, slots=True)
class SeriesInput:
    """One series of a request. `y` is (L,) with NaN for missing values."""

    id: str
    y: FloatArray
    start: Start
    freq: str | None
    past_covariates: Mapping[str, Covariate] = field(default_factory=dict)
    future_covariates: Mapping[str, Covariate] = field(default_factory=dict)
    static_covariates: Mapping[str, float | str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ForecastRequest:
    """A checked request for forecasts."""

    model: str
    series: list[SeriesInput]
    horizon: int
    quantile_levels: tuple[float, ...]
    season_length: int | None

    @property
    def n_points(self) -> int:
        """Observations in all series together."""
        return sum(len(series.y) for series in self.series)


def parse_forecast(
    body: object,
    settings: Settings,
    more: frozenset[str] = frozenset(),
    *,
    is_of_past: bool = False,
) -> ForecastRequest:
    """Check the body of POST /v1/forecast, or of a route that takes `more` fields.

    Where what is forecast `is_of_past`, future covariates need not go on beyond the values.
    Raises `Problem` 422 that names the places.
    """
    if not isinstance(body, dict):
        raise Problem(422, f"The body must be a JSON object, got {kind_of(body)}.")
    report = Report()
    refuse_unknown(body, _REQUEST_KEYS | more if more else _REQUEST_KEYS, (), report)
    model = parse_model(body.get("model"), settings.default_model, report)
    horizon = parse_int(body.get("horizon"), "horizon", 1, settings.max_horizon, report)
    levels = parse_levels(body.get("quantile_levels"), settings.max_quantile_levels, report)
    season_length = None
    if body.get("season_length") is not None:
        season_length = parse_int(
            body["season_length"], "season_length", 1, MAX_SEASON_LENGTH, report
        )
    report.raise_if_any()
    _check_sizes(body.get("series"), horizon, settings)
    series = parse_series_list(body, 0 if is_of_past else horizon, settings, report)
    report.raise_if_any()
    return ForecastRequest(model, series, horizon, levels, season_length)


def refuse_many_series(text: bytes, settings: Settings) -> None:
    """Refuse a JSON text that must hold too many series, before it is parsed.

    A series is a list, or an object with at most three objects in it; all but the last are
    followed by a comma.
    """
    most = settings.max_series
    has_lists_alone = text.count(b"{") == 1
    if text.count(b"},") > 4 * most or (has_lists_alone and text.count(b"],") > most + 1):
        raise Problem(422, f"A request may hold {most:,} series. Split it.")


def refuse_unknown(
    body: Mapping[str, object], known: frozenset[str], where: tuple[str | int, ...], report: Report
) -> None:
    """Note every key of `body` that is not known."""
    if body.keys() <= known:
        return
    place = pointer(*where) if where else "#"
    for key in body:
        if key not in known:
            meant = MEANT.get(key.lower(), key) if isinstance(key, str) else ""
            hint = f" Say {meant!r}." if meant in known else ""
            report.add(
                place,
                f"unknown field {safe_key(key)}.{hint} Known fields: {', '.join(sorted(known))}.",
            )
        if report.is_full:
            return


def parse_model(value: object, default: str, report: Report) -> str:
    """Return a model name, `name` or `name/version`."""
    if value is None:
        return default
    if isinstance(value, str) and MODEL_NAME.fullmatch(value):
        return value
    report.add(
        "#/model",
        "must be a name of at most 64 letters, digits, dots, dashes and underscores, as listed by"
        " GET /v1/models.",
    )
    return default


def parse_int(value: object, name: str, low: int, high: int, report: Report) -> int:
    """Return a whole number in [low, high]; 12.0 is one."""
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is int and low <= value <= high:
        return value
    got = "nothing" if value is None else kind_of(value)
    if type(value) is int:
        got = "a smaller number" if value < low else "a larger number"
    elif type(value) is float:
        got = "a fraction"
    hint = " Write it without quotes." if isinstance(value, str) and value.isdecimal() else ""
    report.add(pointer(name), f"must be a whole number from {low} to {high:,}, got {got}.{hint}")
    return low


def parse_levels(value: object, most: int, report: Report) -> tuple[float, ...]:
    """Return quantile levels between 0 and 1, sorted: answers name them, so their order is free."""
    if value is None:
        return DEFAULT_QUANTILE_LEVELS
    where = "#/quantile_levels"
    if not isinstance(value, list) or not 1 <= len(value) <= most:
        report.add(
            where, f"must be a list of 1 to {most} numbers between 0 and 1, such as [0.1, 0.9]."
        )
        return DEFAULT_QUANTILE_LEVELS
    for index, level in enumerate(value):
        if type(level) is not float or not 0.0 < level < 1.0:
            report.add(f"{where}/{index}", f"{BETWEEN_0_AND_1}, such as 0.9.{_hint_of(level)}")
            return DEFAULT_QUANTILE_LEVELS
    if len(set(value)) != len(value):
        report.add(where, "must have no level twice.")
    return tuple(sorted(value))


def parse_level(value: object, where: str, report: Report) -> float:
    """Return a number between 0 and 1."""
    if type(value) is float and 0.0 < value < 1.0:
        return value
    report.add(where, f"{BETWEEN_0_AND_1}, such as 0.99.{_hint_of(value)}")
    return 0.5


def _hint_of(level: object) -> str:
    is_percent = type(level) in NUMBERS and 1.0 < level < 100.0  # type: ignore[operator]
    return " Divide percentages by 100." if is_percent else ""


def parse_series_list(
    body: Mapping[str, Any], reach: int, settings: Settings, report: Report
) -> list[SeriesInput]:
    """Return the series of a request in any of the three forms: numbers, lists, objects.

    Future covariates must be known for `reach` steps beyond the values.
    """
    given = body.get("series")
    if not isinstance(given, list) or not given:
        got = "nothing" if given is None else kind_of(given)
        if given == []:
            got = "an empty list"
        hint = _hint_to_list(given)
        report.add(
            "#/series",
            f"must be a list of numbers or of objects with 'id' and 'y', got {got}.{hint}",
        )
        return []
    shared = _Shared.parse(body, report)
    if type(given[0]) not in (list, dict):
        y = parse_values(given, ("series",), report)
        _check_points(len(y), settings)
        return [shared.series("0", y)]
    _check_count(len(given), settings)
    if body.get("start") is not None:
        report.add("#/start", "belongs into each series when there are many.")
    series = []
    points = 0
    for index, item in enumerate(given):
        parsed = _parse_item(item, index, reach, shared, settings, report)
        points += len(parsed.y)
        _check_points(points, settings)
        series.append(parsed)
        if report.is_full:
            break
    _refuse_repeated_ids(series, report)
    return series


def _hint_to_list(given: object) -> str:
    """Say how an object of series, or of one, becomes a list."""
    if not isinstance(given, dict):
        return ""
    if "y" in given:
        return " Put it into a list."
    is_by_name = isinstance(next(iter(given.values()), None), list)
    return " Send [{'id': name, 'y': values}, ...]." if is_by_name else ""


def _check_count(n_series: int, settings: Settings) -> None:
    if n_series > settings.max_series:
        raise Problem(
            422, f"A request may hold {settings.max_series:,} series, got {n_series:,}. Split it."
        )


def _check_sizes(given: object, horizon: int, settings: Settings) -> None:
    """Refuse what would give too many values, before the series are looked at one by one."""
    is_many = isinstance(given, list) and given and type(given[0]) in (list, dict)
    n_series = len(given) if is_many else 1  # type: ignore[arg-type]
    _check_count(n_series, settings)
    if n_series * horizon > settings.max_forecast_values:
        raise Problem(
            422,
            f"Series times horizon may be {settings.max_forecast_values:,}, got"
            f" {n_series * horizon:,}. Split the request.",
        )


def _check_points(points: int, settings: Settings) -> None:
    if points > settings.max_points:
        raise Problem(
            422, f"A request may hold {settings.max_points:,} values; this one has more. Split it."
        )


def _refuse_repeated_ids(series: list[SeriesInput], report: Report) -> None:
    seen: set[str] = set()
    for index, item in enumerate(series):
        if item.id in seen:
            report.add(pointer("series", index, "id"), "is the id of an earlier series too.")
        if report.is_full:
            return
        seen.add(item.id)


@dataclass(frozen=True, slots=True)
class _Shared:
    """Fields of the request that hold for every series that does not say otherwise."""

    start: Start
    freq: str | None
    tz: str | None

    @classmethod
    def parse(cls, body: Mapping[str, Any], report: Report) -> "_Shared":
        freq = parse_freq(body.get("freq"), ("freq",), report)
        tz = parse_tz(body.get("tz"), ("tz",), report)
        return cls(parse_start(body.get("start"), freq, tz, ("start",), report), freq, tz)

    def series(self, series_id: str, y: FloatArray) -> SeriesInput:
        return SeriesInput(series_id, y, self.start, self.freq)


def _parse_item(
    item: object, index: int, reach: int, shared: _Shared, settings: Settings, report: Report
) -> SeriesInput:
    """Return one series of many; a wrong one is noted and returned empty."""
    where: tuple[str | int, ...] = ("series", index)
    if type(item) is list:
        return shared.series(str(index), parse_values(item, where, report))
    if type(item) is not dict:
        report.add(pointer(*where), f"must be an object with 'id' and 'y', got {kind_of(item)}.")
        return shared.series(str(index), np.empty(0))
    refuse_unknown(item, _SERIES_KEYS, where, report)
    y = parse_values(item.get("y"), (*where, "y"), report)
    series_id, freq, tz = item.get("id"), item.get("freq"), item.get("tz")
    freq = shared.freq if freq is None else parse_freq(freq, (*where, "freq"), report)
    tz = shared.tz if tz is None else parse_tz(tz, (*where, "tz"), report)
    covariates = CovariateReader(where, settings.max_covariates, report)
    has_covariates = not item.keys().isdisjoint(_COVARIATE_KEYS)
    return SeriesInput(
        str(index) if series_id is None else _parse_id(series_id, where, settings, report),
        y,
        parse_start(item.get("start"), freq, tz, (*where, "start"), report),
        freq,
        **(covariates.parse(item, len(y), reach) if has_covariates else {}),
    )


_COVARIATE_KEYS = frozenset({"past_covariates", "future_covariates", "static_covariates"})


def _parse_id(
    value: object, where: tuple[str | int, ...], settings: Settings, report: Report
) -> str:
    place = pointer(*where, "id")
    if not isinstance(value, str):
        hint = " Write it in quotes." if type(value) in NUMBERS else ""
        report.add(place, f"must be a string, got {kind_of(value)}.{hint}")
        return ""
    if not 1 <= len(value) <= settings.max_id_length or CONTROL.search(value):
        report.add(
            place,
            f"must have 1 to {settings.max_id_length} characters and no control characters.",
        )
    return value

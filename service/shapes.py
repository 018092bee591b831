"""JSON Schema of what requests hold, as far as a schema can say it.

It cannot say that ids differ, how many values covariates need, that a product of two numbers has a
limit, or what a model can do: those refusals have status 422 and say so. It promises one spelling
of each frequency and of dates, where the server reads more.
"""

import dataclasses
import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from service.schemas import MAX_SEASON_LENGTH, MODEL_NAME
from service.settings import NAME_PATTERN
from service.times import MAX_START, zone_names
from tcn.config import Config
from tcn.series.frequency import MONTHS, WEEKDAYS

Shape = dict[str, Any]

NULL: Shape = {"type": "null"}


def optional(shape: Shape) -> Shape:
    """Return the shape of a value that may also be null, which is as if it were absent."""
    kinds = shape["type"] if isinstance(shape["type"], list) else [shape["type"]]
    return shape | {"type": [*kinds, "null"]}


NAME: Shape = {"type": "string", "pattern": NAME_PATTERN}
MODEL: Shape = {
    "type": "string",
    "pattern": MODEL_NAME.pattern,
    "description": "A name listed by GET /v1/models, or name/version.",
}
NUMBERS: Shape = {"type": "array", "minItems": 1, "items": {"type": ["number", "null"]}}
VALUES: Shape = NUMBERS | {
    "contains": {"type": "number"},
    "description": "Values in time order; null is missing.",
}
TEXT: Shape = {"type": ["string", "null"], "maxLength": 64}
LABEL: Shape = {"pattern": "^[^\\u0000-\\u001f\\u007f]+$", "minLength": 1, "maxLength": 64}
COLUMNS: Shape = {
    "type": ["object", "null"],
    "maxProperties": 64,
    "propertyNames": LABEL,
    "additionalProperties": {
        "anyOf": [NUMBERS, {"type": "array", "minItems": 1, "items": TEXT}],
    },
}
HORIZON: Shape = {"type": "integer", "minimum": 1, "maximum": 10_000}
SEASON_LENGTH: Shape = {"type": "integer", "minimum": 1, "maximum": MAX_SEASON_LENGTH}
QUANTILE_LEVELS: Shape = {
    "type": "array",
    "minItems": 1,
    "maxItems": 99,
    "uniqueItems": True,
    "items": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
}

# Frequencies and dates

_UNITS = (
    f"min|h|D|B|W(-({'|'.join(WEEKDAYS)}))?|B?M[SE]|B?[QY][SE](-({'|'.join(MONTHS)}))?|s|ms|us|ns"
)
CLOCK: Shape = {"type": "string", "pattern": f"^([1-9][0-9]{{0,2}})?({_UNITS})$"}
STEPS: Shape = {"type": "string", "pattern": "^[1-9][0-9]{0,5}$"}
FREQ: Shape = {
    "type": ["string", "null"],
    "description": "Such as min, 15min, h, D, B, W, MS, QS, YS; 10 for whole steps.",
}
ANY_FREQ: Shape = {"anyOf": [CLOCK, STEPS, NULL]}

_CENTURY = "(1[7-9]|2[01])"
_DAY = "(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31"
_LEAP_DAY = f"({_CENTURY}(0[48]|[2468][048]|[13579][26])|2000)-02-29"
_TIME = "(T([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])?)?"
WHOLE: Shape = {"type": ["integer", "null"], "minimum": -MAX_START, "maximum": MAX_START}
DATE: Shape = {
    "type": "string",
    "pattern": f"^({_CENTURY}[0-9][0-9]-({_DAY})|{_LEAP_DAY}){_TIME}$",
}
START: Shape = {
    "type": ["integer", "string", "null"],
    "description": "Time of the first value: a whole number, or ISO 8601 (needs freq).",
}
ZONE: Shape = {"enum": sorted(zone_names())}  # a component of the document
TZ: Shape = {
    "anyOf": [{"$ref": "#/components/schemas/Zone"}, NULL],
    "description": "Zone of the stamps, such as Europe/Berlin.",
}

_UNDATED: Shape = {"properties": {"start": WHOLE, "freq": ANY_FREQ}}
_DATED: Shape = {"required": ["start", "freq"], "properties": {"start": DATE, "freq": CLOCK}}
_DATED_BY_ALL: Shape = {  # where the request has a freq for all series
    "required": ["start"],
    "properties": {"start": DATE, "freq": {"anyOf": [CLOCK, NULL]}},
}

# Series

SERIES: Shape = {
    "type": "object",
    "required": ["y"],
    "additionalProperties": False,
    "properties": {
        "id": LABEL | {"type": ["string", "null"], "maxLength": 256, "description": "Comes back."},
        "y": VALUES,
        "start": START,
        "freq": FREQ,
        "tz": TZ,
        "past_covariates": COLUMNS | {"description": "One value per value of y."},
        "future_covariates": COLUMNS | {"description": "And for the horizon."},
        "static_covariates": {
            "type": ["object", "null"],
            "maxProperties": 64,
            "propertyNames": LABEL,
            "additionalProperties": {"type": ["number", "string", "null"], "maxLength": 64},
        },
    },
}


def many_series(*timings: Shape, item: Shape = SERIES) -> Shape:
    """Return the shape of a list of series whose times are told in one of some ways."""
    return {
        "type": "array",
        "minItems": 1,
        "maxItems": 10_000,
        "items": {"anyOf": [VALUES, item | {"anyOf": list(timings)}]},
    }


def request_shape(fields: Shape, required: tuple[str, ...], item: Shape = SERIES) -> Shape:
    """Return the shape of a request of series: one as numbers, or many.

    Dates need a frequency, their own or that of all; many series have starts of their own.
    """
    ways: list[Shape] = [
        {"properties": {"series": VALUES, "start": WHOLE, "freq": ANY_FREQ}},
        {
            "required": ["start", "freq"],
            "properties": {"series": VALUES, "start": DATE, "freq": CLOCK},
        },
        {
            "properties": {
                "series": many_series(_UNDATED, _DATED, item=item),
                "start": NULL,
                "freq": ANY_FREQ,
            }
        },
        {
            "required": ["freq"],
            "properties": {
                "series": many_series(_UNDATED, _DATED_BY_ALL, item=item),
                "start": NULL,
                "freq": CLOCK,
            },
        },
    ]
    series = {
        "type": "array",
        "description": "One series as numbers, or many as objects or lists.",
    }
    return {
        "type": "object",
        "required": ["series", *required],
        "additionalProperties": False,
        "properties": {"series": series, "start": START, "freq": FREQ, "tz": TZ, **fields},
        "anyOf": ways,
    }


FORECAST_FIELDS: Shape = {
    "horizon": HORIZON,
    "quantile_levels": optional(QUANTILE_LEVELS),
    "model": optional(MODEL),
    "season_length": optional(SEASON_LENGTH),
}
REQUEST: Shape = request_shape(FORECAST_FIELDS, ("horizon",))
_NO_COVARIATES: Shape = {
    name: shape for name, shape in SERIES["properties"].items() if "covariates" not in name
}
STREAM: Shape = request_shape(
    FORECAST_FIELDS, ("horizon",), SERIES | {"properties": _NO_COVARIATES}
)
PUSHED: Shape = {
    "type": "array",
    "minItems": 1,
    "items": {"anyOf": [{"type": ["number", "null"]}, NUMBERS]},
    "description": "One per series, or a list per series.",
}
PUSH: Shape = {
    "type": "object",
    "required": ["values"],
    "additionalProperties": False,
    "properties": {
        "values": PUSHED,
        "horizon": {"type": ["integer", "null"], "minimum": 0, "maximum": 10_000},
        "quantile_levels": optional(QUANTILE_LEVELS),
    },
}

# Training


def config_shape(kind: type[Config]) -> Shape:
    """Return the shape of a config's fields; the limits of their values are told in sentences."""
    hints = get_type_hints(kind)
    return {
        "type": "object",
        "description": f"Fields of {kind.__name__}.",
        "additionalProperties": False,
        "properties": {
            field.name: _shape_of_hint(hints[field.name]) for field in dataclasses.fields(kind)
        },
    }


def _shape_of_hint(hint: Any) -> Shape:
    """Return the shape of a type: numbers, texts, choices, tuples of these, and None."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (types.UnionType, Union):
        return {"anyOf": [_shape_of_hint(argument) for argument in arguments]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is tuple:
        return {"type": "array", "items": _shape_of_hint(arguments[0])}
    names = {int: "integer", float: "number", str: "string", bool: "boolean"}
    return {"type": names.get(hint, "null")}


def training_shape(fields: Shape) -> Shape:
    """Return the shape of a request to train: `fields`, and series with times of their own."""
    series = {"type": "array", "description": "One series as numbers, or many."}
    return {
        "type": "object",
        "required": ["name", "horizon", "series"],
        "additionalProperties": False,
        "properties": {"series": series, "freq": FREQ, "tz": TZ, **fields},
        "anyOf": [
            {"properties": {"series": VALUES, "freq": ANY_FREQ}},
            {"properties": {"series": many_series(_UNDATED, _DATED), "freq": ANY_FREQ}},
            {
                "required": ["freq"],
                "properties": {"series": many_series(_UNDATED, _DATED_BY_ALL), "freq": CLOCK},
            },
        ],
    }

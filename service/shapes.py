"""JSON Schema of what requests hold, as far as a schema can say it.

It cannot say that ids differ, that a date needs a frequency, or how many values covariates need:
those refusals have status 422 and say so.
"""

from typing import Any

from service.schemas import MAX_SEASON_LENGTH, MAX_START, MODEL_NAME
from service.settings import NAME_PATTERN

Shape = dict[str, Any]

NAME: Shape = {"type": "string", "pattern": NAME_PATTERN}
MODEL: Shape = {
    "type": "string",
    "pattern": MODEL_NAME.pattern,
    "description": "A name listed by GET /v1/models, or name/version.",
}
NUMBERS: Shape = {"type": "array", "items": {"type": ["number", "null"]}}
VALUES: Shape = NUMBERS | {
    "minItems": 1,
    "contains": {"type": "number"},
    "description": "Values in time order; null is missing.",
}
TEXT: Shape = {"type": ["string", "null"], "maxLength": 64}
LABEL: Shape = {"pattern": "^[^\\u0000-\\u001f\\u007f]+$", "minLength": 1, "maxLength": 64}
COLUMNS: Shape = {
    "type": "object",
    "maxProperties": 64,
    "propertyNames": LABEL,
    "additionalProperties": {"anyOf": [NUMBERS, {"type": "array", "items": TEXT}]},
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
FREQ: Shape = {
    "type": "string",
    "pattern": "^[A-Za-z0-9-]{1,32}$",
    "description": "Such as min, 15min, h, D, B, W, MS, QS, YS.",
}
TZ: Shape = {"type": "string", "description": "Zone of the stamps, such as Europe/Berlin."}
START: Shape = {
    "anyOf": [
        {"type": "integer", "minimum": -MAX_START, "maximum": MAX_START},
        {"type": "string", "maxLength": 40},
    ],
    "description": "Time of the first value: a whole number, or ISO 8601 (needs freq).",
}
SERIES: Shape = {
    "type": "object",
    "required": ["y"],
    "additionalProperties": False,
    "properties": {
        "id": LABEL | {"type": "string", "maxLength": 256, "description": "Comes back."},
        "y": VALUES,
        "start": START,
        "freq": FREQ,
        "tz": TZ,
        "past_covariates": COLUMNS | {"description": "One value per value of y."},
        "future_covariates": COLUMNS | {"description": "And for the horizon."},
        "static_covariates": {
            "type": "object",
            "maxProperties": 64,
            "propertyNames": LABEL,
            "additionalProperties": {"type": ["number", "string", "null"], "maxLength": 64},
        },
    },
}
MANY_SERIES: Shape = {
    "type": "array",
    "minItems": 1,
    "maxItems": 10_000,
    "items": {"anyOf": [VALUES, SERIES]},
}
REQUEST: Shape = {
    "type": "object",
    "required": ["series", "horizon"],
    "additionalProperties": False,
    "properties": {
        "series": {
            "anyOf": [VALUES, MANY_SERIES],
            "description": "One series as numbers, or many as objects or lists.",
        },
        "horizon": HORIZON,
        "quantile_levels": QUANTILE_LEVELS,
        "model": MODEL,
        "season_length": SEASON_LENGTH,
        "freq": FREQ,
        "start": START,
        "tz": TZ,
    },
}
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
        "quantile_levels": QUANTILE_LEVELS | {"type": ["array", "null"]},
    },
}

"""Frozen, validated settings of networks and of training.

A config is plain data: it goes to JSON and back unchanged, and `from_dict` names keys it does not
know. Every size has an upper limit, so that a config from outside cannot ask for all memory.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, cast, get_args

from tcn.errors import ConfigError

MAX_CHANNELS = 2048
MAX_LEVELS = 64
MAX_KERNEL_SIZE = 1024
MAX_DILATION = 65_536
MAX_HORIZON = 10_000
MAX_CONTEXT_LENGTH = 65_536
MAX_COVARIATES = 512
MAX_QUANTILES = 99

HeadName = Literal["quantile", "gaussian", "student_t"]
Precision = Literal["auto", "float32", "bfloat16"]

DEFAULT_QUANTILE_LEVELS = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Config:
    """What all configs share: to a dictionary and back."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        return {
            field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from a mapping; unknown keys are refused by name."""
        known = {field.name: field for field in dataclasses.fields(cls)}
        for key in values:
            if key not in known:
                raise ConfigError(
                    f"Unknown key {key!r} in {cls.__name__}. Known keys: {', '.join(sorted(known))}."
                )
        return cls(**{key: _frozen(value) for key, value in values.items()})


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _frozen(value: object) -> object:
    if isinstance(value, list | tuple):
        return tuple(_frozen(item) for item in value)
    return value


def require_int(name: str, value: object, low: int, high: int) -> None:
    """Raise `ConfigError` unless `value` is a whole number in [low, high]."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ConfigError(f"{name} must be a whole number from {low} to {high:,}, got {value!r}.")


def require_float(name: str, value: object, low: float, high: float) -> None:
    """Raise `ConfigError` unless `value` is a number in [low, high]."""
    ok = isinstance(value, int | float) and not isinstance(value, bool)
    if not ok or not low <= cast("float", value) <= high:
        raise ConfigError(f"{name} must be a number from {low:g} to {high:g}, got {value!r}.")


def require_choice(name: str, value: object, choices: object) -> None:
    """Raise `ConfigError` unless `value` is one of a Literal's arguments."""
    allowed = get_args(choices)
    if value not in allowed:
        raise ConfigError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}.")


def require_names(name: str, value: object) -> None:
    """Raise `ConfigError` unless `value` is a tuple of distinct, non-empty strings."""
    if not isinstance(value, tuple) or not all(isinstance(item, str) and item for item in value):
        raise ConfigError(f"{name} must be a list of names, got {value!r}.")
    if len(set(value)) != len(value):
        raise ConfigError(f"{name} has a name twice: {value!r}. Give each covariate its own name.")
    if len(value) > MAX_COVARIATES:
        raise ConfigError(f"{name} has {len(value)} names; at most {MAX_COVARIATES} are allowed.")


def require_quantile_levels(levels: object) -> None:
    """Raise `ConfigError` unless `levels` are ascending numbers strictly between 0 and 1."""
    if not isinstance(levels, tuple) or not levels or len(levels) > MAX_QUANTILES:
        raise ConfigError(f"quantile_levels must be 1 to {MAX_QUANTILES} numbers, got {levels!r}.")
    for level in levels:
        if not isinstance(level, int | float) or not 0.0 < level < 1.0:
            raise ConfigError(
                f"quantile_levels must lie strictly between 0 and 1, got {level!r}."
            )
    if any(b <= a for a, b in zip(levels, levels[1:], strict=False)):
        raise ConfigError(f"quantile_levels must ascend without repeats, got {levels!r}.")


def require_dilations(dilations: object) -> None:
    """Raise `ConfigError` unless `dilations` is a tuple of positive whole numbers."""
    if not isinstance(dilations, tuple) or not 1 <= len(dilations) <= MAX_LEVELS:
        raise ConfigError(f"dilations must list 1 to {MAX_LEVELS} numbers, got {dilations!r}.")
    for dilation in dilations:
        require_int("each dilation", dilation, 1, MAX_DILATION)

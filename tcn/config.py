"""Frozen, validated settings of networks and of training.

A config is plain data: it goes to JSON and back unchanged, and `from_dict` names keys it does not
know. Every size has an upper limit, so that a config from outside cannot ask for all memory.
"""

import dataclasses
import itertools
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
        return {field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from a mapping; unknown keys are refused by name."""
        known = {field.name: field for field in dataclasses.fields(cls)}
        for key in values:
            if key not in known:
                raise ConfigError(
                    f"Unknown key {key!r} in {cls.__name__}. "
                    f"Known keys: {', '.join(sorted(known))}."
                )
        return cls(**{key: _frozen(value) for key, value in values.items()})


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Config):
        return value.to_dict()
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


def require_bool(name: str, value: object) -> None:
    """Raise ConfigError unless `value` is True or False."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name} must be true or false, got {value!r}.")


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
            raise ConfigError(f"quantile_levels must lie strictly between 0 and 1, got {level!r}.")
    if any(b <= a for a, b in itertools.pairwise(levels)):
        raise ConfigError(f"quantile_levels must ascend without repeats, got {levels!r}.")


def require_dilations(dilations: object) -> None:
    """Raise `ConfigError` unless `dilations` is a tuple of positive whole numbers."""
    if not isinstance(dilations, tuple) or not 1 <= len(dilations) <= MAX_LEVELS:
        raise ConfigError(f"dilations must list 1 to {MAX_LEVELS} numbers, got {dilations!r}.")
    for dilation in dilations:
        require_int("each dilation", dilation, 1, MAX_DILATION)


@dataclass(frozen=True)
class _ForecastConfig(Config):
    """What every forecasting network is told, whatever its blocks."""

    horizon: int = 24
    context_length: int = 1024
    season_length: int | None = None
    head: HeadName = "quantile"
    quantile_levels: tuple[float, ...] = DEFAULT_QUANTILE_LEVELS
    past_covariates: tuple[str, ...] = ()
    future_covariates: tuple[str, ...] = ()
    static_covariates: tuple[str, ...] = ()
    patch_length: int = 4
    channels: int = 96
    hidden_channels: int = 144
    head_channels: int = 256
    kernel_size: int = 3
    dilations: tuple[int, ...] = (1, 2, 1, 2, 4, 8, 16, 32)
    dropout: float = 0.0

    def __post_init__(self) -> None:
        require_int("horizon", self.horizon, 1, MAX_HORIZON)
        require_int("context_length", self.context_length, 8, MAX_CONTEXT_LENGTH)
        if self.season_length is not None:
            require_int("season_length", self.season_length, 1, MAX_CONTEXT_LENGTH)
        require_choice("head", self.head, HeadName)
        require_quantile_levels(self.quantile_levels)
        for name in ("past_covariates", "future_covariates", "static_covariates"):
            require_names(name, getattr(self, name))
        require_int("patch_length", self.patch_length, 1, 64)
        for name in ("channels", "hidden_channels", "head_channels"):
            require_int(name, getattr(self, name), 1, MAX_CHANNELS)
        require_int("kernel_size", self.kernel_size, 1, MAX_KERNEL_SIZE)
        require_dilations(self.dilations)
        require_float("dropout", self.dropout, 0.0, 0.9)


@dataclass(frozen=True)
class TCNConfig(_ForecastConfig):
    """A forecasting network of residual dilated convolutions (Bai et al. 2018, pre-norm form).

    horizon: steps forecast in one pass. context_length: observations read. season_length: steps of
    a cycle; None takes it from the frequency, or finds it. head: the distribution; quantile_levels
    are those that the quantile head is trained on, others are interpolated. *_covariates: names,
    which `fit` fills in from the panel. patch_length: values per encoder step. channels: width of
    the encoder; hidden_channels: inside a block; head_channels: of the head. kernel_size: of the
    convolutions. dilations: one for each residual block, in encoder steps. dropout: the share of
    channels (of single numbers in the head) set to zero in training.

    >>> TCNConfig(horizon=12).channels
    96
    """


@dataclass(frozen=True)
class WaveNetConfig(_ForecastConfig):
    """A forecasting network of gated blocks with skip sums (van den Oord et al. 2016).

    The fields are those of `TCNConfig`; `hidden_channels` is the width of the skip path.
    """


@dataclass(frozen=True)
class TrainConfig(Config):
    """How to train; nothing here is part of a model.

    max_epochs: passes over the training data at most. steps_per_epoch: batches in a pass, after
    which the model is evaluated; None follows from the data. patience: evaluations without a better
    validation loss before stopping. learning_rate: peak, after `warmup_steps` of rising and before
    a fall to zero; None is 0.002, or 0.001 from a trained start without `refit`. weight_decay: of
    AdamW. clip: largest norm of the gradients. average: decay of the moving average of weights.
    batch_positions: series values per step. origins, steps: forecast origins per window and future
    steps per origin in a training step. validation_length: points held back at the end of each
    series; None is the horizon, more for long series. refit: train once more on all points, as
    long as forecast those held back best. precision: "auto" multiplies in bfloat16 where the
    processor has it. seed: of weights and batches.
    """

    max_epochs: int = 30
    steps_per_epoch: int | None = None
    patience: int = 12
    learning_rate: float | None = None
    weight_decay: float = 0.01
    warmup_steps: int = 50
    clip: float = 1.0
    average: float = 0.99
    batch_positions: int = 12_288
    origins: int = 8
    steps: int = 12
    validation_length: int | None = None
    refit: bool = True
    precision: Precision = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        require_int("max_epochs", self.max_epochs, 0, 100_000)
        if self.steps_per_epoch is not None:
            require_int("steps_per_epoch", self.steps_per_epoch, 1, 1_000_000)
        require_int("patience", self.patience, 1, 100_000)
        if self.learning_rate is not None:
            require_float("learning_rate", self.learning_rate, 1e-8, 1.0)
        require_float("weight_decay", self.weight_decay, 0.0, 1.0)
        require_int("warmup_steps", self.warmup_steps, 0, 1_000_000)
        require_float("clip", self.clip, 1e-6, 1e6)
        require_float("average", self.average, 0.0, 0.99999)
        require_int("batch_positions", self.batch_positions, 64, 10_000_000)
        require_int("origins", self.origins, 1, 10_000)
        require_int("steps", self.steps, 1, MAX_HORIZON)
        if self.validation_length is not None:
            require_int("validation_length", self.validation_length, 1, 100_000_000)
        require_bool("refit", self.refit)
        require_choice("precision", self.precision, Precision)
        require_int("seed", self.seed, 0, 2**31 - 1)

"""The config of an image network: the size of an image and a list of layers."""

import math
from dataclasses import dataclass

from tcn.config import Config, require_int
from tcn.errors import ConfigError
from tcn.models.image.specs import MAX_DEPTH, LayerSpec, depth, layer_specs

MAX_IMAGE_SIZE = 16_384
MAX_INPUT_CHANNELS = 64


@dataclass(frozen=True)
class ImageConfig(Config):
    """A network from a list of layers, for images or for series.

    input_shape: (rows, columns, channels) of an image, (length, channels) of a series; None in
    place of a size leaves it free. layers: specs, or objects like {"type": "dense", "units": 10}.
    pixel_mean, pixel_std: pixels between 0 and 1 are shifted and divided by these, one number for
    all channels or one for each.

    >>> ImageConfig((28, 28, 1), [{"type": "flatten"}, {"type": "dense", "units": 10}]).layers[1]
    Dense(type='dense', units=10, bias=True, activation=None)
    """

    input_shape: tuple[int | None, ...] = ()
    layers: tuple[LayerSpec, ...] = ()
    pixel_mean: tuple[float, ...] = (0.0,)
    pixel_std: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        _require_input_shape(self.input_shape)
        object.__setattr__(self, "layers", layer_specs(self.layers))
        if depth(self.layers) > MAX_DEPTH:
            raise ConfigError(f"Residual layers may be nested {MAX_DEPTH} deep.")
        _require_statistics("pixel_mean", self.pixel_mean, self.channels, -1e6)
        _require_statistics("pixel_std", self.pixel_std, self.channels, 1e-6)

    @property
    def channels(self) -> int:
        """Channels of the input."""
        channels = self.input_shape[-1]
        assert channels is not None
        return channels

    @property
    def is_series(self) -> bool:
        """Whether the input is a series (length, channels) and not an image."""
        return len(self.input_shape) == 2


def _require_input_shape(shape: object) -> None:
    if shape == ():
        raise ConfigError(
            "input_shape is missing: without the size of an image the layers have no shapes. "
            "Give (rows, columns, channels), such as (32, 32, 3)."
        )
    if not isinstance(shape, tuple) or len(shape) not in (2, 3):
        raise ConfigError(
            "input_shape must be (rows, columns, channels), or (length, channels) for a series, "
            f"got {shape!r}."
        )
    for size in shape[:-1]:
        if size is not None:
            require_int("each size of input_shape", size, 1, MAX_IMAGE_SIZE)
    require_int("the channels of input_shape, its last number,", shape[-1], 1, MAX_INPUT_CHANNELS)


def _require_statistics(name: str, values: object, channels: int, low: float) -> None:
    ok = isinstance(values, tuple) and len(values) in (1, channels)
    if not ok or not all(_is_number(value, low) for value in values):  # type: ignore[attr-defined]
        raise ConfigError(
            f"{name} must be one number or one for each of {channels} channels, at least {low:g}, "
            f"got {values!r}."
        )


def _is_number(value: object, low: float) -> bool:
    is_real = isinstance(value, int | float) and not isinstance(value, bool)
    return is_real and math.isfinite(value) and low <= value <= 1e6  # type: ignore[arg-type,operator]

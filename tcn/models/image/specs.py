"""What a layer of an image network is told: one frozen dataclass per type, named by `type`.

A layer knows nothing of the sizes before it; the builder infers them. All layers read images
(rows, columns, channels), and those with a kernel read series (length, channels) as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tcn.config import Config, require_choice, require_float, require_int
from tcn.errors import ConfigError

MAX_UNITS = 65_536
MAX_IMAGE_CHANNELS = 8192
MAX_KERNEL = 1024
MAX_STRIDE = 1024
MAX_SPACING = 65_536
MAX_LAYERS = 512
MAX_DEPTH = 8

Size = int | tuple[int, int]
ActivationName = Literal["relu", "sigmoid", "tanh", "softmax"]
BorderName = Literal["same", "valid"]
MaskName = Literal["A", "B"]
PoolName = Literal["average", "max", "last"]
OrderName = Literal["channels_first", "channels_last"]


@dataclass(frozen=True)
class LayerSpec(Config):
    """One layer; `type` is its name in JSON."""

    type: str = field(default="", init=False)


@dataclass(frozen=True)
class Dense(LayerSpec):
    """units weighted sums of a vector, plus a bias."""

    type: str = field(default="dense", init=False)
    units: int = 10
    bias: bool = True
    activation: ActivationName | None = None

    def __post_init__(self) -> None:
        require_int("units", self.units, 1, MAX_UNITS)
        _require_bool("bias", self.bias)
        _require_activation(self.activation)


@dataclass(frozen=True)
class Conv(LayerSpec):
    """A convolution with `channels` filters.

    padding: "same" (TensorFlow's rule), "valid", "causal" or zeros on each side as a number or
    a pair. mask: "A" or "B" reads pixels above and to the left alone and keeps the size.
    """

    type: str = field(default="conv", init=False)
    channels: int = 32
    kernel_size: Size = 3
    stride: Size = 1
    padding: Size | Literal["same", "valid", "causal"] = "same"
    dilation: Size = 1
    groups: int = 1
    bias: bool = True
    mask: MaskName | None = None
    activation: ActivationName | None = None

    def __post_init__(self) -> None:
        require_int("channels", self.channels, 1, MAX_IMAGE_CHANNELS)
        _require_size("kernel_size", self.kernel_size, 1, MAX_KERNEL)
        _require_size("stride", self.stride, 1, MAX_STRIDE)
        _require_padding(self.padding, ("same", "valid", "causal"))
        _require_size("dilation", self.dilation, 1, MAX_SPACING)
        require_int("groups", self.groups, 1, MAX_IMAGE_CHANNELS)
        _require_bool("bias", self.bias)
        _require_activation(self.activation)
        if self.mask is not None:
            self._require_maskable()

    def _require_maskable(self) -> None:
        require_choice("mask", self.mask, MaskName)
        ok = isinstance(self.kernel_size, int) and isinstance(self.dilation, int)
        if not ok or self.stride != 1 or self.groups != 1 or self.padding != "same":
            raise ConfigError(
                f"A convolution with mask={self.mask!r} keeps the size: it takes one kernel_size "
                "and dilation for both axes, stride 1, groups 1 and padding 'same'."
            )


@dataclass(frozen=True)
class ConvTranspose(LayerSpec):
    """A transposed convolution; "same" gives `stride` times the size, "valid" crops nothing."""

    type: str = field(default="conv_transpose", init=False)
    channels: int = 32
    kernel_size: Size = 2
    stride: Size = 2
    padding: Size | BorderName = "same"
    output_padding: Size = 0
    dilation: Size = 1
    groups: int = 1
    bias: bool = True
    activation: ActivationName | None = None

    def __post_init__(self) -> None:
        require_int("channels", self.channels, 1, MAX_IMAGE_CHANNELS)
        _require_size("kernel_size", self.kernel_size, 1, MAX_KERNEL)
        _require_size("stride", self.stride, 1, MAX_STRIDE)
        _require_padding(self.padding, ("same", "valid"))
        _require_size("output_padding", self.output_padding, 0, MAX_STRIDE)
        _require_size("dilation", self.dilation, 1, MAX_SPACING)
        require_int("groups", self.groups, 1, MAX_IMAGE_CHANNELS)
        _require_bool("bias", self.bias)
        _require_activation(self.activation)


@dataclass(frozen=True)
class _Pool(LayerSpec):
    size: Size = 2
    stride: Size | None = None
    padding: BorderName = "valid"

    def __post_init__(self) -> None:
        _require_size("size", self.size, 1, MAX_KERNEL)
        if self.stride is not None:
            _require_size("stride", self.stride, 1, MAX_STRIDE)
        require_choice("padding", self.padding, BorderName)


@dataclass(frozen=True)
class MaxPool(_Pool):
    """The largest value of each window; the stride is the window's size unless given."""

    type: str = field(default="max_pool", init=False)


@dataclass(frozen=True)
class AveragePool(_Pool):
    """The mean of each window, of the values inside the image alone."""

    type: str = field(default="average_pool", init=False)


@dataclass(frozen=True)
class GlobalPool(LayerSpec):
    """One number per channel, from an image or a series of any size.

    pool: "average", "max", or "last" for the last position (what a causal network has read whole).
    """

    type: str = field(default="global_pool", init=False)
    pool: PoolName = "average"

    def __post_init__(self) -> None:
        require_choice("pool", self.pool, PoolName)


@dataclass(frozen=True)
class BatchNorm(LayerSpec):
    """Normalise each channel by the batch in training, by running moments after it.

    momentum: weight of the newest batch in the running moments (a Keras momentum m is 1 - m here).
    """

    type: str = field(default="batch_norm", init=False)
    momentum: float = 0.1
    eps: float = 1e-5

    def __post_init__(self) -> None:
        require_float("momentum", self.momentum, 1e-6, 1.0)
        _require_eps(self.eps)


@dataclass(frozen=True)
class LayerNorm(LayerSpec):
    """Normalise each position over its channels."""

    type: str = field(default="layer_norm", init=False)
    eps: float = 1e-5

    def __post_init__(self) -> None:
        _require_eps(self.eps)


@dataclass(frozen=True)
class InstanceNorm(LayerSpec):
    """Normalise each channel over the positions of its own image."""

    type: str = field(default="instance_norm", init=False)
    eps: float = 1e-5

    def __post_init__(self) -> None:
        _require_eps(self.eps)


@dataclass(frozen=True)
class RMSNorm(LayerSpec):
    """Divide each position by the root mean square of its channels."""

    type: str = field(default="rms_norm", init=False)
    eps: float = 1e-6

    def __post_init__(self) -> None:
        _require_eps(self.eps)


@dataclass(frozen=True)
class Dropout(LayerSpec):
    """In training, set each value to zero with probability `rate`, scale the rest."""

    type: str = field(default="dropout", init=False)
    rate: float = 0.5

    def __post_init__(self) -> None:
        require_float("rate", self.rate, 0.0, 0.99)


@dataclass(frozen=True)
class ChannelDropout(LayerSpec):
    """In training, set whole channels to zero with probability `rate`, scale the rest."""

    type: str = field(default="channel_dropout", init=False)
    rate: float = 0.1

    def __post_init__(self) -> None:
        require_float("rate", self.rate, 0.0, 0.99)


@dataclass(frozen=True)
class ReLU(LayerSpec):
    """max(x, 0)."""

    type: str = field(default="relu", init=False)


@dataclass(frozen=True)
class LeakyReLU(LayerSpec):
    """x where it is positive, `alpha` x where it is not; frameworks differ, so alpha is given."""

    type: str = field(default="leaky_relu", init=False)
    alpha: float | None = None

    def __post_init__(self) -> None:
        if self.alpha is None:
            raise ConfigError(
                "leaky_relu needs alpha, the slope below zero; usual are 0.01 to 0.3."
            )
        require_float("alpha", self.alpha, 0.0, 1.0)


@dataclass(frozen=True)
class Sigmoid(LayerSpec):
    """1 / (1 + exp(-x))."""

    type: str = field(default="sigmoid", init=False)


@dataclass(frozen=True)
class Tanh(LayerSpec):
    """The hyperbolic tangent."""

    type: str = field(default="tanh", init=False)


@dataclass(frozen=True)
class Softmax(LayerSpec):
    """Probabilities over the channels; as the last layer, training reads what comes before it."""

    type: str = field(default="softmax", init=False)


@dataclass(frozen=True)
class Flatten(LayerSpec):
    """One vector per image.

    order: which of the channels (as in PyTorch) and the positions (Keras: "channels_last") varies
    fastest; it decides what the weights of the next dense layer mean.
    """

    type: str = field(default="flatten", init=False)
    order: OrderName = "channels_first"

    def __post_init__(self) -> None:
        require_choice("order", self.order, OrderName)


@dataclass(frozen=True)
class Sequence(LayerSpec):
    """The pixels of an image, row by row, as a series."""

    type: str = field(default="sequence", init=False)


@dataclass(frozen=True)
class Residual(LayerSpec):
    """activation(layers(x) + x); where shapes differ, x passes a convolution of kernel size 1."""

    type: str = field(default="residual", init=False)
    layers: tuple[LayerSpec, ...] = ()
    activation: ActivationName | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", layer_specs(self.layers))
        _require_activation(self.activation)


TYPES: dict[str, type[LayerSpec]] = {
    "dense": Dense,
    "conv": Conv,
    "conv_transpose": ConvTranspose,
    "max_pool": MaxPool,
    "average_pool": AveragePool,
    "global_pool": GlobalPool,
    "batch_norm": BatchNorm,
    "layer_norm": LayerNorm,
    "instance_norm": InstanceNorm,
    "rms_norm": RMSNorm,
    "dropout": Dropout,
    "channel_dropout": ChannelDropout,
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "softmax": Softmax,
    "flatten": Flatten,
    "sequence": Sequence,
    "residual": Residual,
}


def layer_specs(layers: object) -> tuple[LayerSpec, ...]:
    """Layers given as specs or as JSON objects; errors name the layer by its place."""
    if not isinstance(layers, list | tuple) or not 1 <= len(layers) <= MAX_LAYERS:
        raise ConfigError(f"layers must list 1 to {MAX_LAYERS} layers, got {layers!r:.80}.")
    specs = []
    for place, layer in enumerate(layers, start=1):
        try:
            specs.append(layer if isinstance(layer, LayerSpec) else _from_json(layer))
        except ConfigError as error:
            raise ConfigError(f"Layer {place}: {error}") from None
    return tuple(specs)


def depth(layers: tuple[LayerSpec, ...]) -> int:
    """How deep residual layers are nested; 1 without any."""
    inner = [depth(layer.layers) for layer in layers if isinstance(layer, Residual)]
    return 1 + max(inner, default=0)


def _from_json(layer: object) -> LayerSpec:
    if not isinstance(layer, Mapping) or not isinstance(layer.get("type"), str):
        raise ConfigError(f"a layer is an object with a 'type', got {layer!r:.80}.")
    options: dict[str, Any] = {str(key): value for key, value in layer.items()}
    name = options.pop("type")
    if name not in TYPES:
        raise ConfigError(f"unknown type {name!r}. Known types: {', '.join(sorted(TYPES))}.")
    if name == "residual" and _nesting(layer) > MAX_DEPTH:
        raise ConfigError(f"residual layers may be nested {MAX_DEPTH} deep.")
    return TYPES[name].from_dict(options)


def _nesting(layer: Mapping[str, Any]) -> int:
    """Depth of residual objects within each other, counted no further than is allowed."""
    level, found = [layer], 0
    while level and found <= MAX_DEPTH:
        found += 1
        inner = [layer.get("layers") for layer in level]
        level = [
            item
            for items in inner
            if isinstance(items, list | tuple)
            for item in items
            if isinstance(item, Mapping) and item.get("type") == "residual"
        ]
    return found


def _require_bool(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise ConfigError(f"{name} must be true or false, got {value!r}.")


def _require_eps(value: float) -> None:
    require_float("eps", value, 1e-12, 1.0)


def _require_activation(value: object) -> None:
    if value == "leaky_relu":
        raise ConfigError("leaky_relu needs a slope: give it as a layer of its own, with alpha.")
    if value is not None:
        require_choice("activation", value, ActivationName)


def _require_size(name: str, value: object, low: int, high: int) -> None:
    sizes = value if isinstance(value, tuple) else (value,)
    if isinstance(value, tuple) and len(value) != 2:
        raise ConfigError(f"{name} must be one number or two (rows, columns), got {value!r}.")
    for size in sizes:
        require_int(name, size, low, high)


def _require_padding(value: object, names: tuple[str, ...]) -> None:
    if isinstance(value, str):
        if value not in names:
            raise ConfigError(
                f"padding must be a number, a pair or one of {', '.join(map(repr, names))}, "
                f"got {value!r}."
            )
        return
    _require_size("padding", value, 0, MAX_KERNEL)

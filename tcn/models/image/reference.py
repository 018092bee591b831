"""Networks by name: those of the source documents, and a causal network that reads pixels."""

from collections.abc import Callable

from tcn.errors import ConfigError
from tcn.layers import dilation_cycles
from tcn.models.image.config import ImageConfig
from tcn.models.image.specs import (
    BatchNorm,
    ChannelDropout,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalPool,
    LayerSpec,
    LeakyReLU,
    ReLU,
    Residual,
    Sequence,
    Softmax,
)

ImageShape = tuple[int | None, ...]


def mlp(input_shape: ImageShape = (32, 32, 3), n_classes: int = 10) -> ImageConfig:
    """Two dense layers and a softmax: 646,260 parameters for 32 x 32 x 3 and ten classes."""
    return ImageConfig(
        input_shape,
        (
            Flatten(order="channels_last"),
            Dense(units=200, activation="relu"),
            Dense(units=150, activation="relu"),
            Dense(units=n_classes, activation="softmax"),
        ),
    )


def small_cnn(input_shape: ImageShape = (32, 32, 3), n_classes: int = 10) -> ImageConfig:
    """Two convolutions of stride 2 and a softmax: 15,120 parameters."""
    return ImageConfig(
        input_shape,
        (
            Conv(channels=10, kernel_size=4, stride=2),
            Conv(channels=20, kernel_size=3, stride=2),
            Flatten(order="channels_last"),
            Dense(units=n_classes, activation="softmax"),
        ),
    )


def cnn(input_shape: ImageShape = (32, 32, 3), n_classes: int = 10) -> ImageConfig:
    """Four convolutions with batch norm, one dense layer: 592,554 parameters.

    Batch norm and leaky ReLU have the numbers that Keras takes by default.
    """
    layers: list[LayerSpec] = []
    for channels, stride in ((32, 1), (32, 2), (64, 1), (64, 2)):
        layers += [Conv(channels=channels, stride=stride), *_normalised()]
    layers += [Flatten(order="channels_last"), Dense(units=128), *_normalised(), Dropout(rate=0.5)]
    layers += [Dense(units=n_classes), Softmax()]
    return ImageConfig(input_shape, tuple(layers))


def residual_cnn(input_shape: ImageShape = (32, 32, 3), n_classes: int = 10) -> ImageConfig:
    """Three stages of residual blocks and a global average; it reads images of any size."""
    layers: list[LayerSpec] = [Conv(channels=32, bias=False), BatchNorm(), ReLU()]
    for channels, stride in ((32, 1), (64, 2), (128, 2)):
        body = (
            Conv(channels=channels, stride=stride, bias=False),
            BatchNorm(),
            ReLU(),
            Conv(channels=channels, bias=False),
            BatchNorm(),
        )
        layers.append(Residual(layers=body, activation="relu"))
    layers += [GlobalPool(), Dense(units=n_classes), Softmax()]
    return ImageConfig(input_shape, tuple(layers))


def pixel_tcn(
    input_shape: ImageShape = (28, 28, 1),
    n_classes: int = 10,
    *,
    channels: int = 25,
    kernel_size: int = 7,
    levels: int = 8,
    dropout: float = 0.05,
) -> ImageConfig:
    """The image read pixel by pixel by a causal network (Bai et al. 2018, sequential MNIST)."""
    layers: list[LayerSpec] = [] if len(input_shape) == 2 else [Sequence()]
    for dilation in dilation_cycles(levels):
        conv = Conv(channels=channels, kernel_size=kernel_size, padding="causal", dilation=dilation)
        half = (conv, ReLU(), ChannelDropout(rate=dropout))
        layers.append(Residual(layers=(*half, *half), activation="relu"))
    layers += [GlobalPool(pool="last"), Dense(units=n_classes), Softmax()]
    return ImageConfig(input_shape, tuple(layers))


NETWORKS: dict[str, Callable[[ImageShape, int], ImageConfig]] = {
    "mlp": mlp,
    "small-cnn": small_cnn,
    "cnn": cnn,
    "residual-cnn": residual_cnn,
    "pixel-tcn": pixel_tcn,
}


def reference_config(name: str, input_shape: ImageShape, n_classes: int) -> ImageConfig:
    """The config of a network by its name."""
    if name not in NETWORKS:
        raise ConfigError(f"Unknown network {name!r}. Known networks: {', '.join(NETWORKS)}.")
    return NETWORKS[name](input_shape, n_classes)


def _normalised() -> list[LayerSpec]:
    return [BatchNorm(momentum=0.01, eps=1e-3), LeakyReLU(alpha=0.3)]

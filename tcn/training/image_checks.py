"""Whether images, a network and what is done to the images go together."""

from tcn.errors import ConfigError, DataError
from tcn.images import Augmentation, ImageSet
from tcn.models.image import ImageConfig, ImageNetwork, specs


def effective(augmentation: Augmentation | None, config: ImageConfig) -> Augmentation | None:
    """The augmentation, if it changes anything; refused where it would make nonsense."""
    if augmentation is None or augmentation == Augmentation():
        return None
    if config.is_series and augmentation.tilt > 0.0:
        raise ConfigError("A series cannot be tilted. Leave tilt at 0.")
    if config.is_series and augmentation.flip and _is_causal(config.layers):
        raise ConfigError(
            "A causal network reads a series in the order of time; a flipped one runs backwards. "
            "Leave flip off."
        )
    return augmentation


def require_fit(network: ImageNetwork, config: ImageConfig, images: ImageSet, what: str) -> None:
    """Raise unless there are images of the size and number of classes that the network has."""
    if len(images) == 0:
        raise DataError(f"{what} are none. Give at least one of each class.")
    fits = len(images.shape) == len(config.input_shape) and all(
        wanted in (None, size)
        for wanted, size in zip(config.input_shape, images.shape, strict=True)
    )
    if not fits:
        raise ConfigError(
            f"{what} are {' x '.join(map(str, images.shape))}, but the network reads "
            f"{' x '.join('any' if n is None else str(n) for n in config.input_shape)}."
        )
    if network.n_outputs != len(images.class_names):
        raise ConfigError(
            f"{what} have {len(images.class_names)} classes, but the last layer gives "
            f"{network.n_outputs} numbers. Make them equal."
        )


def require_same_classes(images: ImageSet, validation: ImageSet) -> None:
    """Raise DataError where two sets name other classes, or in another order."""
    if images.class_names != validation.class_names:
        raise DataError(
            f"The classes differ: {', '.join(images.class_names)!s:.100} in training, "
            f"{', '.join(validation.class_names)!s:.100} in validation."
        )


def _is_causal(layers: tuple[specs.LayerSpec, ...]) -> bool:
    for layer in layers:
        if isinstance(layer, specs.Conv) and layer.padding == "causal":
            return True
        if isinstance(layer, specs.Residual) and _is_causal(layer.layers):
            return True
    return False

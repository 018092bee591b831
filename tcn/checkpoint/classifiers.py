"""Image classifiers to and from model directories, in the format of all models."""

from pathlib import Path

import torch

from tcn.checkpoint.directory import Checkpoint, read_checkpoint, write_checkpoint
from tcn.checkpoint.parts import described_network, info_of, manifest_of
from tcn.checkpoint.replaced import load_stable
from tcn.classifier import ImageClassifier
from tcn.errors import CheckpointError, ConfigError
from tcn.models import IMAGE, ImageConfig, ImageNetwork


def save_classifier(classifier: ImageClassifier, path: Path | str) -> None:
    """Save a classifier as the directory `path`; a model that is there is replaced in one step.

    Raises CheckpointError where weights are not finite or the directory cannot be written.
    """
    write_checkpoint(
        path,
        kind=IMAGE,
        config=classifier.config.to_dict(),
        tensors=classifier.network.state_dict(),
        info=info_of(classifier.manifest),
        extras={"class_names": list(classifier.class_names)},
    )


def load_classifier(path: Path | str) -> ImageClassifier:
    """Load what `save_classifier` wrote; everything is checked before it is allocated.

    A model that is replaced meanwhile is read again. Raises CheckpointError, naming the file or
    tensor, for anything that is not a whole model of images. Nothing is ever unpickled.
    """
    return load_stable(Path(path), _load)


def _load(path: Path) -> ImageClassifier:
    checkpoint = read_checkpoint(path)
    if checkpoint.kind != IMAGE:
        raise CheckpointError(
            f"The model in '{path}' is of kind {checkpoint.kind!r}, which forecasts series and "
            "classifies no images."
        )
    config = _checked_config(checkpoint)
    with torch.random.fork_rng(devices=[]):
        network = ImageNetwork(config).float()  # whatever torch's default dtype is
    checkpoint.load_into(network)
    try:
        return ImageClassifier(
            config=config,
            network=network,
            class_names=_class_names(checkpoint),
            name=path.resolve().name,
            manifest=manifest_of(checkpoint),
        )
    except ConfigError as error:
        raise CheckpointError(f"The model in '{path}' cannot be used: {error}") from None


def _checked_config(checkpoint: Checkpoint) -> ImageConfig:
    """The config, once the tensors on the disk fit the network it asks for."""
    config, shapes = described_network(checkpoint)
    assert isinstance(config, ImageConfig)
    checkpoint.check(shapes)
    return config


def _class_names(checkpoint: Checkpoint) -> tuple[str, ...]:
    names = checkpoint.extras.get("class_names")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise CheckpointError(
            f"The extras of the model in '{checkpoint.directory}' must hold class_names, a list "
            f"of names; got {names!r:.80}."
        )
    return tuple(names)

"""What the commands of `tcn images` do."""

import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tcn.checkpoint import load_classifier, save_classifier
from tcn.classifier import ImageClassifier
from tcn.cli.config_file import read_config
from tcn.cli.console import say, training_log, write_json, write_table
from tcn.cli.plot import require_plotting
from tcn.cli.train import require_place, resumable
from tcn.errors import ConfigError
from tcn.evaluation.images import evaluate_images
from tcn.images import Augmentation, ImageSet, plot_images, read_images, read_picture
from tcn.images.reading import Part
from tcn.models.image import ImageConfig, ImageNetwork, Row, reference_config, summarise
from tcn.training.images import ImageTrainConfig, fit_images

DEFAULT_NETWORK = "cnn"


@dataclass(frozen=True)
class Settings:
    """What --config holds, each part optional; network is a name or an object."""

    network: str | Mapping[str, Any] | None
    train: Mapping[str, Any]
    augmentation: Mapping[str, Any]


def train_images(
    data: Path,
    *,
    out: Path,
    network: str | None,
    config: Path | None,
    validation: float,
    size: tuple[int, ...] | None,
    grey: bool,
    train_options: Mapping[str, Any],
    augmentation: Mapping[str, Any],
    restart: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train on `data` and save the classifier as the directory `out`."""
    require_place(out)
    settings = read_settings(config)
    train_config = ImageTrainConfig.from_dict({**settings.train, **train_options})
    change = Augmentation.from_dict({**settings.augmentation, **augmentation})
    images = _read(data, "train", channels=1 if grey else 3, size=size)
    wanted = network or settings.network or DEFAULT_NETWORK
    image_config = network_config(wanted, images.shape, len(images.class_names))
    known, held_back = images.split(validation, train_config.seed) if validation else (images, None)
    say(_described(known, held_back), quiet=quiet)
    with resumable(out, restart=restart, quiet=quiet) as state, training_log(quiet) as log:
        classifier = fit_images(
            known,
            image_config,
            train_config,
            validation=held_back,
            augmentation=change,
            directory=state,
            progress=log,
            name=out.name,
        )
    save_classifier(classifier, out)
    shutil.rmtree(state, ignore_errors=True)
    _tell(classifier, out, as_json=as_json, quiet=quiet)


def evaluate_model(
    data: Path, model: Path, *, part: str, batch_size: int, resize: bool, as_json: bool
) -> None:
    """Print loss and accuracy of a model on labelled images."""
    classifier = load_classifier(model)
    size = _size(classifier) if resize else None
    images = _read(data, part, channels=classifier.config.channels, size=size)
    scores = evaluate_images(classifier, images, batch_size=batch_size)
    if as_json:
        write_json({"model": str(model), **scores.to_dict()})
        return
    counts = scores.confusion.sum(axis=1)
    rows = [
        [name, f"{count:,}", f"{share:.4f}"]
        for (name, share), count in zip(scores.per_class.items(), counts, strict=True)
    ]
    rows.append(["all", f"{len(images):,}", f"{scores.accuracy:.4f}"])
    write_table(["class", "images", "accuracy"], rows)
    sys.stdout.write(f"loss {scores.loss:.4f}\n")


def predict_pictures(
    pictures: Sequence[Path],
    model: Path,
    *,
    top: int,
    resize: bool,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Print the likeliest classes of each picture."""
    if plot is not None:
        require_plotting(plot)
    classifier = load_classifier(model)
    images = _pictures(classifier, pictures, resize=resize)
    answers = [classifier.predict(image[None]) for image in images]
    best = [answer.top(top)[0] for answer in answers]
    if plot is not None:
        _draw(images, [answer.names[0] for answer in answers], plot)
    if as_json:
        found = [
            {"picture": str(path), "classes": [{"name": n, "probability": p} for n, p in named]}
            for path, named in zip(pictures, best, strict=True)
        ]
        write_json({"model": str(model), "predictions": found})
        return
    rows = [
        [str(path) if place == 0 else "", name, f"{probability:.4f}"]
        for path, named in zip(pictures, best, strict=True)
        for place, (name, probability) in enumerate(named)
    ]
    write_table(["picture", "class", "probability"], rows)


def print_summary(network: str, shape: tuple[int, ...], classes: int, *, as_json: bool) -> None:
    """Print the table of a network that is named, described in a file, or saved."""
    rows = _rows(network, shape, classes)
    if not as_json:
        sys.stdout.write(f"{summarise(rows)}\n")
        return
    trainable, fixed = sum(row.trainable for row in rows), sum(row.fixed for row in rows)
    layers = [
        {
            "layer": row.name,
            "output_shape": row.printed_shape,
            "parameters": row.trainable + row.fixed,
        }
        for row in rows
    ]
    write_json({"layers": layers, "parameters": trainable + fixed, "trainable": trainable})


def read_settings(path: Path | None) -> Settings:
    """Read the JSON file of --config; unknown keys are refused by name."""
    known = ("network", "train", "augmentation")
    found = read_config(path, known, objects=("train", "augmentation"))
    network = found.get("network")
    if network is not None and not isinstance(network, str | dict):
        raise ConfigError(f"'network' in '{path}' must be a name or an object, got {network!r}.")
    return Settings(network, found.get("train", {}), found.get("augmentation", {}))


def network_config(
    wanted: str | Mapping[str, Any], shape: tuple[int, ...], n_classes: int
) -> ImageConfig:
    """The config of a network that is named or described, for images of `shape`."""
    if isinstance(wanted, str):
        return reference_config(wanted, shape, n_classes)
    return ImageConfig.from_dict({"input_shape": list(shape), **wanted})


def _rows(network: str, shape: tuple[int, ...], classes: int) -> tuple[Row, ...]:
    place = Path(network)
    if place.is_dir():
        return load_classifier(place).network.rows
    if place.suffix == ".json":
        wanted = read_settings(place).network or DEFAULT_NETWORK
        return ImageNetwork(network_config(wanted, shape, classes)).rows
    return ImageNetwork(reference_config(network, shape, classes)).rows


def _read(data: Path, part: str, *, channels: int, size: tuple[int, ...] | None) -> ImageSet:
    parts: dict[str, Part] = {"train": "train", "test": "test"}
    if part not in parts:
        raise ConfigError(f"--part must be train or test, got {part!r}.")
    picture_size = None if size is None else (size[0], size[1])
    return read_images(data, parts[part], channels=channels, size=picture_size)


def _size(classifier: ImageClassifier) -> tuple[int, int] | None:
    """Rows and columns the model reads; None where they are free."""
    shape = classifier.config.input_shape
    rows, columns = (shape[0], shape[1]) if len(shape) == 3 else (None, None)
    return None if rows is None or columns is None else (rows, columns)


def _pictures(
    classifier: ImageClassifier, pictures: Sequence[Path], *, resize: bool
) -> list[NDArray[np.uint8]]:
    wanted = _size(classifier)
    images = []
    for path in pictures:
        image = read_picture(path, classifier.config.channels, wanted if resize else None)
        if wanted is not None and image.shape[:2] != wanted:
            raise ConfigError(
                f"'{path}' has {image.shape[0]} x {image.shape[1]} pixels; the model reads "
                f"{wanted[0]} x {wanted[1]}. Give that size or --resize."
            )
        images.append(image)
    return images


def _draw(images: Sequence[NDArray[np.uint8]], names: Sequence[str], path: Path) -> None:
    if len({image.shape for image in images}) > 1:
        raise ConfigError("--plot draws pictures of one size. Give --resize or one picture.")
    plot_images(np.stack(images), names).savefig(path)


def _described(images: ImageSet, held_back: ImageSet | None) -> str:
    size = " x ".join(map(str, images.shape))
    aside = "" if held_back is None else f", {len(held_back):,} more held back"
    return f"{len(images):,} images of {size}, {len(images.class_names)} classes{aside}."


def _tell(classifier: ImageClassifier, out: Path, *, as_json: bool, quiet: bool) -> None:
    if as_json:
        write_json({"model": str(out), "manifest": classifier.manifest})
    else:
        for entry in classifier.manifest["history"]:
            parts = [f"step {entry['step']:,}", f"loss {entry['loss']:.4f}"]
            names = ("accuracy", "score", "validation_accuracy")
            parts += [f"{name} {entry[name]:.4f}" for name in names if entry.get(name) is not None]
            sys.stdout.write(", ".join(parts).replace("score", "validation") + "\n")
    command = shlex.join(["tcn", "images", "predict", "PICTURE", "--model", str(out)])
    say(f"Model: {out}. To use it: {command}", quiet=quiet)

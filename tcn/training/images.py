"""fit_images: labelled images in, a classifier out, by the loop that trains all networks."""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from tcn.classifier import ImageClassifier
from tcn.config import Config, Precision, require_choice, require_float, require_int
from tcn.images import Augmentation, ImageSet, augment, standardise, to_tensor
from tcn.models.image import ImageConfig, ImageNetwork, network_inputs
from tcn.models.precision import autocast, number_format
from tcn.training.digest import add_arrays
from tcn.training.fresh import fresh
from tcn.training.image_checks import effective, require_fit, require_same_classes
from tcn.training.loop import LoopSettings, Progress, Report, Task, train
from tcn.training.moments import RunningMoments, resting_biases

ScheduleName = Literal["constant", "cosine"]

MAX_BATCH_SIZE = 65_536
MOMENT_BATCHES = 100
NO_CLIP = 1e30


@dataclass(frozen=True)
class ImageTrainConfig(Config):
    """How to train on images; the defaults are the setting of the source documents.

    epochs: passes over the images, each with every image once. learning_rate, beta1, beta2: of
    Adam. schedule: "cosine" rises over a tenth of the steps and falls to zero. weight_decay: of
    matrices and kernels, decoupled. label_smoothing: share of the target spread over all classes.
    average: decay of a moving average of weights, 0 for none. clip: largest norm of gradients, None
    for any. patience: epochs without a better validation loss before stopping, None for never.
    seed: of weights, order, dropout and augmentation.
    """

    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 5e-4
    beta1: float = 0.9
    beta2: float = 0.999
    schedule: ScheduleName = "constant"
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    average: float = 0.0
    clip: float | None = None
    patience: int | None = None
    precision: Precision = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        require_int("epochs", self.epochs, 0, 100_000)
        require_int("batch_size", self.batch_size, 1, MAX_BATCH_SIZE)
        require_float("learning_rate", self.learning_rate, 1e-8, 10.0)
        require_float("beta1", self.beta1, 0.0, 0.9999)
        require_float("beta2", self.beta2, 0.0, 0.99999)
        require_choice("schedule", self.schedule, ScheduleName)
        require_float("weight_decay", self.weight_decay, 0.0, 1.0)
        require_float("label_smoothing", self.label_smoothing, 0.0, 0.9)
        require_float("average", self.average, 0.0, 0.99999)
        if self.clip is not None:
            require_float("clip", self.clip, 1e-6, 1e6)
        if self.patience is not None:
            require_int("patience", self.patience, 1, 100_000)
        require_choice("precision", self.precision, Precision)
        require_int("seed", self.seed, 0, 2**31 - 1)


class ImageBatch(NamedTuple):
    """Network inputs (N, C, ...) and labels (N,)."""

    inputs: Tensor
    labels: Tensor


class Measured(NamedTuple):
    """Mean loss and share of right answers."""

    loss: float
    accuracy: float


class ImageBatches:
    """Batches by step number: each epoch is a permutation, its last batch may be smaller.

    A batch depends on the seed and its step alone.
    """

    def __init__(
        self,
        images: ImageSet,
        config: ImageConfig,
        batch_size: int,
        seed: int,
        augmentation: Augmentation | None = None,
    ) -> None:
        self.images = images
        self.config = config
        self.batch_size = batch_size
        self.seed = seed
        self.augmentation = augmentation
        self._order: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, np.int64))

    @property
    def steps_per_epoch(self) -> int:
        """ceil(images / batch_size): no image is left out."""
        return -(-len(self.images) // self.batch_size)

    def rows(self, step: int) -> NDArray[np.int64]:
        """Which images the batch of a step holds."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if self._order[0] != epoch:
            order = np.random.default_rng([self.seed, epoch]).permutation(len(self.images))
            self._order = (epoch, order)
        first = place * self.batch_size
        return self._order[1][first : first + self.batch_size]

    def __call__(self, step: int) -> ImageBatch:
        rows = self.rows(step)
        labels = torch.from_numpy(self.images.labels[rows])
        if self.augmentation is None:
            return ImageBatch(network_inputs(self.config, self.images.images[rows]), labels)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        pixels = augment(to_tensor(self.images.images[rows]), self.augmentation, generator)
        inputs = standardise(pixels, self.config.pixel_mean, self.config.pixel_std)
        if inputs.ndim == 4:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        return ImageBatch(inputs, labels)


def fit_images(
    images: ImageSet,
    config: ImageConfig,
    train_config: ImageTrainConfig | None = None,
    *,
    validation: ImageSet | None = None,
    augmentation: Augmentation | None = None,
    directory: Path | str | None = None,
    progress: Report | None = None,
    name: str = "model",
) -> ImageClassifier:
    """Train a classifier by softmax cross-entropy and Adam.

    With `validation` images the weights of the epoch with the smallest validation loss are kept,
    otherwise the last ones. augmentation: of the training images. directory: where the run keeps
    its state, so that it goes on after an interruption. progress: receives dictionaries with step,
    steps, loss, accuracy (of training, in the course of the epoch) and with validation score and
    validation_accuracy.

    Raises ConfigError where images and config do not fit, DataError where there are no images.
    """
    settings = train_config or ImageTrainConfig()
    augmentation = effective(augmentation, config)
    network = fresh_network(config, settings.seed)
    require_fit(network, config, images, "The images")
    if validation is not None:
        require_fit(network, config, validation, "The validation images")
        require_same_classes(images, validation)
    batches = ImageBatches(images, config, settings.batch_size, settings.seed, augmentation)
    history = _History()
    moments = RunningMoments(network)
    task = _task(network, moments, batches, settings, validation, history)
    where = None if directory is None else Path(directory)
    loop = _loop_settings(network, batches, settings, validation)
    with resting_biases(network):
        done = train(network, task, loop, where, history.reporting(progress))
    _settle(network, moments, batches, settings, done)
    return ImageClassifier(
        config=config,
        network=network.eval(),
        class_names=images.class_names,
        name=name,
        manifest=_manifest(images, validation, settings, augmentation, done, history),
    )


def fresh_network(config: ImageConfig, seed: int) -> ImageNetwork:
    """A network whose weights follow the seed."""
    return fresh(lambda: ImageNetwork(config), seed)


def measure(
    network: ImageNetwork, config: ImageConfig, images: ImageSet, batch_size: int = 500
) -> Measured:
    """Mean cross-entropy and accuracy over all images; the network must be in eval mode."""
    loss, right = 0.0, 0
    with torch.inference_mode():
        for first in range(0, len(images), batch_size):
            part = images.take(slice(first, first + batch_size))
            labels = torch.from_numpy(part.labels)
            logits = network.logits(network_inputs(config, part.images))
            loss += float(functional.cross_entropy(logits, labels, reduction="sum"))
            right += int((logits.argmax(dim=1) == labels).sum())
    return Measured(loss / len(images), right / len(images))


class _History:
    """Accuracies of this run, by the step of their evaluation; they go into its history."""

    def __init__(self) -> None:
        self.right = 0
        self.seen = 0
        self.validation_accuracy: float | None = None
        self.by_step: dict[int, dict[str, float]] = {}

    def add(self, logits: Tensor, labels: Tensor) -> None:
        self.right += int((logits.detach().argmax(dim=1) == labels).sum())
        self.seen += len(labels)

    def reporting(self, progress: Report | None) -> Report:
        def report(entry: dict[str, Any]) -> None:
            found = {"accuracy": self.right / max(self.seen, 1)}
            if self.validation_accuracy is not None:
                found["validation_accuracy"] = self.validation_accuracy
            self.right = self.seen = 0
            self.by_step[entry["step"]] = found
            if progress is not None:
                progress({**entry, **found})

        return report

    def merged(self, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**entry, **self.by_step.get(entry["step"], {})} for entry in entries]


def _task(
    network: ImageNetwork,
    moments: RunningMoments,
    batches: ImageBatches,
    settings: ImageTrainConfig,
    validation: ImageSet | None,
    history: _History,
) -> Task[ImageBatch]:
    dtype = number_format(settings.precision)
    device = torch.device("cpu")

    def loss_of(batch: ImageBatch) -> Tensor:
        moments.prepare()
        with autocast(device, dtype):
            logits = network.logits(batch.inputs)
        logits = logits.float()
        history.add(logits, batch.labels)
        return functional.cross_entropy(
            logits, batch.labels, label_smoothing=settings.label_smoothing
        )

    def score() -> float:
        assert validation is not None
        found = measure(network, batches.config, validation)
        history.validation_accuracy = found.accuracy
        return found.loss

    return Task(batches, loss_of, None if validation is None else score)


def _loop_settings(
    network: ImageNetwork,
    batches: ImageBatches,
    settings: ImageTrainConfig,
    validation: ImageSet | None,
) -> LoopSettings:
    per_epoch = batches.steps_per_epoch
    steps = per_epoch * settings.epochs
    return LoopSettings(
        steps=steps,
        learning_rate=_schedule(settings, steps),
        evaluate_every=per_epoch,
        patience=settings.patience or settings.epochs + 1,
        clip=settings.clip or NO_CLIP,
        weight_decay=settings.weight_decay,
        betas=(settings.beta1, settings.beta2),
        average=settings.average,
        seed=settings.seed,
        fingerprint=_fingerprint(network, batches, settings, validation),
    )


def _schedule(settings: ImageTrainConfig, steps: int) -> Callable[[int], float]:
    peak = settings.learning_rate
    if settings.schedule == "constant":
        return lambda _step: peak
    rise = max(steps // 10, 1)

    def cosine(step: int) -> float:
        if step < rise:
            return peak * (step + 1) / rise
        return peak * 0.5 * (1.0 + math.cos(math.pi * (step - rise) / max(steps - rise, 1)))

    return cosine


def _settle(
    network: ImageNetwork,
    moments: RunningMoments,
    batches: ImageBatches,
    settings: ImageTrainConfig,
    done: Progress,
) -> None:
    """Leave running moments that belong to the weights that were kept.

    Those of the last step fit the last weights, none the first ones; for any others they are
    measured anew.
    """
    moments.restore()
    kept = done.step if done.best_score is None else done.best_step
    is_last = settings.average == 0.0 and kept == done.step
    if moments.norms and not is_last:
        steps = range(min(batches.steps_per_epoch, MOMENT_BATCHES) if kept > 0 else 0)
        moments.measure(network, (batches(step).inputs for step in steps))


def _fingerprint(
    network: ImageNetwork,
    batches: ImageBatches,
    settings: ImageTrainConfig,
    validation: ImageSet | None,
) -> str:
    """Hash of all that decides the steps: first weights, images, labels and settings."""
    digest = hashlib.sha256()
    add_arrays(digest, (value.detach().numpy() for value in network.state_dict().values()))
    for part in (batches.images, validation):
        if part is not None:
            add_arrays(digest, (part.images, part.labels))
    change = None if batches.augmentation is None else batches.augmentation.to_dict()
    plain = [batches.config.to_dict(), settings.to_dict(), change]
    digest.update(json.dumps(plain).encode())
    return digest.hexdigest()


def _manifest(
    images: ImageSet,
    validation: ImageSet | None,
    settings: ImageTrainConfig,
    augmentation: Augmentation | None,
    done: Progress,
    history: _History,
) -> dict[str, Any]:
    return {
        "n_images": len(images),
        "n_validation_images": 0 if validation is None else len(validation),
        "train": settings.to_dict(),
        "augmentation": None if augmentation is None else augmentation.to_dict(),
        "steps": done.step,
        "best_step": done.step if done.best_score is None else done.best_step,
        "validation_loss": done.best_score,
        "history": history.merged(done.history),
    }

"""How often a classifier is right: loss, accuracy, per class, and what it takes for what."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from tcn.classifier import ImageClassifier
from tcn.errors import DataError
from tcn.images import ImageSet


@dataclass(frozen=True, eq=False)
class ImageScores:
    """Result of an evaluation.

    loss: mean cross-entropy, in nats. accuracy: share of right answers. confusion: (K, K) counts,
    a row for each true class, a column for each answer.
    """

    loss: float
    accuracy: float
    confusion: NDArray[np.int64]
    class_names: tuple[str, ...]

    @property
    def per_class(self) -> dict[str, float]:
        """Share of right answers for each class; NaN where there is no image of it."""
        counts = self.confusion.sum(axis=1)
        right = np.divide(
            self.confusion.diagonal(), counts, out=np.full(len(counts), np.nan), where=counts > 0
        )
        return dict(zip(self.class_names, right.tolist(), strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as JSON-ready values."""
        return {
            "n_images": int(self.confusion.sum()),
            "loss": self.loss,
            "accuracy": self.accuracy,
            "per_class": self.per_class,
            "confusion": self.confusion.tolist(),
        }


def evaluate_images(
    classifier: ImageClassifier, images: ImageSet, *, batch_size: int = 256
) -> ImageScores:
    """Compare a classifier's answers with the labels of all images.

    Classes are matched by name: those of `images` must be among the classifier's, unless the set
    names none and counts from "0". Raises DataError for a class the classifier does not know.
    """
    labels = _labels(classifier, images)
    logits = classifier.logits(images.images, batch_size=batch_size)
    loss = functional.cross_entropy(logits, torch.from_numpy(labels))
    n_classes = len(classifier.class_names)
    answers = logits.argmax(dim=1).numpy()
    confusion = np.bincount(labels * n_classes + answers, minlength=n_classes**2)
    return ImageScores(
        loss=float(loss),
        accuracy=float((answers == labels).mean()),
        confusion=confusion.reshape(n_classes, n_classes).astype(np.int64),
        class_names=classifier.class_names,
    )


def _labels(classifier: ImageClassifier, images: ImageSet) -> NDArray[np.int64]:
    """Labels of `images` as the classifier counts its classes."""
    known = {name: index for index, name in enumerate(classifier.class_names)}
    is_unnamed = images.class_names == tuple(map(str, range(len(images.class_names))))
    if is_unnamed and len(images.class_names) <= len(known):
        return images.labels
    unknown = [name for name in images.class_names if name not in known]
    if unknown:
        raise DataError(
            f"The model knows no class {unknown[0]!r}. Its classes: {', '.join(known)!s:.300}."
        )
    return np.array([known[name] for name in images.class_names])[images.labels]

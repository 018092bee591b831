"""ImageClassifier: a network, its config and names of classes. It never trains."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from tcn.errors import ConfigError
from tcn.images import checked_images
from tcn.models.image import ImageConfig, ImageNetwork, network_inputs

MAX_POSITIONS = 2**18  # in a batch, so that memory does not grow with the images


@dataclass(frozen=True, eq=False)
class Classification:
    """Answers for N images: probabilities (N, K), the likeliest label (N,) and names of the K."""

    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The name of the likeliest class of each image."""
        return tuple(self.class_names[label] for label in self.labels)

    def top(self, count: int = 5) -> list[list[tuple[str, float]]]:
        """The `count` likeliest names of each image with their probabilities, best first."""
        order = np.argsort(-self.probabilities, axis=1, kind="stable")[:, :count]
        return [
            [(self.class_names[label], float(row[label])) for label in best]
            for row, best in zip(self.probabilities, order, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class ImageClassifier:
    """Names what is on images.

    class_names: one for each number that the network gives. name: for people. manifest: how the
    network was made, JSON-ready.
    """

    config: ImageConfig
    network: ImageNetwork
    class_names: tuple[str, ...]
    name: str = "model"
    manifest: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.class_names) != self.network.n_outputs:
            raise ConfigError(
                f"The network tells {self.network.n_outputs} classes apart, but there are "
                f"{len(self.class_names)} names."
            )
        self.network.eval()

    def predict(self, images: ArrayLike, *, batch_size: int = 256) -> Classification:
        """Classify images: uint8 (N, rows, columns, channels), or floats for networks of series.

        The answer for an image is the same whatever else is in its batch, to rounding. Raises
        DataError for arrays that are not images, ConfigError for a size the network does not read.
        """
        logits = self.logits(images, batch_size=batch_size)
        probabilities = torch.softmax(logits, dim=1).numpy()
        return Classification(probabilities, logits.argmax(dim=1).numpy(), self.class_names)

    def logits(self, images: ArrayLike, *, batch_size: int = 256) -> Tensor:
        """Scores (N, K) before the softmax, for images as `predict` takes them.

        Large images go in smaller batches than asked for.
        """
        if batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, got {batch_size}.")
        pictures = checked_images(images)
        positions = math.prod(pictures.shape[1:-1])
        size = min(batch_size, max(MAX_POSITIONS // positions, 1))
        with torch.inference_mode():
            parts = [
                self.network.logits(network_inputs(self.config, pictures[i : i + size]))
                for i in range(0, len(pictures), size)
            ]
        return torch.cat(parts)

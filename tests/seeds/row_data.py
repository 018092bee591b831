"""Small generated stand-ins for the image data of the source documents."""

import os
from pathlib import Path

import numpy as np
import pytest

from tcn.images import CIFAR10_CLASSES, ImageSet

COLOURS = np.random.default_rng(5).uniform(30, 220, (10, 3))


def coloured_shapes(count, seed=0, size=12):
    """Ten classes: a bright bar, across or upright, at one of five heights, in a noisy image."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 10
    images = random.integers(0, 120, (count, size, size, 3))
    for image, label in zip(images, labels, strict=True):
        place = 1 + (label % 5) * 2 + random.integers(0, 2)
        bar = image[place, :] if label < 5 else image[:, place]
        bar += 110
    order = random.permutation(count)
    return ImageSet.from_arrays(
        np.clip(images, 0, 255).astype(np.uint8)[order], labels[order], CIFAR10_CLASSES
    )


def development_data():
    """Folder of the image archives, for tests that need the real ones."""
    place = os.environ.get("TCN_DATA")
    if place is None or not (Path(place) / "images").is_dir():
        pytest.skip("TCN_DATA is not set")
    return Path(place) / "images"

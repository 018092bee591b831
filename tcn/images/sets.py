"""Labelled images as arrays, and batches of them as tensors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from tcn.errors import DataError

CIFAR10_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
MAX_CLASSES = 65_536


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images with their classes.

    images: (N, rows, columns, channels) of uint8, or (N, length, channels) of float32 for series.
    labels: (N,) int64, indices into class_names.
    """

    images: NDArray[Any]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]

    @classmethod
    def from_arrays(
        cls, images: ArrayLike, labels: ArrayLike, class_names: Sequence[str] | None = None
    ) -> Self:
        """Check arrays of images and labels; names are "0", "1", ... unless given.

        images: whole numbers from 0 to 255, (N, rows, columns) for grey ones or (N, rows, columns,
        channels); or series as floats, (N, length, channels). labels: indices, (N,) or (N, 1).
        Raises DataError that names the shape, dtype or value that is wrong.
        """
        pictures = checked_images(images)
        indices = _checked_labels(labels, len(pictures))
        highest = int(indices.max(initial=0))
        if class_names is None:
            class_names = [str(index) for index in range(highest + 1)]
        names = tuple(str(name) for name in class_names)
        if len(set(names)) != len(names):
            raise DataError(f"class_names has a name twice: {names!r:.200}.")
        if highest >= len(names):
            raise DataError(
                f"The labels go up to {highest}, but there are {len(names)} class names; "
                f"give {highest + 1}."
            )
        return cls(pictures, indices, names)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image: (rows, columns, channels), or (length, channels)."""
        return tuple(self.images.shape[1:])

    def take(self, indices: NDArray[np.int64] | slice) -> "ImageSet":
        """Return some of the images."""
        return ImageSet(self.images[indices], self.labels[indices], self.class_names)

    def split(self, share: float, seed: int = 0) -> tuple["ImageSet", "ImageSet"]:
        """Most of the images, and a random `share` of each class held back.

        A class with too few images for that stays whole in the first part.
        """
        if not 0.0 < share < 1.0:
            raise DataError(f"The share held back must be between 0 and 1, got {share}.")
        order = np.random.default_rng(seed).permutation(len(self))
        held = np.zeros(len(self), dtype=bool)
        for label in range(len(self.class_names)):
            members = order[self.labels[order] == label]
            held[members[: int(share * len(members) + 0.5)]] = True
        if held.all() or not held.any():
            raise DataError(
                f"A share of {share:g} of {len(self)} images leaves one part empty. Give more "
                "images or another share."
            )
        return self.take(np.flatnonzero(~held)), self.take(np.flatnonzero(held))


def checked_images(images: ArrayLike) -> NDArray[Any]:
    """Images as `ImageSet` holds them; DataError says what is wrong with others."""
    array = np.asarray(images)
    if array.dtype.kind == "f":
        return _checked_series(array)
    if array.dtype.kind not in "iu":
        raise DataError(
            f"Images must be whole numbers from 0 to 255 (uint8), got dtype {array.dtype}."
        )
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or 0 in array.shape:
        raise DataError(
            "Images must have the shape (number, rows, columns) or (number, rows, columns, "
            f"channels), none of them zero; got {tuple(np.shape(images))}."
        )
    if array.dtype != np.uint8:
        low, high = int(array.min()), int(array.max())
        if low < 0 or high > 255:
            raise DataError(f"Pixels must be from 0 to 255, got {low} to {high}.")
    return array.astype(np.uint8, copy=False)


def to_tensor(images: NDArray[Any]) -> Tensor:
    """Pixels from 0 to 1 in float32: (N, rows, columns, C) of uint8 to (N, C, rows, columns).

    The tensor is channels last in memory. Series (N, length, C) of floats keep their values.

    >>> to_tensor(np.full((1, 2, 2, 3), 255, np.uint8)).shape
    torch.Size([1, 3, 2, 2])
    """
    array = torch.from_numpy(np.ascontiguousarray(images))
    pixels = array.float() / 255.0 if images.dtype == np.uint8 else array.float()
    return pixels.movedim(-1, 1)


def to_images(pixels: Tensor) -> NDArray[np.uint8]:
    """The inverse of `to_tensor`: pixels from 0 to 1, rounded and cut, as uint8."""
    scaled = (pixels.detach().movedim(1, -1) * 255.0).round().clamp(0.0, 255.0)
    images: NDArray[np.uint8] = scaled.to(torch.uint8).contiguous().numpy()
    return images


def standardise(pixels: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Subtract the mean and divide by the standard deviation of each channel.

    Mean and std 0.5 make pixels from -1 to 1. Shape: (N, C, ...) in and out.
    """
    if tuple(mean) == (0.0,) and tuple(std) == (1.0,):
        return pixels
    shape = (1, -1, *(1,) * (pixels.ndim - 2))
    return (pixels - pixels.new_tensor(mean).view(shape)) / pixels.new_tensor(std).view(shape)


def channel_statistics(images: NDArray[Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and (biased) standard deviation of each channel, of pixels from 0 to 1."""
    unit = 255.0 if images.dtype == np.uint8 else 1.0
    flat = images.reshape(-1, images.shape[-1])
    mean = flat.mean(axis=0, dtype=np.float64) / unit
    square = np.stack([np.square(column / unit, dtype=np.float64).mean() for column in flat.T])
    std = np.sqrt(np.maximum(square - mean**2, 1e-12))
    return tuple(mean.tolist()), tuple(np.maximum(std, 1e-6).tolist())


def one_hot(labels: int | NDArray[np.int64] | Sequence[int], n_classes: int) -> Tensor:
    """A one at the place of each label, zeros elsewhere: (..., n_classes) float32.

    >>> one_hot(3, 10).tolist()
    [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    indices = torch.as_tensor(labels, dtype=torch.int64)
    if indices.numel() and not 0 <= int(indices.min()) <= int(indices.max()) < n_classes:
        raise DataError(f"Labels must be from 0 to {n_classes - 1}, got {labels!r:.80}.")
    return torch.nn.functional.one_hot(indices, n_classes).float()


def _checked_series(array: NDArray[Any]) -> NDArray[Any]:
    if array.ndim != 3 or 0 in array.shape:
        raise DataError(
            "Floats are read as series of shape (number, length, channels); got "
            f"{tuple(array.shape)}. Give images as whole numbers from 0 to 255 (uint8)."
        )
    if not np.isfinite(array).all():
        raise DataError("The series have NaN or infinite values. Fill or remove them.")
    return array.astype(np.float32, copy=False)


def _checked_labels(labels: ArrayLike, count: int) -> NDArray[np.int64]:
    array = np.asarray(labels)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.shape != (count,):
        raise DataError(
            f"There must be one label for each of {count} images, got labels of shape "
            f"{tuple(np.shape(labels))}."
        )
    if array.dtype.kind not in "iu":
        raise DataError(f"Labels must be class indices (whole numbers), got {array.dtype}.")
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= MAX_CLASSES:
        raise DataError(f"Labels must be from 0 to {MAX_CLASSES - 1:,}, got {low} to {high}.")
    return array.astype(np.int64)

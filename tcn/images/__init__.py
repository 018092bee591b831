"""Images as arrays and tensors: reading, scaling, augmentation, pictures of them."""

from tcn.images.augmentation import Augmentation, augment
from tcn.images.pictures import decode_picture, read_picture
from tcn.images.plot import plot_images
from tcn.images.reading import read_images
from tcn.images.sets import (
    CIFAR10_CLASSES,
    ImageSet,
    channel_statistics,
    checked_images,
    one_hot,
    standardise,
    to_images,
    to_tensor,
)

__all__ = [
    "CIFAR10_CLASSES",
    "Augmentation",
    "ImageSet",
    "augment",
    "channel_statistics",
    "checked_images",
    "decode_picture",
    "one_hot",
    "plot_images",
    "read_images",
    "read_picture",
    "standardise",
    "to_images",
    "to_tensor",
]

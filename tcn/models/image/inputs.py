"""From arrays of images to what an image network reads."""

from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from tcn.images import standardise, to_tensor
from tcn.models.image.config import ImageConfig


def network_inputs(config: ImageConfig, images: NDArray[Any]) -> Tensor:
    """Pixels as the config wants them: (N, rows, columns, C) to (N, C, rows, columns) float32."""
    return standardise(to_tensor(images), config.pixel_mean, config.pixel_std)

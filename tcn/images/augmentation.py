"""Random changes of training images that leave their class alone."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from tcn.config import Config, require_float
from tcn.errors import ConfigError


@dataclass(frozen=True)
class Augmentation(Config):
    """How far training images are changed at most; zero leaves them alone.

    zoom: 0.1 is 0.9 to 1.1 times the size; a series is stretched in time. tilt: degrees to either
    side. shift: share of the size along each axis, in whole pixels unless zoom or tilt interpolate
    anyway. flip: mirror every second image, left for right. contrast: 0.2 multiplies by 0.8 to 1.2.
    jitter: standard deviation of noise on every pixel.
    """

    zoom: float = 0.0
    tilt: float = 0.0
    shift: float = 0.0
    flip: bool = False
    contrast: float = 0.0
    jitter: float = 0.0

    def __post_init__(self) -> None:
        require_float("zoom", self.zoom, 0.0, 0.9)
        require_float("tilt", self.tilt, 0.0, 180.0)
        require_float("shift", self.shift, 0.0, 0.9)
        if not isinstance(self.flip, bool):
            raise ConfigError(f"flip must be true or false, got {self.flip!r}.")
        require_float("contrast", self.contrast, 0.0, 1.0)
        require_float("jitter", self.jitter, 0.0, 10.0)

    @property
    def moves(self) -> bool:
        """Whether pixels change their place."""
        return self.flip or max(self.zoom, self.tilt, self.shift) > 0.0


def augment(x: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Change each image of a batch in its own way; the same generator state gives the same batch.

    What comes in from outside the image is its mirror. Shape in and out: (N, C, H, W), (N, C, L).
    Raises ConfigError for a tilt of series.
    """
    if x.ndim == 3 and augmentation.tilt > 0.0:
        raise ConfigError("A series cannot be tilted. Leave tilt at 0.")
    if augmentation.moves:
        x = _moved(x, augmentation, generator)
    size = (len(x), *(1,) * (x.ndim - 1))
    if augmentation.contrast > 0.0:
        x = x * (1.0 + augmentation.contrast * _uniform(size, generator))
    if augmentation.jitter > 0.0:
        x = x + augmentation.jitter * torch.randn(x.shape, generator=generator)
    return x


def _moved(x: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    images = x.unsqueeze(2) if x.ndim == 3 else x
    grid = functional.affine_grid(
        _maps(images, augmentation, generator), list(images.shape), align_corners=False
    )
    moved = functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    return moved.squeeze(2) if x.ndim == 3 else moved


def _maps(images: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """For each image, where the pixels of the new one are taken from, (N, 2, 3).

    Coordinates go from -1 to 1 over the columns (x) and rows (y).
    """
    n, _, rows, columns = images.shape
    draws = [_uniform((n,), generator) for _ in range(4)]
    size = 1.0 / (1.0 + augmentation.zoom * draws[0])
    angle = math.radians(augmentation.tilt) * draws[1]
    right = _offset(draws[2], columns, augmentation)
    down = _offset(draws[3], rows, augmentation) if rows > 1 else torch.zeros(n)
    mirror = torch.ones(n)
    if augmentation.flip:
        mirror = 1.0 - 2.0 * torch.randint(0, 2, (n,), generator=generator)
    cosine, sine = torch.cos(angle) * size, torch.sin(angle) * size
    if rows == 1:
        vertical = torch.zeros(n), torch.ones(n), torch.zeros(n)
    else:
        vertical = mirror * sine * columns / rows, cosine, down
    horizontal = mirror * cosine, -sine * rows / columns, right
    return torch.stack([torch.stack(horizontal, dim=1), torch.stack(vertical, dim=1)], dim=1)


def _offset(draw: Tensor, size: int, augmentation: Augmentation) -> Tensor:
    """Shift in coordinates; whole pixels, so that nothing is blurred, unless it is anyway."""
    pixels = draw * augmentation.shift * size
    if augmentation.zoom == 0.0 and augmentation.tilt == 0.0:
        pixels = pixels.round()
    return 2.0 * pixels / size


def _uniform(size: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return 2.0 * torch.rand(size, generator=generator) - 1.0

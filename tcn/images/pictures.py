"""Decoding PNG and JPEG; sizes are checked before anything is decoded.

Pictures may come from anywhere: no other formats, no animations, no more than `MAX_PIXELS`.
"""

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tcn.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg")
MAX_PIXELS = 2**24
MAX_BYTES = 2**25
MODES = {1: "L", 3: "RGB"}

_READABLE = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "I;16")


def read_picture(
    path: Path, channels: int, size: tuple[int, int] | None = None
) -> NDArray[np.uint8]:
    """Decode the picture in a file; as `decode_picture`."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DataError(f"Cannot read '{path}': {error.strerror or error}.") from None
    return decode_picture(data, channels, size, name=f"'{path}'")


def decode_picture(
    data: bytes,
    channels: int,
    size: tuple[int, int] | None = None,
    *,
    max_pixels: int = MAX_PIXELS,
    name: str = "The picture",
) -> NDArray[np.uint8]:
    """Decode PNG or JPEG bytes to (rows, columns, channels).

    channels: 1 for grey, 3 for red, green and blue; transparency is dropped. size: resize to these
    rows and columns. Raises DataError for anything else than one whole picture of at most
    `max_pixels`, before it is decoded.
    """
    if channels not in MODES:
        raise DataError(f"Pictures have 1 or 3 channels; the network reads {channels}.")
    if len(data) > MAX_BYTES:
        raise DataError(f"{name} has more than {MAX_BYTES:,} bytes, which is the most allowed.")
    picture = _opened(data, name)
    _require_plain(picture, min(max_pixels, MAX_PIXELS), name)
    try:
        return _pixels(picture, channels, size)
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise DataError(f"{name} is damaged: {str(error).rstrip('.')}.") from None


def _opened(data: bytes, name: str) -> Any:
    """The picture with its header read and no pixel decoded."""
    try:
        from PIL import Image
    except ImportError:
        raise DataError(
            "Reading pictures needs pillow. Install it: pip install 'tcn-forecast[images]'."
        ) from None
    try:
        return Image.open(io.BytesIO(data), formats=("PNG", "JPEG"))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(f"{name} has more than {MAX_PIXELS:,} pixels, the most allowed.") from None
    except (OSError, SyntaxError, ValueError, EOFError):
        raise DataError(f"{name} is not a PNG or JPEG picture.") from None


def _require_plain(picture: Any, max_pixels: int, name: str) -> None:
    columns, rows = picture.size
    if rows * columns > max_pixels:
        raise DataError(
            f"{name} has {rows:,} x {columns:,} pixels; at most {max_pixels:,} are allowed."
        )
    if getattr(picture, "is_animated", False) and picture.format != "MPO":
        raise DataError(f"{name} is an animation. Give one picture.")
    if picture.mode not in _READABLE:
        raise DataError(
            f"{name} has colours of kind {picture.mode}. Save it as grey or RGB and try again."
        )


def _pixels(picture: Any, channels: int, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps

    upright = ImageOps.exif_transpose(picture)
    if upright.mode == "I;16":
        upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
    plain = upright.convert(MODES[channels])
    if size is not None and plain.size != (size[1], size[0]):
        plain = plain.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    pixels = np.array(plain, dtype=np.uint8)
    return pixels[..., None] if channels == 1 else pixels

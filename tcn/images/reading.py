"""Image sets from files: arrays in one .npz, or folders of pictures named by class."""

import zipfile
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tcn.errors import DataError
from tcn.images.pictures import SUFFIXES, read_picture
from tcn.images.sets import MAX_CLASSES, ImageSet

Part = Literal["train", "test"]

_ARRAYS = (("x", "y"), ("images", "labels"))
_NAMES = ("class_names", "classes")


def read_images(
    path: Path | str,
    part: Part = "train",
    *,
    channels: int = 3,
    size: tuple[int, int] | None = None,
) -> ImageSet:
    """Read a .npz file, or a folder with one folder of PNG or JPEG files for each class.

    part: which of x_train, y_train and x_test, y_test of a file, or of the folders `train` and
    `test`; where there is but one part, it is read. channels, size: of pictures (arrays have
    theirs); without a size all pictures must have the same. Raises DataError that names the file.
    """
    place = Path(path)
    if place.is_dir():
        return _read_folder(place, part, channels, size)
    if not place.exists():
        raise DataError(f"There is no '{place}'. Give a .npz file or a folder of class folders.")
    if place.suffix.lower() != ".npz":
        raise DataError(f"'{place}' is not a .npz file and not a folder of class folders.")
    return _read_arrays(place, part)


def _read_arrays(path: Path, part: Part) -> ImageSet:
    try:
        with np.load(path, allow_pickle=False) as archive:
            keys = set(archive.files)
            x, y = _keys(path, keys, part)
            names = next((archive[name] for name in _NAMES if name in keys), None)
            images, labels = archive[x], archive[y]
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"'{path}' cannot be read as arrays: {error}.") from None
    try:
        return ImageSet.from_arrays(images, labels, None if names is None else names.tolist())
    except DataError as error:
        raise DataError(f"'{path}', arrays {x!r} and {y!r}: {error}") from None


def _keys(path: Path, keys: set[str], part: Part) -> tuple[str, str]:
    for x, y in ((f"x_{part}", f"y_{part}"), *_ARRAYS):
        if x in keys and y in keys:
            return x, y
    raise DataError(
        f"'{path}' has the arrays {', '.join(sorted(keys)) or 'none'}. Name them x_{part} and "
        f"y_{part}, or x and y."
    )


def _read_folder(path: Path, part: Part, channels: int, size: tuple[int, int] | None) -> ImageSet:
    folders = _folders(path)
    if {folder.name for folder in folders} & {"train", "test"}:
        folders = _folders(path / part)
    if not folders or len(folders) > MAX_CLASSES:
        raise DataError(
            f"'{path}' has {len(folders)} class folders; give 1 to {MAX_CLASSES:,}, each with the "
            "pictures of one class."
        )
    images: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    for label, folder in enumerate(folders):
        files = _pictures(folder)
        images += [_sized(file, channels, size, images) for file in files]
        labels += [label] * len(files)
    return ImageSet.from_arrays(
        np.stack(images), np.array(labels), [folder.name for folder in folders]
    )


def _folders(path: Path) -> list[Path]:
    if not path.is_dir():
        raise DataError(f"There is no folder '{path}'.")
    return sorted(item for item in path.iterdir() if item.is_dir() and item.name[0] != ".")


def _pictures(folder: Path) -> list[Path]:
    files = sorted(item for item in folder.iterdir() if item.suffix.lower() in SUFFIXES)
    if not files:
        raise DataError(f"'{folder}' holds no picture ({', '.join(SUFFIXES)}).")
    return files


def _sized(
    file: Path,
    channels: int,
    size: tuple[int, int] | None,
    before: list[NDArray[np.uint8]],
) -> NDArray[np.uint8]:
    picture = read_picture(file, channels, size)
    if before and picture.shape != before[0].shape:
        rows, columns, _ = before[0].shape
        raise DataError(
            f"'{file}' has {picture.shape[0]} x {picture.shape[1]} pixels, the pictures before it "
            f"{rows} x {columns}. Give a size to which all are brought."
        )
    return picture

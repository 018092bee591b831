"""What a request to classify images must look like, and its answer.

Sizes are checked before anything is decoded: a picture that the network does not read as it is, or
that has more pixels than a request may have, is refused by its header.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import Problem, Report, kind_of
from service.schemas import MODEL_NAME, refuse_unknown
from service.settings import Settings
from tcn.classifier import ImageClassifier
from tcn.errors import TcnError
from tcn.images import decode_picture

BATCH_SIZE = 16
KEYS = frozenset({"model", "images"})
_NUMBERS = frozenset({int, float})


def model_of(value: object) -> str:
    """Return the name of a model, or refuse what is none."""
    if not isinstance(value, str) or not MODEL_NAME.fullmatch(value):
        raise Problem(422, f"#/model: must be the name of an image model, got {kind_of(value)}.")
    return value


def parse_images(body: Any, settings: Settings) -> tuple[str, NDArray[Any]]:
    """Return the name of the model and the images of a JSON body."""
    if not isinstance(body, dict):
        raise Problem(422, f"The body must be an object, got {kind_of(body)}.")
    report = Report()
    refuse_unknown(body, KEYS, (), report)
    report.raise_if_any()
    name, images = model_of(body.get("model")), body.get("images")
    if not isinstance(images, list) or not images:
        raise Problem(422, f"#/images: must be a list of images, got {kind_of(images)}.")
    if not _has_only_numbers(images):
        raise Problem(422, "#/images: every pixel must be a number, or a list of numbers.")
    try:
        array = np.asarray(images)
    except ValueError:
        raise Problem(422, "#/images: the images must all have the same size.") from None
    if array.size > settings.max_points:
        raise Problem(422, f"#/images: at most {settings.max_points:,} values are allowed.")
    return name, array


def _has_only_numbers(images: list[Any]) -> bool:
    """Whether nested lists hold numbers alone; text would become an array of any size."""
    pending = [images]
    while pending:
        item = pending.pop()
        kinds = set(map(type, item))
        if kinds == {list}:
            pending.extend(item)
        elif not kinds <= _NUMBERS:
            return False
    return True


def decode_upload(data: bytes, classifier: ImageClassifier, settings: Settings) -> NDArray[Any]:
    """Return the picture of an upload as one image. Raises `Problem` 422."""
    config = classifier.config
    if config.is_series:
        raise Problem(422, "This model reads series. Send them as JSON.")
    rows, columns = config.input_shape[:2]
    pixels = settings.max_image_pixels
    if rows is not None and columns is not None:
        pixels = rows * columns
    most = min(settings.max_points // config.channels, pixels)
    try:
        return decode_picture(data, config.channels, max_pixels=most)[None]
    except TcnError as error:
        raise Problem(422, str(error)) from None


def refuse_large(images: NDArray[Any], classifier: ImageClassifier, settings: Settings) -> None:
    """Refuse images that are larger than a network which reads any size should read."""
    pixels = math.prod(images.shape[1:3])
    if None in classifier.config.input_shape[:-1] and pixels > settings.max_image_pixels:
        raise Problem(
            422,
            f"#/images: an image may have {settings.max_image_pixels:,} pixels (max_image_pixels),"
            f" got {pixels:,}. Scale it down.",
        )


def classify(model: str, classifier: ImageClassifier, images: NDArray[Any]) -> dict[str, Any]:
    """Return the answer for images (N, rows, columns, channels). Raises `Problem` 422."""
    try:
        found = classifier.predict(images, batch_size=BATCH_SIZE)
    except TcnError as error:
        raise Problem(422, str(error)) from None
    return {
        "model": model,
        "classes": list(found.class_names),
        "predictions": [
            {"name": name, "probability": float(row.max()), "probabilities": row}
            for name, row in zip(found.names, found.probabilities, strict=True)
        ],
    }

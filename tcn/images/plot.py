"""Pictures of images with their titles."""

import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tcn.errors import ConfigError, DataError

MAX_SHOWN = 100


def plot_images(
    images: NDArray[np.uint8],
    predicted: Sequence[str] | None = None,
    actual: Sequence[str] | None = None,
    *,
    n_columns: int = 5,
) -> Any:
    """Draw images (N, rows, columns, channels) with predicted and true classes: a Figure.

    Needs matplotlib, and no display. At most `MAX_SHOWN` images; a wrong prediction is red.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError("Plots need matplotlib. Install it: pip install 'tcn-forecast[plot]'.")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise DataError(f"Only grey and RGB images are drawn, got the shape {images.shape}.")
    shown = min(len(images), MAX_SHOWN)
    columns = min(n_columns, shown)
    rows = -(-shown // columns)
    figure = Figure(figsize=(2.0 * columns, 2.4 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    for index in range(shown):
        axes = figure.add_subplot(rows, columns, index + 1)
        axes.imshow(images[index].squeeze(-1) if images.shape[-1] == 1 else images[index], "gray")
        axes.set_axis_off()
        is_wrong = (
            predicted is not None and actual is not None and predicted[index] != actual[index]
        )
        axes.set_title(
            _title(index, predicted, actual), fontsize=8, color="red" if is_wrong else "black"
        )
    return figure


def _title(index: int, predicted: Sequence[str] | None, actual: Sequence[str] | None) -> str:
    lines = [] if predicted is None else [f"predicted {predicted[index]}"]
    if actual is not None:
        lines.append(f"actual {actual[index]}")
    return "\n".join(lines)

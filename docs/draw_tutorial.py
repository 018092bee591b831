"""Draw the pictures of tutorial.md.

python docs/draw_tutorial.py [FOLDER]       by default docs/images

Needs matplotlib, and no display.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from numpy.typing import NDArray
from torch import nn

from tcn.images import ImageSet, plot_images
from tcn.layers import CausalConv1d, Conv2d, StreamSequential, dilation_cycles
from tcn.layers.shapes import axis_padding
from tcn.models.image import ImageConfig, ImageNetwork
from tcn.training.images import ImageTrainConfig, fit_images

BLUE, ORANGE, GREEN, RED, GREY = "#2f6db3", "#e08a1e", "#3a9a5b", "#c8443c", "#9aa0a6"
PALE = {BLUE: "#d6e4f4", ORANGE: "#fae3c3", GREEN: "#d3eddb", RED: "#f6d5d2"}
DPI = 110


def convolution() -> Figure:
    """An image with edges, a kernel that finds them, and its answers."""
    image = np.full((12, 14), 0.15)
    image[6:, :] = 0.55
    image[3:9, 4:10] = 0.95
    kernel = np.array([[-1.0, -1, -1], [0, 0, 0], [1, 1, 1]])
    conv = Conv2d(1, 1, 3, padding="valid", bias=False)
    conv.weight.data = torch.from_numpy(kernel).float().reshape(1, 1, 3, 3)
    answer = conv(torch.from_numpy(image).float()[None, None])[0, 0].detach().numpy()
    figure, (left, middle, right) = _row((9.0, 3.1), [14, 5, 14])
    left.imshow(image, "gray", vmin=0, vmax=1)
    left.add_patch(Rectangle((3.5, 1.5), 3, 3, fill=False, edgecolor=ORANGE, linewidth=2.5))
    left.set_title("image, 12 x 14")
    _numbers(middle, kernel, lambda value: {1.0: GREEN, -1.0: RED}.get(value, BLUE))
    middle.set_title("kernel")
    shown = right.imshow(answer, "RdBu_r", vmin=-2.5, vmax=2.5)
    right.add_patch(Rectangle((3.5, 1.5), 1, 1, fill=False, edgecolor=ORANGE, linewidth=2.5))
    right.set_title("answers, 10 x 12")
    figure.colorbar(shown, ax=right, shrink=0.75)
    for axes in (left, middle, right):
        _bare(axes)
    return figure


def padding() -> Figure:
    """Which inputs each output of a row reads."""
    cases = [("valid", 1), ("same", 1), ("same", 2), ("causal", 1)]
    figure, rows = _column((7.6, 5.6), len(cases))
    n, kernel = 7, 3
    for axes, (rule, stride) in zip(rows, cases, strict=True):
        before, after = axis_padding(n, kernel, stride, rule, 1)
        outputs = (n + before + after - kernel) // stride + 1
        for place in range(-before, n + after):
            inside = 0 <= place < n
            _box(axes, place, 0, BLUE if inside else None, str(place + 1) if inside else "0")
        for index in range(outputs):
            centre = index * stride - before + (kernel - 1 if rule == "causal" else kernel // 2)
            _box(axes, centre, 1.7, ORANGE, "")
            for tap in range(kernel):
                start = index * stride - before + tap
                axes.plot([start, centre], [0.36, 1.34], color=GREY, linewidth=0.9, zorder=0)
        axes.set_xlim(-4.4, n + 1.6)
        axes.set_ylim(-0.5, 2.2)
        word = f"{rule}\nstride {stride}\n{outputs} outputs"
        axes.text(-4.3, 0.85, word, va="center", fontsize=10)
        _bare(axes)
    rows[0].text(n + 0.3, 1.7, "outputs", color=ORANGE, va="center")
    rows[0].text(n + 0.3, 0.0, "inputs", color=BLUE, va="center")
    return figure


def transposed() -> Figure:
    """Each input puts a scaled copy of the kernel into the output."""
    x, kernel = np.array([[1.0, 0], [2, 3]]), np.array([[2.0, 3], [4, 5]])
    colours = [BLUE, GREEN, ORANGE, RED]
    figure, (left, middle, right) = _row((8.4, 3.2), [2, 2, 4])
    _numbers(left, x, lambda value: colours[[1.0, 0.0, 2.0, 3.0].index(value)])
    left.set_title("input")
    _numbers(middle, kernel, lambda _value: None)
    middle.set_title("kernel")
    block = np.kron(x, kernel)
    for row in range(4):
        for column in range(4):
            _box(
                right,
                column,
                row,
                colours[2 * (row // 2) + column // 2],
                f"{block[row, column]:g}",
                1.0,
            )
    right.set_xlim(-0.6, 3.6)
    right.set_ylim(3.6, -0.6)
    right.set_aspect("equal")
    right.set_title("output, stride 2")
    for axes in (left, middle, right):
        _bare(axes)
    return figure


def pooling() -> Figure:
    """The largest value of each window of 2 x 2."""
    values = np.random.default_rng(1).integers(0, 10, (6, 6)).astype(float)
    pool = ImageNetwork(ImageConfig((6, 6, 1), [{"type": "max_pool", "size": 2}]))
    largest = pool(torch.from_numpy(values).float()[None, None])[0, 0].numpy()
    figure, (left, right) = _row((7.0, 3.6), [6, 3])
    colours = [BLUE, ORANGE, GREEN, RED]
    for axes, table, size in ((left, values, 2), (right, largest, 1)):
        rows, columns = table.shape
        for row in range(rows):
            for column in range(columns):
                colour = colours[(row // size % 2) * 2 + column // size % 2]
                is_kept = size == 1 or table[row, column] == largest[row // 2, column // 2]
                _box(axes, column, row, colour if is_kept else None, f"{table[row, column]:g}", 1.0)
        axes.set_xlim(-0.6, columns - 0.4)
        axes.set_ylim(rows - 0.4, -0.6)
        axes.set_aspect("equal")
        _bare(axes)
    for edge in (1.5, 3.5):
        left.axhline(edge, color="black", linewidth=1.6)
        left.axvline(edge, color="black", linewidth=1.6)
    left.set_title("6 x 6")
    right.set_title("3 x 3")
    return figure


def shapes() -> Figure:
    """Crosses and rings, and what a network makes of them; those it was not trained on."""
    known, test = _crosses_and_rings(600, 0), _crosses_and_rings(10, 1)
    norm_relu = [{"type": "batch_norm"}, {"type": "relu"}]
    layers = [
        {"type": "conv", "channels": 8, "stride": 2},
        *norm_relu,
        {"type": "conv", "channels": 16, "stride": 2},
        *norm_relu,
        {"type": "global_pool", "pool": "max"},
        {"type": "dense", "units": 2, "activation": "softmax"},
    ]
    settings = ImageTrainConfig(epochs=4, batch_size=16, learning_rate=5e-3)
    classifier = fit_images(known, ImageConfig((16, 16, 1), layers), settings)
    answers = classifier.predict(test.images)
    actual = [test.class_names[label] for label in test.labels]
    return plot_images(test.images, list(answers.names), actual)


def causality() -> Figure:
    """A change of the input from one step on, and where the outputs change."""
    torch.manual_seed(4)  # noqa: TID251 - the weights of a picture
    x = torch.sin(torch.arange(50) / 4)[None, None]
    changed = x.clone()
    changed[..., 25:] += 0.8
    networks: dict[str, nn.Module] = {
        "same": ImageNetwork(
            ImageConfig((50, 1), [{"type": "conv", "channels": 1, "kernel_size": 15}])
        ),
        "causal": CausalConv1d(1, 1, 15, bias=False),
    }
    figure, rows = _column((7.6, 5.0), 3)
    rows[0].plot(changed[0, 0], color=RED, label="changed from step 25 on")
    rows[0].plot(x[0, 0], color=BLUE, label="input")
    for axes, (name, network) in zip(rows[1:], networks.items(), strict=True):
        with torch.no_grad():
            before, after = (network(v)[0, 0] for v in (x, changed))
        moved = (before - after).abs() > 1e-6
        first = int(moved.nonzero()[0])
        axes.plot(after, color=RED)
        axes.plot(before, color=BLUE, label=f"output, padding {name!r}")
        axes.axvspan(first, 49, color=PALE[RED], zorder=0, label=f"changes from step {first} on")
    for axes in rows:
        axes.axvline(25, color="black", linewidth=1, linestyle=":")
        axes.legend(loc="lower left", fontsize=8, frameon=True)
        axes.set_xlim(0, 49)
        axes.set_yticks([])
    rows[-1].set_xlabel("step")
    return figure


def dilation() -> Figure:
    """The inputs that the newest output of four dilated layers reads, by its gradient."""
    dilations, length = dilation_cycles(4), 20
    figure, (axes,) = _row((8.6, 3.6), [1])
    wanted = {length - 1}
    for level in range(len(dilations), 0, -1):
        step = dilations[level - 1]
        below = set()
        for place in range(length):
            for start in (place, place - step):
                if start < 0:
                    continue
                is_read = place in wanted
                axes.plot(
                    [start, place],
                    [level - 1, level],
                    color=ORANGE if is_read else "#e6e8ea",
                    linewidth=1.6 if is_read else 0.7,
                    zorder=1 if is_read else 0,
                )
                if is_read:
                    below.add(start)
        _dots(axes, level, length, wanted)
        wanted = below
    _dots(axes, 0, length, wanted)
    layers = [CausalConv1d(1, 1, 2, d) for d in dilations]
    assert len(wanted) == StreamSequential(layers).receptive_field
    axes.set_yticks(range(5), ["input", *(f"dilation {d}" for d in dilations)])
    axes.set_xticks([])
    axes.set_xlabel("time, the newest step at the right")
    for side in axes.spines.values():
        side.set_visible(False)
    axes.tick_params(length=0)
    return figure


def blocks() -> Figure:
    """A gated block with its skip, and a plain residual block."""
    figure, (left, right) = _row((9.0, 5.0), [5, 4])
    _wavenet(left)
    _residual(right)
    for axes in (left, right):
        axes.set_xlim(0, 10)
        axes.set_ylim(-0.6, 11.7)
        _bare(axes)
    return figure


PICTURES = {
    "convolution": convolution,
    "padding": padding,
    "transposed": transposed,
    "pooling": pooling,
    "shapes": shapes,
    "causality": causality,
    "dilation": dilation,
    "blocks": blocks,
}


def draw_all(folder: Path) -> list[Path]:
    """Write every picture to `folder`; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, draw in PICTURES.items():
        figure = draw()
        FigureCanvasAgg(figure)
        paths.append(folder / f"tutorial_{name}.png")
        figure.savefig(paths[-1], dpi=DPI, metadata={"Software": None})
    return paths


def _wavenet(axes: Axes) -> None:
    axes.set_title("gated block (WaveNet)")
    _arrow(axes, (5, -0.5), (5, 0.9))
    _step(axes, 5, 1.5, "causal convolution, dilation d", BLUE, 7.0)
    for x, name, colour in ((3.2, "tanh", GREEN), (6.8, "sigmoid", ORANGE)):
        _arrow(axes, (x, 2.1), (x, 3.2))
        _step(axes, x, 3.7, name, colour, 2.6)
        _arrow(axes, (x, 4.2), (4.6 if x < 5 else 5.4, 5.1))
    _circle(axes, 5, 5.4, "x")
    _arrow(axes, (5, 5.8), (5, 6.7))
    _step(axes, 5, 7.2, "1 x 1", BLUE, 2.2)
    _arrow(axes, (5, 7.7), (5, 8.5))
    _circle(axes, 5, 8.9, "+")
    _arrow(axes, (5, 9.3), (5, 10.1))
    axes.plot([5, 0.7, 0.7, 4.6], [0.1, 0.1, 8.9, 8.9], color=GREY, linewidth=1.4)
    axes.text(0.4, 4.6, "x", rotation=90, va="center", ha="center", color=GREY)
    axes.plot([5, 8.9], [6.25, 6.25], color=GREY, linewidth=1.4)
    _arrow(axes, (8.9, 6.25), (8.9, 6.7))
    _step(axes, 8.9, 7.2, "1 x 1", BLUE, 2.0)
    _arrow(axes, (8.9, 7.7), (8.9, 9.2))
    axes.text(8.9, 9.6, "skip", ha="center", va="center")


def _residual(axes: Axes) -> None:
    axes.set_title("residual block (TCN)")
    _arrow(axes, (5.6, -0.5), (5.6, 0.6))
    bottom = 1.1
    for _ in range(2):
        _step(axes, 5.6, bottom, "causal convolution, d", BLUE, 7.4)
        _step(axes, 5.6, bottom + 1.25, "ReLU", GREEN, 7.4)
        _step(axes, 5.6, bottom + 2.5, "dropout", ORANGE, 7.4)
        bottom += 3.7
    _arrow(axes, (5.6, 7.8), (5.6, 8.5))
    _circle(axes, 5.6, 8.9, "+")
    _arrow(axes, (5.6, 9.3), (5.6, 9.9))
    _step(axes, 5.6, 10.4, "ReLU", GREEN, 7.4)
    _arrow(axes, (5.6, 10.9), (5.6, 11.6))
    axes.plot([5.6, 0.9, 0.9, 5.2], [0.1, 0.1, 8.9, 8.9], color=GREY, linewidth=1.4)
    axes.text(0.5, 4.6, "x, or 1 x 1 of x", rotation=90, va="center", ha="center", color=GREY)


def _crosses_and_rings(count: int, seed: int) -> ImageSet:
    random = np.random.default_rng(seed)
    grid = np.abs(np.indices((7, 7)) - 3)
    drawn = [grid[0] == grid[1], np.isin((grid**2).sum(0), (8, 9, 10))]
    images, labels = random.normal(60, 25, (count, 16, 16, 1)), np.arange(count) % 2
    places = random.integers(0, 10, (count, 2))
    for image, label, (row, column) in zip(images, labels, places, strict=True):
        image[row : row + 7, column : column + 7, 0] += 110 * drawn[label]
    return ImageSet.from_arrays(images.clip(0, 255).astype(np.uint8), labels, ["cross", "ring"])


def _row(size: tuple[float, float], widths: list[int]) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(1, len(widths), width_ratios=widths, squeeze=False)
    return figure, list(axes[0])


def _column(size: tuple[float, float], count: int) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=size, layout="constrained")
    return figure, list(figure.subplots(count, 1, squeeze=False)[:, 0])


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)


def _numbers(axes: Axes, table: NDArray[np.float64], colour_of: Any) -> None:
    rows, columns = table.shape
    for row in range(rows):
        for column in range(columns):
            value = float(table[row, column])
            _box(axes, column, row, colour_of(value), f"{value:g}", 1.0)
    axes.set_xlim(-0.6, columns - 0.4)
    axes.set_ylim(rows - 0.4, -0.6)
    axes.set_aspect("equal")


def _box(axes: Axes, x: float, y: float, colour: str | None, text: str, size: float = 0.72) -> None:
    """A square with a number; without a colour a pale one."""
    face = "#f1f2f3" if colour is None else PALE[colour]
    edge = GREY if colour is None else colour
    corner = (x - size / 2, y - size / 2)
    axes.add_patch(Rectangle(corner, size, size, facecolor=face, edgecolor=edge, linewidth=1.2))
    tone = GREY if colour is None else "black"
    axes.text(x, y, text, ha="center", va="center", fontsize=10, color=tone)


def _dots(axes: Axes, level: int, length: int, read: set[int]) -> None:
    colours = [ORANGE if place in read else "#d0d4d8" for place in range(length)]
    axes.scatter(range(length), [level] * length, c=colours, s=42, zorder=2)


def _step(axes: Axes, x: float, y: float, text: str, colour: str, width: float) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - 0.45),
            width,
            0.9,
            boxstyle="round,pad=0.02,rounding_size=0.15",
            facecolor=PALE[colour],
            edgecolor=colour,
            linewidth=1.3,
        )
    )
    axes.text(x, y, text, ha="center", va="center", fontsize=10)


def _circle(axes: Axes, x: float, y: float, text: str) -> None:
    axes.scatter([x], [y], s=330, facecolor="white", edgecolor="black", linewidth=1.3, zorder=3)
    axes.text(x, y - 0.05, text, ha="center", va="center", fontsize=12, zorder=4)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.add_patch(
        FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=11, color=GREY, linewidth=1.4)
    )


if __name__ == "__main__":
    draw_all(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "images")

"""Pictures of the synthetic series that pretraining draws: one for each family, one of the mixture.

python -m benchmarks.prior_gallery [--out docs/images] [--seed 0]
"""

import argparse
import io
from pathlib import Path

import numpy as np

from tcn.pretraining.prior import FAMILIES, sample_series
from tcn.pretraining.prior.families import Traits

LENGTHS = (40, 168, 512)  # years, months or days, hours
CYCLES = ((1, 1, 4, 4), (7, 12, 12, 1), (24, 24, 48, 7))
INK = "#2a5bd7"


def family_rows(family, seed: int) -> list[np.ndarray]:
    """Four series of each of LENGTHS, with the cycles CYCLES."""
    rng = np.random.default_rng(seed)
    rows = []
    for length, cycles in zip(LENGTHS, CYCLES, strict=True):
        growth = np.where(np.array(cycles) == 1, 0.4, 0.1) / np.sqrt(cycles)
        rows += list(family(rng, Traits(np.array(cycles), growth), length))
    return rows


def mixture_rows(seed: int) -> list[np.ndarray]:
    """The same lengths from the whole prior, disturbances and gaps included."""
    rng = np.random.default_rng(seed)
    return [row for length in LENGTHS for row in sample_series(rng, 4, length).values]


def draw(rows: list[np.ndarray], path: Path) -> None:
    """Twelve small charts, three rows of four, without axes: shapes are what counts."""
    from matplotlib.figure import Figure
    from PIL import Image

    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    axes = figure.subplots(3, 4)
    for axis, values in zip(axes.flat, rows, strict=True):
        axis.plot(values, color=INK, linewidth=0.8)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_color("#cccccc")
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=80)
    Image.open(buffer).convert("RGB").quantize(16).save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for family in FAMILIES:
        draw(family_rows(family, options.seed), options.out / f"prior_{family.__name__}.png")
    draw(mixture_rows(options.seed), options.out / "prior_mixture.png")


if __name__ == "__main__":
    main()

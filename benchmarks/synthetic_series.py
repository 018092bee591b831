"""How well does a forecaster do on hourly, daily, weekly and long series it was not shaped on?

    python -m benchmarks.synthetic_series [--model zero] [--peers] [--seeds 0 1 2]

The series come from synforecast 0.2.0 (pip install synforecast==0.2.0), whose generators share no
code with those that pretraining uses, so a prior fitted to the eight tasks of `zero_shot` shows
here. Each task holds back the last part of its series:

    hourly    m = 24, 500 to 1,000 points, 48 steps      half-hourly  m = 48, the same
    daily     m = 7, 150 to 800 points, 28 steps         ten minutes  m = 144, 1,000 points, 144
    weekly    m = 52, 150 to 400 points, 13 steps        long         m = 24, 1,000 points, 480

Ratios to seasonal naive as in `zero_shot`, the mean over seeds and the standard deviation between.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.fracast_peer import fracast
from benchmarks.zero_shot import LEVELS, Predict, geometric_mean
from tcn.checkpoint import load
from tcn.evaluation import baselines, metrics
from tcn.evaluation.metrics import seasonal_error
from tcn.evaluation.statistical import auto_theta
from tcn.series import Panel


@dataclass(frozen=True)
class Kind:
    """Series of one frequency: lengths before the steps held back, and how many of each pool."""

    freq: str
    season_length: int
    shortest: int
    longest: int
    horizon: int


KINDS = {
    "hourly": Kind("h", 24, 500, 1000, 48),
    "half-hourly": Kind("30min", 48, 500, 1000, 48),
    "ten minutes": Kind("10min", 144, 1000, 1000, 144),
    "daily": Kind("D", 7, 150, 800, 28),
    "weekly": Kind("W", 52, 150, 400, 13),
    "long": Kind("h", 24, 1000, 1000, 480),
}
N_SERIES = 120


def synthetic_panel(kind: Kind, seed: int) -> tuple[Panel, np.ndarray]:
    """Histories and what followed, (S, horizon)."""
    from synforecast import generate_series, pretraining_pool, seasonal_pool

    size = {
        "min_length": kind.shortest + kind.horizon,
        "max_length": kind.longest + kind.horizon,
        "freq": kind.freq,
        "seed": seed,
        "seasonal_period": kind.season_length,
    }
    pool = [*pretraining_pool(**size), *seasonal_pool(**size)]
    frame = generate_series(
        N_SERIES,
        freq=kind.freq,
        min_length=size["min_length"],
        max_length=size["max_length"],
        generators=pool,
        seed=seed,
    )
    groups = frame.groupby("unique_id", sort=False, observed=True)
    series = [part["y"].to_numpy(np.float64) for _, part in groups]
    kept = [values for values in series if _is_usable(values, kind)]
    panel = Panel.from_arrays(
        [values[: -kind.horizon] for values in kept], season_length=kind.season_length
    )
    return panel, np.stack([values[-kind.horizon :] for values in kept])


def _is_usable(values: np.ndarray, kind: Kind) -> bool:
    """Finite, not enormous, and changing enough that an error can be measured in its changes."""
    error = np.abs(np.diff(values[: -kind.horizon])).mean()
    return bool(np.isfinite(values).all() and error > 1e-9 * max(np.abs(values).max(), 1e-9))


def score(predict: Predict, panel: Panel, actual: np.ndarray, kind: Kind) -> tuple[float, ...]:
    """Geometric means over series of MASE and scaled quantile loss, to seasonal naive; coverage.

    The scale of series differs by many orders of magnitude, so each counts by its own ratio.
    """
    forecast = predict(panel, horizon=kind.horizon, quantile_levels=LEVELS)
    naive = baselines.seasonal_naive(panel, kind.horizon, (0.5,)).mean
    error = np.abs(actual - forecast.quantile(0.5)).mean(axis=1)
    loss = _quantile_loss(actual, forecast.quantiles)
    reference = np.abs(actual - naive).mean(axis=1)
    scale = np.fmax(seasonal_error(panel, kind.season_length), 1e-12)
    floor = 0.01 * scale
    mase = np.log((error + floor) / (reference + floor)).mean()
    wql = np.log((loss + floor) / (reference + floor)).mean()
    covered = metrics.coverage(
        actual=actual, lower=forecast.quantile(0.1), upper=forecast.quantile(0.9)
    )
    return float(np.exp(mase)), float(np.exp(wql)), covered


def _quantile_loss(actual: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """Mean over steps and levels of twice the pinball loss, (S,)."""
    levels = np.array(LEVELS)
    gap = actual[:, :, None] - quantiles
    return (2.0 * np.maximum(levels * gap, (levels - 1.0) * gap)).mean(axis=(1, 2))


def table(predict: Predict, seeds: Sequence[int]) -> dict[str, list[list[float]]]:
    """Figures by task, one row for each seed."""
    return {
        name: [list(score(predict, *synthetic_panel(kind, seed), kind)) for seed in seeds]
        for name, kind in KINDS.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", action="append", help="a name or directory; may be repeated")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--peers", action="store_true", help="run AutoTheta and fracast too (slow)")
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")
    options = parser.parse_args()
    models = options.model or ["zero"]
    contestants: dict[str, Predict] = {name: load(name).predict for name in models}
    if options.peers:
        contestants |= {"AutoTheta": auto_theta, "fracast": fracast()}
    results = {}
    for name, predict in contestants.items():
        results[name] = table(predict, options.seeds)
        for task, rows in results[name].items():
            mean, spread = np.mean(rows, axis=0), np.std(rows, axis=0)
            print(f"{name:12} {task:12} MASE {mean[0]:.3f} ({spread[0]:.3f})", end="  ")
            print(f"WQL {mean[1]:.3f} ({spread[1]:.3f})  80 % covers {mean[2]:.3f}", flush=True)
        for index, label in enumerate(("MASE", "WQL")):
            means = [np.mean(rows, axis=0)[index] for rows in results[name].values()]
            whole = geometric_mean(means)
            print(f"{name:12} all {label} {whole:.3f}", flush=True)
    if options.out:
        options.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()

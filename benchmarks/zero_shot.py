"""How well does a forecaster do on series it was never trained on?

    python -m benchmarks.zero_shot --data FOLDER [--model zero] [--season none] [--peers]

Eight tasks of the M1, M3 and tourism competitions, the last part of every series held back:

    MASE      mean |y - median| by the series' own mean seasonal change, mean over series
    WQL       weighted quantile loss at 0.1 ... 0.9
    coverage  share of points inside the interval from 0.1 to 0.9
    relative  divided by seasonal naive's; the aggregate is the geometric mean over tasks

Seasonal naive must reproduce the published figures, or the script stops: then the tasks differ.
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.development_data import Split, data_folder, read_split
from tcn.checkpoint import load
from tcn.evaluation import baselines, metrics
from tcn.evaluation.statistical import auto_ets, auto_theta
from tcn.series import Forecast

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
SEASONS = {
    "m1_yearly": 1,
    "m1_quarterly": 4,
    "m1_monthly": 12,
    "m3_yearly": 1,
    "m3_quarterly": 4,
    "m3_monthly": 12,
    "tourism_quarterly": 4,
    "tourism_monthly": 12,
}

# MASE and WQL as published with fev 0.6.0, in the order of SEASONS.
PUBLISHED = {
    "SeasonalNaive": (
        (4.894, 0.2093), (2.078, 0.1495), (1.314, 0.1915), (3.172, 0.1665),
        (1.425, 0.1013), (1.146, 0.1485), (1.699, 0.1194), (1.631, 0.1042),
    ),
    "AutoETS": (
        (3.957, 0.1393), (1.661, 0.0847), (1.089, 0.1653), (2.695, 0.1294),
        (1.144, 0.0703), (0.863, 0.0931), (1.599, 0.0706), (1.531, 0.1002),
    ),
    "AutoTheta": (
        (3.659, 0.1373), (1.667, 0.0820), (1.092, 0.1590), (2.610, 0.1277),
        (1.119, 0.0702), (0.855, 0.0947), (1.648, 0.0612), (1.666, 0.0910),
    ),
    "AutoARIMA": (
        (3.486, 0.1328), (1.688, 0.0883), (1.114, 0.1544), (2.890, 0.1558),
        (1.192, 0.0765), (0.875, 0.0981), (1.597, 0.0997), (1.483, 0.0909),
    ),
    "Chronos-Bolt-tiny": (
        (5.137, 0.1601), (1.895, 0.0997), (1.163, 0.1314), (3.368, 0.1516),
        (1.365, 0.0787), (0.874, 0.0944), (2.095, 0.0711), (1.789, 0.1058),
    ),
    "TiRex": (
        (3.703, 0.1312), (1.674, 0.0996), (1.060, 0.1323), (2.710, 0.1264),
        (1.154, 0.0699), (0.831, 0.0899), (1.606, 0.0592), (1.449, 0.0749),
    ),
    "TinyCast": (
        (4.223, 0.155), (1.909, 0.105), (1.170, 0.164), (2.947, 0.127),
        (1.387, 0.080), (0.903, 0.101), (2.071, 0.095), (1.608, 0.098),
    ),
}  # fmt: skip

Predict = Callable[..., Forecast]


@dataclass(frozen=True)
class TaskScore:
    """One task; `relative_*` are ratios to seasonal naive."""

    task: str
    n_series: int
    mase: float
    wql: float
    coverage: float
    relative_mase: float
    relative_wql: float
    seconds: float


@dataclass(frozen=True)
class Score:
    """All tasks, and their geometric means relative to seasonal naive."""

    tasks: tuple[TaskScore, ...]
    mase: float
    wql: float
    coverage: float
    seconds: float

    def __str__(self) -> str:
        """One line for a log."""
        return f"MASE {self.mase:.4f}  WQL {self.wql:.4f}  coverage {self.coverage:.3f}"


def score_zero_shot(
    predict: Predict,
    data_dir: str | Path | None = None,
    *,
    season: str = "given",
    tasks: Sequence[str] = tuple(SEASONS),
) -> Score:
    """Score `predict(panel, horizon=, quantile_levels=) -> Forecast` on the tasks.

    season: "given" (the panel carries the season length) or "none" (bare numbers). The series and
    what depends on them alone are read once a process, so a score costs its predictions.
    """
    if season not in ("given", "none"):
        raise ValueError(f"season must be 'given' or 'none', got {season!r}.")
    folder = data_folder(data_dir)
    scores = tuple(
        score_task(predict, read_split(folder, task, SEASONS[task]), season) for task in tasks
    )
    return Score(
        scores,
        mase=geometric_mean([score.relative_mase for score in scores]),
        wql=geometric_mean([score.relative_wql for score in scores]),
        coverage=float(np.mean([score.coverage for score in scores])),
        seconds=sum(score.seconds for score in scores),
    )


def score_task(predict: Predict, split: Split, season: str = "given") -> TaskScore:
    """Score one task; `season` as in `score_zero_shot`."""
    panel = split.history if season == "given" else replace(split.history, season_length=None)
    begin = time.perf_counter()
    forecast = predict(panel, horizon=split.horizon, quantile_levels=LEVELS)
    seconds = time.perf_counter() - begin
    mase, wql, coverage = _measure(forecast, split)
    published_mase, published_wql = seasonal_naive_figures(split)
    return TaskScore(
        split.name,
        len(split.history),
        mase,
        wql,
        coverage,
        mase / published_mase,
        wql / published_wql,
        seconds,
    )


def seasonal_naive_figures(split: Split) -> tuple[float, float]:
    """MASE and WQL of seasonal naive, all of its quantiles equal to its point forecast."""
    point = baselines.seasonal_naive(split.history, split.horizon, (0.5,)).mean
    mase = metrics.mase(actual=split.actual, mean=point, scale=split.scale)
    equal = np.repeat(point[:, :, None], len(LEVELS), axis=2)
    return mase, metrics.wql(actual=split.actual, quantiles=equal, quantile_levels=LEVELS)


def bootstrap(
    predict: Predict, data_dir: str | Path | None = None, n: int = 1000, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """The 5th and 95th percentile of the aggregate (MASE, WQL), series resampled in each task.

    Ours and seasonal naive are measured on the same resample. The tasks themselves are fixed.
    """
    rng = np.random.default_rng(seed)
    folder = data_folder(data_dir)
    logs = np.zeros((n, 2))
    for task, season_length in SEASONS.items():
        split = read_split(folder, task, season_length)
        ours = predict(split.history, horizon=split.horizon, quantile_levels=LEVELS)
        point = baselines.seasonal_naive(split.history, split.horizon, (0.5,)).mean
        naive = np.repeat(point[:, :, None], len(LEVELS), axis=2)
        errors = np.stack(
            [_errors(ours.quantile(0.5), ours.quantiles, split), _errors(point, naive, split)]
        )
        drawn = rng.integers(0, len(split.history), (n, len(split.history)))
        sums = np.nansum(errors[:, :, drawn], axis=3)  # ours or naive, measure, resample
        logs += np.log(sums[0] / sums[1]).T / len(SEASONS)
    low, high = np.exp(np.quantile(logs, [0.05, 0.95], axis=0))
    return low, high


def _errors(point: np.ndarray, quantiles: np.ndarray, split: Split) -> np.ndarray:
    """Scaled absolute error and quantile loss of each series, (2, S); NaN where it has no scale."""
    levels = np.array(LEVELS)
    gap = split.actual[:, :, None] - quantiles
    loss = np.maximum(levels * gap, (levels - 1.0) * gap).sum(axis=(1, 2))
    scale = np.where(split.scale > 0, split.scale, np.nan)
    return np.stack([np.abs(split.actual - point).mean(axis=1) / scale, loss])


def check_against_published(data_dir: str | Path | None = None) -> None:
    """Stop unless seasonal naive has the published MASE and WQL on every task."""
    folder = data_folder(data_dir)
    for (task, m), published in zip(SEASONS.items(), PUBLISHED["SeasonalNaive"], strict=True):
        found = seasonal_naive_figures(read_split(folder, task, m))
        if abs(found[0] - published[0]) > 1e-3 or abs(found[1] - published[1]) > 1e-4:
            raise SystemExit(
                f"Seasonal naive has MASE {found[0]:.4f} and WQL {found[1]:.5f} on {task}; "
                f"published are {published[0]} and {published[1]}. The data are not the same."
            )


def geometric_mean(values: Sequence[float]) -> float:
    return float(np.exp(np.mean(np.log(values))))


def table(rows: Mapping[str, Score]) -> str:
    """Our rows above the published ones: relative MASE / WQL per task and on the whole."""
    header = [
        "relative MASE/WQL",
        *(task.replace("tourism", "t") for task in SEASONS),
        "all",
        "cov",
    ]
    lines = [_line(header)]
    for name, score in rows.items():
        cells = [f"{s.relative_mase:.3f}/{s.relative_wql:.3f}" for s in score.tasks]
        whole = f"{score.mase:.3f}/{score.wql:.3f}"
        lines.append(_line([name, *cells, whole, f"{score.coverage:.3f}"]))
    naive = PUBLISHED["SeasonalNaive"]
    for name, figures in PUBLISHED.items():
        ratios = [(a / c, b / d) for (a, b), (c, d) in zip(figures, naive, strict=True)]
        whole = "/".join(f"{geometric_mean([r[i] for r in ratios]):.3f}" for i in (0, 1))
        cells = [f"{mase:.3f}/{wql:.3f}" for mase, wql in ratios]
        lines.append(_line([f"{name} (fev 0.6.0)", *cells, whole, ""]))
    return "\n".join(lines)


def _measure(forecast: Forecast, split: Split) -> tuple[float, float, float]:
    actual, quantiles = split.actual, forecast.quantiles
    if not np.isfinite(quantiles).all():
        raise SystemExit(f"The forecast of {split.name} has NaN or infinite quantiles.")
    return (
        metrics.mase(actual=actual, mean=forecast.quantile(0.5), scale=split.scale),
        metrics.wql(actual=actual, quantiles=quantiles, quantile_levels=LEVELS),
        metrics.coverage(actual=actual, lower=forecast.quantile(0.1), upper=forecast.quantile(0.9)),
    )


def _line(cells: Sequence[str]) -> str:
    return cells[0].ljust(28) + "".join(cell.rjust(14) for cell in cells[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder with the series; by default that in TCN_DATA")
    parser.add_argument("--model", action="append", help="a name or directory; may be repeated")
    parser.add_argument("--season", choices=("given", "none", "both"), default="both")
    parser.add_argument("--peers", action="store_true", help="and AutoETS, AutoTheta, fracast")
    parser.add_argument("--intervals", action="store_true", help="resample the series of each task")
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")
    options = parser.parse_args()
    check_against_published(options.data)
    seasons = ("given", "none") if options.season == "both" else (options.season,)
    rows = {"seasonal naive": score_zero_shot(baselines.seasonal_naive, options.data)}
    for name in options.model or ["zero"]:
        forecaster = load(name)
        for season in seasons:
            row = f"{Path(name).name}, season {season}"
            rows[row] = score_zero_shot(forecaster.predict, options.data, season=season)
    if options.peers:
        rows["AutoETS, here"] = score_zero_shot(auto_ets, options.data)
        rows["AutoTheta, here"] = score_zero_shot(auto_theta, options.data)
        from benchmarks.fracast_peer import fracast

        rows["fracast, here"] = score_zero_shot(fracast(), options.data)
    print(table(rows))
    for name in options.model or ["zero"] if options.intervals else []:
        low, high = bootstrap(load(name).predict, options.data)
        print(f"{name}, 90 % of resamples: MASE {low[0]:.3f} to {high[0]:.3f}", end=", ")
        print(f"WQL {low[1]:.3f} to {high[1]:.3f}")
    for name, score in rows.items():
        n_series = sum(task.n_series for task in score.tasks)
        print(f"{name}: {score}, {1000 * score.seconds / n_series:.2f} ms a series")
    if options.out:
        figures = {name: asdict(score) for name, score in rows.items()}
        options.out.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()

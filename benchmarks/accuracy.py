"""How well does a forecaster do on the data it was trained on, with default settings?

    python -m benchmarks.accuracy m3       --data FOLDER [--seeds 0 1 2] [--start zero|none|PATH]
    python -m benchmarks.accuracy tourism  --data FOLDER
    python -m benchmarks.accuracy etth1    --data FOLDER [--horizons 96 192 336 720] [--one-model]

m3 and tourism: the competition's last points of every series are held back; what is printed is MASE
and weighted quantile loss by seasonal naive's, and the share of points in the 80 % interval.

etth1: train, validation and test are rows 0-8640, -11520 and -14400, scaled by mean and standard
deviation of the train rows of each channel. Every test window counts (2785, 2689, 2545, 2161); MSE
and MAE are means over windows, steps and channels. --baselines does the same without training.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import tcn
from benchmarks.development_data import Split, data_folder, read_channels, read_split
from benchmarks.zero_shot import score_task
from tcn.cli.train import FROM_SCRATCH, Settings, configure
from tcn.config import TrainConfig
from tcn.evaluation import baselines
from tcn.forecaster import Forecaster
from tcn.series import Forecast, Panel

Array = NDArray[np.float64]
Predict = Callable[..., Forecast]

COMPETITIONS = {
    "m3": {"m3_monthly": 12},
    "tourism": {"tourism_monthly": 12, "tourism_quarterly": 4},
}
HORIZONS = (96, 192, 336, 720)
DAY = 24
TRAIN_ROWS, VALIDATION_ROWS, TEST_ROWS = 8640, 2880, 2880
LEVELS = (0.1, 0.5, 0.9)
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Fitted:
    forecaster: Forecaster
    minutes: float
    cpu_minutes: float


def fit_default(panel: Panel, horizon: int, season: int, options: argparse.Namespace) -> Fitted:
    """Train as `tcn train` does without --config, for one seed."""
    begin = None if options.start == FROM_SCRATCH else tcn.load(options.start)
    config = configure(Settings(None, {}, {}), begin, horizon, season)
    train = TrainConfig.from_dict({"seed": options.seed} | options.train)
    wall, cpu = time.perf_counter(), time.process_time()
    forecaster = tcn.fit(panel, config, train, start=begin)
    return Fitted(forecaster, (time.perf_counter() - wall) / 60, (time.process_time() - cpu) / 60)


def score_competition(split: Split, options: argparse.Namespace) -> dict[str, Any]:
    """Figures of every seed and their medians."""
    runs = []
    for seed in options.seeds:
        fitted = fit_default(
            split.history, split.horizon, split.season_length, _with(options, seed=seed)
        )
        score = score_task(fitted.forecaster.predict, split)
        run = {
            "seed": seed,
            "mase": score.mase,
            "relative_mase": score.relative_mase,
            "relative_wql": score.relative_wql,
            "coverage": score.coverage,
            "minutes": fitted.minutes,
            "cpu_minutes": fitted.cpu_minutes,
        }
        print(split.name, _text(run), flush=True)
        runs.append(run)
    names = [name for name in runs[0] if name != "seed"]
    median = {name: float(np.median([run[name] for run in runs])) for name in names}
    print(split.name, "median", _text(median))
    return {"runs": runs, "median": median}


@dataclass(frozen=True)
class Channels:
    """Scaled channels (C, rows), train, validation and test rows only."""

    names: tuple[str, ...]
    values: Array

    def panel(self, begin: int, end: int) -> Panel:
        """All channels between two rows."""
        rows = list(self.values[:, begin:end])
        return Panel.from_arrays(rows, ids=self.names, season_length=DAY)


def read_etth1(folder: Path) -> Channels:
    names, values = read_channels(folder, "ETTh1")
    values = values[:, : TRAIN_ROWS + VALIDATION_ROWS + TEST_ROWS]
    train = values[:, :TRAIN_ROWS]
    mean, deviation = train.mean(axis=1, keepdims=True), train.std(axis=1, keepdims=True)
    return Channels(names, (values - mean) / deviation)


def score_windows(
    predict: Predict, data: Channels, horizon: int, context: int, chunk: int = 64
) -> dict[str, float]:
    """MSE and MAE over every test window; predict sees `context` rows before each.

    `mse` and `mae` judge the same forecast, the mean; `mae_of_median` the median.
    """
    first, last = TRAIN_ROWS + VALIDATION_ROWS, data.values.shape[1] - horizon
    sums = np.zeros(4)
    for begin in range(first, last + 1, chunk):
        origins = range(begin, min(begin + chunk, last + 1))
        panel = _windows(data, origins, context)
        forecast = predict(panel, horizon=horizon, quantile_levels=LEVELS)
        actual = np.concatenate([data.values[:, o : o + horizon] for o in origins])
        error = actual - forecast.mean
        low, median, high = (forecast.quantile(level) for level in LEVELS)
        inside = (low <= actual) & (actual <= high)
        parts = (error**2, np.abs(error), np.abs(actual - median), inside)
        sums += [float(part.sum()) for part in parts]
    n_windows = last + 1 - first
    mse, mae, mae_of_median, coverage = sums / (n_windows * horizon * len(data.names))
    return {
        "mse": mse,
        "mae": mae,
        "mae_of_median": mae_of_median,
        "coverage": coverage,
        "windows": n_windows,
    }


def score_etth1(options: argparse.Namespace) -> dict[str, Any]:
    data = read_etth1(data_folder(options.data))
    known = data.panel(0, TRAIN_ROWS + VALIDATION_ROWS)
    official = {"validation_length": VALIDATION_ROWS, "refit": False}  # trained on train rows alone
    trained = _with(options, train=official | options.train)
    runs = []
    for seed in options.seeds:
        run: dict[str, Any] = {"seed": seed}
        shared: Fitted | None = None
        for horizon in sorted(options.horizons, reverse=True):
            if shared is None or not options.one_model:
                shared = fit_default(known, horizon, DAY, _with(trained, seed=seed))
            context = shared.forecaster.config.context_length
            figures = score_windows(shared.forecaster.predict, data, horizon, context)
            run[str(horizon)] = figures | {"minutes": shared.minutes}
            print(f"ETTh1 seed {seed} H={horizon}", _text(run[str(horizon)]), flush=True)
        runs.append(run)
    mean = _means(runs, options.horizons)
    print("ETTh1 mean over horizons and seeds", _text(mean))
    return {"runs": runs, "mean": mean}


def score_etth1_baselines(options: argparse.Namespace) -> dict[str, Any]:
    """Seasonal naive and repeating the last value: floors, and a check of the harness."""
    data = read_etth1(data_folder(options.data))
    results = {}
    for name in ("seasonal_naive", "naive"):
        run = {
            str(horizon): score_windows(baselines.BASELINES[name], data, horizon, 512, chunk=256)
            for horizon in options.horizons
        }
        for horizon, figures in run.items():
            print(f"ETTh1 {name} H={horizon}", _text(figures), flush=True)
        results[name] = run | {"mean": _means([run], options.horizons)}
    return results


def _windows(data: Channels, origins: Sequence[int], context: int) -> Panel:
    begins = [max(0, origin - context) for origin in origins]
    rows = [
        channel[begin:origin]
        for begin, origin in zip(begins, origins, strict=True)
        for channel in data.values
    ]
    return Panel.from_arrays(rows, season_length=DAY)


def _means(runs: Sequence[dict[str, Any]], horizons: Sequence[int]) -> dict[str, float]:
    figures = [run[str(horizon)] for run in runs for horizon in horizons]
    names = ("mse", "mae", "mae_of_median", "coverage")
    return {name: float(np.mean([one[name] for one in figures])) for name in names}


def _with(options: argparse.Namespace, **changes: Any) -> argparse.Namespace:
    return argparse.Namespace(**(vars(options) | changes))


def _text(figures: dict[str, Any]) -> str:
    return "  ".join(
        f"{name} {value:.4f}" if isinstance(value, float) else f"{name} {value}"
        for name, value in figures.items()
    )


def _json_object(text: str) -> dict[str, Any]:
    values = json.loads(text)
    if not isinstance(values, dict):
        raise argparse.ArgumentTypeError("must be a JSON object")
    return values


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=(*COMPETITIONS, "etth1"))
    parser.add_argument("--data", help="folder with the series; by default that in TCN_DATA")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--start", default="zero", help="a model to begin with, or 'none'")
    parser.add_argument("--horizons", type=int, nargs="+", default=list(HORIZONS))
    parser.add_argument("--one-model", action="store_true", help="one ETTh1 model for all horizons")
    parser.add_argument("--baselines", action="store_true", help="ETTh1 baselines, no training")
    parser.add_argument("--train", type=_json_object, default={}, help="TrainConfig fields as JSON")
    parser.add_argument("--out", type=Path, help="by default benchmarks/results/accuracy_TASK.json")
    return parser.parse_args()


def main() -> None:
    options = _arguments()
    if options.task == "etth1":
        result = score_etth1_baselines(options) if options.baselines else score_etth1(options)
        name = "etth1_baselines" if options.baselines else "etth1"
    else:
        folder = data_folder(options.data)
        splits = [read_split(folder, *task) for task in COMPETITIONS[options.task].items()]
        result = {split.name: score_competition(split, options) for split in splits}
        name = options.task
    settings = {
        "start": options.start,
        "train": options.train,
        "seeds": options.seeds,
        "threads": torch.get_num_threads(),
        "version": tcn.__version__,
    }
    out = options.out or RESULTS / f"accuracy_{name}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"settings": settings, "result": result}, indent=2) + "\n")


if __name__ == "__main__":
    main()

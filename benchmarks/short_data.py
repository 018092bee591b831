"""Does fine-tuning on short series beat both random weights and no training at all?

    python -m benchmarks.short_data [--data FOLDER] [--seeds 0 1 2] [--out FILE]

M3 yearly (14 to 41 points a series before the last 6), M3 quarterly (16 to 64 before the last 8),
tourism quarterly (22 to 122) and M1 quarterly (10 to 106), each trained on by `tcn.fit` with
default settings, from `zero` and from random weights, and forecast by `zero` as it is. Figures
relative to seasonal naive, the median over seeds. The default start weighs the trained weights
against `zero`'s on points held back, so it may keep `zero`.
"""

import argparse
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

import tcn
from benchmarks.development_data import Split, data_folder, read_split
from benchmarks.zero_shot import score_task
from tcn.cli.train import Settings, configure
from tcn.config import TrainConfig

TASKS = {"m3_yearly": 1, "m3_quarterly": 4, "tourism_quarterly": 4, "m1_quarterly": 4}
RESULT = Path(__file__).parent / "results" / "short_data.json"


def score(split: Split, start: str | None, seed: int) -> dict[str, float]:
    """Train once and score the last points of every series."""
    begin = None if start is None else tcn.load(start)
    config = configure(Settings(None, {}, {}), begin, split.horizon, split.season_length)
    cpu = time.process_time()
    forecaster = tcn.fit(split.history, config, TrainConfig(seed=seed), start=begin)
    minutes = (time.process_time() - cpu) / 60
    return _figures(split, forecaster.predict) | {"cpu_minutes": minutes}


def compare(split: Split, seeds: list[int]) -> dict[str, Any]:
    """Medians over seeds of the three ways."""
    untrained = _figures(split, tcn.load("zero").predict)
    ways: dict[str, Any] = {"zero as it is": untrained}
    for name, start in (("from zero", "zero"), ("from random weights", None)):
        runs = [score(split, start, seed) for seed in seeds]
        ways[name] = {key: float(np.median([run[key] for run in runs])) for key in runs[0]}
        ways[name]["all_mase"] = [run["mase"] for run in runs]
    return ways


def _figures(split: Split, predict: Any) -> dict[str, float]:
    found = score_task(predict, split)
    return {"mase": found.relative_mase, "wql": found.relative_wql, "coverage": found.coverage}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder with the series; by default that in TCN_DATA")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    torch.set_num_threads(1)
    report: dict[str, Any] = {"date": datetime.now(UTC).date().isoformat(), "seeds": options.seeds}
    for task, season_length in TASKS.items():
        split = read_split(data_folder(options.data), task, season_length)
        report[task] = compare(split, options.seeds)
        for way, figures in report[task].items():
            print(f"{task:18} {way:20}", end=" ")
            print(f"MASE {figures['mase']:.3f}  WQL {figures['wql']:.3f}", flush=True)
    options.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()

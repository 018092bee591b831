"""How often does the interval of a total over the horizon hold what came?

    python -m benchmarks.totals [--data FOLDER] [--out FILE]

`tcn.sample_paths` with `zero`, which saw nothing of what came: the last horizon of four collections
of the M3 and tourism competitions, 15 horizons before the end of ETTh1 (a day and four days), of
half-hourly demand and of exchange rates, and monthly retail, all together and each series alone.
Beside it what quantiles alone would give: totals of steps that are independent, and of steps that
are all at the same level of their forecast. `steps` is the coverage of single steps.
"""

import argparse
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pyarrow import parquet

import tcn
from benchmarks.development_data import data_folder, read_channels, read_split
from tcn.series import Panel

Array = NDArray[np.float64]
Task = Iterator[tuple[Panel, Array]]  # histories, and what came: (S, H)

COLLECTIONS = {"m3_quarterly": 4, "m3_monthly": 12, "tourism_quarterly": 4, "tourism_monthly": 12}
CHANNELS = {  # file, season length, horizon, points read before each origin
    "etth1, a day": ("ETTh1", 24, 24, 1500),
    "etth1, four days": ("ETTh1", 24, 96, 3000),
    "demand, a day": ("elecdemand", 48, 48, 3000),
    "exchange rates, 30 days": ("exchange_rate", 5, 30, 1500),
}
N_ORIGINS = 15
N_PATHS = 200
RESULT = Path(__file__).parent / "results" / "totals.json"
TAILS = {"0.8": (0.1, 0.9), "0.9": (0.05, 0.95)}


def tasks(folder: Path) -> Iterator[tuple[str, Task]]:
    for name, season_length in COLLECTIONS.items():
        split = read_split(folder, name, season_length)
        yield name, iter([(split.history, split.actual)])
    for name, (file, season_length, horizon, length) in CHANNELS.items():
        values = read_channels(folder, file)[1]
        yield name, _origins(values, season_length, horizon, length)
    table = parquet.read_table(folder / "univariate" / "aus_retail_monthly.parquet")
    panel = Panel.from_frame(table.select(["unique_id", "ds", "y"]), freq="MS")
    history, future = panel.split(12)
    actual = np.stack(list(future))
    yield "retail, all series", iter([(history, actual)])
    yield "retail, each alone", ((history.take([i]), actual[i : i + 1]) for i in range(len(panel)))


def _origins(values: Array, season_length: int, horizon: int, length: int) -> Task:
    for origin in range(N_ORIGINS, 0, -1):
        end = values.shape[1] - origin * horizon
        known = list(values[:, end - length : end])
        panel = Panel.from_arrays(known, season_length=season_length)
        yield panel, values[:, end : end + horizon]


def covered(task: Task) -> dict[str, Any]:
    """Shares of what came inside the intervals, and the pinball loss of totals, by way."""
    predict = tcn.load("zero").predict
    rng = np.random.default_rng(0)
    found: dict[str, list[Array]] = {}
    for panel, actual in task:
        paths = tcn.sample_paths(predict, panel, actual.shape[1], N_PATHS).values
        ways = {
            "paths": paths,
            "independent": rng.permuted(paths, axis=1),
            "together": np.sort(paths, axis=1),
        }
        low, high = np.quantile(paths, (0.1, 0.9), axis=1)
        found.setdefault("steps", []).append((low <= actual) & (actual <= high))
        for way, drawn in ways.items():
            totals, total = drawn.sum(axis=2), actual.sum(axis=1)
            for share, levels in TAILS.items():
                low, high = np.quantile(totals, levels, axis=1)
                found.setdefault(f"{way} {share}", []).append((low <= total) & (total <= high))
            levels = np.arange(0.1, 0.95, 0.1)
            error = total[:, None] - np.quantile(totals, levels, axis=1).T
            loss = np.maximum(levels * error, (levels - 1) * error).mean(axis=1)
            found.setdefault(f"{way} loss", []).append(loss / np.abs(total).mean())
    means = {name: float(np.concatenate(parts).mean()) for name, parts in found.items()}
    return {"n_totals": sum(map(len, found["paths 0.8"])), **means}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder with the series; by default that in TCN_DATA")
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    torch.set_num_threads(1)
    report: dict[str, Any] = {"date": datetime.now(UTC).date().isoformat(), "n_paths": N_PATHS}
    print(f"{'':26}{'totals':>8}{'steps':>8}{'80 %':>8}{'90 %':>8}{'indep.':>8}{'together':>10}")
    for name, task in tasks(data_folder(options.data)):
        report[name] = figures = covered(task)
        shown = ("steps", "paths 0.8", "paths 0.9", "independent 0.8", "together 0.8")
        columns = "".join(f"{figures[column]:8.3f}" for column in shown)
        print(f"{name:26}{figures['n_totals']:8}{columns}", flush=True)
    options.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()

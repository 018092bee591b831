"""How much memory does training on many series take?

    python -m benchmarks.memory [--series 10000] [--points 1000] [--steps 20]

Each contestant is a process of its own that maps the same file of float32 numbers, makes its own
kind of series of them and trains for some steps with batches of 256: darts' TCNModel, and of ours
`tcn.fit` (forecasting network) and the training loop with a network of layers on `PanelWindows`,
the same with the values left in the file. Said is the largest resident memory, and what of it was
there after the imports. Needs darts==0.41.0.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import plain_networks as nets
from benchmarks.side_by_side import processor, write_result

CONTESTANTS = ("darts", "tcn.fit", "loop", "loop, values in a file")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--points", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--only", nargs=2, help="a contestant and the file: what a child does")
    options = parser.parse_args()
    if options.only:
        _child(*options.only, options)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "values.npy"
        _write(path, options.series, options.points)
        sizes = ["--series", options.series, "--points", options.points, "--steps", options.steps]
        found = {
            name: _measured(name, path, list(map(str, sizes)))
            for name in CONTESTANTS
            if name != "darts" or find_spec("darts")
        }
    report: dict[str, Any] = {
        "data_mib": round(options.series * options.points * 4 / 2**20, 1),
        "windows": options.series * (options.points - nets.CONTEXT - nets.HORIZON + 1),
        "peaks": found,
    }
    if "darts" in found:
        report["ours_takes_of_darts"] = {
            name: {key: round(each[key] / found["darts"][key], 2) for key in each}
            for name, each in found.items()
        }
    print(processor(), json.dumps(report, indent=1))
    print(write_result("memory", report, packages=("darts",)))


def _write(path: Path, n_series: int, n_points: int) -> None:
    stored = np.lib.format.open_memmap(path, "w+", np.float32, (n_series, n_points))
    for first in range(0, n_series, 500):
        last = min(first + 500, n_series)
        panel = nets.season_panel(last - first, n_points, seed=first)
        stored[first:last] = panel.values.reshape(-1, n_points)
    stored.flush()


def _measured(name: str, path: Path, sizes: list[str]) -> dict[str, float]:
    arguments = [sys.executable, "-m", "benchmarks.memory", *sizes, "--only", name, str(path)]
    out = subprocess.run(arguments, check=True, capture_output=True, text=True, env=os.environ)
    result: dict[str, float] = json.loads(out.stdout.splitlines()[-1])
    return result


def _child(name: str, path: str, options: argparse.Namespace) -> None:
    """Train as one contestant and print the memory."""
    values = np.load(path, mmap_mode="r")
    if name == "darts":
        import darts.models
    before = _peak_mib()
    with nets.quiet_peers():
        if name == "darts":
            series = [darts.TimeSeries.from_values(row) for row in values]
            nets.darts_model(0.0, max_steps=options.steps).fit(series)
        elif name == "tcn.fit":
            _fit(values, options.steps)
        else:
            _loop(values, options.steps, in_file=name != "loop")
    peak = _peak_mib()
    print(json.dumps({"peak_mib": peak, "above_imports_mib": round(peak - before, 1)}))


def _fit(values: np.ndarray, steps: int) -> None:
    import tcn
    from benchmarks.prediction_speed import SMALL

    panel = tcn.Panel.from_arrays(list(values), season_length=24)
    tcn.fit(
        panel, SMALL, tcn.TrainConfig(max_epochs=1, steps_per_epoch=steps, refit=False), start=None
    )


def _loop(values: np.ndarray, steps: int, *, in_file: bool) -> None:
    import torch

    from tcn.series import Panel
    from tcn.training.panel_windows import PanelWindows

    n_series, n_points = values.shape
    if in_file:
        ids = np.arange(n_series).astype(str)
        offsets = np.arange(n_series + 1) * n_points
        panel = Panel(ids, values.reshape(-1), offsets, np.zeros(n_series, np.int64))
    else:
        panel = Panel.from_arrays(list(values))
    windows = PanelWindows(panel, nets.CONTEXT, nets.HORIZON, batch_size=nets.BATCH)
    nets.our_steps(nets.OnDemandTCN(), windows, steps, torch.float32)


def _peak_mib() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


if __name__ == "__main__":
    main()

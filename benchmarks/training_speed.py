"""How many windows does a training step get through in a second?

    python -m benchmarks.training_speed [--threads 2] [--rounds 5] [--steps 10]

200 series of 1,000 points, context 168, horizon 24, batch 256, 6 levels of 32 channels. Each
contestant trains for a few steps in its own loop, in turns; what counts is the time from one step
to the next, the fetching of the batch included, by callbacks inside their `fit`. The first three
steps of a turn are left out. Needs darts==0.41.0 and neuralforecast==3.2.2; one that is not there
is left out.

darts' TCNModel is the same network (two convolutions a level). neuralforecast's TCN has one
convolution a level and no residual: half the work. Dropout of ours takes whole channels, that of
the others single elements.
"""

import argparse
import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import plain_networks as nets
from benchmarks.side_by_side import gemm_peak, processor, threads, write_result
from tcn.training.panel_windows import PanelWindows

SKIPPED = 3
FLOPS_FULL = 3 * 2 * nets.BATCH * nets.CONTEXT * (11 * nets.KERNEL * nets.CHANNELS**2)

Turn = Callable[[nets.Stopwatch, int], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    difference = nets.require_equal()
    with threads(options.threads), nets.quiet_peers():
        peak = gemm_peak()
        rates = {
            f"dropout {dropout:g}": _rates(_contestants(dropout), options) for dropout in (0.0, 0.2)
        }
        report = {
            "what": "training windows per second of wall time and of CPU time, median steps",
            "threads": options.threads,
            "load_average": round(os.getloadavg()[0], 1),
            "gemm_gflops_float32": peak,
            "gemm_gflops_bfloat16": gemm_peak(torch.bfloat16),
            "on_demand_equals_full_to": difference,
            "full_step_gflop": round(FLOPS_FULL / 1e9, 2),
            "windows_per_s": {name: found["wall"] for name, found in rates.items()},
            "windows_per_cpu_s": {name: found["cpu"] for name, found in rates.items()},
            "windows_per_s_best_tenth": {name: found["best"] for name, found in rates.items()},
            "ratios": {name: _ratios(found["wall"]) for name, found in rates.items()},
            "best_tenth_ratios": {name: _ratios(found["best"]) for name, found in rates.items()},
            "cpu_ratios": {name: _ratios(found["cpu"]) for name, found in rates.items()},
        }
        print(processor(), f"GEMM peak {peak} GFLOP/s")
        name = "training_speed" + ("" if options.threads == 2 else f"_{options.threads}_thread")
        path = write_result(name, report, packages=("darts", "neuralforecast"))
    for name, found in rates.items():
        for contestant, rate in found["wall"].items():
            print(f"{name:<12} {contestant:<24} {rate:>9,.0f} windows/s", end="")
            print(f" {found['cpu'][contestant]:>9,.0f} per CPU second")
        print(f"{name:<12} wall {report['ratios'][name]}")
        print(f"{name:<12} best {report['best_tenth_ratios'][name]}")
        print(f"{name:<12} CPU  {report['cpu_ratios'][name]}")
    print(path)


def _contestants(dropout: float) -> dict[str, Turn]:
    panel = nets.season_panel()
    windows = PanelWindows(panel, nets.CONTEXT, nets.HORIZON, batch_size=nets.BATCH)

    def ours(dtype: torch.dtype) -> Turn:
        def turn(watch: nets.Stopwatch, steps: int) -> None:
            nets.our_steps(nets.OnDemandTCN(dropout), windows, steps, dtype, watch=watch)

        return turn

    turns: dict[str, Turn] = {
        "ours, bfloat16": ours(torch.bfloat16),
        "ours, float32": ours(torch.float32),
        "plain loop": lambda watch, steps: nets.plain_steps(
            nets.FullTCN(dropout), windows, steps, watch
        ),
    }
    frame = nets.frame_of(panel)
    if find_spec("darts"):
        series = nets.darts_series(frame)
        turns["darts TCN"] = lambda watch, steps: _darts(series, dropout, watch, steps)
    if find_spec("neuralforecast") and dropout == 0.0:
        turns["neuralforecast TCN"] = lambda watch, steps: _neuralforecast(frame, watch, steps)
    return turns


def _darts(series: list[Any], dropout: float, watch: nets.Stopwatch, steps: int) -> None:
    callback = nets.ticking_callback(watch.tick)
    nets.darts_model(dropout, callback=callback, max_steps=steps).fit(series)


def _neuralforecast(frame: Any, watch: nets.Stopwatch, steps: int) -> None:
    callback = nets.ticking_callback(watch.tick)
    nets.neuralforecast_model(steps=steps, callback=callback).fit(frame)


def _rates(turns: dict[str, Turn], options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Windows per second of each, by the median step of all turns but the first."""
    taken: dict[str, list[NDArray[np.float64]]] = {name: [] for name in turns}
    names = list(turns)
    for number in range(options.rounds + 1):
        for name in names if number % 2 == 0 else reversed(names):
            watch = nets.Stopwatch()
            turns[name](watch, options.steps)
            if number:
                taken[name].append(watch.intervals(SKIPPED))
    steps = {name: np.concatenate(each) for name, each in taken.items()}
    kinds = {"wall": (0, 0.5), "cpu": (1, 0.5), "best": (0, 0.1)}
    return {
        kind: {
            name: round(nets.BATCH / float(np.quantile(each[:, column], share)), 1)
            for name, each in steps.items()
        }
        for kind, (column, share) in kinds.items()
    }


def _ratios(rates: dict[str, float]) -> dict[str, dict[str, float]]:
    own = [name for name in rates if name.startswith("ours")]
    peers = [name for name in rates if not name.startswith("ours")]
    return {peer: {name: round(rates[name] / rates[peer], 2) for name in own} for peer in peers}


if __name__ == "__main__":
    main()

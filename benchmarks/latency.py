"""How long does one forecast take, and how many series go through in a second?

    python -m benchmarks.latency [--model zero] [--rounds 60]

Arrays in, arrays out, horizon 24, nine quantiles, one process. The contestants take turns, so that
all of them meet the same load of the machine; AutoETS, which fits each series anew, takes a turn in
every tenth round. The medians of CPU time are printed and, with those of wall time and the
processor, written to benchmarks/results/latency.json.

    zero               bare numbers: the season is looked for
    zero, season given  the season length is passed
    fracast            Fracast-0 as its package loads it (pip install fracast==0.1.0)
    AutoETS            statsforecast, season length given, fitting included

A contestant that is not installed is left out, and said to be.
"""

import argparse
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from tcn.checkpoint import load
from tcn.evaluation.statistical import auto_ets
from tcn.forecaster import Forecaster
from tcn.series import Panel

HORIZON = 24
LENGTHS = {115: 12, 512: 24}  # points: season length
N_MANY, MANY_LENGTH, MANY_THREADS = 1000, 300, 2
SLOW = {"AutoETS": 10}  # one turn in so many rounds
WARM_UP = 5
RESULT = Path(__file__).parent / "results" / "latency.json"

Call = Callable[[], object]
Times = dict[str, float | int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="zero")
    parser.add_argument("--rounds", type=int, default=60)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    first, forecaster = _first_forecasts(arguments.model)
    report = {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _processor(),
        "versions": {name: version(name) for name in _packages()},
        "model": forecaster.name,
        "parameters": sum(weight.numel() for weight in forecaster.network.parameters()),
        "first_forecasts_ms": first,
        "one_series": {
            f"{length} points": _race(_contestants(forecaster, length), arguments.rounds)
            for length in LENGTHS
        },
        "many_series": _many(forecaster),
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(report, indent=2) + "\n")
    _print(report)


def season(n_points: int, length: int, seed: int = 0) -> np.ndarray:
    """A season of `length` steps with noise, (n_points,)."""
    noise = np.random.default_rng(seed).normal(size=n_points)
    return 50.0 + 10.0 * np.sin(2.0 * np.pi * np.arange(n_points) / length) + noise


def _contestants(forecaster: Forecaster, n_points: int) -> dict[str, Call]:
    length = LENGTHS[n_points]
    values = season(n_points, length)

    def ours(season_length: int | None = None) -> object:
        panel = Panel.from_arrays([values])
        return forecaster.predict(panel, HORIZON, season_length=season_length).quantiles

    calls: dict[str, Call] = {"zero": ours, "zero, season given": lambda: ours(length)}
    if find_spec("fracast"):
        from fracast import FracastModel

        peer = FracastModel.from_pretrained()
        calls["fracast"] = lambda: peer.forecast(values, horizon=HORIZON)
    if find_spec("statsforecast"):
        panel = Panel.from_arrays([values], season_length=length)
        calls["AutoETS"] = lambda: auto_ets(panel, HORIZON).quantiles
    for name, call in calls.items():
        if not np.isfinite(np.asarray(call())).all():
            raise SystemExit(f"{name} gives no finite forecast of {n_points} points.")
    return calls


def _race(calls: dict[str, Call], rounds: int) -> dict[str, Times]:
    """Medians for each contestant, all taking turns."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for turn in range(rounds + WARM_UP):
        for name, call in calls.items():
            if turn % SLOW.get(name, 1) == 0:
                taken[name].append(_timed(call))
    results: dict[str, Times] = {}
    for name, times in taken.items():
        kept = times[WARM_UP:] if name not in SLOW else times[1:]
        cpu, wall = (sorted(column) for column in zip(*kept, strict=True))
        results[name] = {
            "cpu_ms": round(median(cpu), 3),
            "best_cpu_ms": round(cpu[0], 3),
            "wall_ms": round(median(wall), 3),
            "turns": len(kept),
        }
    return results


def _timed(call: Call) -> tuple[float, float]:
    """CPU and wall time in milliseconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    call()
    return 1e3 * (time.process_time() - cpu), 1e3 * (time.perf_counter() - wall)


def _first_forecasts(model: str) -> tuple[list[float], Forecaster]:
    """CPU time of the first five forecasts after loading, and the forecaster."""
    forecaster = load(model)
    values = season(115, 12)
    times = [
        _timed(lambda: forecaster.predict(Panel.from_arrays([values]), HORIZON))[0]
        for _ in range(5)
    ]
    return [round(each, 2) for each in times], forecaster


def _many(forecaster: Forecaster) -> Times:
    """Series forecast in a second of wall time, and of the CPU time of one thread."""
    arrays = [season(MANY_LENGTH, 12, seed) for seed in range(N_MANY)]
    torch.set_num_threads(MANY_THREADS)
    times = [
        _timed(lambda: forecaster.predict(Panel.from_arrays(arrays), HORIZON)) for _ in range(6)
    ]
    torch.set_num_threads(1)
    cpu, wall = (median(column) for column in zip(*times[1:], strict=True))
    return {
        "series": N_MANY,
        "points": MANY_LENGTH,
        "threads": MANY_THREADS,
        "series_per_s": round(1e3 * N_MANY / wall),
        "series_per_cpu_s": round(1e3 * N_MANY / cpu),
    }


def _packages() -> list[str]:
    return [name for name in ("torch", "numpy", "fracast", "statsforecast") if find_spec(name)]


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    found = dict(line.replace("\t", "").split(":", 1) for line in lines if ":" in line)
    special = [flag for flag in ("avx512_bf16", "amx_bf16") if flag in found["flags"].split()]
    return f"{found['model name'].strip()}, {' '.join(special) or 'no bf16'}"


def _print(report: dict[str, Any]) -> None:
    print(f"{report['processor']}; {report['parameters']:,} parameters; CPU time on one thread")
    print(f"first forecasts after loading: {report['first_forecasts_ms']} ms")
    for length, results in report["one_series"].items():
        own = results["zero"]["cpu_ms"]
        for name, times in results.items():
            ratio = times["cpu_ms"] / own
            print(f"{length:>10}  {name:<18} {times['cpu_ms']:>8.2f} ms  {ratio:>6.1f} x zero's")
    missing = {"fracast", "statsforecast"} - set(report["versions"])
    if missing:
        print(f"not installed: {', '.join(sorted(missing))}")
    many = report["many_series"]
    print(
        f"{many['series']:,} series of {many['points']} points, {many['threads']} threads: "
        f"{many['series_per_s']:,} series/s (wall), {many['series_per_cpu_s']:,} per CPU second"
    )


if __name__ == "__main__":
    main()

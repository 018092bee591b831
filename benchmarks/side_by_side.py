"""Timing of contestants that take turns in one process, and what a result file must say.

Ratios of one run are trusted, milliseconds of different runs are not: a busy machine slows all
contestants of a round alike. A peak of matrix products measured in the same run shows whether the
machine was free.
"""

import json
import platform
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

import torch

RESULTS = Path(__file__).parent / "results"
Call = Callable[[], object]


@dataclass(frozen=True)
class Times:
    """Milliseconds for one call: medians and best over the turns, wall time and CPU time."""

    wall_ms: float
    best_ms: float
    cpu_ms: float
    turns: int
    calls_per_turn: int


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Torch on `count` threads meanwhile."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def race(
    calls: Mapping[str, Call],
    *,
    rounds: int = 20,
    turn_ms: float = 10.0,
    warm_up: int = 2,
    every: Mapping[str, int] | None = None,
    fresh: Callable[[], object] | None = None,
) -> dict[str, Times]:
    """Times of `calls` that take turns, the order reversed in every second round.

    A turn repeats a call until about `turn_ms` have passed, as often in each round. every: a slow
    contestant takes a turn in one of so many rounds only. fresh: called before each turn, untimed.
    The first `warm_up` turns of each are left out.
    """
    sparse = dict(every or {})
    counts = {name: _calls_per_turn(call, turn_ms) for name, call in calls.items()}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    names = list(calls)
    for number in range(rounds + warm_up):
        for name in names if number % 2 == 0 else reversed(names):
            is_kept = number >= warm_up or name in sparse
            if number % sparse.get(name, 1):
                continue
            if fresh is not None:
                fresh()
            times = _turn(calls[name], counts[name])
            if is_kept:
                taken[name].append(times)
    return {name: _summary(taken[name], counts[name]) for name in calls}


def ratio(results: Mapping[str, Times], peer: str, own: str, measure: str = "wall_ms") -> float:
    """How many times faster `own` is than `peer`, by medians."""
    return round(float(getattr(results[peer], measure) / getattr(results[own], measure)), 2)


def gemm_peak(dtype: torch.dtype = torch.float32, size: int = 2048, repeats: int = 5) -> float:
    """The best rate of a square matrix product on the threads of now, GFLOP/s, by CPU time."""
    a, b = torch.randn(size, size, dtype=dtype), torch.randn(size, size, dtype=dtype)
    a @ b
    best = min(_turn(lambda: a @ b, 1)[1] for _ in range(repeats))
    return round(2.0 * size**3 / best / 1e6 * torch.get_num_threads(), 1)


def share_of_peak(flops: float, milliseconds: float, peak: float) -> float:
    """The share of `peak` GFLOP/s that `flops` in so many milliseconds are."""
    return round(flops / milliseconds / 1e6 / peak, 3)


def processor() -> str:
    """Name of the processor and what it has for half precision."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return platform.processor() or platform.machine()
    lines = path.read_text().splitlines()
    found = dict(line.replace("\t", "").split(":", 1) for line in lines if ":" in line)
    flags = found.get("flags", "").split()
    special = [flag for flag in ("avx512_bf16", "amx_bf16") if flag in flags]
    name = found.get("model name", platform.machine()).strip()
    return f"{name}, {torch.get_num_threads()} threads, {' '.join(special) or 'no bf16'}"


def write_result(
    name: str, tables: Mapping[str, Any], *, packages: Sequence[str] = (), directory: Path = RESULTS
) -> Path:
    """Write `tables` with date, processor, command and versions as `name`.json; return its path.

    Dataclasses within become objects.
    """
    report = {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": processor(),
        "command": _command(),
        "versions": {each: _version(each) for each in ("torch", "numpy", *packages)},
        **tables,
    }
    directory.mkdir(exist_ok=True)
    path = directory / f"{name}.json"
    path.write_text(json.dumps(report, indent=2, default=asdict) + "\n")
    return path


def print_table(title: str, results: Mapping[str, Times], reference: str) -> None:
    """Print milliseconds and, beside them, how many times faster than `reference` each is."""
    print(title)
    for name, times in results.items():
        factor = results[reference].wall_ms / times.wall_ms
        print(
            f"  {name:<44} {times.wall_ms:>10.3f} ms  best {times.best_ms:>10.3f}"
            f"  cpu {times.cpu_ms:>10.3f}  {factor:>8.2f} x"
        )


def _calls_per_turn(call: Call, turn_ms: float) -> int:
    call()
    once = _turn(call, 1)[0]
    return max(1, round(turn_ms / max(once, 1e-3)))


def _turn(call: Call, count: int) -> tuple[float, float]:
    """Milliseconds of wall time and of CPU time for one of `count` calls."""
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(count):
        call()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return 1e3 * wall / count, 1e3 * cpu / count


def _summary(taken: Sequence[tuple[float, float]], calls_per_turn: int) -> Times:
    wall, cpu = (sorted(column) for column in zip(*taken, strict=True))
    return Times(
        round(median(wall), 5),
        round(wall[0], 5),
        round(median(cpu), 5),
        len(taken),
        calls_per_turn,
    )


def _command() -> str:
    module = Path(sys.argv[0]).stem
    return shlex.join(["python", "-m", f"benchmarks.{module}", *sys.argv[1:]])


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"

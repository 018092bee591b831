"""One table of all measured ratios.

    python -m benchmarks.table

Reads the JSON files that the other scripts left in benchmarks/results and writes table.md and
table.json there. Each row says what was compared, the ratio, and the date and processor of its run.
A script that has not been run has no row.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.side_by_side import RESULTS

Found = Iterator[tuple[str, str, float | None, float | None]]


@dataclass(frozen=True)
class Row:
    """How many times better ours is than the peer, by wall time (or memory) and by CPU time."""

    work: str
    peer: str
    ratio: float | None
    cpu_ratio: float | None
    date: str
    processor: str


def main() -> None:
    rows = list(_rows())
    lines = ["| work | compared with | better by | by CPU time | date | processor |"]
    lines.append("|---|---|---|---|---|---|")
    lines += [
        f"| {row.work} | {row.peer} | {_shown(row.ratio)} | {_shown(row.cpu_ratio)} | {row.date} "
        f"| {row.processor} |"
        for row in rows
    ]
    (RESULTS / "table.md").write_text("\n".join(lines) + "\n")
    (RESULTS / "table.json").write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    print("\n".join(lines))


def _rows() -> Iterator[Row]:
    readers = {
        "training_speed": _training,
        "training_speed_1_thread": _training,
        "time_to_accuracy": _accuracy,
        "prediction_speed": _prediction,
        "prediction_speed_2_threads": _prediction,
        "start_up": _start_up,
        "memory": _memory,
        "streaming": _named,
        "last_step": _named,
        "whole_sequence": _named,
    }
    for name, read in readers.items():
        path = RESULTS / f"{name}.json"
        if not path.exists():
            continue
        report = {"name": name.replace("_", " "), **json.loads(path.read_text())}
        for work, peer, wall, cpu in read(report):
            yield Row(work, peer, wall, cpu, report["date"], report["processor"])


def _shown(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.1f}x"


def _training(report: dict[str, Any]) -> Found:
    for dropout, peers in report["ratios"].items():
        for peer, ratios in peers.items():
            for own, ratio in ratios.items():
                work = f"training windows per second, {dropout}, {own.removeprefix('ours, ')}"
                cpu = report["cpu_ratios"][dropout][peer][own]
                yield f"{work}, {report['threads']} thread(s)", peer, ratio, cpu


def _accuracy(report: dict[str, Any]) -> Found:
    for peer, ratios in report["ours_is_faster_by"].items():
        yield "time to the same validation error", peer, ratios["wall"], ratios["cpu"]


def _prediction(report: dict[str, Any]) -> Found:
    networks = {
        "ours": "",
        "plain": ", equal network",
        "plain, bfloat16": ", equal network in bfloat16",
    }
    for size, table in report["tables"].items():
        for own, name in networks.items():
            for peer, ratios in table[f"{own}_is_faster_by"].items():
                work = f"forecast, frame to frame, {size}{name}"
                yield work, peer, ratios["wall"], ratios["cpu"]


def _start_up(report: dict[str, Any]) -> Found:
    names = {"import": "import", "forecast": "forecast of one series, whole process"}
    for pair, ratios in report.get("ours_is_better_by", {}).items():
        yield f"{names[pair]}: time", "darts", ratios["wall_s"], ratios["cpu_s"]
        yield f"{names[pair]}: peak memory", "darts", ratios["peak_mib"], None


def _memory(report: dict[str, Any]) -> Found:
    keys = {"peak_mib": "peak memory", "above_imports_mib": "memory above the imports"}
    for name, shares in report.get("ours_takes_of_darts", {}).items():
        if name != "darts":
            for key, share in shares.items():
                yield f"{keys[key]} of training, {name}", "darts", 1.0 / share, None


def _named(report: dict[str, Any]) -> Found:
    """Every ratio below a key with `ratio` in its name, by wall and by CPU time or one number."""
    for path, value in _ratios(report, ()):
        words = [part.replace("_", " ") for part in path if part != "ratios"]
        is_pair = isinstance(value, dict)
        wall, cpu = (value["wall"], value["cpu"]) if is_pair else (value, None)
        peer = "full network" if "ratios" in path else "pytorch-tcn"
        yield f"{report['name']}: {', '.join(words).replace(' ratio', '')}", peer, wall, cpu


def _ratios(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, item in value.items():
        here = (*path, key)
        if isinstance(item, dict) and not {"wall", "cpu"} <= item.keys():
            yield from _ratios(item, here)
        elif any("ratio" in part for part in here):
            yield here, item


if __name__ == "__main__":
    main()

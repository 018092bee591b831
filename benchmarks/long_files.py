"""How much memory and time does training on a parquet file take that need not be read whole?

    python -m benchmarks.long_files [--series 10000 100000] [--points 1000] [--steps 200]

Each contestant is a process of its own on one thread that reads a long file (id, hour and value;
rows in the order of series, or of time) and trains the forecasting network for some steps: from a
panel in memory (`read_parquet`), and from one whose values stay in a file (`open_parquet`, as
`tcn train` does). Said are seconds of CPU time of reading and of training, the largest memory that
is the process's own, above what it was after the imports, and the largest resident memory, in which
pages of files count that the system can take back at any time.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import plain_networks as nets
from benchmarks.side_by_side import processor, write_result

ORDERS = ("series", "time")
WAYS = ("in memory", "in a file")
AT_ONCE = 1000  # series


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--points", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--folder", help="where files are written")
    parser.add_argument("--only", nargs=2, help="a way and a file: what a child does")
    options = parser.parse_args()
    if options.only:
        _child(*options.only, options.steps)
        return
    rows = []
    for n_series in options.series:
        for order in ORDERS if n_series == min(options.series) else ORDERS[:1]:
            with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                path = Path(folder) / "data.parquet"
                _write(path, n_series, options.points, order)
                for way in WAYS:
                    found = _measured(way, path, options.steps)
                    size = {"series": n_series, "rows": n_series * options.points}
                    rows.append({**size, "order": order, "way": way, **found})
                    print(json.dumps(rows[-1]), flush=True)
    print(processor())
    print(write_result("long_files", {"steps": options.steps, "files": rows}))


def _write(path: Path, n_series: int, n_points: int, order: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    hours = np.datetime64("2024-01-01", "ns") + np.arange(n_points) * np.timedelta64(1, "h")
    schema = pa.schema(
        [("unique_id", pa.string()), ("ds", pa.timestamp("ns")), ("y", pa.float64())]
    )
    names = np.array([f"series_{number:07d}" for number in range(n_series)])
    with pq.ParquetWriter(path, schema) as writer:
        for values, first in _blocks(n_series, n_points, order):
            size = values.shape[1] if order == "series" else n_series
            if order == "series":
                ids = np.repeat(names[first : first + len(values)], size)
                stamps = np.tile(hours, len(values))
            else:
                ids = np.tile(names, len(values))
                stamps = np.repeat(hours[first : first + len(values)], size)
            writer.write_table(pa.table([ids, stamps, values.ravel()], schema=schema))


def _blocks(n_series: int, n_points: int, order: str) -> Iterator[tuple[Any, int]]:
    """Values of some series after others, (n, points), or of some hours, (n, series)."""
    blocks = [
        (nets.season_panel(min(AT_ONCE, n_series - first), n_points, seed=first), first)
        for first in (range(0, n_series, AT_ONCE) if order == "time" else ())
    ]
    if order == "time":
        table = np.concatenate([panel.values.reshape(-1, n_points) for panel, _ in blocks]).T
        hours = max(1_000_000 // n_series, 1)
        yield from ((table[first : first + hours], first) for first in range(0, n_points, hours))
        return
    for first in range(0, n_series, AT_ONCE):
        panel = nets.season_panel(min(AT_ONCE, n_series - first), n_points, seed=first)
        yield panel.values.reshape(-1, n_points), first


def _measured(way: str, path: Path, steps: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.long_files", "--steps", str(steps)]
    command += ["--only", way, str(path)]
    out = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ)
    result: dict[str, float] = json.loads(out.stdout.splitlines()[-1])
    return result


def _child(way: str, path: str, steps: int) -> None:
    import torch

    import tcn
    from benchmarks.prediction_speed import SMALL
    from tcn.series import open_parquet, read_parquet

    torch.set_num_threads(1)
    brief = tcn.TrainConfig(max_epochs=1, steps_per_epoch=steps, refit=False)
    tcn.fit(nets.season_panel(10, 300), SMALL, brief, start=None)
    before = _memory()[0]
    with _peaks() as peaks:
        begin = time.process_time()
        folder = Path(path).parent
        opened = open_parquet(path, folder=folder) if way == WAYS[1] else nullcontext()
        with opened as panel:
            panel = read_parquet(path) if panel is None else panel  # noqa: PLW2901
            read = time.process_time()
            tcn.fit(panel, SMALL, brief, start=None)
            done = time.process_time()
    print(
        json.dumps(
            {
                "reading_cpu_s": round(read - begin, 1),
                "training_cpu_s": round(done - read, 1),
                "own_mib": round(peaks[0] - before),
                "resident_mib": round(peaks[1]),
            }
        )
    )


@contextmanager
def _peaks() -> Iterator[list[float]]:
    """The largest own and resident memory of the process meanwhile, MiB."""
    peaks, over = [0.0, 0.0], threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            peaks[:] = np.maximum(peaks, _memory()).tolist()

    watcher = threading.Thread(target=watch)
    watcher.start()
    yield peaks
    over.set()
    watcher.join()


def _memory() -> tuple[float, float]:
    """Anonymous and resident memory of now, MiB."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    anonymous, resident = (int(lines[name].split()[0]) / 1024 for name in ("RssAnon", "VmRSS"))
    return anonymous, resident


if __name__ == "__main__":
    main()

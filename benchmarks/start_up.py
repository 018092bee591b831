"""How long from an empty process to a forecast, and how much memory?

    python -m benchmarks.start_up [--rounds 5]

Fresh interpreters in turns: `import torch`, `import tcn`, `import darts` with its TCNModel, and two
whole programs that read a CSV of one series of 500 points and print a forecast of 24 steps: the
command `tcn forecast` with the bundled model, and darts with a TCNModel loaded from disk. Medians
of wall time and of CPU time, and the largest resident memory. Needs darts==0.41.0.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import plain_networks as nets
from benchmarks.side_by_side import processor, write_result

# A small process in between: a child's largest memory begins with that of the one it came from.
LAUNCHER = """
import json, os, sys, time
begin = time.perf_counter()
nowhere = os.open(os.devnull, os.O_WRONLY)
actions = [(os.POSIX_SPAWN_DUP2, nowhere, stream) for stream in (1, 2)]
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=actions)
_, status, usage = os.wait4(pid, 0)
assert status == 0, sys.argv
print(json.dumps({
    "wall_s": time.perf_counter() - begin,
    "cpu_s": usage.ru_utime + usage.ru_stime,
    "peak_mib": usage.ru_maxrss / 1024,
}))
"""
DARTS = """
import sys
import numpy as np
import pandas as pd
from darts import TimeSeries
from darts.models import TCNModel
frame = pd.read_csv(sys.argv[1], parse_dates=["ds"])
series = TimeSeries.from_dataframe(frame, "ds", "y", freq="h").astype(np.float32)
model = TCNModel.load(sys.argv[2], map_location="cpu")
print(model.predict(24, series=series, verbose=False).to_dataframe())
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        programs = _programs(Path(folder))
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in programs}
        for _ in range(options.rounds + 1):
            for name, arguments in programs.items():
                runs[name].append(_run(arguments))
    found = {
        name: {key: round(median(run[key] for run in each[1:]), 3) for key in each[0]}
        for name, each in runs.items()
    }
    report: dict[str, Any] = {"programs": found}
    pairs = {"import": ("import darts", "import tcn"), "forecast": ("darts", "tcn forecast")}
    if "darts" in found:
        report["ours_is_better_by"] = {
            pair: {key: round(found[peer][key] / found[own][key], 2) for key in found[own]}
            for pair, (peer, own) in pairs.items()
        }
    print(processor())
    for name, values in found.items():
        print(f"{name:<14}", values)
    print(report.get("ours_is_better_by"))
    print(write_result("start_up", report, packages=("darts",)))


def _programs(folder: Path) -> dict[str, list[str]]:
    data = folder / "one.csv"
    frame = nets.frame_of(nets.season_panel(1, 500))
    frame[["ds", "y"]].to_csv(data, index=False)
    python = [sys.executable, "-c"]
    forecast = "from tcn.cli import main; main()"
    programs = {
        "import torch": [*python, "import torch"],
        "import tcn": [*python, "import tcn"],
        "tcn forecast": [*python, forecast, "forecast", str(data), "--horizon", "24", "--quiet"],
    }
    if find_spec("darts"):
        model = folder / "darts.pt"
        with nets.quiet_peers():
            trained = nets.darts_model(0.0, max_steps=2)
            trained.fit(nets.darts_series(nets.frame_of(nets.season_panel(5, 500))))
            trained.save(str(model))
        programs["import darts"] = [*python, "from darts.models import TCNModel"]
        programs["darts"] = [*python, DARTS, str(data), str(model)]
    return programs


def _run(arguments: list[str]) -> dict[str, float]:
    """Wall seconds, CPU seconds and MiB of one process."""
    launcher = [sys.executable, "-S", "-c", LAUNCHER, *arguments]
    out = subprocess.run(launcher, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(out.stdout)
    return measured


if __name__ == "__main__":
    main()

"""How do time and memory grow with the context, the number of series and the levels?

    python -m benchmarks.cost_growth

Each point is a process of its own on one thread: CPU time of `Forecaster.predict` (the quickest of
three calls, one for 100,000 series and more) and the largest resident memory above that before the
first call. Weights are random: the cost is the same.

    context  16 series of 128 ... 16,384 points, levels so that the network reads all of them
    series   1 ... 1,000,000 series of 24 points, horizon 4, 3 levels of 16, batches of 4,096
    levels   64 series of 2,048 points, 1 ... 12 levels; beside it the same network evaluated in
             full, as others do: every level at every position that there is
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

import tcn
from benchmarks.side_by_side import processor, write_result
from tcn.layers import dilation_cycles, levels_for
from tcn.models.forecast import ForecastNetwork
from tcn.models.inputs import NetworkInputs

CONTEXTS = (128, 256, 512, 1024, 2048, 4096, 8192, 16_384)
SERIES = (1, 10, 100, 1000, 10_000, 100_000, 1_000_000)
LEVELS = (1, 2, 4, 6, 8, 10, 12)
PATCH = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--point", nargs=2, help="a table and a size: what a child measures")
    options = parser.parse_args()
    if options.point:
        table, size = options.point
        kind = FullNetwork if table == "full" else ForecastNetwork
        print(json.dumps(_measure(kind, *_case(table, int(size)))))
        return
    tables: dict[str, list[dict[str, Any]]] = {}
    for table, sizes in (("context", CONTEXTS), ("series", SERIES), ("levels", LEVELS)):
        tables[table] = []
        for size in sizes:
            tables[table].append({table: size, **_child(table, size)})
            if table == "levels":
                tables[table][-1]["full_cpu_ms"] = _child("full", size)["cpu_ms"]
            print(tables[table][-1], flush=True)
    growth = {name: _growth(name, rows) for name, rows in tables.items()}
    print(processor(), growth)
    print(write_result("cost_growth", {"tables": tables, "growth": growth}))


def _case(table: str, size: int) -> tuple[tcn.TCNConfig, int, int]:
    """The network, the number of series and their points."""
    if table == "series":
        config = _config(context=24, levels=3, channels=16, horizon=4)
        return config, size, 24
    if table in ("levels", "full"):
        return _config(context=2048, levels=size), 64, 2048
    levels = levels_for(size // PATCH, 3)
    return _config(context=size, levels=levels), 16, size


def _config(*, context: int, levels: int, channels: int = 32, horizon: int = 24) -> tcn.TCNConfig:
    return tcn.TCNConfig(
        horizon=horizon,
        context_length=context,
        patch_length=PATCH,
        channels=channels,
        hidden_channels=channels,
        head_channels=channels,
        dilations=dilation_cycles(levels),
        quantile_levels=(0.1, 0.5, 0.9),
    )


class FullNetwork(ForecastNetwork):
    """The same network with the same weights, evaluated at every position of every level."""

    @property
    def positions_read(self) -> int:
        """All that there are."""
        return 1 << 30

    def forward(self, inputs: NetworkInputs, origins: Tensor | None = None) -> Tensor:
        """As `ForecastNetwork.forward`, the newest patch picked at the end."""
        n, _, length = inputs.features.shape
        newest = torch.full((n, 1), -(-length // self.patch_length) - 1)
        return super().forward(inputs, newest if origins is None else origins)


def _require_equal(forecaster: tcn.Forecaster, panel: tcn.Panel) -> None:
    """End unless both ways forecast the same."""
    plain = ForecastNetwork(forecaster.config).eval()
    plain.load_state_dict(forecaster.network.state_dict())
    other = replace(forecaster, network=plain)
    np.testing.assert_allclose(
        forecaster.predict(panel).quantiles, other.predict(panel).quantiles, rtol=1e-4, atol=1e-4
    )


def _measure(
    kind: type[ForecastNetwork], config: tcn.TCNConfig, n_series: int, n_points: int
) -> dict[str, float]:
    torch.set_num_threads(1)
    network = kind(config).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.normal_(0.0, 0.1)
    forecaster = tcn.Forecaster(config, network)
    values = np.random.default_rng(0).normal(size=n_series * n_points)
    panel = tcn.Panel(
        ids=np.arange(n_series).astype(str),
        values=values,
        offsets=np.arange(n_series + 1) * n_points,
        starts=np.zeros(n_series, np.int64),
        season_length=12,
    )
    small = tcn.Panel.from_arrays([values[:n_points]], season_length=12)
    if kind is FullNetwork:
        _require_equal(forecaster, small)
    levels, batch_size = (0.1, 0.5, 0.9), 4096 if n_points < 100 else 256
    forecaster.predict(small, quantile_levels=levels)
    before = _peak_mib()
    times = []
    for _ in range(3 if n_series < 100_000 else 1):
        begin = time.process_time()
        forecaster.predict(panel, quantile_levels=levels, batch_size=batch_size)
        times.append(time.process_time() - begin)
    return {"cpu_ms": round(1e3 * min(times), 2), "added_mib": round(_peak_mib() - before, 1)}


def _child(table: str, size: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.cost_growth", "--point", table, str(size)]
    out = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(out.stdout.splitlines()[-1])
    return result


def _growth(name: str, rows: list[dict[str, Any]]) -> dict[str, float]:
    """Factor by which the size grew between the last two points and the middle, and the cost."""
    middle, last = rows[len(rows) // 2], rows[-1]
    size = last[name] / middle[name]
    time_factor = last["cpu_ms"] / middle["cpu_ms"]
    memory = last["added_mib"] / max(middle["added_mib"], 0.1)
    return {"size": size, "time": round(time_factor, 2), "memory": round(memory, 2)}


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()

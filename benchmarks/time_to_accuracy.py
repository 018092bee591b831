"""How long does training take to an error on data not trained on?

    python -m benchmarks.time_to_accuracy [--threads 1] [--steps 100]

200 hourly series of 1,000 points with seasons, wander and noise; the last fifth is for validation
(2,000 windows, the same for all). The reference is a textbook loop over full windows; its lowest
error after `--steps` steps is what the others must reach. Each contestant has the same network of 6
levels of 32 channels, and runs with the learning rates 0.001 and 0.003, of which the better counts.
Evaluations are not timed. Needs darts==0.41.0.
"""

import argparse
import contextlib
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks import plain_networks as nets
from benchmarks.side_by_side import gemm_peak, processor, threads, write_result
from tcn.models.precision import number_format
from tcn.series import Panel
from tcn.training.panel_windows import Pairs, PanelWindows

RATES = (1e-3, 3e-3)
EVERY = 5
TRAIN_SHARE = 0.8
N_VALIDATION = 2000


class Record:
    """Error against time spent: wall and CPU seconds, evaluations left out."""

    def __init__(self, validation: Pairs, limit: float | None) -> None:
        self.validation = validation
        self.limit = limit  # an error at which to stop
        self.curve: list[tuple[float, float, float]] = []
        self._spent = np.zeros(2)
        self._since = _now()

    def start(self) -> None:
        self._since = _now()

    def evaluate(self, forecast: Callable[[Tensor], Tensor]) -> bool:
        """Note the error now; whether it is low enough to stop."""
        self._spent += _now() - self._since
        with torch.no_grad():
            parts = [forecast(part) for part in self.validation.past.split(500)]
        error = float((torch.cat(parts) - self.validation.future).square().mean())
        self.curve.append((float(self._spent[0]), float(self._spent[1]), error))
        self._since = _now()
        return self.limit is not None and error <= self.limit

    def reaches(self, error: float) -> tuple[float, float] | None:
        """Wall and CPU seconds to the first evaluation that is no worse."""
        return next(((wall, cpu) for wall, cpu, each in self.curve if each <= error), None)


class Enough(Exception):  # noqa: N818
    """The error sought has been reached."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=100)
    options = parser.parse_args()
    panel = nets.season_panel()
    cut = int(TRAIN_SHARE * panel.lengths[0])
    windows = PanelWindows(panel.until(cut), nets.CONTEXT, nets.HORIZON, batch_size=nets.BATCH)
    validation = _validation(panel, cut)
    steps = options.steps
    with threads(options.threads), nets.quiet_peers():
        reference = _best(
            RATES, lambda rate: _plain(windows, Record(validation, None), rate, steps)
        )
        goal = min(error for *_, error in reference.curve)
        records = {
            "plain loop": reference,
            "ours": _best(
                RATES, lambda rate: _ours(windows, Record(validation, goal), rate, steps)
            ),
        }
        if find_spec("darts"):
            frame = nets.frame_of(panel.until(cut))
            records["darts"] = _best(
                RATES, lambda rate: _darts(frame, Record(validation, goal), rate, 3 * steps)
            )
        report = {
            "threads": options.threads,
            "gemm_gflops_float32": gemm_peak(),
            "goal_mse": round(goal, 4),
            "seasonal_naive_mse": round(_seasonal_naive(validation), 4),
            "seconds": {name: _seconds(record, goal) for name, record in records.items()},
            "curves": {name: _rounded(record.curve) for name, record in records.items()},
        }
    own = report["seconds"]["ours"]
    report["ours_is_faster_by"] = {
        name: {kind: round(found[kind] / own[kind], 2) for kind in ("wall", "cpu")}
        for name, found in report["seconds"].items()
        if name != "ours" and found is not None and own is not None
    }
    with threads(options.threads):  # which the result names
        print(processor(), {name: report[name] for name in report if name != "curves"})
        print(write_result("time_to_accuracy", report, packages=("darts",)))


def _validation(panel: Panel, cut: int) -> Pairs:
    """Windows whose horizon lies beyond `cut`."""
    rest = panel.from_arrays([values[cut - nets.CONTEXT :] for values in panel])
    windows = PanelWindows(rest, nets.CONTEXT, nets.HORIZON)
    return windows.take(np.linspace(0, len(windows) - 1, N_VALIDATION).astype(np.int64))


def _seasonal_naive(pairs: Pairs) -> float:
    return float((pairs.past[:, 0, -24:] - pairs.future).square().mean())


def _best(rates: tuple[float, ...], run: Callable[[float], Record]) -> Record:
    """The record that reaches the lowest error of all first."""
    records = [run(rate) for rate in rates]
    goal = max(min(error for *_, error in record.curve) for record in records)
    floor = min(min(error for *_, error in record.curve) for record in records)
    limit = records[0].limit if records[0].limit is not None else floor
    reached = [record for record in records if record.reaches(limit) is not None]
    if reached:
        return min(reached, key=lambda record: record.reaches(limit) or (0.0, 0.0))
    return min(records, key=lambda record: record.reaches(goal) or (np.inf, np.inf))


def _plain(windows: PanelWindows, record: Record, rate: float, steps: int) -> Record:
    torch.default_generator.manual_seed(0)
    network = nets.FullTCN()
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)
    record.start()
    for step in range(steps):
        pairs = windows(step)
        loss = nn.functional.mse_loss(network(pairs.past), pairs.future)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % EVERY == EVERY - 1 and record.evaluate(network):
            break
    return record


def _ours(windows: PanelWindows, record: Record, rate: float, steps: int) -> Record:
    torch.default_generator.manual_seed(0)
    network = nets.OnDemandTCN()
    count = 0

    def batch_at(step: int) -> Pairs:
        nonlocal count
        count += 1
        if count % EVERY == 1 and count > 1 and record.evaluate(network):
            raise Enough
        return windows(step)

    record.start()
    with contextlib.suppress(Enough):
        nets.our_steps(network, batch_at, steps + 1, number_format("auto"), rate=rate)
    return record


def _darts(frame: Any, record: Record, rate: float, steps: int) -> Record:
    import pytorch_lightning as pl

    class Evaluate(pl.Callback):
        def on_train_start(self, *_: Any) -> None:
            record.start()

        def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
            if trainer.global_step % EVERY == 0:
                module.eval()
                if record.evaluate(lambda past: _darts_forecast(module, past)):
                    trainer.should_stop = True
                module.train()

    options = {"callback": Evaluate(), "max_steps": steps, "min_steps": 1}
    nets.darts_model(0.0, rate=rate, epochs=1000, **options).fit(nets.darts_series(frame))
    return record


def _darts_forecast(module: Any, past: Tensor) -> Tensor:
    output: Tensor = module((past.transpose(1, 2), None, None))
    return output[:, -nets.HORIZON :, 0, 0]


def _seconds(record: Record, goal: float) -> dict[str, float] | None:
    found = record.reaches(goal)
    return None if found is None else {"wall": round(found[0], 2), "cpu": round(found[1], 2)}


def _rounded(curve: list[tuple[float, float, float]]) -> list[list[float]]:
    return [[round(wall, 2), round(cpu, 2), round(error, 4)] for wall, cpu, error in curve]


def _now() -> np.ndarray:
    return np.array([time.perf_counter(), time.process_time()])


if __name__ == "__main__":
    main()

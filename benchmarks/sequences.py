"""Does a convolutional network remember what a recurrent one forgets?

    python -m benchmarks.sequences TASK [--network tcn|lstm] [--steps N] [--data FOLDER]
                                   [--seeds 0] [--minutes M] [--state FOLDER] [--again]
    python -m benchmarks.sequences table      the finished runs as lines of Markdown

The tasks and the sizes of the TCN are those of Bai, Kolter and Koltun 2018 (see sequence_tasks.py);
an LSTM has as many parameters. Both are trained by the loop of the library, with AdamW. The weights
kept are those with the best validation score; the test set is looked at once. Minutes are those of
one processor core. A run that was stopped goes on with the same command; seeds that are in the
result are not run again. --minutes: stop after so many; --steps: length of the training, over which
the learning rate falls.
"""

import argparse
import dataclasses
import json
import shlex
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.development_data import data_folder
from benchmarks.sequence_tasks import TASKS, Batch, Data, Recipe, SequenceTask
from benchmarks.side_by_side import RESULTS, processor, write_result
from tcn.layers import CausalConv1d, ResidualBlock, Stack, dilation_cycles
from tcn.models.precision import autocast, number_format
from tcn.training.loop import LoopSettings, Progress, Task, train, warmup_then_linear

SYNTHETIC = ("adding", "copy-memory")
ANY_MINUTES = 1e9


class SequenceTCN(nn.Module):
    """Residual dilated blocks and a linear output, at each position or at the last alone.

    Shape: x (N, n_inputs, L), output (N, n_outputs, L or 1).
    """

    def __init__(self, task: SequenceTask, recipe: Recipe) -> None:
        super().__init__()
        self.reads_last = task.reads_last
        width = recipe.channels
        dilations = dilation_cycles(recipe.levels)
        inputs = iter([task.n_inputs])
        self.stack = Stack(
            lambda dilation: ResidualBlock(
                next(inputs, width),
                width,
                recipe.kernel_size,
                dilation,
                dropout=recipe.dropout,
                weight_norm=recipe.weight_norm,
            ),
            dilations,
        )
        self.out = CausalConv1d(width, task.n_outputs, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.stack.last(x) if self.reads_last else self.stack(x)
        outputs: Tensor = self.out(hidden)
        return outputs


class SequenceLSTM(nn.Module):
    """One LSTM layer and a linear output; forget gates start open. Shapes as `SequenceTCN`."""

    def __init__(self, task: SequenceTask, recipe: Recipe, hidden: int) -> None:
        super().__init__()
        self.reads_last = task.reads_last
        self.lstm = nn.LSTM(task.n_inputs, hidden, batch_first=True)
        self.dropout = nn.Dropout(recipe.dropout)
        self.out = nn.Linear(hidden, task.n_outputs)
        with torch.no_grad():
            for bias in (self.lstm.bias_ih_l0, self.lstm.bias_hh_l0):
                bias[hidden : 2 * hidden] = 0.5

    def forward(self, x: Tensor) -> Tensor:
        hidden, _ = self.lstm(x.transpose(1, 2))
        if self.reads_last:
            hidden = hidden[:, -1:]
        outputs: Tensor = self.out(self.dropout(hidden))
        return outputs.transpose(1, 2)


def hidden_for(task: SequenceTask, n_parameters: int) -> int:
    """Width of the LSTM whose number of parameters is nearest to `n_parameters`."""

    def size(hidden: int) -> int:
        return 4 * hidden * (task.n_inputs + hidden + 2) + (hidden + 1) * task.n_outputs

    return min(range(1, 2000), key=lambda hidden: abs(size(hidden) - n_parameters))


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def build(name: str, task: SequenceTask, recipe: Recipe, seed: int) -> nn.Module:
    """The network by name; its weights follow the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # noqa: TID251 - weights of a fresh network follow the seed
        network: nn.Module = SequenceTCN(task, recipe)
        if name == "lstm":
            network = SequenceLSTM(task, recipe, hidden_for(task, count(network)))
    return network


def measure(network: nn.Module, task: SequenceTask, batches: list[Batch]) -> tuple[float, float]:
    """Mean loss, and the share of right answers (0 where there are none)."""
    loss, right, total = 0.0, 0, 0
    with torch.inference_mode():
        for batch in batches:
            sums = task.sums(network(batch.x), batch.target)
            loss, right, total = loss + float(sums.loss), right + sums.right, total + sums.count
    return loss / total, right / total


def train_task(
    name: str, recipe: Recipe, data: Data, seed: int, options: argparse.Namespace
) -> tuple[nn.Module, Progress, float]:
    """Train until the steps, the minutes or the target are reached; network, progress, minutes.

    The loop is called for one stretch of steps after another and goes on from its own state.
    """
    task = TASKS[name]
    network = build(options.network, task, recipe, seed)
    dtype = number_format("auto") if options.network == "tcn" else torch.float32
    directory = Path(options.state) / f"{name}-{options.network}-{seed}"
    clock = Clock(directory / "seconds.json")

    def loss_of(batch: Batch) -> Tensor:
        with autocast(torch.device("cpu"), dtype):
            outputs = network(batch.x)
        sums = task.sums(outputs.float(), batch.target)
        return sums.loss / sums.count

    def report(entry: dict[str, Any]) -> None:
        print(name, options.network, f"{clock.save():.1f} min", entry, flush=True)

    loop_task = Task(data.batch_at, loss_of, lambda: measure(network, task, data.validation)[0])
    settings = _loop_settings(recipe, seed)
    while True:
        progress = train(network, loop_task, settings, directory, report)
        best = progress.best_score
        is_done = progress.step >= recipe.steps or (best is not None and best <= recipe.target)
        if is_done or clock.save() >= options.minutes:
            return network, progress, clock.save()
        stop = min(progress.step + recipe.evaluate_every, recipe.steps)
        settings = dataclasses.replace(settings, steps=stop)


def _loop_settings(recipe: Recipe, seed: int) -> LoopSettings:
    """Settings whose first stretch is one evaluation long; the schedule is that of the whole."""
    return LoopSettings(
        steps=min(recipe.evaluate_every, recipe.steps),
        learning_rate=warmup_then_linear(
            recipe.learning_rate, recipe.warmup, recipe.steps, recipe.hold
        ),
        evaluate_every=recipe.evaluate_every,
        patience=recipe.steps,
        clip=recipe.clip,
        weight_decay=recipe.weight_decay,
        average=recipe.average,
        seed=seed,
        fingerprint=json.dumps([dataclasses.asdict(recipe), seed]),
    )


class Clock:
    """Processor time of a run over all its starts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.before = json.loads(path.read_text()) if path.exists() else 0.0
        self.start = time.process_time()

    def save(self) -> float:
        """Write the seconds until now; return the minutes."""
        seconds = self.before + time.process_time() - self.start
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(seconds))
        return float(seconds) / 60


def run(name: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Train one network with one seed and judge it."""
    task = TASKS[name]
    recipe = task.recipe
    if options.steps:
        recipe = dataclasses.replace(recipe, steps=options.steps)
    folder = None if name in SYNTHETIC else data_folder(options.data)
    data = task.data(folder, seed)
    network, progress, minutes = train_task(name, recipe, data, seed, options)
    loss, accuracy = measure(network, task, data.test)
    found = {"network": options.network, "seed": seed, "test_loss": loss}
    if accuracy:
        found["test_accuracy"] = accuracy
    return found | {
        "command": _command(name, seed, options),
        "date": datetime.now(UTC).date().isoformat(),
        "processor": processor(),
        "parameters": count(network),
        "steps": progress.step,
        "best_step": progress.best_step,
        "cpu_minutes": round(minutes, 1),
        "validation_loss": progress.best_score,
        "recipe": dataclasses.asdict(recipe),
        "history": [[entry["step"], entry["score"]] for entry in progress.history],
    }


def _command(name: str, seed: int, options: argparse.Namespace) -> str:
    """What runs this training alone, without the places of data and state."""
    words = ["python", "-m", "benchmarks.sequences", name, "--network", options.network]
    words += ["--seeds", str(seed)]
    if options.steps:
        words += ["--steps", str(options.steps)]
    if options.minutes < ANY_MINUTES:
        words += ["--minutes", f"{options.minutes:g}"]
    return shlex.join(words)


def result_name(task: str) -> str:
    return f"sequences_{task.replace('-', '_')}"


def finished(task: str) -> list[dict[str, Any]]:
    """Runs that are in the task's result already."""
    path = RESULTS / f"{result_name(task)}.json"
    if not path.exists():
        return []
    runs: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["runs"]
    return runs


def save_run(name: str, found: dict[str, Any]) -> None:
    """Add a run to the task's result; one of the same network and seed is replaced."""
    task, key = TASKS[name], (found["network"], found["seed"])
    runs = [old for old in finished(name) if (old["network"], old["seed"]) != key]
    about = {
        "command": shlex.join(["python", "-m", "benchmarks.sequences", name]),
        "task": name,
        "measure": task.measure,
        "chance": task.chance,
        "published": task.published,
    }
    table = {**about, "runs": [*runs, found]}
    write_result(result_name(name), table, packages=("scipy",))


def table_lines() -> list[str]:
    """A line for each task with a result: networks beside published figures."""
    lines = []
    for name, task in TASKS.items():
        found = {run["network"]: run for run in finished(name) if run["seed"] == 0}
        runs = {network: found[network] for network in ("tcn", "lstm") if network in found}
        if not runs:
            continue
        is_share = _is_share(name)
        cells = [f"`{name}`", "share of right answers" if is_share else task.measure]
        for network in ("tcn", "lstm"):
            figure = task.published[network]
            cells += [_figure(runs[network]) if network in runs else "not run", f"{figure:g}"]
        guessing = 1 / task.n_outputs if is_share else task.chance
        cells.append("" if guessing is None else f"{guessing:.4f}")
        for key, form in (("parameters", ","), ("cpu_minutes", ".1f")):
            cells.append(" / ".join(format(run[key], form) for run in runs.values()))
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _figure(run: dict[str, Any]) -> str:
    """The score of a run: the share of right answers for digits, else the loss."""
    if run["test_loss"] < 0.001:
        return f"{run['test_loss']:.1e}"
    is_share = _is_share(run["command"].split()[3])
    return f"{run['test_accuracy' if is_share else 'test_loss']:.4f}"


def _is_share(task: str) -> bool:
    """Whether a task is known by its share of right answers, as digits are."""
    return task in ("mnist-steps", "permuted-mnist")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=(*TASKS, "table"))
    parser.add_argument("--network", choices=("tcn", "lstm"), default="tcn")
    parser.add_argument("--data", help="folder with the data; by default that in TCN_DATA")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int)
    parser.add_argument("--minutes", type=float, default=ANY_MINUTES)
    parser.add_argument("--state", default=str(Path(tempfile.gettempdir()) / "tcn_sequence_runs"))
    parser.add_argument("--again", action="store_true", help="run seeds that are finished too")
    return parser.parse_args()


def main() -> None:
    options = _arguments()
    torch.set_num_threads(1)
    if options.task == "table":
        print("\n".join(table_lines()))
        return
    known = set() if options.again else {(r["network"], r["seed"]) for r in finished(options.task)}
    for seed in options.seeds:
        if (options.network, seed) not in known:
            found = run(options.task, seed, options)
            print({key: value for key, value in found.items() if key != "history"}, flush=True)
            save_run(options.task, found)


if __name__ == "__main__":
    main()

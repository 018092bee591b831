"""The training loop: every network of this library is trained by it.

    for each step:   batch -> loss -> gradients, clipped -> AdamW -> moving average of weights
    now and then:    score the averaged weights; keep the best; stop when they stay behind
    every minutes:   write where it stands, so that a killed run goes on exactly there

A batch depends on its step number alone and the random state is set from (seed, step), so a run
that was killed and resumed takes the same steps as one that was not: equal bit for bit on a CPU.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from tcn.checkpoint import load_state, save_state
from tcn.errors import CheckpointError
from tcn.training.averaging import MovingAverage
from tcn.training.interrupts import interrupts_held

Batch = TypeVar("Batch")
Report = Callable[[dict[str, Any]], None]

STATE_FILE = "training.safetensors"


@dataclass(frozen=True)
class Task(Generic[Batch]):
    """What is trained: batches by step number, their loss, and a score to keep the best by."""

    batch_at: Callable[[int], Batch]
    loss_of: Callable[[Batch], Tensor]
    score: Callable[[], float] | None = None


@dataclass(frozen=True)
class LoopSettings:
    """Numbers of the loop.

    learning_rate: of each step. evaluate_every: steps between scores. fewest_steps: before which
    no weights are kept as the best. patience: scores without gain before stopping. average: decay
    of the moving average; 0 keeps the last weights.
    fingerprint: what a resumed run must agree on.
    """

    steps: int
    learning_rate: Callable[[int], float]
    evaluate_every: int = 100
    fewest_steps: int = 0
    patience: int = 10
    clip: float = 1.0
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    average: float = 0.99
    seed: int = 0
    checkpoint_seconds: float = 60.0
    fingerprint: str = ""


@dataclass
class Progress:
    """Where a run stands; goes into its checkpoint as JSON.

    loss_sum, counted: over the optimiser steps since the last evaluation. stale: evaluations
    without gain.
    """

    step: int = 0
    best_score: float | None = None
    best_step: int = 0
    stale: int = 0
    loss_sum: float = 0.0
    counted: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)


def warmup_then_linear(
    peak: float, warmup: int, steps: int, hold: float = 0.0
) -> Callable[[int], float]:
    """Rises to `peak` over `warmup` steps, stays for the share `hold`, then falls to zero."""

    def learning_rate(step: int) -> float:
        start = steps * hold
        left = (steps - step) / max(steps - start, 1.0)
        return peak * min((step + 1) / max(warmup, 1), max(left, 0.0), 1.0)

    return learning_rate


def train(
    network: nn.Module,
    task: Task[Batch],
    settings: LoopSettings,
    directory: Path | None,
    report: Report,
) -> Progress:
    """Train `network` in place; it ends with the best (or else the averaged) weights, in eval mode.

    With a directory the run goes on from the state in it and leaves its own there, also when it is
    interrupted.
    """
    run = Run(network, settings, directory)
    run.resume()
    try:
        _steps(run, task, report)
    except KeyboardInterrupt:
        run.save()
        raise
    run.save()
    _set_weights(network, run.best or run.average.weights)
    network.eval()
    return run.progress


def _steps(run: "Run", task: Task[Batch], report: Report) -> None:
    settings, progress, saved = run.settings, run.progress, time.monotonic()
    is_new = progress.step == 0 and progress.best_score is None
    if is_new and run.may_keep and task.score is not None:
        run.keep_best(_score(run, task.score))
    while True:
        if run.is_evaluation_due:
            _evaluate(run, task.score, report)
        if progress.step >= settings.steps or progress.stale >= settings.patience:
            return
        run.take_step(task)
        if time.monotonic() - saved > settings.checkpoint_seconds:
            run.save()
            saved = time.monotonic()


def _evaluate(run: "Run", score: Callable[[], float] | None, report: Report) -> None:
    """Score the averaged weights, keep them if they are the best, and report."""
    progress = run.progress
    entry: dict[str, Any] = {"step": progress.step, "loss": progress.loss_sum / progress.counted}
    found = None if score is None else _score(run, score)
    if found is not None:
        entry["score"] = found if math.isfinite(found) else None
    with interrupts_held():
        if found is not None and run.may_keep:
            run.keep_best(found)
        progress.history.append(entry)
        progress.loss_sum, progress.counted = 0.0, 0
    report({**entry, "steps": run.settings.steps, "best": progress.best_score})


def _score(run: "Run", score: Callable[[], float]) -> float:
    with averaged(run.network, run.average.weights), torch.inference_mode():
        return score()


class Run:
    """Network, optimiser, averages and progress of one run."""

    def __init__(self, network: nn.Module, settings: LoopSettings, directory: Path | None) -> None:
        self.network = network
        self.settings = settings
        self.path = None if directory is None else directory / STATE_FILE
        self.average = MovingAverage(network, settings.average)
        self.best: dict[str, Tensor] = {}
        self.progress = Progress()
        self.optimiser = torch.optim.AdamW(
            parameter_groups(network, settings.weight_decay), betas=settings.betas, fused=True
        )

    @property
    def is_evaluation_due(self) -> bool:
        """Whether the run stands where it is evaluated, and has learnt since the last time."""
        step, settings = self.progress.step, self.settings
        is_there = step % settings.evaluate_every == 0 or step == settings.steps
        return is_there and self.progress.counted > 0

    @property
    def may_keep(self) -> bool:
        """Whether weights of this step may be kept as the best."""
        return self.progress.step >= self.settings.fewest_steps

    def take_step(self, task: Task[Batch]) -> None:
        """One optimiser step; one whose loss or gradients are not finite is left out."""
        step, settings = self.progress.step, self.settings
        for group in self.optimiser.param_groups:
            group["lr"] = settings.learning_rate(step)
        self.network.train()
        with torch.random.fork_rng(devices=[]):
            _seed(settings.seed * 1_000_003 + step)
            loss = task.loss_of(task.batch_at(step))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), settings.clip)
        with interrupts_held():
            if torch.isfinite(norm) and torch.isfinite(loss):
                self.optimiser.step()
                self.progress.counted += 1
                self.progress.loss_sum += float(loss.detach())
            self.progress.step += 1
            self.average.update(self.network, self.progress.step)

    def keep_best(self, score: float) -> None:
        """Remember the averaged weights if they are the best so far; NaN is no score."""
        progress, best = self.progress, self.progress.best_score
        if math.isfinite(score) and (best is None or score < best):
            progress.best_score, progress.best_step, progress.stale = score, progress.step, 0
            self.best = {k: v.clone() for k, v in self.average.weights.items()}
        else:
            progress.stale += 1

    def save(self) -> None:
        """Write the state, if the run has a directory."""
        if self.path is None:
            return
        tensors = {f"network/{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"average/{k}": v for k, v in self.average.weights.items()}
        tensors |= {f"best/{k}": v for k, v in self.best.items()}
        for number, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser/{number}/{k}": v for k, v in state.items()}
        tensors = {name: value.detach().contiguous() for name, value in tensors.items()}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        meta = {"fingerprint": self.settings.fingerprint, "progress": vars(self.progress)}
        save_state(self.path, tensors, meta)

    def resume(self) -> None:
        """Go on from the state in the directory, if there is one."""
        if self.path is None or not self.path.exists():
            return
        tensors, meta = load_state(self.path)
        if meta["fingerprint"] != self.settings.fingerprint:
            raise CheckpointError(
                f"The training state in {self.path} belongs to other data or settings. "
                "Remove it to start anew, or give the settings it was started with."
            )
        self.network.load_state_dict(_part(tensors, "network/"))
        self.average.load(_part(tensors, "average/"))
        self.best = _part(tensors, "best/")
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in _part(tensors, "optimiser/").items():
            number, _, key = name.partition("/")
            moments.setdefault(int(number), {})[key] = value
        state = self.optimiser.state_dict()
        self.optimiser.load_state_dict({**state, "state": moments})
        self.progress = Progress(**meta["progress"])


def _seed(seed: int) -> None:
    """Dropout masks follow the step. `torch.manual_seed` would take half a millisecond for this."""
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(seed)


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices and kernels decay; biases and norms do not."""
    matrices = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    return [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]


@contextmanager
def averaged(network: nn.Module, weights: dict[str, Tensor]) -> Iterator[None]:
    """The network in eval mode with other weights for a while."""
    own = {name: value.detach().clone() for name, value in network.named_parameters()}
    try:
        _set_weights(network, weights)
        network.eval()
        yield
    finally:
        with interrupts_held():
            _set_weights(network, own)


@torch.no_grad()
def _set_weights(network: nn.Module, weights: dict[str, Tensor]) -> None:
    for name, value in network.named_parameters():
        value.copy_(weights[name])


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

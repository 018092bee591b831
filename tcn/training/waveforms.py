"""fit_waveforms: waveforms in, a generator out, by the loop that trains all networks."""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tcn.config import Config, Precision, require_choice, require_float, require_int
from tcn.errors import DataError
from tcn.generator import WaveformGenerator, bits_between
from tcn.layers import Condition, channels_last
from tcn.models.precision import autocast, number_format
from tcn.models.waveform import WaveformConfig, WaveformNetwork, WaveformPiece, WaveformSet
from tcn.training.digest import add_arrays
from tcn.training.fresh import fresh
from tcn.training.loop import LoopSettings, Progress, Report, Task, train, warmup_then_linear


@dataclass(frozen=True)
class WaveformTrainConfig(Config):
    """How to train; nothing here is part of a model.

    steps: of the optimiser. batch_size, window_length: waveforms and targets of each in a step;
    what the network reads before them comes on top. validation: share at the end of each waveform
    that is held back; the weights that fit it best are kept. 0 keeps the last ones. evaluate_every:
    steps between scores. patience: scores without gain before stopping. average: decay of a moving
    average of weights, 0 for none.
    """

    steps: int = 2000
    batch_size: int = 8
    window_length: int = 1024
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    warmup_steps: int = 50
    clip: float = 1.0
    average: float = 0.99
    validation: float = 0.1
    evaluate_every: int = 100
    patience: int = 10
    precision: Precision = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        require_int("steps", self.steps, 0, 100_000_000)
        require_int("batch_size", self.batch_size, 1, 65_536)
        require_int("window_length", self.window_length, 1, 1_000_000)
        require_float("learning_rate", self.learning_rate, 1e-8, 1.0)
        require_float("weight_decay", self.weight_decay, 0.0, 1.0)
        require_int("warmup_steps", self.warmup_steps, 0, 1_000_000)
        require_float("clip", self.clip, 1e-6, 1e6)
        require_float("average", self.average, 0.0, 0.99999)
        require_float("validation", self.validation, 0.0, 0.9)
        require_int("evaluate_every", self.evaluate_every, 1, 1_000_000)
        require_int("patience", self.patience, 1, 100_000)
        require_choice("precision", self.precision, Precision)
        require_int("seed", self.seed, 0, 2**31 - 1)


class WaveformBatch(NamedTuple):
    """Inputs (N, 1, L), targets (N, L), which of them count (N, L), and the condition."""

    x: Tensor
    target: Tensor
    counts: Tensor
    condition: Condition


class WaveformBatches:
    """Windows of waveforms by step number; a batch depends on the seed and its step alone.

    Each sample of each waveform is equally often a target. A target counts where the window holds
    all that its distribution depends on: up to the receptive field, or to the waveform's first
    sample.
    """

    def __init__(
        self, waveforms: WaveformSet, config: WaveformConfig, settings: WaveformTrainConfig
    ) -> None:
        self.waveforms = waveforms
        self.config = config
        self.settings = settings
        self.history = config.receptive_field - 1
        lengths = np.array([len(wave) for wave in waveforms.samples])
        self.shares = lengths / lengths.sum()

    def __call__(self, step: int) -> WaveformBatch:
        random = np.random.default_rng([self.settings.seed, step])
        rows = random.choice(len(self.shares), self.settings.batch_size, p=self.shares)
        return _batch([self._window(int(row), random) for row in rows])

    def _window(self, number: int, random: np.random.Generator) -> tuple[WaveformPiece, int]:
        """A window of a waveform, and its first target that counts."""
        length, reach = len(self.waveforms.samples[number]), self.settings.window_length
        first = int(random.integers(1 - reach, length))
        last = min(first + reach, length)
        first = max(first, 0)
        start = max(first - self.history, 0)
        return self.waveforms.piece(number, start, last, self.config), first - start


def fit_waveforms(
    waveforms: WaveformSet,
    config: WaveformConfig,
    train_config: WaveformTrainConfig | None = None,
    *,
    directory: Path | str | None = None,
    progress: Report | None = None,
    name: str = "model",
) -> WaveformGenerator:
    """Train a network to predict each sample from those before, by maximum likelihood.

    directory: where the run keeps its state, so that it goes on after an interruption. progress:
    receives dictionaries with step, steps, loss and, with validation, score, both in bits a sample.

    Raises ConfigError where waveforms and config do not fit, DataError where nothing is left to
    train on or to hold back.
    """
    settings = train_config or WaveformTrainConfig()
    waveforms.require_fit(config)
    cuts = _cuts(waveforms, settings)
    batches = WaveformBatches(waveforms.cut(cuts), config, settings)
    network = fresh_network(config, settings.seed)
    task = Task(batches, _loss(network, settings), _score(network, config, waveforms, cuts))
    where = None if directory is None else Path(directory)
    loop = _loop_settings(network, waveforms, config, settings)
    done = train(network, task, loop, where, progress or (lambda _entry: None))
    return WaveformGenerator(config, network, name, _manifest(waveforms, settings, done))


def fresh_network(config: WaveformConfig, seed: int) -> WaveformNetwork:
    """A network whose weights follow the seed."""
    return fresh(lambda: WaveformNetwork(config), seed)


def _cuts(waveforms: WaveformSet, settings: WaveformTrainConfig) -> list[int]:
    """How much of each waveform is trained on; the rest is held back."""
    lengths = [len(wave) for wave in waveforms.samples]
    cuts = [round(length * (1.0 - settings.validation)) for length in lengths]
    if sum(cuts) == 0 or (settings.validation > 0.0 and cuts == lengths):
        raise DataError(
            f"The waveforms have {sum(lengths)} samples in all, too few to train on and to hold "
            f"back {settings.validation:g} of. Give longer ones, or set validation to 0."
        )
    return cuts


def _loss(
    network: WaveformNetwork, settings: WaveformTrainConfig
) -> Callable[[WaveformBatch], Tensor]:
    """Mean bits of the targets that count."""
    dtype = number_format(settings.precision)

    def loss_of(batch: WaveformBatch) -> Tensor:
        with autocast(torch.device("cpu"), dtype):
            raw = network(batch.x, batch.condition)
        log_p = network.output.log_probability(raw.float().transpose(1, 2), batch.target)
        return -(log_p * batch.counts).sum() / batch.counts.sum() / math.log(2.0)

    return loss_of


def _score(
    network: WaveformNetwork, config: WaveformConfig, waveforms: WaveformSet, cuts: list[int]
) -> Callable[[], float] | None:
    """Bits of the samples held back, each told all that came before; None if there are none."""
    if sum(cuts) == sum(len(wave) for wave in waveforms.samples):
        return None
    return lambda: bits_between(network, config, waveforms, cuts)


def _batch(windows: list[tuple[WaveformPiece, int]]) -> WaveformBatch:
    """Windows side by side, the shorter ones padded at the end with what does not count."""
    pieces = [piece for piece, _ in windows]
    length = max(piece.target.shape[1] for piece in pieces)
    missing = [length - piece.target.shape[1] for piece in pieces]
    counts = torch.zeros(len(pieces), length)
    for row, (piece, first) in enumerate(windows):
        counts[row, first : piece.target.shape[1]] = 1.0
    return WaveformBatch(
        channels_last(_side_by_side([piece.x for piece in pieces], missing)),
        _side_by_side([piece.target for piece in pieces], missing),
        counts,
        Condition(
            _told([piece.condition.constant for piece in pieces], [0] * len(pieces)),
            _told([piece.condition.steps for piece in pieces], missing),
        ),
    )


def _told(rows: list[Tensor | None], missing: list[int]) -> Tensor | None:
    known = [row for row in rows if row is not None]
    return _side_by_side(known, missing) if known else None


def _side_by_side(rows: list[Tensor], missing: list[int]) -> Tensor:
    """Rows (1, ..., any L) as one tensor, with so many zeros after each."""
    pairs = zip(rows, missing, strict=True)
    return torch.cat([functional.pad(row, (0, count)) for row, count in pairs])


def _loop_settings(
    network: WaveformNetwork,
    waveforms: WaveformSet,
    config: WaveformConfig,
    settings: WaveformTrainConfig,
) -> LoopSettings:
    return LoopSettings(
        steps=settings.steps,
        learning_rate=warmup_then_linear(
            settings.learning_rate, settings.warmup_steps, settings.steps
        ),
        evaluate_every=settings.evaluate_every,
        patience=settings.patience,
        clip=settings.clip,
        weight_decay=settings.weight_decay,
        average=settings.average,
        seed=settings.seed,
        fingerprint=_fingerprint(network, waveforms, config, settings),
    )


def _fingerprint(
    network: WaveformNetwork,
    waveforms: WaveformSet,
    config: WaveformConfig,
    settings: WaveformTrainConfig,
) -> str:
    """Hash of all that decides the steps: first weights, waveforms, conditions and settings."""
    digest = hashlib.sha256()
    add_arrays(digest, (value.detach().numpy() for value in network.state_dict().values()))
    constant = () if waveforms.constant is None else (waveforms.constant,)
    add_arrays(digest, (*waveforms.samples, *constant, *(waveforms.steps or ())))
    digest.update(json.dumps([config.to_dict(), settings.to_dict()]).encode())
    return digest.hexdigest()


def _manifest(
    waveforms: WaveformSet, settings: WaveformTrainConfig, done: Progress
) -> dict[str, Any]:
    return {
        "n_waveforms": len(waveforms),
        "n_samples": sum(len(wave) for wave in waveforms.samples),
        "train": settings.to_dict(),
        "steps": done.step,
        "best_step": done.step if done.best_score is None else done.best_step,
        "validation_bits": done.best_score,
        "history": done.history,
    }

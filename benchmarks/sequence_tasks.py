"""The sequence tasks of Bai, Kolter and Koltun 2018 (arXiv:1803.01271, section 4 and appendix A).

adding           numbers and two marks; answer the sum of the marked numbers after 600 steps
copy-memory      ten symbols, 1,000 steps of silence, then repeat the symbols
jsb, nottingham  chorales and folk tunes as 88 keys; which keys sound at the next step?
mnist-steps      a digit as 784 pixels, one after another
permuted-mnist   the same, the pixels in one random order

Data of adding and copying are drawn anew for each batch. Those of the others are read from a folder
that is not part of the project: `tcn_sequences/*.mat`, `images/mnist.npz`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tcn.images import read_images
from tcn.layers import channels_last

COPY_LENGTH, COPIED, SILENCE, GO = 1000, 10, 0, 9
ADDING_LENGTH = 600
PIXELS = 784


class Batch(NamedTuple):
    """x: inputs (N, C, L). target: what the loss compares the outputs with; NaN is left out."""

    x: Tensor
    target: Tensor


class Sums(NamedTuple):
    """A loss summed over `count` items, and how many of them were right where that is defined."""

    loss: Tensor
    count: int
    right: int = 0


@dataclass(frozen=True)
class Data:
    """Batches by step number, and fixed ones to choose by and to judge by."""

    batch_at: Callable[[int], Batch]
    validation: list[Batch]
    test: list[Batch]


@dataclass(frozen=True)
class Recipe:
    """The network's sizes, and how it is trained.

    reads_last: only the output at the last position counts. target: validation score at which the
    run may stop.
    """

    steps: int
    learning_rate: float
    channels: int
    kernel_size: int
    levels: int
    dropout: float = 0.0
    weight_norm: bool = False
    warmup: int = 50
    hold: float = 0.5
    clip: float = 1.0
    weight_decay: float = 0.0
    average: float = 0.99
    evaluate_every: int = 200
    target: float = 0.0


@dataclass(frozen=True)
class SequenceTask:
    """One task; published: figures of the paper, measured as `measure` says."""

    n_inputs: int
    n_outputs: int
    reads_last: bool
    sums: Callable[[Tensor, Tensor], Sums]
    data: Callable[[Path | None, int], Data]
    recipe: Recipe
    measure: str
    chance: float | None
    published: dict[str, float] = field(default_factory=dict)


def squared_error(outputs: Tensor, target: Tensor) -> Sums:
    """Outputs (N, 1, 1), target (N,)."""
    return Sums(functional.mse_loss(outputs[:, 0, 0], target, reduction="sum"), len(target))


def symbol_entropy(outputs: Tensor, target: Tensor) -> Sums:
    """Cross-entropy of outputs (N, K, L) for symbols (N, L)."""
    loss = functional.cross_entropy(outputs, target, reduction="sum")
    return Sums(loss, target.numel(), int((outputs.argmax(dim=1) == target).sum()))


def class_entropy(outputs: Tensor, target: Tensor) -> Sums:
    """Cross-entropy of outputs (N, K, 1) for classes (N,)."""
    return symbol_entropy(outputs, target[:, None])


def key_entropy(outputs: Tensor, target: Tensor) -> Sums:
    """Negative log-likelihood of keys (N, 88, L), summed over keys; count is that of steps."""
    known = ~target.isnan()
    terms = functional.binary_cross_entropy_with_logits(
        outputs, target.nan_to_num(), reduction="none"
    )
    return Sums((terms * known).sum(), int(known[:, 0].sum()))


def draw_adding(n: int, generator: torch.Generator) -> Batch:
    """Uniform numbers and two marks, one in each half; the target is the sum of the marked."""
    numbers = torch.rand(n, ADDING_LENGTH, generator=generator)
    marks = torch.zeros(n, ADDING_LENGTH)
    half, rows = ADDING_LENGTH // 2, torch.arange(n)
    for first in (0, half):
        marks[rows, torch.randint(first, first + half, (n,), generator=generator)] = 1.0
    return Batch(channels_last(torch.stack([numbers, marks], dim=1)), (numbers * marks).sum(dim=1))


def draw_copying(n: int, generator: torch.Generator) -> Batch:
    """Ten symbols from 1 to 8, silence, then eleven signs to go; the target ends in the symbols."""
    symbols = torch.randint(1, 9, (n, COPIED), generator=generator)
    silence = torch.full((n, COPY_LENGTH - 1), SILENCE)
    x = torch.cat([symbols, silence, torch.full((n, COPIED + 1), GO)], dim=1)
    target = torch.cat([torch.full((n, COPY_LENGTH + COPIED), SILENCE), symbols], dim=1)
    return Batch(channels_last(x[:, None].float()), target)


def drawn(
    draw: Callable[[int, torch.Generator], Batch],
    batch_size: int,
    n_held: int,
    folder: Path | None,  # noqa: ARG001 - nothing is read
    seed: int,
) -> Data:
    """Batches drawn anew at each step; `n_held` sequences each to choose by and to judge by."""

    def at(number: int, n: int = batch_size) -> Batch:
        return draw(n, torch.Generator().manual_seed(seed * 1_000_003 + number))

    parts = range(n_held // 200)
    validation = [at(10_000_000 + part, 200) for part in parts]
    return Data(at, validation, [at(20_000_000 + part, 200) for part in parts])


def read_music(name: str, batch_size: int, folder: Path | None, seed: int) -> Data:
    """Sequences of 88 keys; each batch holds pieces of like length, padded at the end."""
    from scipy.io import loadmat

    assert folder is not None
    parts = loadmat(folder / "tcn_sequences" / f"{name}.mat")
    known, validation, test = (
        [torch.from_numpy(piece.astype(np.float32)).T for piece in parts[part][0]]
        for part in ("traindata", "validdata", "testdata")
    )
    groups = _groups_of_like_length(known, batch_size)

    def batch_at(step: int) -> Batch:
        epoch, place = divmod(step, len(groups))
        order = np.random.default_rng([seed, epoch]).permutation(len(groups))
        return _next_keys([known[i] for i in groups[order[place]]])

    held = [
        [_next_keys([part[i] for i in rows]) for rows in _groups_of_like_length(part, 16)]
        for part in (validation, test)
    ]
    return Data(batch_at, *held)


def _groups_of_like_length(pieces: list[Tensor], size: int) -> list[list[int]]:
    order = sorted(range(len(pieces)), key=lambda i: pieces[i].shape[1])
    return [order[first : first + size] for first in range(0, len(order), size)]


def _next_keys(pieces: list[Tensor]) -> Batch:
    """Each piece without its last step, and without its first one as the target."""
    length = max(piece.shape[1] for piece in pieces) - 1
    x, target = torch.zeros(2, len(pieces), 88, length)
    target.fill_(math.nan)
    for row, piece in enumerate(pieces):
        x[row, :, : piece.shape[1] - 1] = piece[:, :-1]
        target[row, :, : piece.shape[1] - 1] = piece[:, 1:]
    return Batch(channels_last(x), target)


def read_digits(is_permuted: bool, batch_size: int, folder: Path | None, seed: int) -> Data:
    """Digits as series of 784 pixels; the last 5,000 training images are held back to choose by."""
    assert folder is not None
    path = folder / "images" / "mnist.npz"
    order = np.random.default_rng(0).permutation(PIXELS) if is_permuted else np.arange(PIXELS)
    known, test = (
        (part.images.reshape(-1, PIXELS)[:, order], part.labels)
        for part in (read_images(path, "train"), read_images(path, "test"))
    )
    n = len(known[1]) - 5000
    per_epoch = -(-n // batch_size)

    def of(part: tuple[Any, Any], rows: Any) -> Batch:
        pixels = torch.from_numpy(part[0][rows]).float()[:, None]
        return Batch((pixels / 255.0 - 0.1307) / 0.3081, torch.from_numpy(part[1][rows]))

    def batch_at(step: int) -> Batch:
        epoch, place = divmod(step, per_epoch)
        rows = np.random.default_rng([seed, epoch]).permutation(n)
        return of(known, rows[place * batch_size : (place + 1) * batch_size])

    held = [
        [of(part, slice(first, first + 500)) for first in range(start, len(part[1]), 500)]
        for part, start in ((known, n), (test, 0))
    ]
    return Data(batch_at, *held)


MUSIC = Recipe(
    steps=1500,
    learning_rate=6e-3,
    channels=150,
    kernel_size=5,
    levels=4,
    dropout=0.6,
    weight_norm=True,
    hold=0.0,
    clip=0.2,
    weight_decay=0.01,
    evaluate_every=145,
)
DIGITS = Recipe(
    steps=8600,
    learning_rate=4e-3,
    channels=25,
    kernel_size=7,
    levels=8,
    dropout=0.05,
    hold=0.0,
    evaluate_every=430,
)
TASKS = {
    "adding": SequenceTask(
        n_inputs=2,
        n_outputs=1,
        reads_last=True,
        sums=squared_error,
        data=partial(drawn, draw_adding, 32, 2000),
        recipe=Recipe(6000, 4e-3, 30, 7, 8, target=5e-5),
        measure="mean squared error",
        chance=1 / 6,
        published={"lstm": 0.164, "gru": 5.3e-5, "rnn": 0.177, "tcn": 5.8e-5},
    ),
    "copy-memory": SequenceTask(
        n_inputs=1,
        n_outputs=10,
        reads_last=False,
        sums=symbol_entropy,
        data=partial(drawn, draw_copying, 16, 400),
        recipe=Recipe(8000, 2e-3, 10, 8, 8, hold=0.8, target=2e-5),
        measure="cross-entropy of a step",
        chance=COPIED * math.log(8) / (COPY_LENGTH + 2 * COPIED),
        published={"lstm": 0.0204, "gru": 0.0197, "rnn": 0.0202, "tcn": 3.5e-5},
    ),
    "jsb": SequenceTask(
        n_inputs=88,
        n_outputs=88,
        reads_last=False,
        sums=key_entropy,
        data=partial(read_music, "JSB_Chorales", 8),
        recipe=replace(MUSIC, steps=2200, weight_decay=0.1),
        measure="negative log-likelihood of a step",
        chance=None,
        published={"lstm": 8.45, "gru": 8.43, "rnn": 8.91, "tcn": 8.10},
    ),
    "nottingham": SequenceTask(
        n_inputs=88,
        n_outputs=88,
        reads_last=False,
        sums=key_entropy,
        data=partial(read_music, "Nottingham", 4),
        recipe=replace(MUSIC, steps=6000, learning_rate=4e-3, dropout=0.3, evaluate_every=348),
        measure="negative log-likelihood of a step",
        chance=None,
        published={"lstm": 3.29, "gru": 3.46, "rnn": 4.05, "tcn": 3.07},
    ),
    "mnist-steps": SequenceTask(
        n_inputs=1,
        n_outputs=10,
        reads_last=True,
        sums=class_entropy,
        data=partial(read_digits, False, 64),
        recipe=DIGITS,
        measure="cross-entropy",
        chance=math.log(10),
        published={"lstm": 0.872, "gru": 0.962, "rnn": 0.215, "tcn": 0.990},
    ),
    "permuted-mnist": SequenceTask(
        n_inputs=1,
        n_outputs=10,
        reads_last=True,
        sums=class_entropy,
        data=partial(read_digits, True, 64),
        recipe=DIGITS,
        measure="cross-entropy",
        chance=math.log(10),
        published={"lstm": 0.857, "gru": 0.873, "rnn": 0.253, "tcn": 0.972},
    ),
}

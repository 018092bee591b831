"""Training and validation windows of a panel, by index and without copies of the data."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tcn.config import TCNConfig, WaveNetConfig
from tcn.errors import DataError
from tcn.models.inputs import NetworkInputs
from tcn.series.batches import batches_by_length, windows_ending_at
from tcn.series.conditions import Conditions
from tcn.series.features import encoder_features
from tcn.series.panel import Panel
from tcn.series.ragged import known_lengths
from tcn.series.references import step_inputs
from tcn.series.scaling import read_history
from tcn.series.season import cycles_of
from tcn.training.origins import (
    Targets,
    TrainingPairs,
    origin_ends,
    random_origins,
    random_steps,
    step_targets,
)

Index = NDArray[np.int64]

LONG_SERIES_SHARE = 0.1
MAX_VALIDATION_WINDOWS = 1024
MAX_VALIDATION_STEPS = 120_000
FEWEST_OBSERVATIONS = 3


class Split(NamedTuple):
    """Where training ends in each series; the rest is held back for validation."""

    train_lengths: Index  # (S,)
    windows: "ValidationWindows"


class ValidationWindows(NamedTuple):
    """Origins held back: series and the number of points before the origin, (W,) each.

    In the order of the series, and of time.
    """

    rows: Index
    ends: Index

    def n_apart(self, horizon: int) -> int:
        """How many windows of `horizon` steps there are that do not overlap."""
        _, first, counts = np.unique(self.rows, return_index=True, return_counts=True)
        last = first + counts - 1
        return int(((self.ends[last] - self.ends[first]) // horizon + 1).sum())


def cycles_within(panel: Panel, config: TCNConfig | WaveNetConfig) -> Index:
    """The cycle of each series, (S,); 1 where a series does not hold one."""
    cycles = cycles_of(panel, config.season_length, newest=config.context_length)
    return np.where(panel.lengths > cycles, cycles, 1).astype(np.int64)


def split_by_time(panel: Panel, horizon: int, held_back: int | None) -> Split:
    """Hold back the end of every series that is long enough, and spread origins over it.

    held_back: points per series; None is the horizon, or a tenth of the series if that is more.
    A series ends with its last known value. One with fewer than horizon + 3 points is trained on
    whole and not validated.
    """
    lengths = known_lengths(panel.values, panel.offsets)
    wanted = np.maximum(horizon, (LONG_SERIES_SHARE * lengths).astype(np.int64))
    if held_back is not None:
        wanted = np.full(len(lengths), max(held_back, horizon))
    usable = lengths - wanted >= FEWEST_OBSERVATIONS
    train = np.where(usable, lengths - wanted, lengths)
    rows = np.flatnonzero(usable)
    if not rows.size:
        raise DataError(
            f"No series has the {horizon + FEWEST_OBSERVATIONS} points that a horizon of {horizon} "
            f"needs for training and validation; the longest has {int(lengths.max(initial=0))}. "
            "Give longer series or a shorter horizon."
        )
    n_windows = min(MAX_VALIDATION_WINDOWS, max(MAX_VALIDATION_STEPS // horizon, 64))
    return Split(train, _spread_origins(rows, train, lengths - horizon, n_windows))


def _spread_origins(rows: Index, first: Index, last: Index, n_windows: int) -> ValidationWindows:
    """One origin per series, or more, evenly spaced, where there are few series."""
    each = max(1, n_windows // len(rows))
    share = np.linspace(0.0, 1.0, each)
    ends = (first[rows, None] + share * (last - first)[rows, None]).astype(np.int64)
    pairs = np.unique(np.stack([np.repeat(rows, each), ends.ravel()], axis=1), axis=0)
    if len(pairs) > n_windows:
        keep = np.linspace(0, len(pairs) - 1, n_windows).astype(np.int64)
        pairs = pairs[keep]
    return ValidationWindows(pairs[:, 0], pairs[:, 1])


@dataclass(frozen=True)
class WindowSettings:
    """Sizes of training windows and what is drawn from each."""

    horizon: int
    context_length: int
    patch_length: int
    positions: int
    origins: int
    steps: int
    seed: int


class PanelBatches:
    """Training batches of a panel by step number.

    The windows of a batch have one length: that of a series drawn at random, up to the context and
    horizon. They are cut anywhere from series that are as long, so that none needs padding. The
    encoder reads a window once, for `origins` origins in it. Longer series are drawn more often.
    """

    def __init__(
        self,
        panel: Panel,
        train_lengths: Index,
        seasons: Index,
        conditions: Conditions,
        settings: WindowSettings,
    ) -> None:
        self.panel = panel
        self.train_lengths = train_lengths
        self.seasons = seasons
        self.conditions = conditions
        self.settings = settings
        longest = int(train_lengths.max())
        self.length = min(longest, settings.context_length + settings.horizon)
        weight = np.sqrt(np.minimum(train_lengths, self.length).astype(np.float64))
        weight[train_lengths <= FEWEST_OBSERVATIONS] = 0.0
        self.by_length = np.argsort(train_lengths, kind="stable")
        self.cumulative = np.cumsum(weight[self.by_length] / weight.sum())

    @property
    def steps_per_epoch(self) -> int:
        """Steps that read as many points as the training data have, between 20 and 500."""
        return int(np.clip(self.train_lengths.sum() / self.settings.positions * 2, 20, 500))

    def __call__(self, step: int) -> TrainingPairs:
        settings = self.settings
        rng = np.random.default_rng([settings.seed, step])
        length = min(int(self.train_lengths[self._draw(rng, 1, 0)[0]]), self.length)
        shortest = int(np.searchsorted(self.train_lengths[self.by_length], length))
        rows = self._draw(rng, max(settings.positions // length, 4), shortest)
        size = self.train_lengths[rows]
        ends = size - (rng.random(len(rows)) * (size - length + 1)).astype(np.int64)
        values = torch.from_numpy(windows_ending_at(self.panel, rows, ends, length))
        feature_length = self._feature_length(length, rng)
        origins = self._origins(rng, rows, length, feature_length)
        reach = length - origin_ends(origins, feature_length, settings.patch_length)
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        steps = random_steps(generator, reach, settings.steps, settings.horizon)
        return self._pairs(rows, ends, values, feature_length, origins, steps)

    def _draw(self, rng: np.random.Generator, count: int, shortest: int) -> Index:
        """Rows by weight, among those from place `shortest` on in the order of length."""
        below = self.cumulative[shortest - 1] if shortest else 0.0
        places = np.searchsorted(self.cumulative, below + rng.random(count) * (1.0 - below))
        return self.by_length[np.minimum(places, len(self.by_length) - 1)]

    def _feature_length(self, length: int, rng: np.random.Generator) -> int:
        """Positions the encoder reads; the patches get a random phase."""
        longest = min(length - 1, self.settings.context_length)
        return max(longest - int(rng.integers(self.settings.patch_length)), 1)

    def _origins(
        self, rng: np.random.Generator, rows: Index, length: int, feature_length: int
    ) -> Tensor:
        patch = self.settings.patch_length
        fewest = FEWEST_OBSERVATIONS + 1
        earliest = np.clip(2 * self.seasons[rows], fewest, max(length // 2, fewest))
        pad = -feature_length % patch
        n_patches = (feature_length + pad) // patch
        first = np.clip((earliest + pad) // patch, 0, n_patches - 1)
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        stop = torch.full((len(rows),), n_patches)
        return random_origins(generator, torch.from_numpy(first), stop, self.settings.origins)

    def _pairs(
        self,
        rows: Index,
        ends: Index,
        values: Tensor,
        feature_length: int,
        origins: Tensor,
        steps: Tensor,
    ) -> TrainingPairs:
        history = read_history(values, torch.from_numpy(self.seasons[rows]))
        origin_end = origin_ends(origins, feature_length, self.settings.patch_length)
        step = step_inputs(history, origin_end, steps)
        features = encoder_features(history, stop=feature_length)
        start = ends - values.shape[1]
        targets = start[:, None, None] + (origin_end[:, :, None] - 1 + steps).numpy()
        known = self.conditions.encode_at(
            self.panel, rows, start + feature_length, feature_length, targets
        )
        if known.context is not None:
            features = torch.cat([features, known.context], dim=1)
        inputs = NetworkInputs(features, step, known.steps, known.static)
        return TrainingPairs(
            inputs, origins, step_targets(history, origin_end, steps, step.scaling)
        )


def validation_batches(
    panel: Panel,
    windows: ValidationWindows,
    seasons: Index,
    conditions: Conditions,
    settings: WindowSettings,
    positions_read: int,
    batch_size: int = 128,
) -> list[tuple[NetworkInputs, Targets]]:
    """Validation windows as batches with one origin each, all steps of the horizon."""
    horizon, patch = settings.horizon, settings.patch_length
    longest = -(-settings.context_length // patch)
    groups = np.minimum(-(-windows.ends // patch), longest)
    batches = []
    for chosen, n_patches in batches_by_length(groups, groups, batch_size, longest):
        rows, ends = windows.rows[chosen], windows.ends[chosen]
        context = n_patches * patch
        values = windows_ending_at(panel, rows, ends + horizon, context + horizon)
        history = read_history(torch.from_numpy(values), torch.from_numpy(seasons[rows]))
        end = torch.full((len(rows), 1), context)
        steps = torch.arange(1, horizon + 1).expand(len(rows), 1, -1)
        step = step_inputs(history, end, steps)
        read = min(context, positions_read)
        features = encoder_features(history, first=context - read, stop=context)
        targets = ends[:, None, None] + steps.numpy() - 1
        known = conditions.encode_at(panel, rows, ends, read, targets)
        if known.context is not None:
            features = torch.cat([features, known.context], dim=1)
        inputs = NetworkInputs(features, step, known.steps, known.static)
        batches.append((inputs, step_targets(history, end, steps, step.scaling)))
    return batches

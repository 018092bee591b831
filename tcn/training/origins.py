"""Training pairs for many forecast origins of each window at once.

The encoder is causal and the scaling too, so one pass over a window serves every origin in it. An
origin is the end of a patch; for each a few future steps are drawn and compared with the data.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from tcn.models.heads import Head
from tcn.models.inputs import NetworkInputs
from tcn.series.features import encoder_features
from tcn.series.references import step_inputs
from tcn.series.scaling import History, LocScale, read_history

LARGEST_Z = 40.0
TAIL_WEIGHT = 6.0


class Targets(NamedTuple):
    """What the steps turned out to be, in z units of their origin, and how much each counts."""

    values: Tensor  # (N, O, H) float32
    weights: Tensor  # (N, O, H) float32, 0 where nothing was seen


class TrainingPairs(NamedTuple):
    """A batch for the network: inputs, origins as patch indices, and targets."""

    inputs: NetworkInputs
    origins: Tensor  # (N, O) int64
    targets: Targets


def origin_ends(origins: Tensor, length: int, patch_length: int) -> Tensor:
    """Number of positions up to and including each origin patch of a window of `length`."""
    return (origins + 1) * patch_length - (-length % patch_length)


def training_pairs(
    values: Tensor,
    season: Tensor,
    feature_length: int,
    origins: Tensor,
    steps: Tensor,
    patch_length: int,
) -> TrainingPairs:
    """Inputs and targets for `origins` of windows `values`.

    values: (N, T) float64 with NaN, of which the encoder reads the first `feature_length`.
    origins: (N, O) patch indices. steps: (N, O, H), at least 1.
    """
    history = read_history(values, season)
    ends = origin_ends(origins, feature_length, patch_length)
    step = step_inputs(history, ends, steps)
    features = encoder_features(history, stop=feature_length)
    targets = step_targets(history, ends, steps, step.scaling)
    return TrainingPairs(NetworkInputs(features, step), origins, targets)


def step_targets(history: History, ends: Tensor, steps: Tensor, scaling: LocScale) -> Targets:
    """Data at the steps after each origin, in its units; weight 0 beyond the window or unseen."""
    n, length = history.values.shape
    index = ends[:, :, None] - 1 + steps
    flat = index.clamp(0, length - 1).reshape(n, -1)
    value = history.values.gather(1, flat).view_as(index)
    seen = history.observed.gather(1, flat).view_as(index) * (index < length)
    z = (value - scaling.loc[:, :, None]) / scaling.scale[:, :, None]
    z = z.clamp(-LARGEST_Z, LARGEST_Z)
    weights = seen / (1.0 + z.abs() / TAIL_WEIGHT)
    return Targets(z.float(), weights.float())


def weighted_loss(head: Head, raw: Tensor, targets: Targets) -> Tensor:
    """Mean loss over the steps that were seen; targets far out count less."""
    losses = head.loss(raw.float(), targets.values) * targets.weights
    return losses.sum() / targets.weights.count_nonzero().clamp_min(1)


def random_origins(generator: torch.Generator, first: Tensor, stop: Tensor, count: int) -> Tensor:
    """`count` patch indices in [first, stop) of each window, spread over that range.

    first, stop: (N,) int64; a range that is empty gives `first` alone. Output (N, count).
    """
    room = (stop - first).clamp_min(1)[:, None]
    places = torch.rand(len(first), count, generator=generator) + torch.arange(count)
    within = (places * room / count).long()
    return first[:, None] + torch.minimum(within, room - 1)


def random_steps(generator: torch.Generator, room: Tensor, count: int, furthest: int) -> Tensor:
    """`count` steps in [1, min(room, furthest)] of each origin.

    room: (N, O). Output (N, O, count).
    """
    reach = room.clamp(1, furthest)[:, :, None]
    draw = torch.rand(*room.shape, count, generator=generator)
    return 1 + torch.minimum((draw * reach).long(), reach - 1)

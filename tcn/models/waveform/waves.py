"""WaveformSet: waveforms of any lengths, with what is told of them, as inputs of a network."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from tcn.errors import ConfigError, DataError
from tcn.layers import Condition
from tcn.models.waveform.companding import compand
from tcn.models.waveform.config import WaveformConfig
from tcn.models.waveform.outputs import build_output

Floats = NDArray[np.float32]


class WaveformPiece(NamedTuple):
    """Inputs (1, 1, L), targets (1, L) and the condition of neighbouring samples."""

    x: Tensor
    target: Tensor
    condition: Condition


@dataclass(frozen=True, eq=False)
class WaveformSet:
    """Waveforms of samples in [-1, 1].

    samples: one array (L,) for each. constant: numbers that describe each waveform, (N, channels).
    steps: numbers that describe each sample, one array (channels, L) for each waveform.
    """

    samples: tuple[Floats, ...]
    constant: Floats | None = None
    steps: tuple[Floats, ...] | None = None

    @classmethod
    def from_arrays(
        cls,
        samples: Sequence[ArrayLike],
        *,
        constant: ArrayLike | None = None,
        steps: Sequence[ArrayLike] | None = None,
    ) -> Self:
        """Check and copy arrays; raises DataError where they do not fit together."""
        waves = tuple(
            checked_samples(wave, f"Waveform {number}") for number, wave in enumerate(samples)
        )
        if not waves:
            raise DataError("There are no waveforms. Give at least one.")
        told = None if steps is None else tuple(np.array(each, np.float32) for each in steps)
        whole = None if constant is None else np.array(constant, np.float32)
        _require_conditions(waves, whole, told)
        return cls(waves, whole, told)

    def __len__(self) -> int:
        return len(self.samples)

    def cut(self, lengths: Sequence[int]) -> "WaveformSet":
        """The first so many samples of each; waveforms of which none are left are left out."""
        kept = [number for number, length in enumerate(lengths) if length > 0]
        steps = self.steps
        return WaveformSet(
            tuple(self.samples[number][: lengths[number]] for number in kept),
            None if self.constant is None else self.constant[kept],
            None if steps is None else tuple(steps[n][:, : lengths[n]] for n in kept),
        )

    def require_fit(self, config: WaveformConfig) -> None:
        """Raise `ConfigError` unless the conditions are those that the config asks for."""
        found = (
            0 if self.constant is None else self.constant.shape[1],
            0 if self.steps is None else self.steps[0].shape[0],
        )
        wanted = (config.constant_channels, config.step_channels)
        if found != wanted:
            raise ConfigError(
                f"The waveforms have {found[0]} constant and {found[1]} step channels, but the "
                f"config asks for {wanted[0]} and {wanted[1]}. Make them equal."
            )

    def piece(self, number: int, start: int, stop: int, config: WaveformConfig) -> WaveformPiece:
        """Samples `start` to `stop` as targets; the inputs are one behind them."""
        first = max(start - 1, 0)
        companded = compand(self.samples[number][first:stop], config.mu)
        values = build_output(config).snap(companded)
        series = torch.from_numpy(values.astype(np.float32))
        if start == 0:
            series = torch.cat([series.new_zeros(1), series])
        constant = None if self.constant is None else torch.from_numpy(self.constant[[number]])
        steps = None
        if self.steps is not None:
            steps = torch.from_numpy(self.steps[number][None, :, start:stop])
        return WaveformPiece(series[None, None, :-1], series[None, 1:], Condition(constant, steps))


def checked_samples(samples: ArrayLike, what: str) -> Floats:
    """A copy as float32, (L,); raises `DataError` for anything but finite numbers in [-1, 1]."""
    wave = np.array(samples, dtype=np.float32)
    if wave.ndim != 1 or len(wave) == 0:
        raise DataError(f"{what} must be a row of samples, got the shape {wave.shape}.")
    if not np.isfinite(wave).all() or np.abs(wave).max() > 1.0:
        raise DataError(
            f"{what} has samples from {wave.min():g} to {wave.max():g}; they must be finite and "
            "lie in [-1, 1]. Divide by the largest."
        )
    return wave


def _require_conditions(
    waves: tuple[Floats, ...], constant: Floats | None, steps: tuple[Floats, ...] | None
) -> None:
    if constant is not None and (constant.ndim != 2 or len(constant) != len(waves)):
        raise DataError(
            f"constant must have one row for each of the {len(waves)} waveforms, got the shape "
            f"{constant.shape}."
        )
    if steps is None:
        return
    if len(steps) != len(waves):
        raise DataError(f"There are {len(waves)} waveforms, but steps for {len(steps)}.")
    for number, (wave, told) in enumerate(zip(waves, steps, strict=True)):
        if told.ndim != 2 or told.shape != (steps[0].shape[0], len(wave)):
            raise DataError(
                f"steps of waveform {number} must have the shape ({steps[0].shape[0]}, "
                f"{len(wave)}), got {told.shape}."
            )

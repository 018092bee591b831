"""WaveformGenerator: a network that writes waveforms, ready to use. It never trains."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from tcn.errors import ConfigError
from tcn.layers import Condition, Streams
from tcn.models.waveform import (
    Output,
    WaveformConfig,
    WaveformNetwork,
    WaveformSet,
    compand,
    expand,
)
from tcn.models.waveform.waves import checked_samples

Floats = NDArray[np.floating]

MAX_SAMPLES = 100_000_000
MAX_TEMPERATURE = 100.0
DRAWN_AT_ONCE = 65_536
SCORED_AT_ONCE = 16_384


@dataclass(frozen=True, eq=False)
class WaveformGenerator:
    """Writes waveforms of samples in [-1, 1], one sample after another, and scores given ones.

    name: for people. manifest: how the network was made, JSON-ready.
    """

    config: WaveformConfig
    network: WaveformNetwork
    name: str = "model"
    manifest: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.network.eval()

    def generate(
        self,
        n_samples: int,
        *,
        n_series: int = 1,
        prefix: ArrayLike | None = None,
        temperature: float = 1.0,
        seed: int = 0,
        constant: ArrayLike | None = None,
        steps: ArrayLike | None = None,
    ) -> NDArray[np.float32]:
        """Write `n_samples` samples for each of `n_series` waveforms, (n_series, n_samples).

        prefix: samples that come before, (P,) for all or (n_series, P). temperature: 1 draws from
        the learned distribution, less is tamer, 0 takes the likeliest level. seed: of the draws;
        waveform `i` depends on it and on `i`, but not on how many are written at a time. constant:
        (constant_channels,) or (n_series, constant_channels). steps: one column for each sample of
        the prefix and of the result, (step_channels, P + n_samples) or with n_series before.

        Raises ConfigError for options out of range or conditions of another shape, DataError for a
        prefix that is no waveform.
        """
        _require_options(n_samples, n_series, temperature, seed)
        before = self._prefix(prefix, n_series)
        told = self._conditions(n_series, before.shape[1] + n_samples, constant, steps)
        streams, raw = self._start(before, told)
        values = self._write(streams, raw, told, n_samples, temperature, seed)
        return expand(values.T, self.config.mu).astype(np.float32)

    def bits_per_sample(self, waveforms: WaveformSet) -> float:
        """Mean negative log2-likelihood of a sample; for "gaussian" that of a density.

        The density is that of the companded values.
        """
        waveforms.require_fit(self.config)
        lengths = [len(wave) for wave in waveforms.samples]
        return bits_between(self.network, self.config, waveforms, [0] * len(lengths))

    def _prefix(self, prefix: ArrayLike | None, n_series: int) -> Floats:
        """Companded values before the first new sample, (n_series, P)."""
        if prefix is None:
            return np.zeros((n_series, 0))
        samples = np.asarray(prefix, dtype=np.float64)
        if samples.ndim not in (1, 2) or (samples.ndim == 2 and len(samples) != n_series):
            raise ConfigError(
                f"prefix must have the shape (P,) or ({n_series}, P), got {samples.shape}."
            )
        for row in np.atleast_2d(samples):
            checked_samples(row, "The prefix")
        values = self.network.output.snap(compand(samples, self.config.mu))
        return np.broadcast_to(values, (n_series, samples.shape[-1]))

    def _conditions(
        self, n_series: int, length: int, constant: ArrayLike | None, steps: ArrayLike | None
    ) -> Condition:
        config = self.config
        return Condition(
            self._condition("constant", constant, (n_series, config.constant_channels)),
            self._condition("steps", steps, (n_series, config.step_channels, length)),
        )

    def _condition(
        self, name: str, given: ArrayLike | None, shape: tuple[int, ...]
    ) -> Tensor | None:
        if given is None and shape[1] == 0:
            return None
        if given is None:
            raise ConfigError(f"This model needs {name}, of the shape {shape} or {shape[1:]}.")
        values = np.asarray(given, dtype=np.float64)
        if shape[1] == 0:
            raise ConfigError(f"This model is told no {name}. Leave the argument out.")
        if values.shape not in (shape, shape[1:]) or not np.isfinite(values).all():
            raise ConfigError(
                f"{name} must be finite, of the shape {shape} or {shape[1:]}, got {values.shape}."
            )
        dtype = next(self.network.parameters()).dtype
        return torch.tensor(np.broadcast_to(values, shape), dtype=dtype)

    def _start(self, before: Floats, told: Condition) -> tuple[Streams, Floats]:
        """Streams after the prefix, and raw outputs for the first new sample.

        The network reads a zero and then the prefix, all in one pass.
        """
        streams = Streams(self.network, len(before))
        x = torch.zeros(len(before), 1, before.shape[1] + 1, dtype=streams.dtype)
        x[:, 0, 1:] = torch.from_numpy(np.array(before))
        return streams, _push(streams, x, told.piece(0, x.shape[2]))

    def _write(
        self,
        streams: Streams,
        raw: Floats,
        told: Condition,
        n_samples: int,
        temperature: float,
        seed: int,
    ) -> Floats:
        """Companded values of the new samples, (n_samples, n_series)."""
        output = self.network.output
        randoms = [np.random.default_rng([seed, number]) for number in range(len(raw))]
        values = np.empty((n_samples, len(raw)))
        draws: Floats = np.empty((0, len(raw), 2))
        first = 0 if told.steps is None else told.steps.shape[2] - n_samples
        for place in range(n_samples):
            if place > 0:
                x = torch.from_numpy(values[place - 1]).to(streams.dtype)[:, None, None]
                raw = _push(streams, x, told.piece(first + place, first + place + 1))
            if place % DRAWN_AT_ONCE == 0:
                draws = _draws(output, randoms, min(DRAWN_AT_ONCE, n_samples - place))
            values[place] = output.sample(raw, draws[place % DRAWN_AT_ONCE], temperature)
        return values


def bits_between(
    network: WaveformNetwork, config: WaveformConfig, waveforms: WaveformSet, firsts: Sequence[int]
) -> float:
    """Mean bits of the samples from `firsts` on, one number for each waveform.

    A waveform goes through the network piece by piece, so that memory stays small.
    """
    total, count = 0.0, 0
    with torch.inference_mode():
        for number, (wave, first) in enumerate(zip(waveforms.samples, firsts, strict=True)):
            state = network.initial_state(1)
            start = max(first - config.receptive_field + 1, 0)
            while start < len(wave):
                stop = min(start + SCORED_AT_ONCE, len(wave))
                piece = waveforms.piece(number, start, stop, config)
                raw, state = network.step(piece.x, state, piece.condition)
                log_p = network.output.log_probability(raw.transpose(1, 2), piece.target)
                counted = log_p[:, max(first - start, 0) :]
                total, count = total - float(counted.sum()), count + counted.numel()
                start = stop
    return total / count / math.log(2.0)


def _push(streams: Streams, x: Tensor, told: Condition) -> Floats:
    """Raw outputs (N, n_raw) after the last of new inputs x (N, 1, L)."""
    is_told = told.constant is not None or told.steps is not None
    raw: Floats = streams.push(x, *([told] if is_told else []))[:, :, -1].numpy()
    return raw


def _draws(output: Output, randoms: Sequence[np.random.Generator], count: int) -> Floats:
    """Random numbers of each series from its own generator, (count, n_series, 2)."""
    return np.stack([output.draws(random, count) for random in randoms], axis=1)


def _require_options(n_samples: int, n_series: int, temperature: float, seed: int) -> None:
    if n_samples < 1 or n_series < 1 or n_samples * n_series > MAX_SAMPLES:
        raise ConfigError(
            f"n_samples and n_series must be at least 1 and give at most {MAX_SAMPLES:,} samples, "
            f"got {n_samples} x {n_series}."
        )
    if not 0.0 <= temperature <= MAX_TEMPERATURE:
        raise ConfigError(
            f"temperature must be a number from 0 to {MAX_TEMPERATURE:g}, got {temperature!r}."
        )
    if seed < 0:
        raise ConfigError(f"seed must be a whole number of at least 0, got {seed!r}.")

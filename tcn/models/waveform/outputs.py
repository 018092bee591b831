"""What a waveform network gives at each position: the distribution of the next companded sample.

Values lie in [-1, 1]. The discrete outputs know `n_levels` of them, equally far apart. Likelihoods
are for training, in torch; samples are drawn in numpy, where a single one costs microseconds.
"""

import math
from abc import ABC, abstractmethod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from tcn.models.waveform.companding import dequantise, quantise
from tcn.models.waveform.config import WaveformConfig

Array = NDArray[np.floating]

SMALLEST_LOG_SCALE = -9.0
FIRST_LOG_SCALE = -1.5


class Output(ABC):
    """Turns `n_raw` numbers into a distribution over values in [-1, 1].

    Shape: raw (..., n_raw), values (...).
    """

    n_raw: int
    n_levels: int | None

    @abstractmethod
    def first_bias(self) -> Tensor:
        """Raw outputs (n_raw,) that a new network starts from."""

    @abstractmethod
    def log_probability(self, raw: Tensor, values: Tensor) -> Tensor:
        """Natural logarithm of the probability of levels, or of the density of values."""

    @abstractmethod
    def draws(self, random: np.random.Generator, count: int) -> Array:
        """Random numbers (count, 2) for `count` samples."""

    @abstractmethod
    def sample(self, raw: Array, draws: Array, temperature: float) -> Array:
        """One value for each row: raw (N, n_raw), draws (N, 2) as `draws` makes them.

        temperature: 1 draws from the distribution, less makes it narrower; 0 takes its most likely
        level, or the middle of its heaviest component.
        """

    def snap(self, values: Array) -> Array:
        """The nearest values that this output can give."""
        if self.n_levels is None:
            return values
        return dequantise(quantise(values, self.n_levels), self.n_levels)


class CategoricalOutput(Output):
    """A softmax over levels. Shape: raw (..., n_levels)."""

    def __init__(self, n_levels: int) -> None:
        self.n_levels: int = n_levels
        self.n_raw = n_levels

    def first_bias(self) -> Tensor:
        return torch.zeros(self.n_raw)

    def log_probability(self, raw: Tensor, values: Tensor) -> Tensor:
        level = torch.round((values + 1.0) * (0.5 * (self.n_levels - 1))).long()
        scores = torch.log_softmax(raw, dim=-1)
        return scores.gather(-1, level.clamp(0, self.n_levels - 1)[..., None])[..., 0]

    def draws(self, random: np.random.Generator, count: int) -> Array:
        return random.random((count, 2))

    def sample(self, raw: Array, draws: Array, temperature: float) -> Array:
        return dequantise(_choose(raw, draws[:, 0], temperature), self.n_levels)


class LogisticMixtureOutput(Output):
    r"""A mixture of logistic distributions, each level with the probability of its surroundings.

    The outermost levels have the tails. Shape: raw (..., 3 n_components): logits of the weights,
    locations, logarithms of scales. Source: Salimans et al. 2017 (arXiv:1701.05517), section 2.1.
    """

    def __init__(self, n_levels: int, n_components: int) -> None:
        self.n_levels: int = n_levels
        self.n_components = n_components
        self.n_raw = 3 * n_components

    def first_bias(self) -> Tensor:
        return _spread_bias(self.n_components)

    def log_probability(self, raw: Tensor, values: Tensor) -> Tensor:
        logits, location, log_scale = raw.chunk(3, dim=-1)
        log_scale = log_scale.clamp(min=SMALLEST_LOG_SCALE)
        half = 1.0 / (self.n_levels - 1)
        distance = values[..., None] - location
        upper = (distance + half) * torch.exp(-log_scale)
        lower = (distance - half) * torch.exp(-log_scale)
        below, above = functional.logsigmoid(upper), functional.logsigmoid(-lower)
        # sigmoid(b) - sigmoid(a) = sigmoid(b) sigmoid(-a) (1 - exp(a - b))
        inside = below + above + torch.log(-torch.expm1(lower - upper))
        terms = torch.where(values[..., None] < half - 1.0, below, inside)
        terms = torch.where(values[..., None] > 1.0 - half, above, terms)
        return torch.logsumexp(torch.log_softmax(logits, dim=-1) + terms, dim=-1)

    def draws(self, random: np.random.Generator, count: int) -> Array:
        chance = random.random((count, 2))
        chance[:, 1] = np.log(chance[:, 1] + 1e-300) - np.log1p(-chance[:, 1])
        return chance

    def sample(self, raw: Array, draws: Array, temperature: float) -> Array:
        return self.snap(_mixture_sample(raw, draws, temperature))


class GaussianMixtureOutput(Output):
    """A mixture of normal densities; samples are kept within [-1, 1].

    Shape: raw (..., 3 n_components): logits of the weights, means, logarithms of deviations.
    """

    n_levels = None

    def __init__(self, n_components: int) -> None:
        self.n_components = n_components
        self.n_raw = 3 * n_components

    def first_bias(self) -> Tensor:
        return _spread_bias(self.n_components)

    def log_probability(self, raw: Tensor, values: Tensor) -> Tensor:
        logits, mean, log_scale = raw.chunk(3, dim=-1)
        log_scale = log_scale.clamp(min=SMALLEST_LOG_SCALE)
        error = (values[..., None] - mean) * torch.exp(-log_scale)
        terms = -0.5 * error.square() - log_scale - 0.5 * math.log(2.0 * math.pi)
        return torch.logsumexp(torch.log_softmax(logits, dim=-1) + terms, dim=-1)

    def draws(self, random: np.random.Generator, count: int) -> Array:
        chance = random.random((count, 2))
        chance[:, 1] = random.standard_normal(count)
        return chance

    def sample(self, raw: Array, draws: Array, temperature: float) -> Array:
        return np.clip(_mixture_sample(raw, draws, temperature), -1.0, 1.0)


def build_output(config: WaveformConfig) -> Output:
    """The output that a config names."""
    if config.output == "categorical":
        return CategoricalOutput(config.n_levels)
    if config.output == "logistic":
        return LogisticMixtureOutput(config.n_levels, config.n_components)
    return GaussianMixtureOutput(config.n_components)


def _spread_bias(n_components: int) -> Tensor:
    """Components of equal weight side by side, so that they learn different things."""
    middle = (torch.arange(n_components) + 0.5) * (2.0 / n_components) - 1.0
    scales = torch.full((n_components,), FIRST_LOG_SCALE)
    return torch.cat([torch.zeros(n_components), middle, scales])


def _mixture_sample(raw: Array, draws: Array, temperature: float) -> Array:
    """Location + scale * draw of a chosen component, (N,)."""
    n_components = raw.shape[1] // 3
    rows = np.arange(len(raw))
    component = _choose(raw[:, :n_components], draws[:, 0], temperature)
    location = raw[rows, n_components + component]
    log_scale = np.maximum(raw[rows, 2 * n_components + component], SMALLEST_LOG_SCALE)
    return np.asarray(location + temperature * np.exp(log_scale) * draws[:, 1])


def _choose(logits: Array, uniform: Array, temperature: float) -> NDArray[np.int64]:
    """One column for each row of logits (N, K), by the inverse of the cumulative distribution."""
    if temperature == 0.0:
        return np.asarray(np.argmax(logits, axis=1))
    scores = logits if temperature == 1.0 else logits / temperature
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    cumulative = np.cumsum(weights, axis=1, dtype=np.float64)
    wanted = uniform * cumulative[:, -1]
    passed = (cumulative <= wanted[:, None]).sum(axis=1)
    return np.asarray(np.minimum(passed, logits.shape[1] - 1))

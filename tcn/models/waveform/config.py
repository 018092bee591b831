"""Settings of a network that writes waveforms."""

from dataclasses import dataclass
from typing import Literal

from tcn.config import (
    MAX_CHANNELS,
    MAX_COVARIATES,
    MAX_KERNEL_SIZE,
    Config,
    require_choice,
    require_dilations,
    require_float,
    require_int,
)
from tcn.layers import dilation_cycles, stack_field

OutputName = Literal["categorical", "logistic", "gaussian"]

MAX_BINS = 65_536
MAX_COMPONENTS = 256
MAX_FIELD = 1_000_000


@dataclass(frozen=True)
class WaveformConfig(Config):
    """A WaveNet (van den Oord et al. 2016, arXiv:1609.03499) that writes one sample after another.

    output: "categorical" is a softmax over `n_levels` levels, "logistic" a mixture of
    `n_components` logistics over the same levels (Salimans et al. 2017, arXiv:1701.05517),
    "gaussian" a mixture of normal densities without levels. mu: of the companding; None for none.
    dilations: one for each gated block. constant_channels: numbers that describe a whole waveform.
    step_channels: numbers that describe each sample of it.

    >>> WaveformConfig().receptive_field
    1024
    """

    output: OutputName = "categorical"
    n_levels: int = 256
    n_components: int = 10
    mu: float | None = 255.0
    channels: int = 64
    skip_channels: int = 128
    kernel_size: int = 2
    dilations: tuple[int, ...] = dilation_cycles(10)
    constant_channels: int = 0
    step_channels: int = 0
    dropout: float = 0.0

    def __post_init__(self) -> None:
        require_choice("output", self.output, OutputName)
        require_int("n_levels", self.n_levels, 2, MAX_BINS)
        require_int("n_components", self.n_components, 1, MAX_COMPONENTS)
        if self.mu is not None:
            require_float("mu", self.mu, 1e-3, 1e6)
        require_int("channels", self.channels, 1, MAX_CHANNELS)
        require_int("skip_channels", self.skip_channels, 1, MAX_CHANNELS)
        require_int("kernel_size", self.kernel_size, 1, MAX_KERNEL_SIZE)
        require_dilations(self.dilations)
        require_int("the receptive field", self.receptive_field, 1, MAX_FIELD)
        require_int("constant_channels", self.constant_channels, 0, MAX_COVARIATES)
        require_int("step_channels", self.step_channels, 0, MAX_COVARIATES)
        require_float("dropout", self.dropout, 0.0, 0.9)

    @property
    def receptive_field(self) -> int:
        """Samples that the distribution of the next one depends on."""
        return stack_field(self.kernel_size, self.dilations)

"""Networks that write waveforms sample by sample."""

from tcn.models.waveform.companding import compand, dequantise, expand, quantise
from tcn.models.waveform.config import OutputName, WaveformConfig
from tcn.models.waveform.network import WaveformNetwork
from tcn.models.waveform.outputs import (
    CategoricalOutput,
    GaussianMixtureOutput,
    LogisticMixtureOutput,
    Output,
    build_output,
)
from tcn.models.waveform.waves import WaveformPiece, WaveformSet

__all__ = [
    "CategoricalOutput",
    "GaussianMixtureOutput",
    "LogisticMixtureOutput",
    "Output",
    "OutputName",
    "WaveformConfig",
    "WaveformNetwork",
    "WaveformPiece",
    "WaveformSet",
    "build_output",
    "compand",
    "dequantise",
    "expand",
    "quantise",
]

"""Waveform generators to and from model directories, in the format of all models."""

from pathlib import Path

import torch

from tcn.checkpoint.directory import Checkpoint, read_checkpoint, write_checkpoint
from tcn.checkpoint.replaced import load_stable
from tcn.errors import CheckpointError, ConfigError
from tcn.generator import WaveformGenerator
from tcn.models import WAVEFORM, build_network
from tcn.models.waveform import WaveformConfig, WaveformNetwork

_STAMPS = ("created", "version", "parameters")


def save_generator(generator: WaveformGenerator, path: Path | str) -> None:
    """Save a generator as the directory `path`; a model that is there is replaced in one step.

    Raises CheckpointError where weights are not finite or the directory cannot be written.
    """
    write_checkpoint(
        path,
        kind=WAVEFORM,
        config=generator.config.to_dict(),
        tensors=generator.network.state_dict(),
        info={key: value for key, value in generator.manifest.items() if key not in _STAMPS},
    )


def load_generator(path: Path | str) -> WaveformGenerator:
    """Load what `save_generator` wrote; everything is checked before it is allocated.

    A model that is replaced meanwhile is read again. Raises CheckpointError, naming the file or
    tensor, for anything that is not a whole generator. Nothing is ever unpickled.
    """
    return load_stable(Path(path), _load)


def _load(path: Path) -> WaveformGenerator:
    checkpoint = read_checkpoint(path)
    if checkpoint.kind != WAVEFORM:
        raise CheckpointError(
            f"The model in '{path}' is of kind {checkpoint.kind!r}, which writes no waveforms."
        )
    config = _checked_config(checkpoint)
    with torch.random.fork_rng(devices=[]):
        network = WaveformNetwork(config)
    checkpoint.load_into(network)
    stamps = {key: checkpoint.manifest[key] for key in _STAMPS if key in checkpoint.manifest}
    return WaveformGenerator(
        config, network, path.resolve().name, manifest=dict(checkpoint.info) | stamps
    )


def _checked_config(checkpoint: Checkpoint) -> WaveformConfig:
    """The config, once the tensors on the disk fit the network it asks for."""
    try:
        with torch.device("meta"):
            config, shapes = build_network(checkpoint.kind, checkpoint.config)
    except (ConfigError, TypeError) as error:
        raise CheckpointError(
            f"The config of the model in '{checkpoint.directory}' is not valid: {error}"
        ) from error
    assert isinstance(config, WaveformConfig)
    checkpoint.check(shapes)
    return config

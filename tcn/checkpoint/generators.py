"""Waveform generators to and from model directories, in the format of all models."""

from pathlib import Path

import torch

from tcn.checkpoint.directory import Checkpoint, read_checkpoint, write_checkpoint
from tcn.checkpoint.parts import described_network, info_of, manifest_of
from tcn.checkpoint.replaced import load_stable
from tcn.errors import CheckpointError
from tcn.generator import WaveformGenerator
from tcn.models import WAVEFORM
from tcn.models.waveform import WaveformConfig, WaveformNetwork


def save_generator(generator: WaveformGenerator, path: Path | str) -> None:
    """Save a generator as the directory `path`; a model that is there is replaced in one step.

    Raises CheckpointError where weights are not finite or the directory cannot be written.
    """
    write_checkpoint(
        path,
        kind=WAVEFORM,
        config=generator.config.to_dict(),
        tensors=generator.network.state_dict(),
        info=info_of(generator.manifest),
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
        network = WaveformNetwork(config).float()  # whatever torch's default dtype is
    checkpoint.load_into(network)
    return WaveformGenerator(config, network, path.resolve().name, manifest=manifest_of(checkpoint))


def _checked_config(checkpoint: Checkpoint) -> WaveformConfig:
    """The config, once the tensors on the disk fit the network it asks for."""
    config, shapes = described_network(checkpoint)
    assert isinstance(config, WaveformConfig)
    checkpoint.check(shapes)
    return config

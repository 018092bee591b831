"""What forecasters, classifiers and generators have in common on the disk."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from tcn.checkpoint.directory import Checkpoint
from tcn.config import Config
from tcn.errors import CheckpointError, ConfigError
from tcn.models import build_network

_STAMPS = ("created", "version", "parameters")  # written anew with each save


def info_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What of a model's manifest is its own and is saved with it."""
    return {key: value for key, value in manifest.items() if key not in _STAMPS}


def manifest_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """The manifest of a loaded model: its own info, and when and by which version it was saved."""
    stamps = {key: checkpoint.manifest[key] for key in _STAMPS if key in checkpoint.manifest}
    return dict(checkpoint.info) | stamps


def described_network(checkpoint: Checkpoint) -> tuple[Config, nn.Module]:
    """The config and its network without memory, which says what tensors must be on the disk."""
    try:
        with torch.device("meta"):
            return build_network(checkpoint.kind, checkpoint.config)
    except (ConfigError, TypeError) as error:
        raise CheckpointError(
            f"The config of the model in '{checkpoint.directory}' is not valid: {error}"
        ) from error

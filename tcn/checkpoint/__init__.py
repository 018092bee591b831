"""Saving and loading: models as directories, training states as files; nothing is unpickled."""

from tcn.checkpoint.directory import (
    MAX_PARAMETERS,
    Checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from tcn.checkpoint.header import TensorSpec
from tcn.checkpoint.state import load_state, save_state

__all__ = [
    "MAX_PARAMETERS",
    "Checkpoint",
    "TensorSpec",
    "load_state",
    "read_checkpoint",
    "save_state",
    "write_checkpoint",
]

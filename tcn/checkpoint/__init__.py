"""Saving and loading: models as directories, training states as files; nothing is unpickled."""

from tcn.checkpoint.classifiers import load_classifier, save_classifier
from tcn.checkpoint.directory import (
    MAX_PARAMETERS,
    Checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from tcn.checkpoint.forecasters import BUNDLED, load, save
from tcn.checkpoint.generators import load_generator, save_generator
from tcn.checkpoint.header import TensorSpec
from tcn.checkpoint.state import load_state, save_state

__all__ = [
    "BUNDLED",
    "MAX_PARAMETERS",
    "Checkpoint",
    "TensorSpec",
    "load",
    "load_classifier",
    "load_generator",
    "load_state",
    "read_checkpoint",
    "save",
    "save_classifier",
    "save_generator",
    "save_state",
    "write_checkpoint",
]

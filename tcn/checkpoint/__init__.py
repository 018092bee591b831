"""Saving and loading: models as directories, training states as files; nothing is unpickled.

What saves and loads classifiers and generators is itself loaded when first asked for.
"""

import importlib
from typing import TYPE_CHECKING, Any

from tcn.checkpoint.directory import (
    MAX_PARAMETERS,
    Checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from tcn.checkpoint.forecasters import BUNDLED, load, save
from tcn.checkpoint.header import TensorSpec
from tcn.checkpoint.state import load_state, save_state

if TYPE_CHECKING:
    from tcn.checkpoint.classifiers import load_classifier, save_classifier
    from tcn.checkpoint.generators import load_generator, save_generator

_HOMES = {
    "load_classifier": "tcn.checkpoint.classifiers",
    "load_generator": "tcn.checkpoint.generators",
    "save_classifier": "tcn.checkpoint.classifiers",
    "save_generator": "tcn.checkpoint.generators",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tcn.checkpoint' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


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

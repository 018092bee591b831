"""The state of a training run as one file, so that it can stop and go on exactly.

One safetensors file: tensors by name, and everything else (counters, random generators, options)
as JSON in its metadata. Written whole or not at all.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from tcn.checkpoint.atomic import write_file
from tcn.checkpoint.directory import own_copies
from tcn.checkpoint.header import read_header_of
from tcn.errors import CheckpointError

_KEY = "state"


def save_state(path: Path | str, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write `tensors` (any allowed dtype) and `meta` (JSON; floats keep every bit) to `path`."""
    try:
        text = json.dumps(dict(meta))
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"The training state cannot be written as JSON: {error}.") from error
    write_file(Path(path).resolve(), save_tensors(own_copies(tensors), metadata={_KEY: text}))


def load_state(path: Path | str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_state` wrote: the tensors, on the CPU, and the meta dictionary."""
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"No training state at '{path}'. Start the training anew.")
    try:
        with path.open("rb") as file:
            header = read_header_of(file, path)
            file.seek(0)
            tensors = load_tensors(file.read())
        meta = json.loads(header.metadata[_KEY])
    except (KeyError, ValueError, OSError, SafetensorError) as error:
        raise CheckpointError(
            f"'{path}' is not a training state this version can read: {error}. "
            "Start the training anew."
        ) from error
    if not isinstance(meta, dict):
        raise CheckpointError(f"'{path}' is not a training state: its meta is {meta!r:.80}.")
    return tensors, meta

"""The header of a safetensors file, read and checked before a single tensor is allocated.

A file is 8 bytes (the header's length, little endian), the header (JSON: name -> dtype, shape and
byte range), then the data. A file from outside may lie in every one of these.
Source: the format description of huggingface/safetensors.
"""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch

from tcn.errors import CheckpointError

MAX_HEADER_BYTES = 16 * 1024 * 1024
MAX_DIMENSIONS = 16
METADATA_KEY = "__metadata__"

DTYPES: Mapping[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


@dataclass(frozen=True)
class TensorSpec:
    """What the header says of one tensor; `start` and `end` are bytes from the first data byte."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def n_elements(self) -> int:
        """Numbers in the tensor."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Header:
    """A checked header: `specs` in the order of the data, `metadata`, and the size of the file."""

    specs: Mapping[str, TensorSpec]
    metadata: Mapping[str, str]
    file_size: int


def read_header(path: Path) -> Header:
    """Read and check the header of the safetensors file `path`; the data are not read."""
    try:
        with path.open("rb") as file:
            return read_header_of(file, path)
    except OSError as error:
        raise CheckpointError(f"Cannot read '{path}': {error.strerror or error}.") from error


def read_header_of(file: BinaryIO, path: Path) -> Header:
    """The same of a file that is open at its beginning: it may be replaced on disk meanwhile."""
    prefix = file.read(8)
    length = int.from_bytes(prefix, "little")
    size = os.fstat(file.fileno()).st_size
    _refuse_pickle(path, prefix, file.read(1))
    _check_length(path, length, size, len(prefix))
    file.seek(8)
    entries = _parse(path, file.read(length))
    metadata = _metadata(path, entries.pop(METADATA_KEY, {}))
    specs = {name: _spec(path, name, entry) for name, entry in entries.items()}
    ordered = dict(sorted(specs.items(), key=lambda item: (item[1].start, item[1].end)))
    _check_ranges(path, ordered, size - 8 - length)
    return Header(ordered, metadata, size)


def _refuse_pickle(path: Path, prefix: bytes, following: bytes) -> None:
    """Name what a file is that starts like a pickle or a zip, and has no JSON after the length.

    The first bytes alone do not tell: they are the lowest of the header's length.
    """
    is_alike = prefix[:2] == b"PK" or prefix[:1] == b"\x80"
    if is_alike and following != b"{":
        raise CheckpointError(
            f"'{path}' is a pickle or a zip archive, not safetensors. Nothing is ever unpickled: "
            "save the weights with tcn.save."
        )


def _check_length(path: Path, length: int, size: int, n_prefix: int) -> None:
    if n_prefix < 8:
        raise CheckpointError(
            f"'{path}' has {size} bytes, too few for safetensors. It was cut off: save it again."
        )
    if length > MAX_HEADER_BYTES:
        raise CheckpointError(
            f"'{path}' announces a header of {length} bytes; at most {MAX_HEADER_BYTES} are "
            "allowed. The file is damaged or not safetensors."
        )
    if 8 + length > size:
        raise CheckpointError(
            f"'{path}' announces a header of {length} bytes but has {size} bytes in all. "
            "It was cut off: save it again."
        )


def _parse(path: Path, text: bytes) -> dict[str, Any]:
    try:
        entries = json.loads(text.decode("utf-8"), object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"The header of '{path}' is not valid JSON: {error}.") from error
    if not isinstance(entries, dict):
        raise CheckpointError(f"The header of '{path}' must be a JSON object, got {entries!r:.80}.")
    return entries


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{repeated!r} appears twice")
    return values


def _metadata(path: Path, values: object) -> dict[str, str]:
    if isinstance(values, dict) and all(isinstance(value, str) for value in values.values()):
        return values
    raise CheckpointError(f"The metadata of '{path}' must map names to text, got {values!r:.80}.")


def _spec(path: Path, name: str, entry: object) -> TensorSpec:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise CheckpointError(
            f"Tensor '{name}' in '{path}' must have dtype, shape and data_offsets, "
            f"got {entry!r:.120}."
        )
    if not isinstance(entry["dtype"], str) or entry["dtype"] not in DTYPES:
        raise CheckpointError(
            f"Tensor '{name}' in '{path}' has dtype {entry['dtype']!r}; "
            f"allowed are {', '.join(DTYPES)}."
        )
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not _are_sizes(shape) or len(shape) > MAX_DIMENSIONS:
        raise CheckpointError(f"Tensor '{name}' in '{path}' has the shape {shape!r:.120}.")
    if not _are_sizes(offsets) or len(offsets) != 2:
        raise CheckpointError(f"Tensor '{name}' in '{path}' has the offsets {offsets!r:.120}.")
    spec = TensorSpec(DTYPES[entry["dtype"]], tuple(shape), offsets[0], offsets[1])
    if spec.n_elements * spec.dtype.itemsize != spec.end - spec.start:
        raise CheckpointError(
            f"Tensor '{name}' in '{path}' has {spec.end - spec.start} bytes, but its shape "
            f"{list(spec.shape)} in {entry['dtype']} needs {spec.n_elements * spec.dtype.itemsize}."
        )
    return spec


def _are_sizes(values: object) -> bool:
    return isinstance(values, list) and all(
        isinstance(value, int) and not isinstance(value, bool) and value >= 0 for value in values
    )


def _check_ranges(path: Path, specs: Mapping[str, TensorSpec], n_bytes: int) -> None:
    """The ranges must cover the data without a hole, an overlap or a byte too few or too many."""
    end = 0
    for name, spec in specs.items():
        if spec.start != end:
            kind = "overlaps the one before it" if spec.start < end else "leaves a hole before it"
            raise CheckpointError(
                f"Tensor '{name}' in '{path}' starts at byte {spec.start}, which {kind} "
                f"(expected {end})."
            )
        end = spec.end
    if end != n_bytes:
        raise CheckpointError(
            f"'{path}' has {n_bytes} bytes of data, but its header describes {end}. "
            "It was cut off or changed: save it again."
        )

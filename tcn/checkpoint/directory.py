"""A model on the disk: a directory of three files, none of them executable.

    config.json          {"format": 1, "kind": "tcn", "config": {...}, "extras": {...}}
    weights.safetensors  the tensors of the network
    manifest.json        sha256 of the other two, counts, when and by which version, and "info"

Reading checks names, shapes, dtypes, sizes and hashes against the network that the config asks for
before anything is allocated. Nothing is ever unpickled.
"""

import hashlib
import importlib.metadata
import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from tcn.checkpoint.atomic import write_directory
from tcn.checkpoint.header import DTYPES, TensorSpec, read_header
from tcn.errors import CheckpointError

FORMAT = 1
CONFIG_FILE = "config.json"
WEIGHTS_FILE = "weights.safetensors"
MANIFEST_FILE = "manifest.json"
MAX_JSON_BYTES = 4 * 1024 * 1024
MAX_PARAMETERS = 500_000_000

_FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
_ALLOWED = (*_FLOATS, torch.int64)


@dataclass(frozen=True)
class Checkpoint:
    """A model directory whose files are consistent; the weights are not in memory yet."""

    directory: Path
    kind: str
    config: Mapping[str, Any]
    extras: Mapping[str, Any]
    info: Mapping[str, Any]
    manifest: Mapping[str, Any]
    specs: Mapping[str, TensorSpec]

    @property
    def n_parameters(self) -> int:
        """Numbers in all tensors, those that are not trained too."""
        return sum(spec.n_elements for spec in self.specs.values())

    def check(self, network: nn.Module) -> None:
        """Raise `CheckpointError` unless the file holds exactly the tensors of `network`."""
        _check_specs(self.directory, self.specs, network.state_dict())

    def load_into(self, network: nn.Module) -> None:
        """Give `network` the weights, on the CPU, in its own dtypes.

        It may be on the meta device if all its tensors are in its `state_dict`; one that is not
        stays there.
        """
        self.check(network)
        path = _inside(self.directory, WEIGHTS_FILE)
        data = _read_bytes(path, limit=None)
        _check_sha(path, data, self.manifest)
        try:
            tensors = load_tensors(data)
        except SafetensorError as error:
            raise CheckpointError(f"'{path}' cannot be read: {error}.") from error
        wanted = network.state_dict()
        for name, tensor in tensors.items():
            _require_finite(f"'{name}' in '{path}'", tensor)
            tensors[name] = tensor.to(wanted[name].dtype)
        network.load_state_dict(tensors, strict=True, assign=True)


def write_checkpoint(
    directory: Path | str,
    *,
    kind: str,
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    info: Mapping[str, Any],
    extras: Mapping[str, Any] | None = None,
) -> None:
    """Save a model as `directory`, whole or not at all; one that is there is replaced.

    config: what the network is built from. extras: what else its answers depend on. info: how it
    was made. All of them JSON. tensors: the network's `state_dict`, finite, in float32, bfloat16,
    float16, float64 or int64.
    """
    path = Path(directory).resolve()
    _require_model_or_nothing(path)
    for name, tensor in tensors.items():
        if tensor.dtype not in _ALLOWED:
            raise CheckpointError(f"Tensor '{name}' has dtype {tensor.dtype}; {_allowed_text()}.")
        _require_finite(f"'{name}'", tensor)
    settings = {"config": dict(config), "extras": dict(extras or {})}
    config_text = _to_json({"format": FORMAT, "kind": kind, **settings}, "config")
    weights = save_tensors(own_copies(tensors))
    manifest = {
        "format": FORMAT,
        "sha256": {CONFIG_FILE: _sha256(config_text), WEIGHTS_FILE: _sha256(weights)},
        "tensors": len(tensors),
        "parameters": sum(tensor.numel() for tensor in tensors.values()),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": library_version(),
        "info": dict(info),
    }
    files = {
        CONFIG_FILE: config_text,
        WEIGHTS_FILE: weights,
        MANIFEST_FILE: _to_json(manifest, "info"),
    }
    write_directory(path, files)


def read_checkpoint(directory: Path | str, max_parameters: int = MAX_PARAMETERS) -> Checkpoint:
    """Read and check everything about the model in `directory` but its weights."""
    path = Path(directory)
    if not path.is_dir():
        raise CheckpointError(
            f"No model at '{path}'. A model is a directory with {CONFIG_FILE}, {WEIGHTS_FILE} "
            f"and {MANIFEST_FILE}, as tcn.save writes it."
        )
    manifest = _read_json(path, MANIFEST_FILE)
    _check_manifest(path / MANIFEST_FILE, manifest)
    config_path = _inside(path, CONFIG_FILE)
    config_text = _read_bytes(config_path, MAX_JSON_BYTES)
    config = _parse_json(config_path, config_text)
    _check_config(config_path, config)
    _check_sha(config_path, config_text, manifest)
    header = read_header(_inside(path, WEIGHTS_FILE))
    _check_sizes(path / WEIGHTS_FILE, header.specs, max_parameters)
    return Checkpoint(
        directory=path,
        kind=config["kind"],
        config=config["config"],
        extras=config.get("extras", {}),
        info=manifest["info"],
        manifest=manifest,
        specs=header.specs,
    )


def own_copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous copies on the CPU that share no memory, as safetensors wants them."""
    return {
        name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()
    }


def library_version() -> str:
    """The installed version, or 'unknown' when the package runs from a bare folder."""
    try:
        return importlib.metadata.version("tcn-forecast")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _require_model_or_nothing(path: Path) -> None:
    """Refuse to replace a directory that is not a model, or a file."""
    if not path.exists():
        return
    if not path.is_dir():
        raise CheckpointError(f"'{path}' is a file. Give the name of a directory for the model.")
    known = {CONFIG_FILE, WEIGHTS_FILE, MANIFEST_FILE}
    others = sorted(item.name for item in path.iterdir() if item.name not in known)
    if others:
        raise CheckpointError(
            f"'{path}' holds other files ({', '.join(others[:3])}); saving would remove them. "
            "Give a new directory for the model."
        )


def _inside(directory: Path, name: str) -> Path:
    """The regular file `name` of `directory`; a link that leads out of the directory is refused."""
    path = directory / name
    try:
        resolved = path.resolve(strict=True)
        mode = resolved.stat().st_mode
    except (OSError, RuntimeError) as error:
        raise CheckpointError(
            f"'{directory}' has no {name}. A model has {CONFIG_FILE}, {WEIGHTS_FILE} and "
            f"{MANIFEST_FILE}: save it again or take it from its source."
        ) from error
    if not resolved.is_relative_to(directory.resolve()):
        raise CheckpointError(
            f"'{path}' is a link to '{resolved}', outside the model's directory. "
            "Put the file itself there."
        )
    if not stat.S_ISREG(mode):
        raise CheckpointError(f"'{path}' is not a regular file.")
    return path


def _read_bytes(path: Path, limit: int | None) -> bytes:
    try:
        if limit is not None and path.stat().st_size > limit:
            raise CheckpointError(
                f"'{path}' has {path.stat().st_size} bytes; at most {limit} are allowed."
            )
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"Cannot read '{path}': {error.strerror or error}.") from error


def _read_json(directory: Path, name: str) -> dict[str, Any]:
    path = _inside(directory, name)
    return _parse_json(path, _read_bytes(path, MAX_JSON_BYTES))


def _parse_json(path: Path, text: bytes) -> dict[str, Any]:
    try:
        values = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"'{path}' is not valid JSON: {error}.") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"'{path}' must hold a JSON object, got {values!r:.80}.")
    return values


def _to_json(values: Mapping[str, Any], what: str) -> bytes:
    try:
        return (json.dumps(values, indent=2, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"The {what} cannot be written as JSON: {error}.") from error


def _check_format(path: Path, values: Mapping[str, Any]) -> None:
    if values.get("format") != FORMAT:
        raise CheckpointError(
            f"'{path}' has format {values.get('format')!r}; this version reads {FORMAT}. "
            "Install the version that wrote it, or save the model again."
        )


def _check_manifest(path: Path, manifest: Mapping[str, Any]) -> None:
    _check_format(path, manifest)
    hashes = manifest.get("sha256")
    if not isinstance(hashes, dict) or not {CONFIG_FILE, WEIGHTS_FILE} <= set(hashes):
        raise CheckpointError(f"'{path}' lacks the sha256 of {CONFIG_FILE} and {WEIGHTS_FILE}.")
    if not isinstance(manifest.get("info"), dict):
        raise CheckpointError(f"'{path}' lacks 'info', an object that says how it was made.")


def _check_config(path: Path, config: Mapping[str, Any]) -> None:
    _check_format(path, config)
    if not isinstance(config.get("kind"), str) or not isinstance(config.get("config"), dict):
        raise CheckpointError(f"'{path}' must have 'kind', a name, and 'config', an object.")
    if not isinstance(config.get("extras", {}), dict):
        raise CheckpointError(f"'{path}' must have an object as 'extras'.")


def _check_sha(path: Path, data: bytes, manifest: Mapping[str, Any]) -> None:
    expected = manifest["sha256"][path.name]
    if _sha256(data) != expected:
        raise CheckpointError(
            f"'{path}' is not the file its manifest describes (sha256 {_sha256(data)[:12]}..., "
            f"expected {str(expected)[:12]}...). It was changed or damaged: save or fetch it again."
        )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _check_sizes(path: Path, specs: Mapping[str, TensorSpec], max_parameters: int) -> None:
    for name, spec in specs.items():
        if spec.dtype not in _ALLOWED:
            raise CheckpointError(
                f"Tensor '{name}' in '{path}' has dtype {spec.dtype}; {_allowed_text()}."
            )
    total = sum(spec.n_elements for spec in specs.values())
    if total > max_parameters:
        raise CheckpointError(
            f"'{path}' has {total:,} parameters; at most {max_parameters:,} are allowed."
        )


def _check_specs(
    directory: Path, specs: Mapping[str, TensorSpec], wanted: Mapping[str, Tensor]
) -> None:
    missing = [name for name in wanted if name not in specs]
    extra = [name for name in specs if name not in wanted]
    if missing or extra:
        said = f"missing: {missing[:3]}" if missing else f"not part of the network: {extra[:3]}"
        raise CheckpointError(
            f"The weights in '{directory}' do not fit its config; {said} "
            f"({len(missing)} missing, {len(extra)} too many)."
        )
    for name, spec in specs.items():
        tensor = wanted[name]
        if spec.shape != tuple(tensor.shape):
            raise CheckpointError(
                f"Tensor '{name}' in '{directory}' has shape {list(spec.shape)}, but the config "
                f"asks for {list(tensor.shape)}."
            )
        if spec.dtype != tensor.dtype and not (spec.dtype in _FLOATS and tensor.dtype in _FLOATS):
            raise CheckpointError(
                f"Tensor '{name}' in '{directory}' has dtype {spec.dtype}, but the network has "
                f"{tensor.dtype}."
            )


def _require_finite(what: str, tensor: Tensor) -> None:
    if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
        raise CheckpointError(
            f"Tensor {what} has NaN or infinite values. Such a model forecasts nothing: "
            "take an earlier checkpoint."
        )


def _allowed_text() -> str:
    names = [name for name, dtype in DTYPES.items() if dtype in _ALLOWED]
    return f"allowed are {', '.join(names)}"

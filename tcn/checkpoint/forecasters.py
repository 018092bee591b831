"""Forecasters to and from model directories."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from tcn.checkpoint.directory import Checkpoint, read_checkpoint, write_checkpoint
from tcn.checkpoint.parts import described_network, info_of, manifest_of
from tcn.checkpoint.replaced import load_stable
from tcn.config import TCNConfig, WaveNetConfig, require_choice
from tcn.errors import CheckpointError, ConfigError
from tcn.forecaster import Forecaster
from tcn.models import ForecastNetwork, kind_of
from tcn.models.calibration import Calibration
from tcn.series.conditions import Conditions

if TYPE_CHECKING:
    from tcn.export import Precision

BUNDLED = ("zero",)
RuntimeName = Literal["torch", "openvino", "onnxruntime"]


def save(forecaster: Forecaster, path: Path | str, *, dtype: torch.dtype | None = None) -> None:
    """Save a forecaster as the directory `path`; a model that is there is replaced in one step.

    dtype: store the weights as torch.bfloat16 or torch.float16 to halve the file; they are float32
    again when loaded, rounded. Raises ConfigError for a dtype of no floats, CheckpointError where
    the weights are not finite or the directory cannot be written.
    """
    if dtype is not None and not dtype.is_floating_point:
        raise ConfigError(f"dtype must be one of floats, such as torch.bfloat16, got {dtype}.")
    calibration = forecaster.calibration
    write_checkpoint(
        path,
        kind=kind_of(forecaster.config),
        config=forecaster.config.to_dict(),
        tensors=_stored(forecaster.network.state_dict(), dtype),
        info=info_of(forecaster.manifest),
        extras={
            "calibration": None if calibration is None else calibration.to_dict(),
            "conditions": forecaster.conditions.to_dict(),
        },
    )


def load(
    path_or_name: Path | str, *, runtime: RuntimeName = "torch", precision: "Precision" = "float32"
) -> Forecaster:
    """Load a forecaster: the name of a bundled one ("zero"), or a directory that `save` wrote.

    runtime: what computes the network; another one than torch is compiled and compared with torch
    first, which takes some seconds, and serves windows of the full length that the network reads.
    precision: "bfloat16" needs the runtime "openvino" and a processor that has it.

    A model that is replaced meanwhile is read again. Raises CheckpointError, naming the file or
    tensor, for anything that is not a whole model, and ConfigError for a runtime that cannot be
    had. Nothing is ever unpickled.
    """
    require_choice("runtime", runtime, RuntimeName)
    if runtime == "torch" and precision != "float32":
        raise ConfigError(
            f"precision must be 'float32' in torch, got {precision!r}. "
            "Take runtime='openvino' for bfloat16."
        )
    is_bundled = isinstance(path_or_name, str) and path_or_name in BUNDLED
    path = _bundled(str(path_or_name)) if is_bundled else Path(path_or_name)
    if not path.is_dir():
        raise CheckpointError(
            f"No model at '{path}'. Give the directory of a saved model, or the name of a bundled "
            f"one: {', '.join(BUNDLED)}."
        )
    forecaster = load_stable(path, _load)
    if runtime == "torch":
        return forecaster
    from tcn.export import compile_forecaster

    return compile_forecaster(forecaster, runtime, precision)


def _load(path: Path) -> Forecaster:
    checkpoint = read_checkpoint(path)
    config, network = _network(checkpoint)
    calibration, conditions = _extras(checkpoint)
    return Forecaster(
        config=config,
        network=network.eval(),
        name=path.resolve().name,
        manifest=manifest_of(checkpoint),
        calibration=calibration,
        conditions=conditions,
    )


def _bundled(name: str) -> Path:
    return Path(__file__).parents[1] / "weights" / name


def _network(checkpoint: Checkpoint) -> tuple[TCNConfig | WaveNetConfig, ForecastNetwork]:
    """The config, and its network with the weights; built for real only once the weights fit it."""
    config, shapes = described_network(checkpoint)
    if not isinstance(config, TCNConfig | WaveNetConfig):
        raise CheckpointError(
            f"The model in '{checkpoint.directory}' is of kind {checkpoint.kind!r}, which does not "
            "forecast series."
        )
    checkpoint.check(shapes)
    with torch.random.fork_rng(devices=[]):
        network = ForecastNetwork(config).float()  # whatever torch's default dtype is
    checkpoint.load_into(network)
    return config, network


def _extras(checkpoint: Checkpoint) -> tuple[Calibration | None, Conditions]:
    extras = checkpoint.extras
    try:
        calibration = extras.get("calibration")
        conditions = extras.get("conditions")
        return (
            None if calibration is None else Calibration.from_dict(calibration),
            Conditions() if conditions is None else Conditions.from_dict(conditions),
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"The extras of the model in '{checkpoint.directory}' cannot be read ({error!r}). "
            "Save the model again."
        ) from error


def _stored(tensors: Mapping[str, Tensor], dtype: torch.dtype | None) -> dict[str, Any]:
    return {
        name: tensor if dtype is None or not tensor.is_floating_point() else tensor.to(dtype)
        for name, tensor in tensors.items()
    }

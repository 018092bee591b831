"""The forecasting network as a file that other runtimes execute: ONNX or OpenVINO.

What is exported is the network alone, for windows of one length and one number of steps, with any
number of windows at a time. Scaling to z units, references and calibration stay in the library.
"""

import copy
import importlib.util
import json
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tcn.config import TCNConfig, WaveNetConfig, require_choice, require_int
from tcn.errors import ConfigError
from tcn.forecaster import Forecaster
from tcn.models import ForecastNetwork, NetworkInputs
from tcn.models.heads import QuantileHead
from tcn.series.features import N_FEATURES
from tcn.series.references import N_DRAFTS, N_REFERENCES, N_STEP_FEATURES, StepInputs
from tcn.series.scaling import LocScale

ExportFormat = Literal["onnx", "openvino"]
Shape = tuple[int, ...]
Array = NDArray[np.float32]
Run = Callable[[Mapping[str, Array]], Array]

DESCRIPTION_FILE = "export.json"
ONNX_FILE = "forecast.onnx"
OPENVINO_FILES = ("forecast.xml", "forecast.bin")
TOLERANCE = 1e-5
CHECKED_BATCHES = (1, 2, 17)

_TRACED_BATCH = 3  # a batch of one would be taken for a constant
_PACKAGES: Mapping[str, tuple[str, ...]] = {
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "openvino": ("onnx", "onnxscript", "openvino"),  # which reads ONNX
}
_EXTRAS = {"onnx": "onnx", "openvino": "onnx,openvino"}


class Signature(NamedTuple):
    """What an exported network takes and gives; shapes are without the batch axis in front."""

    inputs: dict[str, Shape]
    output: str
    output_shape: Shape


@dataclass(frozen=True)
class Export:
    """An exported network that was compared with torch.

    files: names and contents, of which `export.json` describes the others. difference: the largest
    one from torch, relative to the largest output of the window.
    """

    files: Mapping[str, bytes]
    signature: Signature
    difference: float


def export_network(
    forecaster: Forecaster,
    export_format: ExportFormat,
    *,
    context_length: int | None = None,
    horizon: int | None = None,
) -> Export:
    """Export the network of `forecaster` for a context and horizon, those of its config by default.

    Inputs are features (N, F, L), references, drafts and steps (N, H, ...), and where the model has
    such covariates known (N, H, K) and static (N, S), all float32; L is the context in whole
    patches, or what the network reads of it. The output is (N, H, Q): the trained quantiles in z
    units for a quantile head, raw parameters for others. Raises ConfigError where a package is
    missing, a size is not allowed, or the result differs from torch at a batch of 1, 2 or 17.
    """
    require_packages(export_format)
    signature = signature_of(forecaster, context_length, horizon)
    network = _Flat(forecaster.network, tuple(signature.inputs)).eval()
    onnx = _to_onnx(network, signature)
    if export_format == "onnx":
        files = {ONNX_FILE: onnx}
        run = _onnx_runtime(onnx)
    else:
        files = _to_openvino(onnx)
        run = _openvino_runtime(files)
    difference = check_against_torch(network, signature, run)
    description = _describe(forecaster, export_format, signature)
    files[DESCRIPTION_FILE] = (json.dumps(description, indent=2) + "\n").encode()
    return Export(files, signature, difference)


def require_packages(export_format: str) -> None:
    """Raise `ConfigError` unless all that the export to this format needs is installed."""
    require_choice("format", export_format, ExportFormat)
    missing = [name for name in _PACKAGES[export_format] if not importlib.util.find_spec(name)]
    if missing:
        raise ConfigError(
            f"Export to {export_format} needs {', '.join(missing)}. "
            f"Install the extras: pip install 'tcn-forecast[{_EXTRAS[export_format]}]'."
        )


def signature_of(
    forecaster: Forecaster, context_length: int | None = None, horizon: int | None = None
) -> Signature:
    """Inputs and output of the network for a context and horizon that the model allows."""
    config, head = forecaster.config, forecaster.network.distribution
    context = config.context_length if context_length is None else context_length
    steps = config.horizon if horizon is None else horizon
    require_int("context_length", context, 1, config.context_length)
    require_int("horizon of an export", steps, 1, config.horizon)
    inputs: dict[str, Shape] = {
        "features": (_n_features(config), _positions(forecaster, context)),
        "references": (steps, N_REFERENCES),
        "drafts": (steps, N_DRAFTS),
        "steps": (steps, N_STEP_FEATURES),
    }
    if config.future_covariates:
        inputs["known"] = (steps, len(config.future_covariates))
    if config.static_covariates:
        inputs["static"] = (len(config.static_covariates),)
    output = "quantiles" if isinstance(head, QuantileHead) else "raw"
    return Signature(inputs, output, (steps, head.n_raw))


def check_against_torch(network: nn.Module, signature: Signature, run: Run) -> float:
    """Largest relative difference of `run` from `network`; ConfigError above the tolerance."""
    differences = [_difference(network, signature, run, n) for n in CHECKED_BATCHES]
    worst = float(np.max(differences))  # NaN if there is one
    if not worst <= TOLERANCE:
        raise ConfigError(
            f"The exported network differs from torch by {worst:.1e} of its largest output; at "
            f"most {TOLERANCE:g} is allowed, so nothing was written. Try the other format, or "
            "other versions of its packages."
        )
    return worst


class _Flat(nn.Module):
    """A copy of a network on the processor whose inputs are tensors with names, one origin each."""

    def __init__(self, network: ForecastNetwork, names: tuple[str, ...]) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).cpu().float()
        self.names = names

    def forward(self, *tensors: Tensor) -> Tensor:
        given = dict(zip(self.names, tensors, strict=True))
        references, drafts, steps = (
            given[name][:, None] for name in ("references", "drafts", "steps")
        )
        nothing = references.new_zeros(0)  # the network does not read the scaling
        step = StepInputs(references, drafts, steps, LocScale(nothing, nothing))
        known = given["known"][:, None] if "known" in given else None
        inputs = NetworkInputs(given["features"], step, known, given.get("static"))
        raw: Tensor = self.network(inputs)[:, 0]
        head = self.network.distribution
        return head.trained_quantiles(raw) if isinstance(head, QuantileHead) else raw


def _n_features(config: TCNConfig | WaveNetConfig) -> int:
    return N_FEATURES + 2 * (len(config.past_covariates) + len(config.future_covariates))


def _positions(forecaster: Forecaster, context: int) -> int:
    """Positions of the features: the context in whole patches, as far as it is read."""
    patch = forecaster.config.patch_length
    return min(-(-context // patch) * patch, forecaster.network.positions_read)


def _to_onnx(network: nn.Module, signature: Signature) -> bytes:
    example = tuple(_example(signature, _TRACED_BATCH).values())
    batch = torch.export.Dim("batch")
    with torch.no_grad(), _quiet():
        program = torch.onnx.export(
            network,
            example,
            dynamo=True,
            dynamic_shapes=(tuple({0: batch} for _ in example),),
            input_names=list(signature.inputs),
            output_names=[signature.output],
            verbose=False,
        )
    assert program is not None
    contents: bytes = program.model_proto.SerializeToString()
    return contents


def _to_openvino(onnx: bytes) -> dict[str, bytes]:
    import openvino

    with tempfile.TemporaryDirectory() as name:
        source, paths = Path(name) / ONNX_FILE, [Path(name) / file for file in OPENVINO_FILES]
        source.write_bytes(onnx)
        model = openvino.Core().read_model(source)
        openvino.save_model(model, paths[0], compress_to_fp16=False)
        return {path.name: path.read_bytes() for path in paths}


def _onnx_runtime(onnx: bytes) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    return lambda inputs: np.asarray(session.run(None, dict(inputs))[0])


def _openvino_runtime(files: Mapping[str, bytes]) -> Run:
    import openvino

    core = openvino.Core()
    model = core.read_model(*(files[name] for name in OPENVINO_FILES))
    plain = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = core.compile_model(model, "CPU", plain)
    return lambda inputs: np.asarray(compiled(dict(inputs))[0])


def _difference(network: nn.Module, signature: Signature, run: Run, n: int) -> float:
    """Largest difference for `n` windows, relative to the largest output of its window."""
    inputs = _example(signature, n)
    with torch.no_grad():
        wanted = network(*inputs.values()).numpy()
    found = run({name: tensor.numpy() for name, tensor in inputs.items()})
    if found.shape != wanted.shape:
        raise ConfigError(
            f"The exported network gives {found.shape} for {n} windows, torch {wanted.shape}; "
            "nothing was written. Try the other format, or other versions of its packages."
        )
    largest = np.abs(wanted).max(axis=(1, 2), keepdims=True)
    return float((np.abs(found - wanted) / np.maximum(largest, TOLERANCE)).max())


def _example(signature: Signature, n: int) -> dict[str, Tensor]:
    """Inputs for `n` windows, the same at each call."""
    generator = torch.Generator().manual_seed(n)
    return {
        name: torch.randn(n, *shape, generator=generator)
        for name, shape in signature.inputs.items()
    }


def _describe(
    forecaster: Forecaster, export_format: ExportFormat, signature: Signature
) -> dict[str, Any]:
    head = forecaster.network.distribution
    return {
        "model": forecaster.name,
        "format": export_format,
        "head": forecaster.config.head,
        "inputs": {name: ["batch", *shape] for name, shape in signature.inputs.items()},
        "outputs": {signature.output: ["batch", *signature.output_shape]},
        "quantile_levels": list(head.levels) if isinstance(head, QuantileHead) else None,
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what torch says about itself, and about packages that are not needed, from the user."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.filterwarnings("ignore", "# The axis name", UserWarning)  # one for all inputs
            yield
    finally:
        logger.setLevel(level)

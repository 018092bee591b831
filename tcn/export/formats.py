"""A torch module as ONNX or OpenVINO, compared with torch, and run by another runtime."""

import importlib.util
import json
import logging
import tempfile
import threading
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

from tcn.config import require_choice
from tcn.errors import ConfigError

ExportFormat = Literal["onnx", "openvino"]
Runtime = Literal["openvino", "onnxruntime"]
Precision = Literal["float32", "bfloat16"]
Shape = tuple[int, ...]
Array = NDArray[np.float32]
Run = Callable[[Mapping[str, Array]], list[Array]]

DESCRIPTION_FILE = "export.json"
TOLERANCE = 1e-5
CHECKED_BATCHES = (1, 2, 17)

_TRACED_BATCH = 3  # a batch of one would be taken for a constant
_PACKAGES: Mapping[str, tuple[str, ...]] = {
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "openvino": ("onnx", "onnxscript", "openvino"),  # which reads ONNX
}
_EXTRAS = {"onnx": "onnx", "openvino": "onnx,openvino"}


class Signature(NamedTuple):
    """What an exported module takes and gives; shapes are without the batch axis in front.

    free: sizes beside the batch that callers may choose, by input and axis (the batch is axis 0).
    """

    inputs: dict[str, Shape]
    outputs: dict[str, Shape]
    free: Mapping[str, int] = {}


@dataclass(frozen=True)
class Export:
    """An exported module that was compared with torch.

    files: names and contents, of which `export.json` describes the others. difference: the largest
    one from torch, relative to the largest number of the output for the window or stream.
    """

    files: Mapping[str, bytes]
    signature: Signature
    difference: float


def export_module(
    module: nn.Module,
    signature: Signature,
    export_format: ExportFormat,
    *,
    name: str,
    description: Mapping[str, Any],
) -> Export:
    """Export `module`, whose arguments and results are those of the signature, in their order.

    The batch is free. Raises ConfigError where a package is missing, or the result differs from
    torch at a batch of 1, 2 or 17.
    """
    require_packages(export_format)
    onnx = to_onnx(module, signature)
    if export_format == "onnx":
        files = {file_names(name, export_format)[0]: onnx}
        run = onnx_runtime(onnx)
    else:
        files = _to_openvino(onnx, name)
        run = openvino_runtime(onnx)
    difference = check_against_torch(module, signature, run)
    about = {"format": export_format, **_sizes(signature), **description}
    files[DESCRIPTION_FILE] = (json.dumps(about, indent=2) + "\n").encode()
    return Export(files, signature, difference)


def file_names(name: str, export_format: ExportFormat) -> tuple[str, ...]:
    """The files of an export beside its description."""
    return (f"{name}.onnx",) if export_format == "onnx" else (f"{name}.xml", f"{name}.bin")


def require_packages(export_format: str) -> None:
    """Raise `ConfigError` unless all that the export to this format needs is installed."""
    require_choice("format", export_format, ExportFormat)
    missing = [name for name in _PACKAGES[export_format] if not importlib.util.find_spec(name)]
    if missing:
        raise ConfigError(
            f"Export to {export_format} needs {', '.join(missing)}. "
            f"Install the extras: pip install 'tcn-forecast[{_EXTRAS[export_format]}]'."
        )


def check_against_torch(module: nn.Module, signature: Signature, run: Run) -> float:
    """Largest relative difference of `run` from `module`; ConfigError above the tolerance."""
    differences = [_difference(module, signature, run, n) for n in CHECKED_BATCHES]
    worst = float(np.max(differences))  # NaN if there is one
    if not worst <= TOLERANCE:
        raise ConfigError(
            f"The exported network differs from torch by {worst:.1e} of its largest output; at "
            f"most {TOLERANCE:g} is allowed, so nothing was written. Try the other format, or "
            "other versions of its packages."
        )
    return worst


def to_onnx(module: nn.Module, signature: Signature) -> bytes:
    """The module as ONNX."""
    example = tuple(_example(signature, _TRACED_BATCH).values())
    batch, free = torch.export.Dim("batch"), torch.export.Dim("free")
    shapes = [
        {0: batch} | ({signature.free[name]: free} if name in signature.free else {})
        for name in signature.inputs
    ]
    with torch.no_grad(), _quiet():
        program = torch.onnx.export(
            module,
            example,
            dynamo=True,
            dynamic_shapes=(tuple(shapes),),
            input_names=list(signature.inputs),
            output_names=list(signature.outputs),
            verbose=False,
        )
    assert program is not None
    contents: bytes = program.model_proto.SerializeToString()
    return contents


def onnx_runtime(onnx: bytes, *, threads: int = 1) -> Run:
    """The module as ONNX Runtime computes it; several threads may call it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    return lambda inputs: [np.asarray(each) for each in session.run(None, dict(inputs))]


def openvino_runtime(onnx: bytes, *, precision: Precision = "float32", threads: int = 1) -> Run:
    """The module as OpenVINO computes it on the processor; several threads may call it.

    Raises ConfigError for bfloat16 where the processor has none.
    """
    import openvino

    core = openvino.Core()
    if precision == "bfloat16" and "BF16" not in core.get_property(
        "CPU", "OPTIMIZATION_CAPABILITIES"
    ):
        raise ConfigError("This processor has no bfloat16. Take precision='float32'.")
    hints = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled = core.compile_model(core.read_model(onnx), "CPU", hints)
    own = threading.local()  # a request serves one call at a time

    def run(inputs: Mapping[str, Array]) -> list[Array]:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        results = own.request.infer(dict(inputs), share_inputs=True)
        return [np.asarray(results[index]) for index in range(len(results))]

    return run


def _to_openvino(onnx: bytes, name: str) -> dict[str, bytes]:
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / file for file in file_names(name, "openvino")]
        model = openvino.Core().read_model(onnx)
        openvino.save_model(model, paths[0], compress_to_fp16=False)
        return {path.name: path.read_bytes() for path in paths}


def _difference(module: nn.Module, signature: Signature, run: Run, n: int) -> float:
    """Largest difference for a batch of `n`, relative to the largest number of the same row."""
    inputs = _example(signature, n)
    with torch.no_grad():
        given = module(*inputs.values())
    wanted = [each.numpy() for each in (given if isinstance(given, tuple) else (given,))]
    found = run({name: tensor.numpy() for name, tensor in inputs.items()})
    differences = [0.0]
    for ours, theirs in zip(wanted, found, strict=True):
        if ours.shape != theirs.shape:
            raise ConfigError(
                f"The exported network gives {theirs.shape} for a batch of {n}, torch "
                f"{ours.shape}; nothing was written. Try the other format, or other versions of "
                "its packages."
            )
        if ours.size:
            ours, theirs = ours.reshape(n, -1), theirs.reshape(n, -1)  # noqa: PLW2901
            largest = np.maximum(np.abs(ours).max(axis=1, keepdims=True), TOLERANCE)
            differences.append(float((np.abs(theirs - ours) / largest).max()))
    return float(np.max(differences))


def _example(signature: Signature, n: int) -> dict[str, Tensor]:
    """Inputs for a batch of `n`, the same at each call."""
    generator = torch.Generator().manual_seed(n)
    return {
        name: torch.randn(n, *shape, generator=generator)
        for name, shape in signature.inputs.items()
    }


def _sizes(signature: Signature) -> dict[str, Any]:
    return {
        key: {name: ["batch", *shape] for name, shape in shapes.items()}
        for key, shapes in (("inputs", signature.inputs), ("outputs", signature.outputs))
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

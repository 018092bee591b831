"""A forecaster whose network runs in another runtime."""

import importlib.util
from dataclasses import replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from tcn.config import require_choice
from tcn.errors import ConfigError
from tcn.export.formats import (
    Precision,
    Run,
    Runtime,
    Signature,
    check_against_torch,
    onnx_runtime,
    openvino_runtime,
    to_onnx,
)
from tcn.export.networks import WindowNetwork, signature_of
from tcn.forecaster import Forecaster
from tcn.models import ForecastNetwork, NetworkInputs

_NEEDS = {"openvino": ("openvino", "onnx", "onnxscript"), "onnxruntime": ("onnxruntime", "onnx")}


class CompiledNetwork(ForecastNetwork):
    """A network that another runtime computes for windows of the full length.

    Shorter windows, several origins and all training are computed by torch, with the same weights.
    A copy is a plain network.
    """

    def __init__(self, network: ForecastNetwork, run: Run, signature: Signature) -> None:
        nn.Module.__init__(self)
        self.__dict__.update(network.__dict__)  # the same weights, under the same names
        self._run: Run | None = run
        self._names = tuple(signature.inputs)
        self._length = signature.inputs["features"][1]

    def forward(self, inputs: NetworkInputs, origins: Tensor | None = None) -> Tensor:
        """As `ForecastNetwork.forward`."""
        is_whole = inputs.features.shape[2] == self._length
        if self._run is None or origins is not None or not is_whole or torch.is_grad_enabled():
            return super().forward(inputs, origins)
        step = inputs.step
        given = {
            "features": inputs.features,
            "references": step.references[:, 0],
            "drafts": step.drafts[:, 0],
            "steps": step.steps[:, 0],
            "known": None if inputs.known is None else inputs.known[:, 0],
            "static": inputs.static,
        }
        arrays = {name: _array(given[name]) for name in self._names}
        return torch.from_numpy(np.array(self._run(arrays)[0]))[:, None]

    def train(self, mode: bool = True) -> Self:
        """Weights that are trained further are no longer those of the other runtime."""
        if mode:
            self._run = None
        return super().train(mode)

    def __getstate__(self) -> dict[str, Any]:
        """Copies are computed by torch."""
        return super().__getstate__() | {"_run": None}


def compile_forecaster(
    forecaster: Forecaster, runtime: Runtime, precision: Precision = "float32"
) -> Forecaster:
    """The same forecaster, its network compiled by `runtime` and compared with torch.

    Windows of the full length that the network reads run there, in float32 or, with OpenVINO on a
    processor that has it, in bfloat16; all others in torch. Takes some seconds. Raises ConfigError
    where packages are missing, the precision is not to be had, or the compiled network differs.
    """
    require_choice("runtime", runtime, Runtime)
    require_choice("precision", precision, Precision)
    missing = [name for name in _NEEDS[runtime] if not importlib.util.find_spec(name)]
    if missing:
        extras = "onnx,openvino" if runtime == "openvino" else "onnx"
        raise ConfigError(
            f"The runtime {runtime} needs {', '.join(missing)}. "
            f"Install the extras: pip install 'tcn-forecast[{extras}]'."
        )
    if runtime == "onnxruntime" and precision == "bfloat16":
        raise ConfigError("bfloat16 needs runtime='openvino'; ONNX Runtime computes in float32.")
    network = forecaster.network
    signature = _with_free_horizon(signature_of(forecaster))
    module = WindowNetwork(network, tuple(signature.inputs), is_raw=True).eval()
    onnx = to_onnx(module, signature)
    threads = torch.get_num_threads()
    plain = openvino_runtime if runtime == "openvino" else onnx_runtime
    run = plain(onnx, threads=threads)
    check_against_torch(module, signature, run)
    if precision == "bfloat16":
        run = openvino_runtime(onnx, precision=precision, threads=threads)
    return replace(forecaster, network=CompiledNetwork(network, run, signature))


def _with_free_horizon(signature: Signature) -> Signature:
    """The signature with the raw output, and any number of steps."""
    ((steps, width),) = signature.outputs.values()
    stepwise = [name for name in signature.inputs if name not in ("features", "static")]
    free = dict.fromkeys(stepwise, 1) if steps > 1 else {}
    return Signature(signature.inputs, {"raw": (steps, width)}, free)


def _array(tensor: Tensor | None) -> Any:
    assert tensor is not None  # the network has such an input
    return tensor.contiguous().numpy()

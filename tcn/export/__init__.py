"""Networks and layers for other runtimes: as ONNX or OpenVINO files, or run by them at once."""

from tcn.export.compiled import CompiledNetwork, compile_forecaster
from tcn.export.formats import (
    DESCRIPTION_FILE,
    Export,
    ExportFormat,
    Precision,
    Runtime,
    Signature,
    check_against_torch,
    export_module,
    file_names,
    require_packages,
)
from tcn.export.layers import export_layer
from tcn.export.networks import export_network, export_step, signature_of

__all__ = [
    "DESCRIPTION_FILE",
    "CompiledNetwork",
    "Export",
    "ExportFormat",
    "Precision",
    "Runtime",
    "Signature",
    "check_against_torch",
    "compile_forecaster",
    "export_layer",
    "export_module",
    "export_network",
    "export_step",
    "file_names",
    "require_packages",
    "signature_of",
]

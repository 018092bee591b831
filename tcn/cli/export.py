"""`tcn export`: the network of a model for other runtimes."""

from pathlib import Path

import tcn
from tcn.checkpoint.atomic import write_directory
from tcn.cli.console import say, write_json
from tcn.errors import ConfigError
from tcn.export import (
    DESCRIPTION_FILE,
    ExportFormat,
    export_network,
    export_step,
    file_names,
    require_packages,
)

KNOWN_FILES = {
    DESCRIPTION_FILE,
    *(
        file
        for name in ("forecast", "step")
        for kind in ("onnx", "openvino")
        for file in file_names(name, kind)
    ),
}


def run(
    model: str,
    *,
    export_format: ExportFormat,
    out: Path,
    context: int | None,
    horizon: int | None,
    streaming: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Export the network of `model`, compare it with torch and write it as the directory `out`."""
    if streaming and context is not None:
        raise ConfigError("--streaming reads one patch at a time. Leave --context out.")
    _require_place(out)
    require_packages(export_format)
    forecaster = tcn.load(model)
    if streaming:
        export = export_step(forecaster, export_format, horizon=horizon)
    else:
        export = export_network(forecaster, export_format, context_length=context, horizon=horizon)
    write_directory(out, export.files)
    for name, shape in export.signature.inputs.items():
        say(f"Input {name}: {_text(shape)}", quiet=quiet)
    for name, shape in export.signature.outputs.items():
        say(f"Output {name}: {_text(shape)}", quiet=quiet)
    say(f"Largest difference from torch: {export.difference:.1e}", quiet=quiet)
    if as_json:
        files = sorted(export.files)
        write_json({"out": str(out), "files": files, "difference": export.difference})
    else:
        say(f"Export: {out}", quiet=quiet)


def _require_place(out: Path) -> None:
    """Raise `ConfigError` unless an export may be written to `out`; before any work is done."""
    if out.exists() and not out.is_dir():
        raise ConfigError(f"'{out}' is a file. Give --out the name of a directory for the export.")
    names = {path.name for path in out.iterdir()} if out.is_dir() else set()
    if names and (DESCRIPTION_FILE not in names or names - KNOWN_FILES):
        raise ConfigError(f"'{out}' holds other files. Give --out a new directory for the export.")


def _text(shape: tuple[int, ...]) -> str:
    return f"({', '.join(['batch', *map(str, shape)])})"

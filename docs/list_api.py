"""Write api.md: the public names of the library, with the first sentence of what they say.

python docs/list_api.py
"""

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, get_args

PAGE = Path(__file__).parent / "api.md"
HEAD = """# Public names

What you may import, one line each; `help(name)` says the rest (shapes, units, errors, sources).
Names that are not here may change without notice. `TcnError` is the base of all errors that a
user's mistake raises: `ConfigError` (an option), `DataError` (the data), `CheckpointError` (a saved
model).

This page is written by `python docs/list_api.py` from the docstrings, and a test holds it to them.
"""
MODULES = (
    "tcn",
    "tcn.series",
    "tcn.evaluation",
    "tcn.evaluation.metrics",
    "tcn.layers",
    "tcn.models",
    "tcn.models.heads",
    "tcn.models.image",
    "tcn.models.waveform",
    "tcn.models.threads",
    "tcn.training",
    "tcn.training.panel_windows",
    "tcn.training.images",
    "tcn.training.waveforms",
    "tcn.images",
    "tcn.classifier",
    "tcn.evaluation.images",
    "tcn.generator",
    "tcn.checkpoint",
    "tcn.export",
    "tcn.pretraining",
    "tcn.pretraining.prior",
)
WITH_MEMBERS = {"Panel", "Forecast", "Forecaster", "ForecastStream", "StreamLayer", "Streams"}
WITH_FIELDS = {"TCNConfig", "TrainConfig"}


def page() -> str:
    """The text of api.md."""
    return "\n".join([HEAD, *(line for name in MODULES for line in section(name))])


def section(name: str) -> Iterator[str]:
    """A heading and a table for one module; names that `tcn` has are listed there alone."""
    module = importlib.import_module(name)
    yield f"## {name}\n"
    yield f"{sentence(module)}\n"
    yield "| name | is |"
    yield "|---|---|"
    for public in public_names(module):
        value = getattr(module, public)
        if name != "tcn" and public in importlib.import_module("tcn").__all__:
            yield f"| `{public}` | see [tcn](#tcn) |"
        else:
            yield f"| `{public}` | {cell(value)} |"
            yield from member_rows(public, value)
    yield ""


def public_names(module: ModuleType) -> list[str]:
    """`__all__`, or else the classes and functions that the module defines."""
    if hasattr(module, "__all__"):
        return [name for name in module.__all__ if not name.startswith("_")]
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and getattr(value, "__module__", None) == module.__name__
        and not isinstance(value, TypeVar)
    ]


def member_rows(public: str, value: Any) -> Iterator[str]:
    """The methods and properties of the objects that everybody meets, and the fields of configs."""
    if public in WITH_FIELDS:
        fields = ", ".join(f"`{field}`" for field in inspect.signature(value).parameters)
        yield f"| | fields: {fields} |"
    if public in WITH_MEMBERS:
        for name, member in vars(value).items():
            found = getattr(value, name, None)
            if not name.startswith("_") and (callable(found) or isinstance(member, property)):
                yield f"| `{public}.{name}` | {cell(found)} |"


def cell(value: Any) -> str:
    """The first sentence of a docstring, or what a constant holds."""
    if inspect.isclass(value) or callable(value) or inspect.ismodule(value):
        documented = inspect.getdoc(value)
        if documented and not get_args(value):
            return sentence(value).replace("|", "\\|")
    if isinstance(value, property):
        return sentence(value).replace("|", "\\|")
    if get_args(value) and all(isinstance(item, str) for item in get_args(value)):
        return " or ".join(f"`{item}`" for item in get_args(value))
    if isinstance(value, dict):
        return "by name: " + ", ".join(f"`{getattr(key, '__name__', key)}`" for key in value)
    if isinstance(value, tuple) and len(value) > 3:
        return f"{len(value)} names, from `{value[0]}` to `{value[-1]}`"
    return f"`{value!r}`" if isinstance(value, int | str | tuple) else "a type"


def sentence(value: Any) -> str:
    """The first sentence of a docstring, on one line."""
    text = (inspect.getdoc(value) or "").split("\n\n")[0].replace("\n", " ")
    return re.split(r"(?<=\.)\s+(?=[A-Z`]|\w+:)", text)[0]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

"""`tcn info`: what a model is and how it was made."""

from collections.abc import Iterator, Mapping
from typing import Any

import tcn
from tcn.cli.console import write_facts, write_json

MOST_ENTRIES = 5


def run(model: str, *, as_json: bool) -> None:
    """Describe a bundled or saved model."""
    forecaster = tcn.load(model)
    config = forecaster.config
    facts = {
        "model": forecaster.name,
        "kind": type(config).__name__,
        "parameters": sum(weight.numel() for weight in forecaster.network.parameters()),
        "config": config.to_dict(),
        "manifest": dict(forecaster.manifest),
    }
    if as_json:
        write_json(facts)
    else:
        write_facts(list(_lines(facts)))


def _lines(facts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from _lines(value, f"{prefix}{name}.")
        elif isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
            if len(value) > MOST_ENTRIES:
                yield f"{prefix}{name}", f"{len(value)} entries (--json shows them)"
                continue
            for number, each in enumerate(value, start=1):
                yield from _lines(each, f"{prefix}{name}.{number}.")
        else:
            yield f"{prefix}{name}", _text(value)


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value)) or "none"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "none" if value is None else str(value)

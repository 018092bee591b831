"""The JSON file of --config."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tcn.errors import ConfigError


def read_config(path: Path | None, known: Sequence[str], objects: Sequence[str]) -> dict[str, Any]:
    """What the file holds, {} without one; unknown keys are refused by name.

    known: keys that are allowed, all optional. objects: those whose values must be objects.
    """
    if path is None:
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"There is no file '{path}' for --config.") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"'{path}' is not JSON: {error}.") from None
    if not isinstance(found, dict) or set(found) - set(known):
        keys = sorted(set(found) - set(known)) if isinstance(found, dict) else type(found).__name__
        raise ConfigError(f"'{path}' may hold the keys {', '.join(known)}; got {keys}.")
    for name in objects:
        if not isinstance(found.get(name, {}), Mapping):
            raise ConfigError(f"{name!r} in '{path}' must be an object, got {found[name]!r}.")
    return found

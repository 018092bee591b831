"""Loading a model that another process may replace meanwhile."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tcn.errors import CheckpointError

Loaded = TypeVar("Loaded")

_ATTEMPTS = 40


def load_stable(path: Path, load: Callable[[Path], Loaded]) -> Loaded:
    """Load the model in `path`; one that was replaced in the middle is loaded again."""
    for _ in range(_ATTEMPTS):
        before = _identity(path)
        try:
            return load(path)
        except CheckpointError:
            if _identity(path) == before:
                raise
    return load(path)


def _identity(path: Path) -> tuple[int, int] | None:
    """What differs once another process has replaced the model in the middle of a load."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns

"""What a user should know although nothing is wrong.

A notice is a Python warning that points at the line outside this package; within `collected()` it
is kept instead, for who has a better place to show it: a command, or the answer of a service.
"""

import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from tcn.errors import TcnWarning

_kept: ContextVar[list[str] | None] = ContextVar("kept", default=None)


def notify(sentence: str) -> None:
    """Warn with `TcnWarning`; within `collected()` keep the sentence, each once."""
    kept = _kept.get()
    if kept is None:
        warnings.warn(sentence, TcnWarning, stacklevel=_depth_of_the_caller_outside())
    elif sentence not in kept:
        kept.append(sentence)


@contextmanager
def collected() -> Iterator[list[str]]:
    """Keep the notices that this thread gives in the block, in place of warnings.

    >>> with collected() as notices:
    ...     notify("Two series are one.")
    >>> notices
    ['Two series are one.']
    """
    kept: list[str] = []
    token = _kept.set(kept)
    try:
        yield kept
    finally:
        _kept.reset(token)


def _depth_of_the_caller_outside() -> int:
    """The `stacklevel` at which `notify` warns of the first line that is not of this package."""
    here = inspect.currentframe()
    frame, depth = here and here.f_back, 1
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] == "tcn":
        frame, depth = frame.f_back, depth + 1
    return depth

"""Names of processes that tell whether one of this machine still lives."""

import os
import socket
from pathlib import Path


def this_process() -> str:
    """Return a name of this process that no later process of this machine will have."""
    return f"{socket.gethostname()}:{os.getpid()}:{started_at(os.getpid())}"


def started_at(pid: int) -> str:
    """Return when a process of this machine began, in ticks; empty if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def is_dead_here(name: str | None) -> bool:
    """Whether a name is that of a process of this machine which is gone."""
    host, _, rest = (name or "").partition(":")
    pid, _, started = rest.partition(":")
    if host != socket.gethostname() or not pid.isdecimal() or not Path("/proc/self/stat").exists():
        return False
    return started_at(int(pid)) != started

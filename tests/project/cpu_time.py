"""CPU time of child processes: the wall clock says little on a busy machine."""

import os
import subprocess
import sys


def child_cpu_s(code: str) -> float:
    """Seconds of CPU time, user and system, of a fresh interpreter that runs `code`."""
    before = os.times()
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    after = os.times()
    user = after.children_user - before.children_user
    return user + after.children_system - before.children_system

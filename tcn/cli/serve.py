"""`tcn serve` and `tcn keys`: hand over to the HTTP service, which is a program of its own."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence

from tcn.errors import ConfigError


def run(arguments: Sequence[str]) -> int:
    """Run `python -m service` with these arguments; return its exit code.

    Where the system can, the service takes the place of this process, so that signals and the exit
    code are its own. `-P` keeps a folder named "service" in the working directory out of the way.
    """
    if importlib.util.find_spec("fastapi") is None:
        raise ConfigError(
            "The service needs more packages. Install them: pip install 'tcn-forecast[service]'."
        )
    command = [sys.executable, "-P", "-m", "service", *arguments]
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "posix":
        os.execv(sys.executable, command)
    return subprocess.run(command, check=False).returncode

"""Stands for `service.trainer`: does what the request's list `do` says, and starts at once."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path


def say(**message: object) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def save(directory: Path) -> None:
    """Write files that the store takes for a model; only the runner looks at them."""
    made = directory / "made"
    made.mkdir()
    for name in ("config.json", "weights.safetensors", "manifest.json"):
        (made / name).write_text("{}")
    say(series=3)


def hold(path: str) -> None:
    temporary = Path(f"{path}.{os.getpid()}")
    temporary.write_text(str(os.getpid()))
    temporary.replace(path)


def main() -> None:
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(75)), daemon=True).start()
    directory = Path(sys.argv[1])
    for step in json.loads((directory / "request.json").read_text())["do"]:
        verb, *arguments = step.split()
        if verb == "progress":
            say(progress={"step": int(arguments[0])})
        elif verb == "succeed":
            save(directory)
        elif verb == "refuse":
            say(error="Row 7 is no number.")
            sys.exit(2)
        elif verb == "memory":
            sys.exit(3)
        elif verb == "crash":
            sys.exit(1)
        elif verb == "abort":
            os.abort()
        elif verb == "sleep":
            time.sleep(float(arguments[0]))
        elif verb == "stubborn":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            hold(arguments[0])
        elif verb == "grandchild":
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
            Path(arguments[0]).write_text(str(child.pid))
        elif verb == "count":
            count(directory / "state", *arguments)
            save(directory)


def count(state: Path, held: str, last: str) -> None:
    """Go one step further than the process before, then wait to be killed."""
    step = int(state.read_text()) + 1 if state.exists() else 1
    state.write_text(str(step))
    say(progress={"step": step})
    time.sleep(0.1)
    hold(held)
    if step < int(last):
        time.sleep(60)


if __name__ == "__main__":
    main()

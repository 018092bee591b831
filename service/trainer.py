"""`python -m service.trainer DIRECTORY`: the process of one training job.

The directory holds `request.json` and the data; the process keeps its state there, prints its
progress as JSON lines and leaves the model in `made/`. It ends when its standard input does, so
that it never outlives the runner that started it.
"""

import contextlib
import fcntl
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from tcn.errors import TcnError

REQUEST = "request.json"
SERIES = "series.json"
DATA = "data.csv"
STATE = "state"
MADE = "made"

MEASURED = ("validation_loss", "share_of_training", "refit_steps")  # what fit tells of its model

EXIT_REFUSED = 2
EXIT_MEMORY = 3
EXIT_INTERRUPTED = 75
LOCK_WAIT_S = 20.0
REPORT_EVERY_S = 0.2


def main(directory: Path) -> int:
    """Run the job of a directory; the exit code says how it ended."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        with _alone(directory):
            run(directory)
    except TcnError as error:
        say({"error": str(error)})
        return EXIT_REFUSED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except (MemoryError, RuntimeError, OSError, ImportError) as error:
        if _is_lack_of_memory(error):
            return EXIT_MEMORY
        raise
    return 0


def _is_lack_of_memory(error: Exception) -> bool:
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(
        sign in text for sign in ("alloc", "failed to map", "start new thread")
    )


def run(directory: Path) -> None:
    """Read the data, train, save."""
    request: dict[str, Any] = orjson.loads((directory / REQUEST).read_bytes())
    import torch

    import tcn
    from service.training_data import network_config, read_training_panel, train_config

    torch.set_num_threads(request["threads"])
    limit = request["memory_bytes"]  # holds for the work, not for reading the libraries
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    start = request["start"]
    begin = None if start is None else tcn.load(start)
    panel = read_training_panel(directory, request)
    forecaster = tcn.fit(
        panel,
        network_config(request, begin),
        train_config(request),
        start=begin,
        directory=directory / STATE,
        progress=Reporter(),
        name=request["model"],
    )
    forecaster.manifest["job"] = request["job"]
    if "labels" in request:
        forecaster.manifest["labels"] = request["labels"]
    tcn.save(forecaster, directory / MADE)
    made = {key: forecaster.manifest[key] for key in MEASURED if key in forecaster.manifest}
    say({"series": len(panel), "points": len(panel.values), **made})


class Reporter:
    """Prints progress, at most every `REPORT_EVERY_S` seconds, and the curve so far.

    The phase is `held_back` while points held back tell how many steps are best, and `all_points`
    while as many are taken once more on all points: the losses begin anew there.
    """

    def __init__(self) -> None:
        self.curve: list[list[float | None]] = []
        self.printed_at = 0.0

    def __call__(self, progress: Mapping[str, Any]) -> None:
        numbers = {key: value for key, value in progress.items() if isinstance(value, int | float)}
        self.curve.append([numbers.get("step"), numbers.get("loss"), numbers.get("score")])
        self.curve = self.curve[:: 2 if len(self.curve) > 400 else 1]
        is_last = numbers.get("step") == numbers.get("steps")
        if is_last or time.monotonic() - self.printed_at >= REPORT_EVERY_S:
            self.printed_at = time.monotonic()
            phase = "held_back" if "score" in numbers else "all_points"
            say({"progress": numbers | {"phase": phase, "curve": self.curve}})


def say(message: Mapping[str, Any]) -> None:
    """Print one line for the runner."""
    sys.stdout.buffer.write(orjson.dumps(message) + b"\n")
    sys.stdout.buffer.flush()


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Wait until no other process works in the directory."""
    with (directory / ".lock").open("w") as lock:
        deadline = time.monotonic() + LOCK_WAIT_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        yield


def _end_with_parent() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 1024):
            pass
    os._exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

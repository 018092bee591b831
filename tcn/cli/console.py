"""What the commands say: results on stdout, everything else on stderr."""

import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol, TextIO

PLAIN_EVERY_S = 5.0


class Advance(Protocol):
    """Tells a progress display that `amount` more units are done."""

    def __call__(self, amount: int) -> None: ...


def say(message: str, *, quiet: bool = False) -> None:
    """Write one line for a person to stderr."""
    if not quiet:
        sys.stderr.write(f"{message}\n")
        sys.stderr.flush()


def write_json(value: Mapping[str, Any]) -> None:
    """Write one JSON document to stdout; numbers that are not finite become null."""
    json.dump(_finite(value), sys.stdout, indent=2, allow_nan=False, ensure_ascii=False)
    sys.stdout.write("\n")


def write_table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """Write a table to stdout: drawn on a terminal, aligned plain text elsewhere."""
    if sys.stdout.isatty():
        _write_drawn_table(columns, rows, title)
        return
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    for row in (columns, *rows):
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        sys.stdout.write("  ".join(cells).rstrip() + "\n")


def write_facts(facts: Sequence[tuple[str, str]]) -> None:
    """Write names and values to stdout, one pair a line."""
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        sys.stdout.write(f"{name.ljust(width)}  {value}\n")


@contextmanager
def progress(label: str, total: int | None, *, quiet: bool = False) -> Iterator[Advance]:
    """Show work of `total` units: a bar on a terminal, a line every few seconds elsewhere.

    `total` None is unknown; `quiet` shows nothing.
    """
    if quiet:
        yield _silent
    elif sys.stderr.isatty():
        yield from _bar(label, total)
    else:
        yield PlainProgress(label, total, sys.stderr)


@contextmanager
def counted(label: str, *, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Show work whose extent comes with its reports: the number done, and of all."""
    with ExitStack() as stack:
        shown: list[Advance] = []

        def report(_done: int, total: int) -> None:
            if not shown:
                shown.append(stack.enter_context(progress(label, total, quiet=quiet)))
            shown[0](1)

        yield report


@contextmanager
def training_log(quiet: bool) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Show the reports of a training run: a bar on a terminal, lines elsewhere."""
    if quiet:
        yield lambda _report: None
    elif sys.stderr.isatty():
        yield from _training_bar()
    else:
        yield TrainingLines(sys.stderr)


class TrainingLines:
    """Reports of training as plain lines, at most one every few seconds but always the last."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.said_at = -PLAIN_EVERY_S

    def __call__(self, report: dict[str, Any]) -> None:
        now = time.monotonic()
        if now - self.said_at < PLAIN_EVERY_S and report["step"] < report["steps"]:
            return
        self.said_at = now
        self.stream.write(f"Training: {training_line(report)}\n")
        self.stream.flush()


def training_line(report: Mapping[str, Any]) -> str:
    """One line about where a training run stands.

    >>> training_line({"step": 50, "steps": 100, "loss": 0.5, "score": 0.41, "best": 0.4})
    'step 50 of 100, loss 0.5000, validation 0.4100, best 0.4000'
    """
    parts = [f"step {report['step']:,} of {report['steps']:,}", f"loss {report['loss']:.4f}"]
    for key, name in (("score", "validation"), ("best", "best")):
        if report.get(key) is not None:
            parts.append(f"{name} {report[key]:.4f}")
    return ", ".join(parts)


class PlainProgress:
    """Progress as plain lines, one every few seconds, none for work that is done sooner."""

    def __init__(self, label: str, total: int | None, stream: TextIO) -> None:
        self.label = label
        self.total = total
        self.stream = stream
        self.done = 0
        self.said_at = time.monotonic()

    def __call__(self, amount: int) -> None:
        self.done += amount
        if time.monotonic() - self.said_at < PLAIN_EVERY_S:
            return
        self.said_at = time.monotonic()
        of = f" of {self.total:,}" if self.total is not None else ""
        self.stream.write(f"{self.label}: {self.done:,}{of}\n")
        self.stream.flush()


def _silent(amount: int) -> None:
    pass


def _training_bar() -> Iterator[Callable[[dict[str, Any]], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=2) as bar:
        task = bar.add_task("Training", total=None)

        def show(report: dict[str, Any]) -> None:
            line = training_line(report)
            bar.update(task, completed=report["step"], total=report["steps"], description=line)

        yield show


def _bar(label: str, total: int | None) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=Console(stderr=True), transient=True, refresh_per_second=5
    ) as bar:
        task = bar.add_task(label, total=total)
        yield lambda amount: bar.advance(task, amount)


def _write_drawn_table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title) or None, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(escape(column), justify="right" if index else "left")
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

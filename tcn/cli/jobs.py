"""Forecasts of many panels by several processes, in the order of the panels.

Each process loads the model once and computes on one thread. Few panels are under way at a time, so
that memory does not grow with their number. A panel is computed as a whole by one process, so the
result is that of one process on one thread, bit for bit.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import BaseContext

import tcn
from tcn.cli.forecast import Request
from tcn.errors import TcnError
from tcn.series import Forecast, Panel

WAITING_PER_JOB = 2  # panels read ahead for each process
Forecasting = Callable[[Panel], Forecast]


def in_order(
    request: Request, panels: Iterable[Panel], jobs: int
) -> Iterator[tuple[Panel, Forecast]]:
    """Yield each panel with its forecast.

    Raises what a panel raises, and TcnError where a process was killed.
    """
    pool = ProcessPoolExecutor(jobs, _context(), initializer=_prepare, initargs=(request,))
    try:
        yield from _through(pool, panels, jobs * WAITING_PER_JOB)
    except BrokenProcessPool:
        _end_all()
        raise TcnError(
            f"One of the {jobs} processes was ended from outside, most likely for lack of memory. "
            "Use fewer --jobs or a smaller --batch-size."
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _end_all() -> None:
    """End what a broken pool started too late to end itself; its shutdown would wait for ever."""
    for process in multiprocessing.active_children():
        process.kill()


def _through(
    pool: ProcessPoolExecutor, panels: Iterable[Panel], waiting: int
) -> Iterator[tuple[Panel, Forecast]]:
    under_way: deque[tuple[Panel, Future[Forecast]]] = deque()
    for panel in panels:
        under_way.append((panel, pool.submit(_forecast, panel)))
        if len(under_way) > waiting:
            first, future = under_way.popleft()
            yield first, future.result()
    while under_way:
        first, future = under_way.popleft()
        yield first, future.result()


def _context() -> BaseContext:
    """New processes begin clean, without the threads of this one."""
    if sys.platform == "win32":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tcn.cli.jobs", "tcn.checkpoint"])
    return context


class _Worker:
    """What a process of the pool keeps between panels."""

    forecast: Forecasting


def _prepare(request: Request) -> None:
    import torch

    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at once, without a word
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    forecaster = tcn.load(request.model)
    _Worker.forecast = staticmethod(lambda panel: request.of(forecaster, panel))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _forecast(panel: Panel) -> Forecast:
    return _Worker.forecast(panel)

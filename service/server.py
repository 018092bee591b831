"""Runs the application with uvicorn: deadlines, draining on SIGTERM, an exit code of 0."""

import asyncio
import gc
import logging
import multiprocessing
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Event
from types import FrameType

import torch
import uvicorn
from prometheus_client.multiprocess import mark_process_dead

from service import logs
from service.gate import GatedApp
from service.metrics import MULTIPROCESS_VARIABLE
from service.protocol import deadline_protocol
from service.settings import Settings

logger = logging.getLogger(__name__)
_spawn = multiprocessing.get_context("spawn")

START_TIMEOUT_S = 120.0
GC_THRESHOLDS = (10_000, 20, 50)  # answers make few cycles; the usual 700 costs a tenth of the time
RESTART_DELAY_S = 0.5  # so that workers that cannot start do not keep the machine busy


class DrainingServer(uvicorn.Server):
    """Says 'not ready' for a moment, then stops accepting, finishes what runs and ends with 0.

    A second signal ends at once.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        app: GatedApp,
        drain_delay_s: float,
        on_started: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self.app = app
        self.drain_delay_s = drain_delay_s
        self.on_started = on_started

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        readiness = self.app.service.readiness
        if readiness.is_draining:
            self.should_exit = self.force_exit = True
            return
        readiness.is_draining = True
        delay = 0.0 if sig == signal.SIGINT else self.drain_delay_s
        logger.info("Draining: no new requests after %g s.", delay)
        asyncio.get_running_loop().call_later(delay, self._stop)

    def _stop(self) -> None:
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.on_started()


def _announce(listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    logger.info("Serving on http://%s:%d (documentation at /docs)", shown, port)


def serve(make_app: Callable[[Settings], GatedApp], settings: Settings) -> None:
    """Serve until a signal comes. Raises OSError when the address cannot be listened on.

    With more than one worker each is a process of its own, made by `make_app` (which must be a
    function that can be imported); one that dies is replaced.
    """
    with listen(settings.host, settings.port) as listener:
        if settings.workers == 1:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # models and aliases are always fresh
            _serve_here(make_app, settings, listener, lambda: _announce(listener))
            return
        with tempfile.TemporaryDirectory(prefix="metrics-") as folder:
            os.environ[MULTIPROCESS_VARIABLE] = folder
            Supervisor(make_app, settings, listener).run()


def _serve_here(
    make_app: Callable[[Settings], GatedApp],
    settings: Settings,
    listener: socket.socket,
    on_started: Callable[[], None],
) -> None:
    torch.set_num_threads(settings.torch_threads)
    app = make_app(settings)
    gc.collect()
    gc.freeze()  # what is imported stays; a look through all of it would stop answers for 0.1 s
    gc.set_threshold(*GC_THRESHOLDS)
    config = uvicorn.Config(
        app,
        http=deadline_protocol(settings.header_timeout_s, settings.max_header_bytes),
        ws="none",
        timeout_keep_alive=int(max(1, settings.keep_alive_s)),
        timeout_graceful_shutdown=int(max(1, settings.drain_timeout_s)),
        log_config=None,
        access_log=False,
        server_header=False,
    )
    DrainingServer(config, app, settings.drain_delay_s, on_started).run(sockets=[listener])


class Supervisor:
    """Keeps the worker processes of one listening socket alive until a signal comes."""

    def __init__(
        self,
        make_app: Callable[[Settings], GatedApp],
        settings: Settings,
        listener: socket.socket,
    ) -> None:
        self.settings = settings
        self.arguments = (make_app, settings, listener)
        self.workers: list[SpawnProcess] = []
        self.started: list[Event] = []  # of the newest workers; an event must outlive its start
        self.is_stopping = False
        self.is_reload_asked = False

    def run(self) -> None:
        """Start the workers, replace those that die, and stop them all in the end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._ask_reload)
        self.workers = [self._start() for _ in range(self.settings.workers)]
        _announce(self.arguments[2])
        while not self.is_stopping:
            wait([worker.sentinel for worker in self.workers], timeout=1.0)
            self._replace_dead()
            if self.is_reload_asked:
                self._reload()
        for worker in self.workers:
            worker.join()

    def _start(self) -> SpawnProcess:
        has_started = _spawn.Event()
        self.started = [*self.started[-self.settings.workers :], has_started]
        worker = _spawn.Process(target=_work, args=(*self.arguments, has_started), daemon=True)
        worker.start()
        return worker

    def _replace_dead(self) -> None:
        for place, worker in enumerate(self.workers):
            if worker.is_alive() or self.is_stopping:
                continue
            logger.warning("A worker ended with code %s and is replaced.", worker.exitcode)
            mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
            self.workers[place] = self._start()
            time.sleep(RESTART_DELAY_S)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        """Let the workers drain; a second signal ends them at once."""
        self._send(signal.SIGKILL if self.is_stopping else signal.SIGTERM)
        self.is_stopping = True

    def _ask_reload(self, _number: int, _frame: FrameType | None) -> None:
        self.is_reload_asked = True

    def _reload(self) -> None:
        """Replace one worker after the other; each answers what it has first."""
        self.is_reload_asked = False
        for place, old in enumerate(list(self.workers)):
            self.workers[place] = self._start()
            self.started[-1].wait(START_TIMEOUT_S)
            if old.pid is not None and old.is_alive():
                os.kill(old.pid, signal.SIGTERM)
            old.join()
            mark_process_dead(old.pid)  # type: ignore[no-untyped-call]

    def _send(self, number: signal.Signals) -> None:
        for worker in self.workers:
            if worker.pid is not None and worker.is_alive():
                os.kill(worker.pid, number)


def _work(
    make_app: Callable[[Settings], GatedApp],
    settings: Settings,
    listener: socket.socket,
    has_started: Event,
) -> None:
    logs.configure(settings.log_format)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _serve_here(make_app, settings, listener, has_started.set)


def _end_with_parent() -> None:
    """Drain when the supervisor is gone, however it ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address; port 0 picks a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.listen(2048)
    listener.set_inheritable(True)
    return listener

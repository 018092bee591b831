"""Runs the application with uvicorn: deadlines, draining on SIGTERM, an exit code of 0."""

import asyncio
import logging
import signal
import socket
from types import FrameType

import torch
import uvicorn
from fastapi import FastAPI

from service.protocol import deadline_protocol
from service.settings import Settings

logger = logging.getLogger(__name__)


class DrainingServer(uvicorn.Server):
    """Says 'not ready' for a moment, then stops accepting, finishes what runs and ends with 0.

    A second signal ends at once.
    """

    def __init__(self, config: uvicorn.Config, app: FastAPI, drain_delay_s: float) -> None:
        super().__init__(config)
        self.app = app
        self.drain_delay_s = drain_delay_s

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        readiness = self.app.state.service.readiness
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
        for listener in sockets or ():
            host, port = listener.getsockname()[:2]
            logger.info("Serving on http://%s:%d (documentation at /docs)", _shown(host), port)


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def serve(app: FastAPI, settings: Settings) -> None:
    """Serve until a signal comes. Raises OSError when the address cannot be listened on."""
    torch.set_num_threads(settings.torch_threads)
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
    with listen(settings.host, settings.port) as listener:
        DrainingServer(config, app, settings.drain_delay_s).run(sockets=[listener])


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

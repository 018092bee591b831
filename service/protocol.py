"""HTTP/1.1 with deadlines: a connection that is slow to send its head, or sends a huge one, ends.

uvicorn has no limit on the time or the size of a request's head; a few hundred idle sockets would
stop it. (The deadline of the body is `service.bodies`' own.)
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEADERS = 200


class DeadlineProtocol(HttpToolsProtocol):
    """uvicorn's parser with a deadline and a size limit for the head of every request."""

    HEADER_TIMEOUT_S = 5.0
    MAX_HEADER_BYTES = 64 * 1024

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._is_in_body = False
        self._head_bytes = 0
        self._field_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_deadline()

    def data_received(self, data: bytes) -> None:
        if not self._is_in_body:
            self._start_deadline()
            self._head_bytes += len(data)
            if self._head_bytes > self.MAX_HEADER_BYTES and b"\r\n\r\n" not in data:
                self._refuse()
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        self._field_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def _count(self, size: int) -> None:
        """Count bytes of the head; raising here makes uvicorn answer 400 and close."""
        self._field_bytes += size
        if self._field_bytes > self.MAX_HEADER_BYTES or len(self.headers) >= MAX_HEADERS:
            raise ValueError("The head of the request is too large.")

    def on_headers_complete(self) -> None:
        self._stop_deadline()
        self._is_in_body = True
        self._head_bytes = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_in_body = False
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_deadline()
        super().connection_lost(exc)

    def _start_deadline(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.HEADER_TIMEOUT_S, self._close)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self) -> None:
        self.transport.write(
            b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
            b"connection: close\r\ncontent-length: 0\r\n\r\n"
        )
        self._close()

    def _close(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


def deadline_protocol(header_timeout_s: float, max_header_bytes: int) -> type[DeadlineProtocol]:
    """Return the protocol class with these limits, for uvicorn's `http=`."""

    class Configured(DeadlineProtocol):
        HEADER_TIMEOUT_S = header_timeout_s
        MAX_HEADER_BYTES = max_header_bytes

    return Configured

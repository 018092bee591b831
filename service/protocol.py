"""HTTP/1.1 with deadlines: a connection that is slow to send its head, or sends a huge one, ends.

uvicorn has no limit on the time or the size of a request's head; a few hundred idle sockets would
stop it. (The deadline of the body is `service.bodies`' own.) And it writes the head of an answer
by itself: here it goes out together with the first piece of the body, in one packet.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from service.bodies import CAME_WHOLE, INLINE_BYTES

MAX_HEADERS = 200
FORWARDED = b"x-forwarded-"
ANSWER = "service.answer"  # key of a scope with the `Answer` that goes to its caller


class DeadlineProtocol(HttpToolsProtocol):
    """uvicorn's parser with a deadline and a size limit for the head of every request."""

    HEADER_TIMEOUT_S = 5.0
    MAX_HEADER_BYTES = 64 * 1024

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._check: asyncio.TimerHandle | None = None
        self._head_since: float | None = None  # when the head that is awaited began
        self._answer: Answer | None = None
        self._is_in_body = False
        self._head_bytes = 0
        self._field_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_since = self.loop.time()
        self._check = self.loop.call_later(self.HEADER_TIMEOUT_S, self._check_deadline)

    def data_received(self, data: bytes) -> None:
        if not self._is_in_body:
            if self._head_since is None:
                self._head_since = self.loop.time()
            self._head_bytes += len(data)
            if self._head_bytes > self.MAX_HEADER_BYTES and b"\r\n\r\n" not in data:
                self._refuse()
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        if self._head_since is None:  # of a request that came with the one before
            self._head_since = self.loop.time()
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
        self._head_since = None
        self._is_in_body = True
        self._head_bytes = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_in_body = False
        if len(self.cycle.body) <= INLINE_BYTES:
            self.scope[CAME_WHOLE] = bytes(self.cycle.body)  # type: ignore[literal-required]
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if app is self.app and not any(
            name.startswith(FORWARDED) for name, _ in cycle.scope["headers"]
        ):
            app = self.config.app  # past the layer that reads what proxies say
        self._answer = Answer(cycle, self.transport)
        cycle.transport = self._answer  # type: ignore[assignment]
        cycle.scope[ANSWER] = self._answer  # type: ignore[literal-required]
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        if self._answer is not None:
            self._answer.end()
            self._answer = None
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._check is not None:
            self._check.cancel()
        super().connection_lost(exc)

    def _check_deadline(self) -> None:
        """Close when a head took too long; otherwise look again when the next one could have.

        One timer a connection, looked at every `HEADER_TIMEOUT_S`, is exact: a head that began
        since then gets the rest of its time. A timer a request would cost more than parsing it.
        """
        now = self.loop.time()
        left = self.HEADER_TIMEOUT_S
        if self._head_since is not None:
            left += self._head_since - now
        if left <= 0:
            self._close()
        else:
            self._check = self.loop.call_later(left, self._check_deadline)

    def _refuse(self) -> None:
        self.transport.write(
            b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
            b"connection: close\r\ncontent-length: 0\r\n\r\n"
        )
        self._close()

    def _close(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


class Answer:
    """The transport of one answer: holds its head until what follows is written."""

    __slots__ = ("_cycle", "_head", "_is_head_next", "_transport")

    def __init__(self, cycle: RequestResponseCycle, transport: asyncio.Transport) -> None:
        self._cycle = cycle
        self._transport = transport
        self._is_head_next = True
        self._head = b""

    def write(self, data: bytes) -> None:
        if self._is_head_next and self._cycle.response_started:
            self._is_head_next = False
            self._head = data
            return
        if self._head:
            data, self._head = self._head + data, b""
        self._transport.write(data)  # before the head it is "100 Continue"

    def send(self, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> bool:
        """Write a whole answer, whose headers are known to be sound; False if uvicorn must.

        It skips what uvicorn does for answers in pieces, which takes longer than a small body.
        """
        cycle = self._cycle
        has_left = cycle.disconnected or cycle.response_started
        if has_left or not cycle.keep_alive or cycle.flow.write_paused:
            return False
        cycle.response_started = cycle.response_complete = True
        lines = [b"%b: %b\r\n" % header for header in (*cycle.default_headers, *headers)]
        self._transport.write(b"".join((STATUS_LINE[status], *lines, b"\r\n", body)))
        cycle.message_event.set()
        cycle.on_response()
        return True

    def flush(self) -> None:
        """Write the head of an answer that has no body."""
        if self._head:
            self.write(b"")

    def end(self) -> None:
        """Leave the request: nothing refers to itself then, so its memory is free at once."""
        self.flush()
        self._cycle.transport = self._transport
        self._cycle.scope.pop(ANSWER, None)  # type: ignore[misc]

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()


def deadline_protocol(header_timeout_s: float, max_header_bytes: int) -> type[DeadlineProtocol]:
    """Return the protocol class with these limits, for uvicorn's `http=`."""

    class Configured(DeadlineProtocol):
        HEADER_TIMEOUT_S = header_timeout_s
        MAX_HEADER_BYTES = max_header_bytes

    return Configured

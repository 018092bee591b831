"""A bounded load of HTTP requests: some connections, one request at a time on each.

Without a rate every connection sends again as soon as it is answered. With one, requests are due at
fixed times and a latency counts from then, so that a server that stalls cannot hide it.
"""

import re
import select
import socket
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Load:
    """What came back: `seconds` of wall time, and per answer a status and a latency."""

    seconds: float
    statuses: NDArray[np.int64]
    latencies_ms: NDArray[np.float64]

    @property
    def per_second(self) -> float:
        """Answers a second, whatever their status."""
        return len(self.statuses) / self.seconds

    def percentile_ms(self, percent: float, status: int | None = None) -> float:
        """Return a percentile of the latencies, of one status if given."""
        chosen = self.latencies_ms
        if status is not None:
            chosen = chosen[self.statuses == status]
        return float(np.percentile(chosen, percent)) if len(chosen) else float("nan")

    def counts(self) -> dict[int, int]:
        """Return how many answers had each status."""
        found, counts = np.unique(self.statuses, return_counts=True)
        return {int(status): int(count) for status, count in zip(found, counts, strict=True)}


def post(path: str, body: bytes) -> bytes:
    """Return a JSON request as it goes over the wire."""
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


class _Connection:
    """A socket, and what of the answer has come."""

    def __init__(self, port: int, number: int) -> None:
        self.number = number
        self.sent_at = 0.0
        self._received = b""
        self._need = 0
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, request: bytes, due: float) -> None:
        self.sent_at = due
        self._socket.sendall(request)

    def receive(self) -> int:
        """Return the status of the answer, or 0 while it is not whole."""
        piece = self._socket.recv(1 << 20)
        if not piece:
            raise ConnectionError("The server closed a connection.")
        self._received += piece
        if not self._need:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return 0
            found = _LENGTH.search(self._received, 0, end)
            self._need = end + 4 + (int(found[1]) if found else 0)
        if len(self._received) < self._need:
            return 0
        status = int(self._received[9:12])
        self._received, self._need = self._received[self._need :], 0
        return status

    def close(self) -> None:
        self._socket.close()


def load(
    port: int,
    requests: Sequence[bytes],
    connections: int,
    seconds: float,
    rate: float | None = None,
    pause_s: float = 0.0,
) -> Load:
    """Send requests in turn to 127.0.0.1 until the time is over; all answers are waited for.

    `rate` is requests a second in all. `pause_s` is how long a connection that was refused (429,
    503) waits before its next request; not for a fixed rate.
    """
    opened = [_Connection(port, number) for number in range(connections)]
    free = deque(opened)
    by_number = {item.fileno(): item for item in opened}
    resting: deque[tuple[float, _Connection]] = deque()
    statuses: list[int] = []
    latencies: list[float] = []
    poll = select.epoll()
    for item in opened:
        poll.register(item, select.EPOLLIN)
    began = time.perf_counter()
    sent = 0
    while True:
        now = time.perf_counter()
        is_over = now - began >= seconds
        while resting and resting[0][0] <= now:
            free.append(resting.popleft()[1])
        while free and not is_over:
            due = now if rate is None else began + sent / rate
            if due > now:
                break
            free.popleft().send(requests[sent % len(requests)], due)
            sent += 1
        if is_over and len(free) + len(resting) == connections:
            break
        for number, _ in poll.poll(0.0005 if rate is not None or resting else 0.1):
            item = by_number[number]
            status = item.receive()
            if status:
                done = time.perf_counter()
                statuses.append(status)
                latencies.append(1e3 * (done - item.sent_at))
                if pause_s and status in (429, 503):
                    resting.append((done + pause_s, item))
                else:
                    free.append(item)
    took = time.perf_counter() - began
    poll.close()
    for item in opened:
        item.close()
    return Load(took, np.array(statuses, np.int64), np.array(latencies))

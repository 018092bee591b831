"""Logs to standard error: lines for people or JSON for machines; no series values, no keys."""

import asyncio
import logging
import sys
import time
from functools import lru_cache
from typing import TextIO

import orjson

FLUSH_S = 0.2


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


class TextFormatter(logging.Formatter):
    """Time, level, message, then the fields as key=value."""

    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", {})
        tail = "".join(f" {key}={value}" for key, value in fields.items())
        text = f"{_time(record)} {record.levelname.lower():7} {record.getMessage()}{tail}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


def _time(record: logging.LogRecord) -> str:
    return _stamp(record.created)


def _stamp(seconds: float) -> str:
    return f"{_second(int(seconds))}.{int(seconds % 1 * 1000):03d}Z"


@lru_cache(maxsize=8)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


class AccessLog:
    """One line per answered request, written in small heaps: a record each would be slow."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream
        self.as_json = False
        self._lines: list[str] = []
        self._flush_at: asyncio.TimerHandle | None = None

    def write(self, request_id: str, method: str, route: str, status: int, seconds: float) -> None:
        """Note one request; it is on the stream within `FLUSH_S` seconds."""
        if self.stream is None:
            return
        stamp = _stamp(time.time())
        if self.as_json:
            line = (
                f'{{"time":"{stamp}","level":"info","logger":"service.access","message":"request",'
                f'"request_id":"{request_id}","method":"{method}","route":"{route}",'
                f'"status":{status},"seconds":{seconds:.6f}}}\n'
            )
        else:
            line = (
                f"{stamp} info    request request_id={request_id} method={method} route={route}"
                f" status={status} seconds={seconds:.6f}\n"
            )
        self._lines.append(line)
        if self._flush_at is None:
            self._flush_at = asyncio.get_running_loop().call_later(FLUSH_S, self.flush)

    def flush(self) -> None:
        """Write what waits."""
        if self._flush_at is not None:
            self._flush_at.cancel()
            self._flush_at = None
        if self.stream is not None and self._lines:
            self.stream.write("".join(self._lines))
            self.stream.flush()
        self._lines.clear()


access = AccessLog()


def configure(log_format: str, level: str = "INFO") -> None:
    """Send all logs to standard error in the given format."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    access.stream = sys.stderr
    access.as_json = log_format == "json"
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers[:] = []
        logger.propagate = True
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("uvicorn.error").setLevel("WARNING")

"""The outermost layer: request ids, the last word on errors, security headers, one log line.

Pure ASGI, so that streaming and speed stay what they are underneath. The busiest routes are called
from here, past the framework's own layers, which would cost more than the forecast.
"""

import itertools
import logging
import os
import re
import time
from collections.abc import Mapping

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from service.errors import Problem, problem_response
from service.logs import access
from service.metrics import METHODS, Metrics
from service.protocol import ANSWER, Answer
from service.routing import RawRoute
from service.state import ServiceState

logger = logging.getLogger("service.access")

_REQUEST_ID = re.compile(rb"[A-Za-z0-9_-]{1,64}")
_PREFIX = f"{os.urandom(6).hex()}-"  # of this process; asking for each request is slow
_numbers = itertools.count(1)
_NO_SNIFFING = (b"x-content-type-options", b"nosniff")

FAILED = "The server failed. The log has the request's id."


class GatedApp(FastAPI):
    """An application behind its gate: nothing that happens inside gets out as an exception.

    `direct` maps a method and a path to the route that is called without the framework.
    """

    service: ServiceState
    metrics: Metrics
    direct: Mapping[tuple[str, str], RawRoute]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        if scope["method"] == "HEAD" and takes_head(scope["path"]):
            scope = _as_get(scope)
        exchange = _Exchange(scope, send)
        self.metrics.in_flight.inc()
        try:
            route = self.direct.get((scope["method"], scope["path"]))
            if route is None:
                await super().__call__(scope, receive, exchange.send)
            else:
                scope["app"], scope["route"] = self, route
                try:
                    response = await route.admitted(Request(scope, receive))
                except Problem as problem:
                    response = problem_response(problem, exchange.request_id)
                await exchange.answer(response)
        except Exception as error:
            logger.error(
                "request %s failed: %s", exchange.request_id, type(error).__name__, exc_info=True
            )
            if not exchange.status:
                await exchange.answer(problem_response(Problem(500, FAILED), exchange.request_id))
        finally:
            self.metrics.in_flight.dec()
            exchange.end(self.metrics)


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.scope = scope
        self.request_id = _request_id(scope)
        self.status = 0
        self.began = time.perf_counter()
        self._send = send
        scope["request_id"] = self.request_id

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), *self._headers()]
        await self._send(message)

    async def answer(self, response: Response) -> None:
        """Send a whole answer."""
        self.status = response.status_code
        headers = [*response.raw_headers, *self._headers()]
        shortcut: Answer | None = self.scope.get(ANSWER)
        is_closing = b"connection" in dict(headers)
        if (
            shortcut
            and not is_closing
            and shortcut.send(self.status, headers, bytes(response.body))
        ):
            return
        start = {"type": "http.response.start", "status": self.status, "headers": headers}
        await self._send(start)
        await self._send({"type": "http.response.body", "body": response.body})

    def _headers(self) -> tuple[tuple[bytes, bytes], ...]:
        return (b"x-request-id", self.request_id.encode()), _NO_SNIFFING

    def end(self, metrics: Metrics) -> None:
        """Count and log the exchange; a caller that left early has status 499."""
        route, status = route_of(self.scope), self.status or 499
        seconds = time.perf_counter() - self.began
        method = self.scope["method"]
        known = method if method in METHODS else "other"
        metrics.observe_request(known, route, status, seconds)
        access.write(self.request_id, known, route, status, seconds)


def takes_head(path: str) -> bool:
    """Whether a path that takes GET takes HEAD too: event streams have no end to wait for."""
    return not path.endswith("/events")


def _as_get(scope: Scope) -> Scope:
    """Return the scope of the GET that a HEAD stands for; the server leaves its body out."""
    return {key: value for key, value in scope.items() if key != ANSWER} | {"method": "GET"}


def route_of(scope: Scope) -> str:
    """Return the template of the route that answered; 'unmatched' bounds the labels."""
    route = scope.get("route")
    return getattr(route, "path", "unmatched")


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return str(value, "ascii")
    return f"{_PREFIX}{next(_numbers):x}"

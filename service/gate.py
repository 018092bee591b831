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

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import Problem, problem_response
from service.logs import access
from service.metrics import METHODS, Metrics
from service.routing import RawRoute

logger = logging.getLogger("service.access")

_REQUEST_ID = re.compile(rb"[A-Za-z0-9_-]{1,64}")
_PREFIX = f"{os.urandom(6).hex()}-"  # of this process; asking for each request is slow
_numbers = itertools.count(1)


class Gate:
    """Wraps the application; nothing that happens inside gets past it as an exception."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        direct: Mapping[tuple[str, str], RawRoute],
    ) -> None:
        self.app = app
        self.metrics = metrics
        self.direct = direct

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(scope, send)
        self.metrics.in_flight.inc()
        try:
            route = self.direct.get((scope["method"], scope["path"]))
            if route is None:
                await self.app(scope, receive, exchange.send)
            else:
                scope["route"] = route
                await self._call(route, scope, receive, exchange.send)
        except Exception as error:
            logger.error(
                "request %s failed: %s", exchange.request_id, type(error).__name__, exc_info=True
            )
            if not exchange.status:
                problem = Problem(500, "The server failed. The log has the request's id.")
                response = problem_response(problem, exchange.request_id)
                await response(scope, receive, exchange.send)
        finally:
            self.metrics.in_flight.dec()
            exchange.end(self.metrics)

    async def _call(self, route: RawRoute, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        try:
            response = await route.admitted(request)
        except Problem as problem:
            response = problem_response(problem, scope["request_id"])
        await response(scope, receive, send)


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
            message["headers"] = [
                *message.get("headers", ()),
                (b"x-request-id", self.request_id.encode()),
                (b"x-content-type-options", b"nosniff"),
            ]
        await self._send(message)

    def end(self, metrics: Metrics) -> None:
        """Count and log the exchange; a caller that left early has status 499."""
        route, status = route_of(self.scope), self.status or 499
        seconds = time.perf_counter() - self.began
        metrics.observe_request(self.scope["method"], route, status, seconds)
        method = self.scope["method"]
        known = method if method in METHODS else "other"
        access.write(self.request_id, known, route, status, seconds)


def route_of(scope: Scope) -> str:
    """Return the template of the route that answered; 'unmatched' bounds the labels."""
    route = scope.get("route")
    return getattr(route, "path", "unmatched")


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return str(value, "ascii")
    return f"{_PREFIX}{next(_numbers):x}"

"""Health, limits and documentation."""

import asyncio
from pathlib import Path

from fastapi import Request
from starlette.responses import Response

from service.errors import Problem
from service.metrics import CONTENT_TYPE
from service.routing import describe, json_response, new_router
from service.settings import limits
from service.state import state_of

router = new_router("open")
read = new_router("read")

WEB = Path(__file__).parent.parent / "web"
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
MEDIA_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".csv": "text/csv",
    ".txt": "text/plain",
}
HEALTH = {"type": "object", "required": ["status"]}


@router.get("/health/live", **describe("Is the process alive?", answer=HEALTH, tag="operations"))
async def live(_request: Request) -> Response:
    """Answer as long as the event loop runs, whatever the state of the models."""
    return json_response({"status": "live"})


@router.get("/health/ready", **describe("May requests come?", answer=HEALTH, tag="operations"))
async def ready(request: Request) -> Response:
    """Answer 200 once the default model has forecast, until the server drains."""
    state = state_of(request)
    readiness = state.readiness
    reason = "The server is shutting down." if readiness.is_draining else readiness.reason
    if readiness.is_ready:
        try:
            await asyncio.to_thread(state.database.check)
        except Problem as problem:
            reason = problem.detail
        else:
            return json_response({"status": "ready"})
    return json_response({"status": "not ready", "reason": reason}, status=503)


@read.get(
    "/v1/limits",
    **describe("The limits of this server", answer={"type": "object"}, tag="operations"),
)
async def show_limits(request: Request) -> Response:
    """List every limit that a request can meet."""
    return json_response(limits(state_of(request).settings))


@read.get(
    "/metrics",
    **describe(
        "Metrics for Prometheus",
        answer={"type": "string"},
        media_type="text/plain",
        tag="operations",
    ),
)
async def metrics(request: Request) -> Response:
    """Return counters, times and gauges in the text format of Prometheus."""
    state = state_of(request)
    state.metrics.loaded_bytes.set(state.store.loaded_bytes)
    try:
        counts = await asyncio.to_thread(state.jobs.counts)
    except Problem:
        counts = []
    return Response(state.metrics.render(counts), media_type=CONTENT_TYPE)


@router.get("/docs", include_in_schema=False)
async def docs(_request: Request) -> Response:
    """Return the page that shows the OpenAPI document; it loads nothing from other hosts."""
    return page("docs.html")


@router.get("/", include_in_schema=False)
async def home(_request: Request) -> Response:
    """Return the page: forecast, backtest, find anomalies, train, compare."""
    return page("index.html")


@router.get("/web/{name}", include_in_schema=False)
async def web(request: Request) -> Response:
    """Return one file of the page."""
    return page(request.path_params["name"])


def page(name: str) -> Response:
    """Return a file of `web/`, or 404: names are looked up, never joined to a path."""
    path = _files().get(name)
    if path is None:
        return json_response({"detail": "There is no such file."}, status=404)
    return Response(path.read_bytes(), media_type=MEDIA_TYPES[path.suffix], headers=PAGE_HEADERS)


def _files() -> dict[str, Path]:
    return {path.name: path for path in WEB.iterdir() if path.suffix in MEDIA_TYPES}

"""The ASGI application, put together from its parts."""

import asyncio
import contextlib
import difflib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.routing import Route

from service.engine import Predictor
from service.errors import Problem, problem_response
from service.gate import FAILED, GatedApp, takes_head
from service.logs import access
from service.routes import (
    classify,
    finetuning,
    forecast,
    jobs,
    judging,
    models,
    nixtla,
    operations,
    series,
    streams,
)
from service.routing import PROBLEM_SCHEMA, RawRoute
from service.settings import Settings
from service.shapes import ZONE
from service.state import ServiceState, bundled_models, load_forecaster

ROUTERS = (
    forecast.router,
    judging.router,
    classify.router,
    jobs.router,
    jobs.trainer,
    series.router,
    streams.router,
    models.router,
    models.admin,
    finetuning.trainer,
    finetuning.router,
    nixtla.router,
    operations.router,
    operations.read,
)
MAX_GUESSED_PATH = 64  # characters of an unknown path that are looked at
DESCRIPTION = (
    "Forecasts from causal convolutions. POST numbers to /v1/forecast; every refusal is a"
    " problem document (RFC 9457) that names the limit or the place."
)


def create_app(
    settings: Settings | None = None,
    load: Callable[[str | Path], Predictor] = load_forecaster,
    bundled: tuple[str, ...] | None = None,
) -> GatedApp:
    """Return the application. `load` gives a forecaster by name or path, `bundled` are names.

    Tests pass doubles for both.
    """
    state = ServiceState.build(
        settings or Settings.from_environment(),
        load,
        bundled_models() if bundled is None else bundled,
    )
    app = GatedApp(
        title="tcn forecasting service",
        version="1",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
        root_path=state.settings.root_path,
    )
    app.service = state
    for router in ROUTERS:
        app.include_router(router)
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(Exception, _on_exception)
    app.metrics = state.metrics
    app.direct = {
        (method, route.path): route
        for route in forecast.router.routes
        if isinstance(route, RawRoute)
        for method in route.methods or ()
    }
    if origins := state.settings.allowed_origins:
        app.direct = {}  # these routes would miss the headers for other origins
        app.add_middleware(
            CORSMiddleware, allow_origins=origins, allow_methods=["*"], allow_headers=["*"]
        )
    _describe_problems(app)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: GatedApp) -> AsyncIterator[None]:
    state = app.service
    warming = asyncio.create_task(state.warm_up())
    try:
        yield
    finally:
        warming.cancel()
        await state.background.stop()
        access.flush()
        state.close()


async def _on_problem(request: Request, error: Exception) -> Response:
    return problem_response(cast("Problem", error), request.scope["request_id"])


async def _on_exception(request: Request, _error: Exception) -> Response:
    return problem_response(Problem(500, FAILED), request.scope["request_id"])


async def _on_http_exception(request: Request, error: Exception) -> Response:
    status = cast("HTTPException", error)
    path = request.url.path
    detail = "The request cannot be answered."
    headers = dict(status.headers or {})
    if status.status_code == 404:
        detail = f"There is no such path. {_hint_for(path)}"
    elif status.status_code == 405:
        headers["Allow"] = ", ".join(sorted(_methods_of(path)))
        detail = f"This path does not take this method. It takes {headers['Allow']}."
        if "access-control-request-method" in request.headers:
            detail += " Pages of other origins may call it where TCN_ALLOW_ORIGINS names them."
    problem = Problem(status.status_code, detail, headers=headers)
    return problem_response(problem, request.scope["request_id"])


def _hint_for(path: str) -> str:
    """Say which path may be meant."""
    if len(path) > 1 and _methods_of(path.rstrip("/")):
        return "Leave out the slash at the end."
    known = {
        route.path for router in ROUTERS for route in router.routes if isinstance(route, Route)
    }
    close = difflib.get_close_matches(path[:MAX_GUESSED_PATH], sorted(known), 1, cutoff=0.7)
    meant = f"Do you mean {close[0]}? " if close else ""
    return f"{meant}GET /docs lists the routes."


def _methods_of(path: str) -> set[str]:
    """Return the methods that a path takes; HEAD is a GET without the body."""
    methods = {
        method
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, Route) and route.path_regex.match(path)
        for method in route.methods or ()
    }
    return methods | {"HEAD"} if "GET" in methods and takes_head(path) else methods


def _describe_problems(app: GatedApp) -> None:
    """Add the schemas that others refer to to the OpenAPI document, which is made once."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        document = make()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas |= {"Problem": PROBLEM_SCHEMA, "Zone": ZONE}
        return document

    app.openapi = openapi  # type: ignore[method-assign]

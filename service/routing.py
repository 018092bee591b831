"""Routes as plain functions of a request, and their description for the OpenAPI document.

An endpoint is `async def endpoint(request) -> Response`: bodies are read and checked by
`service.bodies` and `service.schemas`, so FastAPI's own parsing is left out. `describe` says the
same to the reader of `/docs` and to tools.
"""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import cached_property
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from service.access import EVERYONE, Access, Scope
from service.errors import MEDIA_TYPE, title_of

Endpoint = Callable[[Request], Awaitable[Response]]
Schema = Mapping[str, Any]

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "maxItems": 10,
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
        "request_id": {"type": "string"},
    },
}


class RawRoute(APIRoute):
    """A route whose endpoint takes the request and returns the response.

    Before it the request is admitted: its key must have the route's scope.
    """

    scope: Scope = "admin"

    @cached_property
    def admitted(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The endpoint behind the admission."""
        return self.get_route_handler()

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint: Endpoint = self.endpoint
        scope = self.scope

        async def admitted(request: Request) -> Response:
            access: Access = request.scope["app"].service.access
            is_open = access.is_open and scope != "open"
            principal = EVERYONE if is_open else await access.admit(request, scope)
            request.scope["principal"] = principal
            return await endpoint(request)

        return admitted


def new_router(scope: Scope) -> APIRouter:
    """Return a router whose routes need a key of `scope` (where keys are needed at all)."""
    return APIRouter(route_class=type(f"{scope.title()}Route", (RawRoute,), {"scope": scope}))


class JsonResponse(Response):
    """JSON that is written already; its headers need no looking at unless more are given."""

    media_type = "application/json"

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        if headers is not None:
            super().init_headers(headers)
            return
        size = b"%d" % len(self.body)
        self.raw_headers = [(b"content-length", size), (b"content-type", b"application/json")]


def json_response(content: object, status: int = 200, **headers: str) -> Response:
    """Return JSON; numpy arrays are written as lists (they must be finite)."""
    body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return JsonResponse(body, status, headers=headers or None)


def describe(
    summary: str,
    *,
    answer: Schema | None = None,
    body: Schema | None = None,
    body_types: tuple[str, ...] = ("application/json",),
    example: object = None,
    parameters: Mapping[str, tuple[str, Schema]] | None = None,
    errors: tuple[int, ...] = (),
    status: int = 200,
    media_type: str = "application/json",
    tag: str = "forecasts",
) -> dict[str, Any]:
    """Return the keyword arguments that document a route.

    `parameters` maps a name to where it is (`path` or `query`) and its schema; `errors` are the
    statuses of refusals beside those that every route can give.
    """
    extra: dict[str, Any] = {}
    if body is not None:
        content = {"schema": dict(body), **({"example": example} if example else {})}
        extra["requestBody"] = {
            "required": True,
            "content": {kind: content if "json" in kind else {} for kind in body_types},
        }
    if parameters:
        extra["parameters"] = [
            {"name": name, "in": where, "required": where == "path", "schema": dict(schema)}
            for name, (where, schema) in parameters.items()
        ]
    codes = {*errors, 400, 401, 403, 429, 500, 503, 507}
    if body is not None:
        codes |= {408, 413, 415, 422}
    success: dict[str, Any] = {"description": "Success"}
    if status != 204:
        success["content"] = {media_type: {"schema": dict(answer or {})}}
    responses: dict[int | str, dict[str, Any]] = {status: success}
    for code in sorted(codes):
        responses[code] = {
            "description": title_of(code),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    return {
        "summary": summary,
        "responses": responses,
        "openapi_extra": extra,
        "tags": [tag],
        "status_code": status,
        "response_class": Response,
    }

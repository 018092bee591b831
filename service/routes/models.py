"""The store over HTTP: list, describe and delete models; set and delete aliases."""

import asyncio
from typing import Any

from fastapi import Request
from starlette.responses import Response

from service import shapes
from service.errors import Problem, kind_of
from service.routing import describe, json_response, new_router
from service.state import state_of

router = new_router("read")
admin = new_router("admin")

NAME = {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"}
NAME_PARAMETER = {"name": ("path", NAME)}
VERSION_PARAMETERS = {**NAME_PARAMETER, "version": ("path", NAME)}
MODEL_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["name", "status"],
    "properties": {
        "name": {"type": "string"},
        "status": {"enum": ["ready", "broken"]},
        "reason": {"type": "string"},
        "aliases": {"type": "array", "items": {"type": "string"}},
    },
}


@router.get(
    "/v1/models",
    **describe(
        "List the models",
        answer={"type": "object", "properties": {"models": {"type": "array"}}},
        tag="models",
    ),
)
async def models(request: Request) -> Response:
    """List every model with its status; broken ones say why."""
    state = state_of(request)
    listing = await asyncio.to_thread(state.store.listing)
    default = state.settings.default_model
    return json_response(
        {"models": listing, "aliases": state.store.shelf.aliases(), "default": default}
    )


@router.get(
    "/v1/models/{name}/{version}",
    **describe(
        "Describe a version of a model",
        answer=MODEL_SCHEMA,
        parameters=VERSION_PARAMETERS,
        errors=(404,),
        tag="models",
    ),
)
@router.get(
    "/v1/models/{name}",
    **describe(
        "Describe a model",
        answer=MODEL_SCHEMA,
        parameters=NAME_PARAMETER,
        errors=(404,),
        tag="models",
    ),
)
async def model(request: Request) -> Response:
    """Describe the model that a name or an alias stands for now."""
    store = state_of(request).store
    name = model_name(request)
    described = await asyncio.to_thread(lambda: store.describe(store.shelf.resolve(name)))
    versions = store.shelf.versions(described["name"].partition("/")[0])
    return json_response(described | {"versions": versions})


@admin.delete(
    "/v1/models/{name}/{version}",
    **describe(
        "Delete a version of a model",
        parameters=VERSION_PARAMETERS,
        errors=(404, 409, 422),
        status=204,
        tag="models",
    ),
)
@admin.delete(
    "/v1/models/{name}",
    **describe(
        "Delete a model with all its versions",
        parameters=NAME_PARAMETER,
        errors=(404, 409, 422),
        status=204,
        tag="models",
    ),
)
async def delete_model(request: Request) -> Response:
    """Delete a model from the store."""
    store = state_of(request).store
    await asyncio.to_thread(store.delete, model_name(request))
    return Response(status_code=204)


@admin.put(
    "/v1/aliases/{name}",
    **describe(
        "Let a name stand for a model",
        body={
            "type": "object",
            "required": ["model"],
            "additionalProperties": False,
            "properties": {"model": shapes.MODEL},
        },
        example={"model": "sales/2"},
        answer={"type": "object"},
        parameters=NAME_PARAMETER,
        errors=(404,),
        tag="models",
    ),
)
async def put_alias(request: Request) -> Response:
    """Switch an alias; from the next request on it stands for the new model."""
    state = state_of(request)
    body = await state.bodies.read_json(request)
    if not isinstance(body, dict) or body.keys() != {"model"}:
        raise Problem(422, "The body must be an object with the one field 'model'.")
    target = body["model"]
    if not isinstance(target, str) or len(target) > 129:
        raise Problem(422, f"#/model: must be the name of a model, got {kind_of(target)}.")
    alias = request.path_params["name"]
    await asyncio.to_thread(state.store.shelf.set_alias, alias, target)
    return json_response({"name": alias, "model": state.store.shelf.aliases()[alias]})


@admin.delete(
    "/v1/aliases/{name}",
    **describe(
        "Delete an alias",
        parameters=NAME_PARAMETER,
        errors=(404,),
        status=204,
        tag="models",
    ),
)
async def delete_alias(request: Request) -> Response:
    """Forget an alias; the model stays."""
    store = state_of(request).store
    await asyncio.to_thread(store.shelf.delete_alias, request.path_params["name"])
    return Response(status_code=204)


def model_name(request: Request) -> str:
    """Return `name` or `name/version` from the path."""
    version = request.path_params.get("version")
    name: str = request.path_params["name"]
    return name if version is None else f"{name}/{version}"

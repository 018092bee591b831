"""POST /v1/classify: images to an image model, as JSON or as a PNG or JPEG file."""

import asyncio
from typing import Any

from fastapi import Request
from starlette.responses import Response

from service import shapes
from service.classifying import (
    classify,
    decode_upload,
    model_of,
    parse_images,
    refuse_large,
)
from service.errors import Problem
from service.routing import describe, json_response, new_router
from service.state import state_of

router = new_router("read")

PICTURES = ("image/png", "image/jpeg")
CHANNELS = {"type": "array", "minItems": 1, "items": {"type": "number"}}
ROW = {"anyOf": [CHANNELS, {"type": "array", "minItems": 1, "items": CHANNELS}]}
REQUEST_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["model", "images"],
    "additionalProperties": False,
    "properties": {
        "model": shapes.MODEL | {"description": "An image model listed by GET /v1/models."},
        "images": {
            "type": "array",
            "minItems": 1,
            "description": "Rows of pixels from 0 to 255, each a number or a list of channels.",
            "items": {"type": "array", "minItems": 1, "items": ROW},
        },
    },
}
ANSWER_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["model", "classes", "predictions"],
    "properties": {
        "model": {"type": "string"},
        "classes": {"type": "array", "items": {"type": "string"}},
        "predictions": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "probability", "probabilities"],
                "properties": {
                    "name": {"type": "string"},
                    "probability": {"type": "number"},
                    "probabilities": {"type": "array", "items": {"type": "number"}},
                },
            },
        },
    },
}


@router.post(
    "/v1/classify",
    **describe(
        "Name what is on images",
        body=REQUEST_SCHEMA,
        body_types=("application/json", *PICTURES),
        answer=ANSWER_SCHEMA,
        example={"model": "digits", "images": [[[0, 255], [255, 0]]]},
        parameters={"model": ("query", shapes.MODEL)},
        errors=(404,),
    ),
)
async def classify_images(request: Request) -> Response:
    """Classify images of a JSON body, or one picture sent as it is with `?model=`."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media in PICTURES:
        return await _classify_upload(request)
    if media != "application/json":
        raise Problem(
            415,
            "This route reads application/json, image/png and image/jpeg; Content-Type says which.",
            close=True,
        )
    state = state_of(request)
    settings = state.settings
    name, images = await state.bodies.read_json_as(
        request, lambda body: parse_images(body, settings)
    )
    ref, classifier = await state.store.get_classifier(name)
    refuse_large(images, classifier, settings)
    async with state.engine.aside():
        content = await asyncio.to_thread(classify, ref.name, classifier, images)
    return await asyncio.to_thread(json_response, content)


async def _classify_upload(request: Request) -> Response:
    state = state_of(request)
    name = model_of(request.query_params.get("model"))
    async with state.bodies.read(request) as data:
        ref, classifier = await state.store.get_classifier(name)
        async with state.engine.aside():
            image = await asyncio.to_thread(decode_upload, data, classifier, state.settings)
            content = await asyncio.to_thread(classify, ref.name, classifier, image)
    return json_response(content)

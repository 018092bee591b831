"""Streams over HTTP: create with a history, push only new values, get a forecast."""

import asyncio
from dataclasses import replace
from typing import Any

from fastapi import Request
from starlette.responses import Response

from service import shapes
from service.access import owner_filter, owner_of
from service.engine import Piece, Predictor
from service.errors import Problem, Report, kind_of
from service.routes.forecast import ANSWER_SCHEMA, EXAMPLE, forecasts_of, read_forecast
from service.routing import describe, json_response, new_router
from service.schemas import (
    ForecastRequest,
    parse_int,
    parse_levels,
    refuse_unknown,
)
from service.settings import Settings
from service.state import ServiceState, state_of
from service.streams import DEFAULT_KEPT, StreamState

router = new_router("read")

MAX_PUSHES = 10_000
_PUSH_KEYS = frozenset({"values", "horizon", "quantile_levels"})
_ID = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
STREAM_PARAMETER = {"stream_id": ("path", _ID)}
STREAM_SCHEMA = {
    "type": "object",
    "properties": {"id": {"type": "string"}, **ANSWER_SCHEMA["properties"]},
}


@router.post(
    "/v1/streams",
    **describe(
        "Open a stream",
        body=shapes.STREAM,
        example=EXAMPLE,
        answer=STREAM_SCHEMA,
        errors=(404,),
        status=201,
        tag="streams",
    ),
)
async def create(request: Request) -> Response:
    """Store the series and forecast them; horizon and levels hold for later pushes."""
    state = state_of(request)
    wanted = await read_forecast(request, state)
    for series in wanted.series:
        if series.past_covariates or series.future_covariates or series.static_covariates:
            raise Problem(422, "Streams take no covariates yet. Use POST /v1/forecast for them.")
    ref, predictor = await state.store.get(wanted.model)
    pieces = await state.engine.forecast(predictor, wanted)
    config = getattr(predictor, "config", None)
    kept = int(getattr(config, "context_length", DEFAULT_KEPT))
    opened = StreamState(wanted, kept).trimmed()
    stream_id = await asyncio.to_thread(state.streams.create, owner_of(request), opened)
    return json_response(_answer(stream_id, ref.name, wanted, pieces), 201)


@router.post(
    "/v1/streams/{stream_id}/push",
    **describe(
        "Push new values and get a forecast",
        body=shapes.PUSH,
        example={"values": [104]},
        answer=STREAM_SCHEMA,
        parameters=STREAM_PARAMETER,
        errors=(404,),
        tag="streams",
    ),
)
async def push(request: Request) -> Response:
    """Append the values; with a horizon of 0 there is no forecast."""
    state = state_of(request)
    body = await state.bodies.read_json(request)
    values, horizon, levels = _parse_push(body, state.settings)
    stream_id = request.path_params["stream_id"]
    pushed = await state.streams.push(stream_id, owner_filter(request), values)
    wanted = replace(
        pushed.request,
        horizon=pushed.request.horizon if horizon is None else horizon,
        quantile_levels=levels or pushed.request.quantile_levels,
    )
    if wanted.horizon == 0:
        return json_response({"id": stream_id, "model": wanted.model, "forecasts": []})
    ref, predictor = await state.store.get(wanted.model)
    pieces = await state.engine.forecast(predictor, wanted)
    return json_response(_answer(stream_id, ref.name, wanted, pieces))


def _parse_push(
    body: Any, settings: Settings
) -> tuple[list[Any], int | None, tuple[float, ...] | None]:
    if not isinstance(body, dict):
        raise Problem(422, f"The body must be a JSON object, got {kind_of(body)}.")
    report = Report()
    refuse_unknown(body, _PUSH_KEYS, (), report)
    horizon = None
    if body.get("horizon") is not None:
        horizon = parse_int(body["horizon"], "horizon", 0, settings.max_horizon, report)
    levels = None
    if body.get("quantile_levels") is not None:
        levels = parse_levels(body["quantile_levels"], settings.max_quantile_levels, report)
    if not isinstance(body.get("values"), list):
        report.add("#/values", "must be a list with one entry per series.")
    report.raise_if_any()
    return body["values"], horizon, levels


@router.post(
    "/v1/pushes",
    **describe(
        "Push to many streams at once",
        body={
            "type": "object",
            "required": ["pushes"],
            "additionalProperties": False,
            "properties": {
                "pushes": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": MAX_PUSHES,
                    "items": {
                        "type": "object",
                        "required": ["id", "values"],
                        "additionalProperties": False,
                        "properties": {
                            "id": {"type": "string"},
                            "values": {"type": "array", "minItems": 1},
                        },
                    },
                }
            },
        },
        answer={"type": "object", "properties": {"results": {"type": "array"}}},
        tag="streams",
    ),
)
async def push_many(request: Request) -> Response:
    """Answer each push with its forecasts, or with a `problem` of its own."""
    state = state_of(request)
    body = await state.bodies.read_json(request)
    pushes = body.get("pushes") if isinstance(body, dict) and len(body) == 1 else None
    if not isinstance(pushes, list) or not 1 <= len(pushes) <= MAX_PUSHES:
        raise Problem(422, f"#/pushes: must be a list of 1 to {MAX_PUSHES:,} pushes.")
    for index, item in enumerate(pushes):
        is_good = isinstance(item, dict) and item.keys() == {"id", "values"}
        if not is_good or type(item["id"]) is not str or not _is_filled_list(item["values"]):
            raise Problem(422, f"#/pushes/{index}: must be an object of 'id' and 'values'.")
    owner = owner_filter(request)
    states = await asyncio.gather(
        *(state.streams.push(item["id"], owner, item["values"]) for item in pushes),
        return_exceptions=True,
    )
    results = await _forecast_all(state, [item["id"] for item in pushes], states)
    return await asyncio.to_thread(json_response, {"results": results})


def _is_filled_list(values: object) -> bool:
    return isinstance(values, list) and len(values) > 0


async def _forecast_all(
    state: ServiceState, ids: list[str], states: list[StreamState | BaseException]
) -> list[dict[str, Any]]:
    """Forecast all streams that were pushed to, as one request per model and options."""
    results: list[dict[str, Any]] = [{} for _ in ids]
    groups: dict[Any, list[int]] = {}
    for index, found in enumerate(states):
        if isinstance(found, Problem):
            results[index] = {"id": ids[index], "problem": found.detail}
        elif isinstance(found, BaseException):
            raise found
        else:
            wanted = found.request
            key = (wanted.model, wanted.horizon, wanted.quantile_levels, wanted.season_length)
            groups.setdefault(key, []).append(index)
    for members in groups.values():
        requests = [found.request for i in members if isinstance(found := states[i], StreamState)]
        answers = await _forecast_group(state, requests)
        for index, answer in zip(members, answers, strict=True):
            results[index] = {"id": ids[index], **answer}
    return results


async def _forecast_group(
    state: ServiceState, requests: list[ForecastRequest]
) -> list[dict[str, Any]]:
    try:
        ref, predictor = await state.store.get(requests[0].model)
    except Problem as problem:
        return [{"problem": problem.detail}] * len(requests)
    together = replace(requests[0], series=[item for wanted in requests for item in wanted.series])
    try:
        pieces = await state.engine.forecast(predictor, together)
    except Problem:
        return [await _forecast_one(state, ref.name, predictor, wanted) for wanted in requests]
    answers = []
    begin = 0
    for wanted in requests:
        end = begin + len(wanted.series)
        answers.append({"model": ref.name, "forecasts": forecasts_of(wanted, pieces[begin:end])})
        begin = end
    return answers


async def _forecast_one(
    state: ServiceState, model: str, predictor: Predictor, wanted: ForecastRequest
) -> dict[str, Any]:
    try:
        pieces = await state.engine.forecast(predictor, wanted)
    except Problem as problem:
        return {"problem": problem.detail}
    return {"model": model, "forecasts": forecasts_of(wanted, pieces)}


@router.get(
    "/v1/streams/{stream_id}",
    **describe(
        "Look at a stream",
        answer={"type": "object"},
        parameters=STREAM_PARAMETER,
        errors=(404,),
        tag="streams",
    ),
)
async def get(request: Request) -> Response:
    """Return the stream's model and options and how many values it keeps of each series."""
    state = state_of(request)
    stream_id = request.path_params["stream_id"]
    found = await asyncio.to_thread(state.streams.get, stream_id, owner_filter(request))
    wanted = found.request
    series = [{"id": item.id, "freq": item.freq, "kept": len(item.y)} for item in wanted.series]
    return json_response(
        {
            "id": stream_id,
            "model": wanted.model,
            "horizon": wanted.horizon,
            "quantile_levels": wanted.quantile_levels,
            "series": series,
        }
    )


@router.delete(
    "/v1/streams/{stream_id}",
    **describe(
        "Close a stream", parameters=STREAM_PARAMETER, errors=(404,), status=204, tag="streams"
    ),
)
async def delete(request: Request) -> Response:
    """Forget a stream and its values."""
    state = state_of(request)
    stream_id = request.path_params["stream_id"]
    await asyncio.to_thread(state.streams.delete, stream_id, owner_filter(request))
    return Response(status_code=204)


def _answer(
    stream_id: str, model: str, wanted: ForecastRequest, pieces: list[Piece]
) -> dict[str, Any]:
    return {"id": stream_id, "model": model, "forecasts": forecasts_of(wanted, pieces)}

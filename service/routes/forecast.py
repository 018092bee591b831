"""POST /v1/forecast: series in, forecasts with quantiles out."""

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from fastapi import Request
from starlette.responses import Response

from service import shapes
from service.engine import Piece, Predictor
from service.routing import describe, json_response, new_router
from service.schemas import ForecastRequest, parse_forecast, refuse_many_series
from service.state import ServiceState, state_of
from service.unread import warnings_of
from tcn.series.iso import iso_stamps

router = new_router("read")

LARGE_ANSWER = 20_000  # values; larger answers are written in a thread
ANSWER_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["model", "forecasts"],
    "properties": {
        "model": {"type": "string"},
        "warnings": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Only where there are any, such as covariates that are not read.",
        },
        "forecasts": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "ds", "mean", "quantiles"],
                "properties": {
                    "id": {"type": "string"},
                    "ds": {"type": "array", "items": {"type": ["integer", "string"]}},
                    "mean": {"type": "array", "items": {"type": "number"}},
                    "quantiles": {
                        "type": "object",
                        "additionalProperties": {"type": "array", "items": {"type": "number"}},
                    },
                },
            },
        },
    },
}

EXAMPLE = {"series": [112, 118, 132, 129, 121, 135, 148, 148, 136, 119], "horizon": 3}


@router.post(
    "/v1/forecast",
    **describe(
        "Forecast one series or many",
        body=shapes.REQUEST,
        answer=ANSWER_SCHEMA,
        example=EXAMPLE,
        errors=(404,),
    ),
)
async def forecast(request: Request) -> Response:
    """Forecast every series of the request with one model."""
    state = state_of(request)
    state.engine.refuse_if_full()
    wanted = await read_forecast(request, state)
    ref, predictor = await state.store.get(wanted.model)
    pieces = await state.engine.forecast(predictor, wanted)
    n_values = len(pieces) * wanted.horizon * (1 + len(wanted.quantile_levels))
    if n_values <= LARGE_ANSWER:
        return answer(ref.name, predictor, wanted, pieces)
    return await asyncio.to_thread(answer, ref.name, predictor, wanted, pieces)


async def read_forecast(request: Request, state: ServiceState) -> ForecastRequest:
    """Return the request for forecasts that a body holds."""
    settings = state.settings
    return await state.bodies.read_json_as(
        request,
        lambda body: parse_forecast(body, settings),
        lambda text: refuse_many_series(text, settings),
    )


def answer(
    model: str, predictor: Predictor, wanted: ForecastRequest, pieces: Sequence[Piece]
) -> Response:
    """Write the forecasts as JSON."""
    content = {"model": model, "forecasts": forecasts_of(wanted, pieces)}
    return json_response(content | warnings_of(model, predictor, wanted.series))


def forecasts_of(wanted: ForecastRequest, pieces: Sequence[Piece]) -> list[dict[str, Any]]:
    """Return one object per series: id, ds, mean, quantiles by level."""
    levels = _names_of(wanted.quantile_levels)
    return [
        {
            "id": series.id,
            "ds": iso_stamps(piece.times, piece.tz, series.freq),
            "mean": piece.mean,
            "quantiles": dict(zip(levels, np.ascontiguousarray(piece.quantiles.T), strict=True)),
        }
        for series, piece in zip(wanted.series, pieces, strict=True)
    ]


@lru_cache(maxsize=64)
def _names_of(levels: tuple[float, ...]) -> list[str]:
    return [repr(level) for level in levels]

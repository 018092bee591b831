"""POST /v1/backtest and /v1/anomalies: the same input as a forecast, the past as output."""

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi import Request
from starlette.responses import Response

from service.engine import Predictor
from service.judging import (
    Judgement,
    parse_anomalies,
    parse_backtest,
    run_anomalies,
    run_backtest,
)
from service.routing import describe, json_response, new_router
from service.schemas import refuse_many_series
from service.settings import Settings
from service.shapes import FORECAST_FIELDS, optional, request_shape
from service.state import state_of

router = new_router("read")

BACKTEST_SCHEMA = request_shape(
    FORECAST_FIELDS
    | {
        "n_windows": {"type": "integer", "minimum": 1, "maximum": 1000},
        "step_size": optional({"type": "integer", "minimum": 1, "maximum": 10_000}),
    },
    ("horizon",),
)
ANOMALIES_SCHEMA = request_shape(
    FORECAST_FIELDS
    | {
        "level": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "detection_length": {"type": "integer", "minimum": 1},
    },
    (),
)
SEASON = [112, 118, 132, 129, 121, 135, 148, 148, 136, 119, 104, 118]

Run = Callable[[str, Predictor, Judgement], dict[str, Any]]


@router.post(
    "/v1/backtest",
    **describe(
        "Measure forecasts of the past beside the baselines'",
        body=BACKTEST_SCHEMA,
        example={"series": SEASON * 3, "horizon": 4, "n_windows": 2, "season_length": 12},
        answer={"type": "object"},
        errors=(404,),
    ),
)
async def backtest(request: Request) -> Response:
    """Forecast from `n_windows` origins, each `step_size` after the one before."""
    return await _judge(request, parse_backtest, run_backtest)


@router.post(
    "/v1/anomalies",
    **describe(
        "Flag the points that no forecast would have expected",
        body=ANOMALIES_SCHEMA,
        example={"series": [*SEASON, *SEASON, 700], "season_length": 12, "level": 0.99},
        answer={"type": "object"},
        errors=(404,),
    ),
)
async def anomalies(request: Request) -> Response:
    """Forecast the last `detection_length` points, `horizon` (1) steps at a time."""
    return await _judge(request, parse_anomalies, run_anomalies)


async def _judge(
    request: Request, parse: Callable[[Any, Settings], Judgement], run: Run
) -> Response:
    state = state_of(request)
    settings = state.settings
    asked = await state.bodies.read_json_as(
        request,
        lambda body: parse(body, settings),
        lambda text: refuse_many_series(text, settings),
    )
    ref, predictor = await state.store.get(asked.wanted.model)
    async with state.engine.aside():
        content = await asyncio.to_thread(run, ref.name, predictor, asked)
    return await asyncio.to_thread(json_response, content)

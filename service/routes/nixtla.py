"""Routes of the NixtlaClient protocol; errors have the client's shape, `{"detail": "..."}`."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from service import nixtla
from service.access import Scope, owner_filter, owner_of
from service.engine import Predictor
from service.errors import Problem
from service.jobs import Job
from service.routing import RawRoute, json_response
from service.schemas import MODEL_NAME
from service.settings import Settings
from service.shelf import ModelRef
from service.state import ServiceState, state_of
from service.wire import DEFAULT_MODEL, Wire, parse, refuse_many_sizes

Task = Callable[..., Awaitable[dict[str, Any]]]

TASKS: dict[str, Task] = {
    "forecast": nixtla.forecast,
    "cross_validation": nixtla.cross_validation,
    "historic_forecast": nixtla.historic,
    "anomaly_detection": nixtla.anomaly_detection,
    "online_anomaly_detection": nixtla.online_anomaly_detection,
}
JOB_TASKS = TASKS | {"simulate": nixtla.simulate}
STATUSES = {409: 422}  # the client sends a request that got 409 again, for a minute
INPUT_SIZE = 1024
HORIZON = 24
NOT_OFFERED = "This server does not offer it. Forecasts, simulations and fine-tuning are."


class NixtlaRoute(RawRoute):
    """A route whose refusals the client understands."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        admitted = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await admitted(request)
            except Problem as problem:
                status = STATUSES.get(problem.status, problem.status)
                response = json_response({"detail": problem.detail}, status)
                response.headers.update(problem.headers)
                return response

        return answered


def new_nixtla_router(scope: Scope) -> APIRouter:
    """Return a router whose refusals have the client's shape."""
    kind = type(f"Nixtla{scope.title()}Route", (NixtlaRoute,), {"scope": scope})
    return APIRouter(route_class=kind, include_in_schema=False)


router = new_nixtla_router("read")


@router.get("/validate_api_key")
async def validate_api_key(_request: Request) -> Response:
    """Say that the key is good: the route's admission has checked it."""
    return json_response({"detail": "The key is valid."})


@router.get("/usage")
async def usage(request: Request) -> Response:
    """Return the rate limit; calls are not counted by month."""
    per_minute = state_of(request).settings.rate_per_minute
    return json_response(
        {"minute": {"consumed": 0, "limit": per_minute}, "month": {"consumed": 0, "limit": 0}}
    )


@router.get("/v2/models")
async def models(request: Request) -> Response:
    """List the models by name; every `timegpt-*` stands for the default one."""
    store = state_of(request).store
    names = await asyncio.to_thread(store.shelf.names)
    return json_response({"models": [{"name": name} for name in [*names, *store.shelf.aliases()]]})


@router.get("/model_params")
async def model_params(request: Request) -> Response:
    """Return how much history the client should send, and the horizon trained for."""
    state = state_of(request)
    _, predictor = await predictor_of(state, request.query_params.get("model"), None)
    config = getattr(predictor, "config", None)
    input_size = int(getattr(config, "context_length", INPUT_SIZE))
    horizon = int(getattr(config, "horizon", HORIZON))
    return json_response({"detail": {"input_size": input_size, "horizon": horizon}})


async def predictor_of(
    state: ServiceState, model: object, finetuned: object
) -> tuple[ModelRef, Predictor]:
    """Return the model that a request names, or the default one for the client's own names."""
    name = finetuned or model
    if name is None or (isinstance(name, str) and DEFAULT_MODEL.fullmatch(name)):
        name = state.settings.default_model
    if not isinstance(name, str) or not MODEL_NAME.fullmatch(name):
        raise Problem(422, "model must be a name that GET /v2/models lists.")
    return await state.store.get(name)


async def read_wire(request: Request) -> tuple[ServiceState, Wire]:
    """Return the series and fields that a body holds."""
    state = state_of(request)
    settings = state.settings
    wire = await state.bodies.read_json_as(
        request,
        lambda body: parse(body, settings),
        lambda text: refuse_many_sizes(text, settings),
    )
    return state, wire


async def _run(state: ServiceState, task: Task, wire: Wire) -> dict[str, Any]:
    fields = wire.fields
    _, predictor = await predictor_of(state, fields.get("model"), fields.get("finetuned_model_id"))
    return await task(state.engine, predictor, wire, state.settings)


@router.post("/v2/{task}")
async def run_task(request: Request) -> Response:
    """Answer a task at once."""
    task = TASKS.get(request.path_params["task"])
    if task is None:
        raise Problem(404, "There is no such task. NixtlaClient's forecasting tasks are offered.")
    state, wire = await read_wire(request)
    answer = await _run(state, task, wire)
    return await asyncio.to_thread(json_response, answer)


@router.post("/v2/{task}/async")
async def submit(request: Request) -> Response:
    """Start a task as a job."""
    name = request.path_params["task"]
    if name in ("explain", "execute_step"):
        raise Problem(501, NOT_OFFERED)
    task = JOB_TASKS.get(name)
    if task is None:
        raise Problem(404, "There is no such task. NixtlaClient's forecasting tasks are offered.")
    state, wire = await read_wire(request)
    timeout_s = _timeout(wire, state.settings)

    async def work() -> dict[str, Any]:
        return _plain(await _run(state, task, wire))

    job = await state.background.start(f"nixtla {name}", owner_of(request), "", work(), timeout_s)
    return json_response({"job_id": job.id}, 202)


def _plain(answer: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = orjson.loads(orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY))
    return plain


def _timeout(wire: Wire, settings: Settings) -> float:
    options = wire.fields.get("job_options") or {}
    timeout = options.get("timeout_seconds") if isinstance(options, dict) else None
    if timeout is None:
        return settings.job_timeout_s
    if type(timeout) is not int or not 0 < timeout <= settings.job_timeout_s:
        raise Problem(
            422, f"timeout_seconds must be a whole number from 1 to {settings.job_timeout_s:g}."
        )
    return float(timeout)


@router.get("/v2/{task}/jobs/{job_id}")
async def job_status(request: Request) -> Response:
    """Return the status of a job, and its result once it succeeded."""
    state = state_of(request)
    job_id = request.path_params["job_id"]
    job = await asyncio.to_thread(state.jobs.get, job_id, owner_filter(request))
    result = job.result
    if job.kind == "train" and job.status == "succeeded":
        result = finetuned(job)
    return json_response(
        {"job_id": job.id, "status": job.status, "result": result, "error": job.error}
    )


@router.post("/v2/async/jobs/{job_id}/cancel")
async def cancel(request: Request) -> Response:
    """Cancel a job."""
    state = state_of(request)
    job_id = request.path_params["job_id"]
    try:
        job = await asyncio.to_thread(state.jobs.cancel, job_id, owner_filter(request))
    except Problem as problem:
        if problem.status != 409:
            raise
        return json_response({"detail": problem.detail}, 409)
    return json_response({"job_id": job.id, "status": job.status}, 202)


def finetuned(job: Job) -> dict[str, Any]:
    """Return what the client gets of a fine-tuning that succeeded."""
    return {
        "finetuned_model_id": job.model,
        "input_tokens": 0,
        "output_tokens": 0,
        "finetune_tokens": 0,
    }

"""Routes of the NixtlaClient protocol; errors have the client's shape, `{"detail": "..."}`."""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from service import nixtla
from service.access import Scope, owner_filter, owner_of
from service.engine import Predictor
from service.errors import Problem
from service.jobs import Job, new_id
from service.routing import RawRoute, json_response
from service.runner import job_directory
from service.schemas import MODEL_NAME
from service.settings import Settings
from service.shelf import ModelRef
from service.state import ServiceState, state_of
from service.trainer import SERIES
from service.wire import DEFAULT_MODEL, MODEL_ID, Wire, parse, refuse_many_sizes

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
POLL_S = 0.2
INPUT_SIZE = 1024
HORIZON = 24
LOSSES = ("default", "mae", "mse", "rmse", "mape", "smape", "poisson")
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


def _router(scope: Scope) -> APIRouter:
    kind = type(f"Nixtla{scope.title()}Route", (NixtlaRoute,), {"scope": scope})
    return APIRouter(route_class=kind, include_in_schema=False)


router = _router("read")
trainer = _router("train")


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
    _, predictor = await _predictor(state, request.query_params.get("model"), None)
    config = getattr(predictor, "config", None)
    input_size = int(getattr(config, "context_length", INPUT_SIZE))
    horizon = int(getattr(config, "horizon", HORIZON))
    return json_response({"detail": {"input_size": input_size, "horizon": horizon}})


async def _predictor(
    state: ServiceState, model: object, finetuned: object
) -> tuple[ModelRef, Predictor]:
    name = finetuned or model
    if name is None or (isinstance(name, str) and DEFAULT_MODEL.fullmatch(name)):
        name = state.settings.default_model
    if not isinstance(name, str) or not MODEL_NAME.fullmatch(name):
        raise Problem(422, "model must be a name that GET /v2/models lists.")
    return await state.store.get(name)


async def _read(request: Request) -> tuple[ServiceState, Wire]:
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
    _, predictor = await _predictor(state, fields.get("model"), fields.get("finetuned_model_id"))
    return await task(state.engine, predictor, wire, state.settings)


@router.post("/v2/{task}")
async def run_task(request: Request) -> Response:
    """Answer a task at once."""
    task = TASKS.get(request.path_params["task"])
    if task is None:
        raise Problem(404, "There is no such task. NixtlaClient's forecasting tasks are offered.")
    state, wire = await _read(request)
    answer = await _run(state, task, wire)
    return await asyncio.to_thread(json_response, answer)


# Jobs


@router.post("/v2/{task}/async")
async def submit(request: Request) -> Response:
    """Start a task as a job."""
    name = request.path_params["task"]
    if name in ("explain", "execute_step"):
        raise Problem(501, NOT_OFFERED)
    task = JOB_TASKS.get(name)
    if task is None:
        raise Problem(404, "There is no such task. NixtlaClient's forecasting tasks are offered.")
    state, wire = await _read(request)
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
        result = _finetuned(job)
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


# Fine-tuning


def _finetuned(job: Job) -> dict[str, Any]:
    return {
        "finetuned_model_id": job.model,
        "input_tokens": 0,
        "output_tokens": 0,
        "finetune_tokens": 0,
    }


@trainer.post("/v2/finetune/async")
async def submit_finetune(request: Request) -> Response:
    """Queue a training job."""
    job = await _queue_finetune(request)
    return json_response({"job_id": job.id}, 202)


@trainer.post("/v2/finetune")
async def finetune(request: Request) -> Response:
    """Train, and answer when it is done; the same request again waits for the same job."""
    state = state_of(request)
    job = await _queue_finetune(request)
    while not job.has_ended:
        if state.readiness.is_draining:
            raise Problem(503, "The server is shutting down. Try again.")
        await asyncio.sleep(POLL_S)
        job = await asyncio.to_thread(state.jobs.get, job.id)
    if job.status != "succeeded":
        raise Problem(422, job.error or f"The fine-tuning has {job.status}.")
    return json_response(_finetuned(job))


async def _queue_finetune(request: Request) -> Job:
    state, wire = await _read(request)
    fields = wire.fields
    base, predictor = await _predictor(state, fields.get("model"), fields.get("finetuned_model_id"))
    output = fields.get("output_model_id")
    if output is not None and not (isinstance(output, str) and MODEL_ID.fullmatch(output)):
        raise Problem(
            422, "output_model_id must have 1 to 36 letters, digits, dashes, underscores."
        )
    name = output or f"finetuned-{new_id()[:12]}"
    if not re.match(r"[A-Za-z0-9]", name):
        raise Problem(422, "output_model_id must begin with a letter or a digit.")
    steps = wire.whole("finetune_steps", 10, 1, 100_000)
    loss = fields.get("finetune_loss", "default")
    labels = {
        "base_model_id": base.name,
        "steps": steps,
        "depth": wire.whole("finetune_depth", 1, 1, 5),
        "loss": loss if loss in LOSSES else "default",
        "model": str(fields.get("model") or base.name)[:64],
        "freq": str(fields.get("freq") or "")[:32],
    }
    series = {"series": [_series_of(item) for item in wire.series]}
    data = await asyncio.to_thread(orjson.dumps, series, None, orjson.OPT_SERIALIZE_NUMPY)
    digest = hashlib.sha256(orjson.dumps(fields) + data).hexdigest()
    request_key = (f"nixtla {digest[:48]}", digest)
    job = await asyncio.to_thread(state.jobs.find, owner_of(request), request_key)
    if job is not None and job.status != "failed":
        return job
    if output is not None and name in {
        item.partition("/")[0] for item in state.store.shelf.names()
    }:
        raise Problem(422, f"There is a model {name!r} already. Use another output_model_id.")
    params = {
        "horizon": _training_horizon(predictor, wire),
        "start": base.name if base.path is None else str(base.path),
        "train": {"max_epochs": 1, "steps_per_epoch": steps},
        "labels": labels,
    }
    job_id = new_id()
    place = job_directory(state.settings, job_id) / SERIES
    await asyncio.to_thread(_write, place, data)
    return await asyncio.to_thread(
        state.jobs.add,
        "train",
        owner_of(request),
        name,
        params,
        version="1",
        job_id=job_id,
        request=request_key if job is None else None,
    )


def _training_horizon(predictor: Predictor, wire: Wire) -> int:
    """Return the model's own horizon, or what a quarter of the longest series allows."""
    own = int(getattr(getattr(predictor, "config", None), "horizon", HORIZON))
    return max(1, min(own, int(wire.lengths.max()) // 4))


def _series_of(item: Any) -> dict[str, Any]:
    start = item.start.value
    dated = {"start": f"{start.astype('datetime64[s]')}"} if item.start.is_dated else {}
    return {"id": item.id, "y": item.y, **dated, **({"freq": item.freq} if item.freq else {})}


def _write(path: Any, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@router.get("/v2/finetuned_models")
async def finetuned_models(request: Request) -> Response:
    """List the models that fine-tuning made."""
    found = await asyncio.to_thread(_list_finetuned, state_of(request))
    return json_response({"finetuned_models": found})


@router.get("/v2/finetuned_models/{model_id}")
async def finetuned_model(request: Request) -> Response:
    """Describe one."""
    found = await asyncio.to_thread(_list_finetuned, state_of(request))
    for item in found:
        if item["id"] == request.path_params["model_id"]:
            return json_response(item)
    raise Problem(404, "There is no fine-tuned model of this id.")


@trainer.delete("/v2/finetuned_models/{model_id}")
async def delete_finetuned(request: Request) -> Response:
    """Delete one."""
    state = state_of(request)
    model_id = request.path_params["model_id"]
    found = await asyncio.to_thread(_list_finetuned, state)
    if model_id not in {item["id"] for item in found}:
        raise Problem(404, "There is no fine-tuned model of this id.")
    await asyncio.to_thread(state.store.delete, model_id)
    return Response(status_code=204)


def _list_finetuned(state: ServiceState) -> list[dict[str, Any]]:
    found = []
    for name in state.store.shelf.names():
        if "/" not in name:
            continue
        described = state.store.describe(state.store.shelf.resolve(name))
        labels = described.get("info", {}).get("labels")
        if isinstance(labels, dict):
            created = described.get("created")
            made = {"id": name.partition("/")[0], "created_at": created, "created_by": "service"}
            found.append(made | labels)
    return found

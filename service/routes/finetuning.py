"""Fine-tuning by the NixtlaClient protocol: a training job, and the models that such jobs made."""

import asyncio
import hashlib
import re
from typing import Any

import orjson
from fastapi import Request
from starlette.responses import Response

from service.access import owner_of
from service.engine import Predictor
from service.errors import Problem
from service.jobs import Job, new_id
from service.routes.nixtla import (
    HORIZON,
    finetuned,
    new_nixtla_router,
    predictor_of,
    read_wire,
)
from service.routing import json_response
from service.runner import job_directory
from service.shelf import ModelRef
from service.state import ServiceState, state_of
from service.trainer import SERIES
from service.wire import MODEL_ID, Wire

POLL_S = 0.2
LOSSES = ("default", "mae", "mse", "rmse", "mape", "smape", "poisson")

router = new_nixtla_router("read")
trainer = new_nixtla_router("train")


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
    return json_response(finetuned(job))


async def _queue_finetune(request: Request) -> Job:
    """Queue the training that a request asks for, or return the job of the same request before."""
    state, wire = await read_wire(request)
    fields = wire.fields
    base, predictor = await predictor_of(
        state, fields.get("model"), fields.get("finetuned_model_id")
    )
    name = _output_name(fields.get("output_model_id"))
    labels = _labels(wire, base)
    series = {"series": [_series_of(item) for item in wire.series]}
    data = await asyncio.to_thread(orjson.dumps, series, None, orjson.OPT_SERIALIZE_NUMPY)
    digest = hashlib.sha256(orjson.dumps(fields) + data).hexdigest()
    request_key = (f"nixtla {digest[:48]}", digest)
    job = await asyncio.to_thread(state.jobs.find, owner_of(request), request_key)
    if job is not None and job.status != "failed":
        return job
    names = await asyncio.to_thread(state.store.shelf.names)
    if name in {item.partition("/")[0] for item in names}:
        raise Problem(422, f"There is a model {name!r} already. Use another output_model_id.")
    params = {
        "horizon": _training_horizon(predictor, wire),
        "start": base.name if base.path is None else str(base.path),
        "train": {"max_epochs": 1, "steps_per_epoch": labels["steps"]},
        "labels": labels,
    }
    job_id = new_id()
    await asyncio.to_thread(_write, job_directory(state.settings, job_id) / SERIES, data)
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


def _output_name(wanted: object) -> str:
    """Return the name of the model to make: what the request says, or a new one."""
    if wanted is None:
        return f"finetuned-{new_id()[:12]}"
    if not (isinstance(wanted, str) and MODEL_ID.fullmatch(wanted)):
        raise Problem(
            422, "output_model_id must have 1 to 36 letters, digits, dashes, underscores."
        )
    if not re.match(r"[A-Za-z0-9]", wanted):
        raise Problem(422, "output_model_id must begin with a letter or a digit.")
    return wanted


def _labels(wire: Wire, base: ModelRef) -> dict[str, Any]:
    """Return what the client is told of the model afterwards."""
    fields = wire.fields
    loss = fields.get("finetune_loss", "default")
    return {
        "base_model_id": base.name,
        "steps": wire.whole("finetune_steps", 10, 1, 100_000),
        "depth": wire.whole("finetune_depth", 1, 1, 5),
        "loss": loss if loss in LOSSES else "default",
        "model": str(fields.get("model") or base.name)[:64],
        "freq": str(fields.get("freq") or "")[:32],
    }


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

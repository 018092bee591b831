"""Training and its jobs: add, list, look at, follow, cancel."""

import asyncio
import hashlib
import shutil
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any, cast

import orjson
from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.responses import Response, StreamingResponse

from service import shapes
from service.access import owner_filter, owner_of
from service.errors import Problem, Report, kind_of
from service.jobs import Job, new_id
from service.routing import describe, json_response, new_router
from service.runner import job_directory
from service.schemas import refuse_many_series, refuse_unknown
from service.settings import Settings
from service.state import ServiceState, state_of
from service.trainer import DATA, SERIES
from service.training_data import (
    JSON_KEYS,
    KINDS,
    Order,
    options_of_text,
    panel_of_csv,
    panel_of_series,
    parse_order,
    query_of,
)
from tcn.config import TCNConfig, TrainConfig
from tcn.errors import TcnError

router = new_router("read")
trainer = new_router("train")

POLL_S = 0.25
KEEP_ALIVE_S = 15.0
MAX_FORM_FIELDS = 32

JOB_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["id", "kind", "status", "model", "created_at", "attempts"],
    "properties": {
        "id": {"type": "string"},
        "kind": {"type": "string"},
        "status": {"enum": ["pending", "running", "succeeded", "failed", "cancelled"]},
        "model": {"type": "string"},
        "progress": {"type": ["object", "null"]},
        "result": {"type": ["object", "null"]},
        "error": {"type": ["string", "null"]},
    },
}
JOB_PARAMETER = {"job_id": ("path", {"type": "string", "pattern": "^[0-9a-f]{32}$"})}
TRAIN_SCHEMA = shapes.training_shape(
    {
        "name": shapes.NAME | {"description": "Name of the model to make."},
        "version": shapes.optional(shapes.NAME)
        | {"description": "Its version; the next number if absent."},
        "horizon": shapes.HORIZON,
        "start": shapes.optional(shapes.MODEL) | {"description": "Model to begin with, or null."},
        "kind": {"enum": [*KINDS, None]},
        "network": shapes.config_shape(TCNConfig),
        "train": shapes.config_shape(TrainConfig),
        "season_length": shapes.optional(shapes.SEASON_LENGTH),
    }
)


@trainer.post(
    "/v1/train",
    **describe(
        "Train a model on series or on a CSV file",
        body=TRAIN_SCHEMA,
        body_types=("application/json", "text/csv", "multipart/form-data"),
        answer=JOB_SCHEMA,
        errors=(404,),
        status=202,
        tag="jobs",
    ),
)
async def train(request: Request) -> Response:
    """Queue a job. A CSV file takes the other fields from the query (or the form).

    With an Idempotency-Key the same request makes one job, however often it is sent.
    """
    state = state_of(request)
    job_id = new_id()
    directory = job_directory(state.settings, job_id)
    try:
        order, body_hash = await _receive(request, state, directory)
        await _find_start(state, order)
        job = await asyncio.to_thread(
            state.jobs.add,
            "train",
            owner_of(request),
            order.model,
            order.params,
            version=order.version,
            job_id=job_id,
            request=_idempotency(request, body_hash),
        )
    except OSError as error:
        await asyncio.to_thread(shutil.rmtree, directory, True)
        raise Problem(507, f"The upload cannot be stored: {error.strerror}.") from error
    except BaseException:
        await asyncio.to_thread(shutil.rmtree, directory, True)
        raise
    if job.id != job_id:
        await asyncio.to_thread(shutil.rmtree, directory, True)
    return json_response(job.to_dict(), 202, location=f"/v1/jobs/{job.id}")


async def _receive(request: Request, state: ServiceState, directory: Path) -> tuple[Order, str]:
    """Store the data of a request in the job's directory and check it there."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media == "text/csv":
        options = options_of_text(query_of(request))
        pieces = state.bodies.pieces(request, state.settings.max_upload_bytes)
        digest = await _store_pieces(pieces, directory)
    elif media == "multipart/form-data":
        options, digest = await _store_form(request, state, directory)
    elif media == "application/json":
        return await _receive_json(request, state, directory)
    else:
        raise Problem(
            415,
            "This route reads a CSV file with the header 'Content-Type: text/csv' (curl:"
            " --data-binary @file.csv), a form with the field 'file', or JSON with the header"
            " 'Content-Type: application/json'.",
            close=True,
        )
    if not {"name", "horizon"} <= options.keys():
        place = "query, as in /v1/train?name=sales&horizon=12" if media == "text/csv" else "form"
        raise Problem(422, f"A file needs the fields 'name' and 'horizon' in the {place}.")
    order = parse_order(options, state.settings)
    await asyncio.to_thread(_check_csv, directory / DATA, order)
    return order, hashlib.sha256(digest + orjson.dumps(options)).hexdigest()


async def _receive_json(
    request: Request, state: ServiceState, directory: Path
) -> tuple[Order, str]:
    settings = state.settings
    async with state.bodies.read_json_bytes(request) as raw:
        order, data = await state.bodies.parse_text(
            raw,
            lambda body: _parse_json(body, settings),
            lambda text: refuse_many_series(text, settings),
        )
        await asyncio.to_thread(_write, directory / SERIES, data)
        return order, hashlib.sha256(raw).hexdigest()


def _parse_json(body: Any, settings: Settings) -> tuple[Order, bytes]:
    """Return what a body asks for, and its series as they are stored."""
    if not isinstance(body, dict):
        raise Problem(422, f"The body must be a JSON object, got {kind_of(body)}.")
    report = Report()
    refuse_unknown(body, JSON_KEYS, (), report)
    report.raise_if_any()
    order = parse_order(body, settings)
    panel_of_series(body, settings)
    data = {key: body[key] for key in ("series", "freq", "tz") if key in body}
    return order, orjson.dumps(data)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


async def _store_pieces(pieces: AsyncIterator[bytes], directory: Path) -> bytes:
    """Write an upload to the disk as it comes; return its sha256."""
    directory.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with (directory / DATA).open("wb") as file:
        async for piece in pieces:
            digest.update(piece)
            await asyncio.to_thread(file.write, piece)
    return digest.digest()


async def _store_form(
    request: Request, state: ServiceState, directory: Path
) -> tuple[dict[str, Any], bytes]:
    """Store the one file of a form; the other fields are options."""
    stream = state.bodies.pieces(request, state.settings.max_upload_bytes)
    parser = MultiPartParser(
        request.headers,
        cast("AsyncGenerator[bytes, None]", stream),
        max_files=1,
        max_fields=MAX_FORM_FIELDS,
        max_part_size=64 * 1024,
    )
    try:
        form = await parser.parse()
    except MultiPartException:
        raise Problem(
            400,
            f"The form must have one file and at most {MAX_FORM_FIELDS} short fields.",
            close=True,
        ) from None
    try:
        fields = {key: value for key, value in form.multi_items() if isinstance(value, str)}
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise Problem(422, "The form must have a file in its field 'file'.")

        async def pieces() -> AsyncIterator[bytes]:
            while piece := await file.read(256 * 1024):
                yield piece

        digest = await _store_pieces(pieces(), directory)
    finally:
        await form.close()
    return options_of_text(fields), digest


def _check_csv(path: Path, order: Order) -> None:
    try:
        panel_of_csv(path, order.params)
    except TcnError as error:
        raise Problem(422, str(error)) from None


async def _find_start(state: ServiceState, order: Order) -> None:
    """Replace the name of the model to begin with by what the job loads."""
    start = order.params["start"]
    if start is None:
        return
    ref = await asyncio.to_thread(state.store.shelf.resolve, start)
    order.params["start"] = ref.name if ref.path is None else str(ref.path)


def _idempotency(request: Request, body_hash: str) -> tuple[str, str] | None:
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= 255 or not key.isprintable():
        raise Problem(400, "An Idempotency-Key has 1 to 255 printable characters.")
    return key, body_hash


@router.get(
    "/v1/jobs",
    **describe(
        "List the newest jobs",
        answer={"type": "object", "properties": {"jobs": {"type": "array", "items": JOB_SCHEMA}}},
        tag="jobs",
    ),
)
async def list_jobs(request: Request) -> Response:
    """List at most a hundred jobs, the newest first."""
    state = state_of(request)
    found = await asyncio.to_thread(state.jobs.newest, owner_filter(request))
    return json_response({"jobs": [job.to_dict() for job in found]})


@router.get(
    "/v1/jobs/{job_id}",
    **describe(
        "Look at a job", answer=JOB_SCHEMA, parameters=JOB_PARAMETER, errors=(404,), tag="jobs"
    ),
)
async def get_job(request: Request) -> Response:
    """Return the job with its progress, and its result or error once it ended."""
    return json_response((await _job(request)).to_dict())


@trainer.post(
    "/v1/jobs/{job_id}/cancel",
    **describe(
        "Cancel a job",
        answer=JOB_SCHEMA,
        parameters=JOB_PARAMETER,
        errors=(404, 409),
        tag="jobs",
    ),
)
async def cancel_job(request: Request) -> Response:
    """Cancel a waiting job at once and a running one within seconds."""
    state = state_of(request)
    job_id = request.path_params["job_id"]
    job = await asyncio.to_thread(state.jobs.cancel, job_id, owner_filter(request))
    if job.status == "cancelled" and job.started_at is None:
        directory = job_directory(state.settings, job.id)
        await asyncio.to_thread(shutil.rmtree, directory, True)
    return json_response(job.to_dict())


@router.get(
    "/v1/jobs/{job_id}/events",
    **describe(
        "Follow a job",
        answer={"type": "string"},
        media_type="text/event-stream",
        parameters=JOB_PARAMETER,
        errors=(404,),
        tag="jobs",
    ),
)
async def follow_job(request: Request) -> Response:
    """Send the job as server-sent events whenever it changes, until it ends.

    The event is `job`, then `end` with the same data, or `shutdown` when the server stops.
    """
    job = await _job(request)
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(_events(request, job), media_type="text/event-stream", headers=headers)


async def _events(request: Request, job: Job) -> AsyncIterator[bytes]:
    state = state_of(request)
    sent: dict[str, Any] | None = None
    silent_s = 0.0
    while True:
        shown = job.to_dict()
        if shown != sent:
            yield _event("end" if job.has_ended else "job", shown)
            sent, silent_s = shown, 0.0
        if job.has_ended:
            return
        if state.readiness.is_draining:
            yield _event("shutdown", {"detail": "The server is shutting down. Connect again."})
            return
        if silent_s >= KEEP_ALIVE_S:
            yield b": still here\n\n"
            silent_s = 0.0
        await asyncio.sleep(POLL_S)
        silent_s += POLL_S
        try:
            job = await asyncio.to_thread(state.jobs.get, job.id)
        except Problem as problem:
            yield _event("error", {"detail": problem.detail})
            return


def _event(name: str, data: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps(data))


async def _job(request: Request) -> Job:
    state = state_of(request)
    job_id = request.path_params["job_id"]
    return await asyncio.to_thread(state.jobs.get, job_id, owner_filter(request))

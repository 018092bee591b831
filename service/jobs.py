"""The table of jobs: added by the API, claimed and reported on by runners.

A job is pending, running, succeeded, failed or cancelled. A runner owns a running job through a
fencing token: each claim raises it, and every write of a runner asks for its own, so that one that
was thought dead cannot overwrite its successor. A lease is a count of beats: whoever sees a count
stand still for long enough by its own monotonic clock may take the job. No clock is compared
between processes, so a clock that jumps does no harm.
"""

import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from service.database import Database, idempotency, jobs
from service.errors import Problem

TRAIN = "train"
ACTIVE = ("pending", "running")
ENDED = ("succeeded", "failed", "cancelled")
EVERYONE = None

_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Job:
    """One row, as of now."""

    id: str
    kind: str
    owner: str
    status: str
    model: str
    version: str | None
    params: Mapping[str, Any]
    progress: Mapping[str, Any] | None
    result: Mapping[str, Any] | None
    error: str | None
    created_at: float
    started_at: float | None
    finished_at: float | None
    attempts: int
    token: int
    beats: int
    runner: str | None
    is_cancel_asked: bool

    @property
    def has_ended(self) -> bool:
        """Whether its status will not change any more."""
        return self.status in ENDED

    def to_dict(self) -> dict[str, Any]:
        """Return what a client may see."""
        return {
            "id": self.id,
            "kind": self.kind,
            "status": self.status,
            "model": self.model,
            "created_at": _iso(self.created_at),
            "started_at": _iso(self.started_at),
            "finished_at": _iso(self.finished_at),
            "attempts": self.attempts,
            "progress": self.progress,
            "result": self.result,
            "error": self.error,
            "cancel_requested": self.is_cancel_asked,
        }


class LeaseLost(Exception):  # noqa: N818  an event, not a mistake
    """The job belongs to another runner now, or is gone."""


class JobTable:
    """Jobs in a database. Every method is one transaction; all block."""

    def __init__(self, database: Database, max_active: int = 100, max_attempts: int = 3) -> None:
        self.database = database
        self.max_active = max_active
        self.max_attempts = max_attempts

    def add(
        self,
        kind: str,
        owner: str,
        model: str,
        params: Mapping[str, Any],
        *,
        version: str | None = None,
        job_id: str | None = None,
        request: tuple[str, str] | None = None,
    ) -> Job:
        """Add a pending job. `request` is an idempotency key and the hash of the body it came with.

        Raises `Problem`: 422 for a key that came with another body or a version that another job
        is making, 429 when too many jobs wait.
        """
        chosen = job_id or new_id()
        row = {
            "id": chosen,
            "kind": kind,
            "owner": owner,
            "status": "pending",
            "model": model,
            "version": version,
            "params": orjson.dumps(params).decode(),
            "created_at": time.time(),
        }
        try:
            with self.database.begin() as connection:
                known = self._known(connection, owner, request)
                if known is not None:
                    return known
                self._refuse_crowd(connection)
                _refuse_taken(connection, model, version)
                connection.execute(jobs.insert().values(row))
                if request is not None:
                    values = (owner, request[0], request[1], chosen, time.time())
                    connection.execute(idempotency.insert().values(values))
                return _read(connection, chosen)
        except Problem as problem:
            if request is None or not isinstance(problem.__cause__, IntegrityError):
                raise
        with self.database.begin() as connection:  # the same key came in parallel and won
            known = self._known(connection, owner, request)
            if known is None:
                raise Problem(409, "The same request is being worked on. Try again.")
            return known

    def add_running(self, kind: str, owner: str, model: str, *, runner: str) -> Job:
        """Add a job that the caller runs itself. Raises `Problem` 429 when too many run."""
        row = {
            "id": new_id(),
            "kind": kind,
            "owner": owner,
            "status": "running",
            "model": model,
            "params": "{}",
            "created_at": time.time(),
            "started_at": time.time(),
            "attempts": 1,
            "token": 1,
            "runner": runner,
        }
        with self.database.begin() as connection:
            self._refuse_crowd(connection)
            connection.execute(jobs.insert().values(row))
            return _read(connection, str(row["id"]))

    def find(self, owner: str, request: tuple[str, str]) -> Job | None:
        """Return the job that an idempotency key made before. Raises `Problem` 422."""
        with self.database.begin() as connection:
            return self._known(connection, owner, request)

    def _known(
        self, connection: Connection, owner: str, request: tuple[str, str] | None
    ) -> Job | None:
        if request is None:
            return None
        key, body_hash = request
        found = connection.execute(
            sa.select(idempotency).where(idempotency.c.owner == owner, idempotency.c.key == key)
        ).first()
        if found is None:
            return None
        if found.body_hash != body_hash:
            raise Problem(
                422, "This Idempotency-Key came with another request. Use a new key for a new one."
            )
        return _read(connection, found.job_id)

    def _refuse_crowd(self, connection: Connection) -> None:
        count = connection.execute(
            sa.select(sa.func.count()).select_from(jobs).where(jobs.c.status.in_(ACTIVE))
        ).scalar_one()
        if count >= self.max_active:
            raise Problem(
                429,
                f"{count:,} jobs wait or run, the most allowed. Try again when some have ended.",
                headers={"retry-after": "30"},
            )

    def get(self, job_id: str, owner: str | None = EVERYONE) -> Job:
        """Return a job. Raises `Problem` 404; the jobs of others are not there either."""
        with self.database.begin() as connection:
            job = _read(connection, job_id)
        if owner is not None and job.owner != owner:
            raise unknown_job()
        return job

    def newest(self, owner: str | None = EVERYONE, limit: int = 100) -> list[Job]:
        """Return the newest jobs first."""
        query = sa.select(jobs).order_by(jobs.c.created_at.desc(), jobs.c.id).limit(limit)
        if owner is not None:
            query = query.where(jobs.c.owner == owner)
        with self.database.begin() as connection:
            return [_job(row) for row in connection.execute(query)]

    def cancel(self, job_id: str, owner: str | None = EVERYONE) -> Job:
        """Cancel a job: at once when it waits, soon when it runs. Raises `Problem` 404, 409."""
        job = self.get(job_id, owner)
        with self.database.begin() as connection:
            connection.execute(
                jobs.update()
                .where(jobs.c.id == job_id, jobs.c.status == "pending")
                .values(status="cancelled", finished_at=time.time(), is_cancel_asked=True)
            )
            connection.execute(
                jobs.update()
                .where(jobs.c.id == job_id, jobs.c.status == "running")
                .values(is_cancel_asked=True)
            )
            after = _read(connection, job_id)
        if after.status in ("succeeded", "failed") and job.has_ended:
            raise Problem(409, f"The job has {after.status} already.")
        return after

    def claim(self, runner: str) -> Job | None:
        """Take the oldest pending job, or None. Its token is the runner's right to write."""
        with self.database.begin() as connection:
            query = (
                sa.select(jobs.c.id)
                .where(jobs.c.status == "pending", jobs.c.kind == TRAIN)
                .order_by(jobs.c.created_at, jobs.c.id)
                .limit(1)
                .with_for_update(skip_locked=True)
            )
            job_id = connection.execute(query).scalar()
            if job_id is None:
                return None
            connection.execute(
                jobs.update()
                .where(jobs.c.id == job_id, jobs.c.status == "pending")
                .values(
                    status="running",
                    runner=runner,
                    token=jobs.c.token + 1,
                    attempts=jobs.c.attempts + 1,
                    beats=0,
                    started_at=sa.func.coalesce(jobs.c.started_at, time.time()),
                )
            )
            return _read(connection, job_id)

    def beat(self, job: Job, progress: Mapping[str, Any] | None = None) -> bool:
        """Renew the lease and note progress; True when the job should be cancelled.

        Raises `LeaseLost` when another runner has the job.
        """
        values: dict[str, Any] = {"beats": jobs.c.beats + 1}
        if progress is not None:
            values["progress"] = orjson.dumps(progress).decode()
        with self.database.begin() as connection:
            self._write(connection, job, values)
            return _read(connection, job.id).is_cancel_asked

    def end(
        self,
        job: Job,
        status: str,
        result: Mapping[str, Any] | None = None,
        error: str | None = None,
    ) -> None:
        """Write how a job ended. Raises `LeaseLost`."""
        values = {
            "status": status,
            "result": None if result is None else orjson.dumps(result).decode(),
            "error": None if error is None else error[:2000],
            "finished_at": time.time(),
        }
        with self.database.begin() as connection:
            self._write(connection, job, values)

    def give_back(self, job: Job, *, is_attempt: bool, reason: str) -> None:
        """Queue a job again, or fail it when it has been tried too often. Raises `LeaseLost`."""
        with self.database.begin() as connection:
            self._return(connection, job, is_attempt=is_attempt, reason=reason)

    def take_from_dead(self, job: Job, reason: str) -> bool:
        """Queue a job of a runner that is gone; False when it was not gone after all."""
        try:
            with self.database.begin() as connection:
                now = _read(connection, job.id)
                if (now.beats, now.token, now.status) != (job.beats, job.token, "running"):
                    return False
                self._return(connection, job, is_attempt=True, reason=reason)
        except LeaseLost:
            return False
        return True

    def _return(self, connection: Connection, job: Job, *, is_attempt: bool, reason: str) -> None:
        now = _read(connection, job.id)
        values: dict[str, Any] = {"status": "pending", "runner": None, "token": jobs.c.token + 1}
        if now.is_cancel_asked:
            values |= {"status": "cancelled", "finished_at": time.time()}
        elif now.kind != TRAIN:
            error = "The server that ran it is gone. Send it again."
            values |= {"status": "failed", "error": error, "finished_at": time.time()}
        elif is_attempt and now.attempts >= self.max_attempts:
            error = f"{reason} It was tried {now.attempts} times."
            values |= {"status": "failed", "error": error, "finished_at": time.time()}
        elif not is_attempt:
            values |= {"attempts": jobs.c.attempts - 1}
        self._write(connection, job, values)

    def _write(self, connection: Connection, job: Job, values: Mapping[str, Any]) -> None:
        changed = connection.execute(
            jobs.update()
            .where(jobs.c.id == job.id, jobs.c.token == job.token, jobs.c.status == "running")
            .values(**values)
        )
        if changed.rowcount != 1:
            raise LeaseLost(job.id)

    def running(self) -> list[Job]:
        """Return the jobs that some runner says it runs."""
        with self.database.begin() as connection:
            query = sa.select(jobs).where(jobs.c.status == "running")
            return [_job(row) for row in connection.execute(query)]

    def counts(self) -> list[tuple[str, int]]:
        """Return how many jobs have each status."""
        query = sa.select(jobs.c.status, sa.func.count()).group_by(jobs.c.status)
        with self.database.begin() as connection:
            found = {row[0]: row[1] for row in connection.execute(query)}
        return [(status, found.get(status, 0)) for status in (*ACTIVE, *ENDED)]

    def forget(self, older_than_s: float) -> list[str]:
        """Delete jobs that ended long ago; return their ids."""
        before = time.time() - older_than_s
        with self.database.begin() as connection:
            query = sa.select(jobs.c.id).where(
                jobs.c.status.in_(ENDED), jobs.c.finished_at < before
            )
            found = [row.id for row in connection.execute(query)]
            for job_id in found:
                connection.execute(idempotency.delete().where(idempotency.c.job_id == job_id))
                connection.execute(jobs.delete().where(jobs.c.id == job_id))
        return found


def new_id() -> str:
    """Return an id that nobody can guess."""
    return uuid.uuid4().hex


def unknown_job() -> Problem:
    """Return the refusal of a job id that is not there."""
    return Problem(404, "There is no job of this id.")


def _refuse_taken(connection: Connection, model: str, version: str | None) -> None:
    if version is None:
        return
    query = sa.select(jobs.c.id).where(
        jobs.c.model == model, jobs.c.version == version, jobs.c.status.in_(ACTIVE)
    )
    if connection.execute(query).first() is not None:
        raise Problem(422, "Another job is making this version of the model. Choose another one.")


def _read(connection: Connection, job_id: str) -> Job:
    if not _ID.fullmatch(job_id):
        raise unknown_job()
    row = connection.execute(sa.select(jobs).where(jobs.c.id == job_id)).first()
    if row is None:
        raise unknown_job()
    return _job(row)


def _job(row: Any) -> Job:
    values = dict(row._mapping)  # noqa: SLF001  SQLAlchemy's public name
    for name in ("params", "progress", "result"):
        values[name] = None if values[name] is None else orjson.loads(values[name])
    return Job(**values)


def _iso(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))

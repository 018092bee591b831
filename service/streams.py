"""Streams: series that the service remembers, so that a client sends only what is new.

The state of a stream is a row of the database: it survives a restart, and any worker can go on
with it. Pushes that arrive together share one transaction, so thousands a second are durable.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import orjson
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from service.database import Database, streams
from service.errors import Problem
from service.jobs import new_id
from service.schemas import ForecastRequest, SeriesInput
from service.times import Start
from tcn.series.frequency import parse_frequency

IDS_PER_QUERY = 500
DEFAULT_KEPT = 4096


@dataclass(frozen=True, slots=True)
class StreamState:
    """What a stream needs to forecast: its series, cut to the `kept` newest values, and options."""

    request: ForecastRequest
    kept: int

    def trimmed(self) -> "StreamState":
        """Return the state with no more than the values that are kept."""
        return self.pushed(np.empty((len(self.request.series), 0)))

    def pushed(self, values: NDArray[np.float64]) -> "StreamState":
        """Return the state after new values (S, k); NaN is a missing value."""
        grown = [
            _appended(series, row, self.kept)
            for series, row in zip(self.request.series, values, strict=True)
        ]
        return replace(self, request=replace(self.request, series=grown))

    def encode(self) -> bytes:
        """Return the state as bytes: a line of JSON, then the values."""
        request = self.request
        header = {
            "kept": self.kept,
            "model": request.model,
            "horizon": request.horizon,
            "levels": request.quantile_levels,
            "season_length": request.season_length,
            "series": [_header(series) for series in request.series],
        }
        values = np.concatenate([series.y for series in request.series])
        return orjson.dumps(header) + b"\n" + values.tobytes()

    @classmethod
    def decode(cls, data: bytes) -> "StreamState":
        """Read what `encode` wrote."""
        line, _, rest = data.partition(b"\n")
        header = orjson.loads(line)
        values = np.frombuffer(rest)
        series = []
        begin = 0
        for item in header["series"]:
            end = begin + item["n"]
            series.append(_series(item, values[begin:end]))
            begin = end
        request = ForecastRequest(
            header["model"],
            series,
            header["horizon"],
            tuple(header["levels"]),
            header["season_length"],
        )
        return cls(request, header["kept"])


def _header(series: SeriesInput) -> dict[str, Any]:
    start = series.start
    return {
        "id": series.id,
        "freq": series.freq,
        "tz": start.tz,
        "is_dated": start.is_dated,
        "start": int(np.asarray(start.value).astype(np.int64)),
        "n": len(series.y),
    }


def _series(item: dict[str, Any], y: NDArray[np.float64]) -> SeriesInput:
    value = np.datetime64(item["start"], "ns") if item["is_dated"] else item["start"]
    return SeriesInput(item["id"], y, Start(value, item["tz"]), item["freq"])


def _appended(series: SeriesInput, new: NDArray[np.float64], kept: int) -> SeriesInput:
    y = np.concatenate([series.y, new])
    dropped = max(0, len(y) - kept)
    if dropped == 0:
        return replace(series, y=y)
    start = series.start
    values = np.array([start.value], "datetime64[ns]" if start.is_dated else np.int64)
    frequency = parse_frequency(series.freq or "1")
    moved = frequency.shift(values, np.array([dropped]), start.tz)[0]
    value = moved if start.is_dated else int(moved)
    return replace(series, y=y[dropped:], start=replace(start, value=value))


@dataclass(eq=False, slots=True)
class _Push:
    stream_id: str
    owner: str | None
    values: list[Any]
    answer: "asyncio.Future[StreamState]"


class StreamTable:
    """The streams in a database; `push` belongs to the event loop, the rest blocks."""

    def __init__(self, database: Database, max_streams: int) -> None:
        self.database = database
        self.max_streams = max_streams
        self._waiting: list[_Push] = []
        self._writing: asyncio.Task[None] | None = None

    def create(self, owner: str, state: StreamState) -> str:
        """Store a new stream and return its id. Raises `Problem` 429 when there are too many."""
        stream_id = new_id()
        row = {
            "id": stream_id,
            "owner": owner,
            "model": state.request.model,
            "state": state.encode(),
            "touched_at": time.time(),
        }
        with self.database.begin() as connection:
            count = connection.execute(sa.select(sa.func.count()).select_from(streams)).scalar_one()
            if count >= self.max_streams:
                raise Problem(429, f"There may be {self.max_streams:,} streams. Delete one first.")
            connection.execute(streams.insert().values(row))
        return stream_id

    def get(self, stream_id: str, owner: str | None) -> StreamState:
        """Return the state of a stream. Raises `Problem` 404."""
        with self.database.begin() as connection:
            found = _read(connection, [stream_id]).get(stream_id)
        if found is None or (owner is not None and found[0] != owner):
            raise unknown_stream()
        return found[1]

    def delete(self, stream_id: str, owner: str | None) -> None:
        """Forget a stream. Raises `Problem` 404."""
        query = streams.delete().where(streams.c.id == stream_id)
        if owner is not None:
            query = query.where(streams.c.owner == owner)
        with self.database.begin() as connection:
            if connection.execute(query).rowcount != 1:
                raise unknown_stream()

    def forget(self, older_than_s: float) -> int:
        """Delete streams that nobody pushed to for long; return how many."""
        query = streams.delete().where(streams.c.touched_at < time.time() - older_than_s)
        with self.database.begin() as connection:
            return int(connection.execute(query).rowcount)

    async def push(self, stream_id: str, owner: str | None, values: list[Any]) -> StreamState:
        """Append values and return the new state once it is stored. Raises `Problem` 404, 422."""
        push = _Push(stream_id, owner, values, asyncio.get_running_loop().create_future())
        self._waiting.append(push)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        return await push.answer

    async def _write(self) -> None:
        """Store what waits, all of it at once, until nothing waits."""
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                results = await asyncio.to_thread(self._store, batch)
            except Problem as problem:
                results = [problem] * len(batch)
            for push, result in zip(batch, results, strict=True):
                if push.answer.done():
                    continue
                if isinstance(result, Problem):
                    push.answer.set_exception(result)
                else:
                    push.answer.set_result(result)

    def _store(self, batch: Sequence[_Push]) -> list[StreamState | Problem]:
        with self.database.begin() as connection:
            states = _read(connection, sorted({push.stream_id for push in batch}))
            changed: set[str] = set()
            results: list[StreamState | Problem] = []
            for push in batch:
                owner, state = states.get(push.stream_id, (None, None))
                if state is None or push.owner not in (None, owner):
                    results.append(unknown_stream())
                    continue
                try:
                    state = state.pushed(check_values(push.values, len(state.request.series)))
                except Problem as problem:
                    results.append(problem)
                    continue
                states[push.stream_id] = (owner or "", state)
                changed.add(push.stream_id)
                results.append(state)
            _update(connection, {key: states[key][1] for key in changed})
        return results


def check_values(values: list[Any], n_series: int) -> NDArray[np.float64]:
    """Return pushed values as (S, k): a number per series, or a list per series.

    A stream of one series takes a plain list of any length too.
    """
    if n_series == 1 and values and not isinstance(values[0], list):
        values = [values]
    if len(values) != n_series:
        raise Problem(
            422,
            f"#/values: must have one entry per series, {n_series:,} here, got {len(values):,}.",
        )
    rows = [value if isinstance(value, list) else [value] for value in values]
    if len({len(row) for row in rows}) != 1 or not rows[0]:
        raise Problem(422, "#/values: every series must get the same number of values, 1 or more.")
    for index, row in enumerate(rows):
        for value in row:
            if value is not None and type(value) not in (int, float):
                raise Problem(422, f"#/values/{index}: must be numbers or null.")
    return np.array(rows, dtype=np.float64)


def _read(connection: Connection, stream_ids: Sequence[str]) -> dict[str, tuple[str, StreamState]]:
    found = {}
    for begin in range(0, len(stream_ids), IDS_PER_QUERY):
        query = (
            sa.select(streams.c.id, streams.c.owner, streams.c.state)
            .where(streams.c.id.in_(stream_ids[begin : begin + IDS_PER_QUERY]))
            .order_by(streams.c.id)
            .with_for_update()
        )
        for row in connection.execute(query):
            found[row.id] = (row.owner, StreamState.decode(row.state))
    return found


def _update(connection: Connection, states: dict[str, StreamState]) -> None:
    if not states:
        return
    now = time.time()
    rows = [{"key": key, "new": state.encode(), "now": now} for key, state in states.items()]
    connection.execute(
        streams.update()
        .where(streams.c.id == sa.bindparam("key"))
        .values(
            state=sa.bindparam("new"),
            touched_at=sa.bindparam("now"),
            revision=streams.c.revision + 1,
        ),
        rows,
    )


def unknown_stream() -> Problem:
    """Return the refusal of a stream id that is not there."""
    return Problem(404, "There is no stream of this id. POST /v1/streams makes one.")

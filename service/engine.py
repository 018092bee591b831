"""The forecasting core: series of many requests forecast together, off the event loop.

Requests put chunks of series into one bounded queue. A worker thread takes the oldest chunk and
with it every waiting chunk of the same group (model, horizon, quantile levels, season length,
frequency, covariates, length bucket), so batches grow by themselves under load and nothing waits
on an idle machine. A chunk that the model refuses is forecast alone, so it fails alone.
"""

import asyncio
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from service.errors import Place, Problem, pointer
from service.panels import panel_key, to_panel
from service.schemas import ForecastRequest, SeriesInput
from service.values import FloatArray
from tcn.errors import TcnError
from tcn.notices import collected
from tcn.series import Forecast, Panel

logger = logging.getLogger(__name__)

CHUNKS_IN_FLIGHT = 2  # of one request, so that a large one lets small ones in between
REGRESSED = 16  # series of a chunk with covariates known ahead: each takes ten milliseconds or more


class Predictor(Protocol):
    """What the engine needs of a forecaster; `tcn.Forecaster` has it, and test doubles."""

    def predict(
        self,
        panel: Panel,
        horizon: int | None = None,
        quantile_levels: tuple[float, ...] = ...,
        *,
        season_length: int | None = None,
    ) -> Forecast: ...


class Piece(NamedTuple):
    """The forecast of one series: times and mean (H,), quantiles (H, Q)."""

    times: NDArray[Any]
    mean: FloatArray
    quantiles: FloatArray
    tz: str | None


@dataclass(eq=False, slots=True)
class _Chunk:
    """Series of one request that belong to one group, and who waits for them."""

    group: Hashable
    predictor: Predictor
    request: ForecastRequest
    indices: list[int]
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[list[Piece]]

    @property
    def series(self) -> list[SeriesInput]:
        return [self.request.series[index] for index in self.indices]


class Engine:
    """Batches and runs forecasts on `threads` worker threads.

    At most `queue_size` requests are inside at once; the next one is refused with 503.
    `observe(n_series, seconds)` is called after every batch, for the metrics.
    """

    def __init__(
        self,
        queue_size: int = 100,
        batch_size: int = 256,
        threads: int = 1,
        observe: Callable[[int, float], None] | None = None,
    ) -> None:
        self.queue_size = queue_size
        self.batch_size = batch_size
        self.in_flight = 0
        self._aside = asyncio.Semaphore(1)
        self._observe = observe
        self._collected: list[_Chunk] = []
        self._waiting: deque[_Chunk] = deque()
        self._lock = threading.Lock()
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()  # an entry starts one batch
        self._is_closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"engine-{i}", daemon=True)
            for i in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop the threads after the batch they are in; waiting requests get 503."""
        with self._lock:
            self._is_closed = True
            waiting = list(self._waiting)
            self._waiting.clear()
        for _ in self._threads:
            self._wake.put(None)
        for chunk in waiting:
            _deliver([(chunk, _closed())])
        for thread in self._threads:
            thread.join(timeout=10.0)

    def admit(self) -> None:
        """Count a request in, or refuse it with 503 when the queue is full."""
        self.refuse_if_full()
        self.in_flight += 1

    def refuse_if_full(self) -> None:
        """Refuse with 503 what `admit` would refuse, before its body is read and checked."""
        if self._is_closed:
            raise _closed()
        if self.in_flight >= self.queue_size:
            raise Problem(
                503,
                f"The queue of {self.queue_size:,} requests is full. Try again shortly.",
                headers={"retry-after": "1"},
            )

    @asynccontextmanager
    async def aside(self) -> AsyncIterator[None]:
        """Count in a request that computes by itself, one at a time beside the batches."""
        self.admit()
        try:
            async with self._aside:
                yield
        finally:
            self.in_flight -= 1

    async def forecast(self, predictor: Predictor, request: ForecastRequest) -> list[Piece]:
        """Forecast every series of a request; one `Piece` per series, in order.

        Raises `Problem`: 422 naming the series that cannot be forecast, 503 when overloaded.
        """
        self.admit()
        try:
            return await self._forecast(predictor, request)
        finally:
            self.in_flight -= 1

    async def _forecast(self, predictor: Predictor, request: ForecastRequest) -> list[Piece]:
        chunks = self._split(predictor, request)
        if len(chunks) == 1:
            self._put(chunks)
            return await chunks[0].answer
        rows: list[Piece | None] = [None] * len(request.series)
        for begin in range(0, len(chunks), CHUNKS_IN_FLIGHT):
            together = chunks[begin : begin + CHUNKS_IN_FLIGHT]
            self._put(together)
            answers = await asyncio.gather(*(chunk.answer for chunk in together))
            for chunk, pieces in zip(together, answers, strict=True):
                for index, row in zip(chunk.indices, pieces, strict=True):
                    rows[index] = row
        return [row for row in rows if row is not None]

    def _split(self, predictor: Predictor, request: ForecastRequest) -> list[_Chunk]:
        shared = (id(predictor), request.horizon, request.quantile_levels, request.season_length)
        loop = asyncio.get_running_loop()
        if len(request.series) == 1:
            group = (shared, _group_of(request.series[0]))
            return [_Chunk(group, predictor, request, [0], loop, loop.create_future())]
        groups: dict[Hashable, list[int]] = {}
        for index, series in enumerate(request.series):
            groups.setdefault(_group_of(series), []).append(index)
        return [
            _Chunk(
                (shared, group),
                predictor,
                request,
                indices[begin : begin + size],
                loop,
                loop.create_future(),
            )
            for group, indices in groups.items()
            for size in [self._chunk_size(request.series[indices[0]])]
            for begin in range(0, len(indices), size)
        ]

    def _chunk_size(self, series: SeriesInput) -> int:
        return min(self.batch_size, REGRESSED) if series.future_covariates else self.batch_size

    def _put(self, chunks: list[_Chunk]) -> None:
        """Collect chunks in this turn of the event loop and the next: they make one batch then.

        What comes while the requests of a turn are read would make a batch of one or two.
        """
        loop = chunks[0].loop
        if not self._collected or self._collected[0].loop is not loop:
            self._collected = []  # of a loop that closed before its turn ended
            loop.call_soon(loop.call_soon, self._hand_over)
        self._collected.extend(chunks)

    def _hand_over(self) -> None:
        collected, self._collected = self._collected, []
        with self._lock:
            is_closed = self._is_closed
            if not is_closed:
                self._waiting.extend(collected)
        if not is_closed:
            self._wake.put(None)
            return
        _resolve([(chunk, _closed()) for chunk in collected])

    def _work(self) -> None:
        while True:
            self._wake.get()
            with self._lock:
                if self._is_closed:
                    return
                batch = self._take()
                is_more = bool(self._waiting)
            if is_more:
                self._wake.put(None)
            if batch:
                self._run(batch)

    def _take(self) -> list[_Chunk]:
        """Remove the oldest chunk and those that can run with it; abandoned ones are dropped."""
        batch: list[_Chunk] = []
        left: deque[_Chunk] = deque()
        size = 0
        for chunk in self._waiting:
            if chunk.answer.cancelled():
                continue
            count = len(chunk.indices)
            is_alike = not batch or chunk.group == batch[0].group
            if is_alike and (not batch or size + count <= self.batch_size):
                batch.append(chunk)
                size += count
            else:
                left.append(chunk)
        self._waiting = left
        return batch

    def _run(self, batch: list[_Chunk]) -> None:
        began = time.perf_counter()
        try:
            _deliver(_predict(batch))
        except Exception as error:
            logger.error("A batch failed: %s", type(error).__name__, exc_info=True)
            _deliver([(chunk, Problem(500, "The forecast failed.")) for chunk in batch])
        if self._observe is not None:
            n_series = sum(len(chunk.indices) for chunk in batch)
            self._observe(n_series, time.perf_counter() - began)


def _closed() -> Problem:
    return Problem(503, "The server is shutting down. Try again.")


Answer = tuple[_Chunk, list[Piece] | Problem]


def _predict(batch: list[_Chunk]) -> list[Answer]:
    """Forecast chunks together; if that is refused, each alone."""
    try:
        return _predict_together(batch)
    except Problem as problem:
        if len(batch) == 1:
            return [(batch[0], problem)]
    except Exception as error:
        if len(batch) == 1:
            logger.error("A forecast failed: %s", type(error).__name__, exc_info=True)
            return [(batch[0], Problem(500, "The forecast failed."))]
    return [answer for chunk in batch for answer in _predict([chunk])]


def _predict_together(batch: list[_Chunk]) -> list[Answer]:
    first = batch[0]
    series = [item for chunk in batch for item in chunk.series]
    try:
        forecast = run(first.predictor, series, first.request)
    except TcnError as error:
        if len(series) == 1:
            place = Place(pointer("series", first.indices[0]), str(error))
            raise Problem(422, str(error), [place]) from None
        if len(batch) > 1:
            raise Problem(422, str(error)) from None
        raise _find_culprits(first) from None
    pieces = [
        Piece(times, mean, quantiles, forecast.tz)
        for times, mean, quantiles in zip(
            forecast.times, forecast.mean, forecast.quantiles, strict=True
        )
    ]
    odd = _odd_rows(forecast)
    answers: list[Answer] = []
    begin = 0
    for chunk in batch:
        end = begin + len(chunk.indices)
        bad = [chunk.indices[row - begin] for row in odd if begin <= row < end]
        answers.append((chunk, _no_forecast(bad) if bad else pieces[begin:end]))
        begin = end
    return answers


def _odd_rows(forecast: Forecast) -> list[int]:
    """Return the rows of the series whose forecast has values that are not finite."""
    mean, quantiles = np.isfinite(forecast.mean), np.isfinite(forecast.quantiles)
    if mean.all() and quantiles.all():
        return []
    is_finite = mean.all(axis=1) & quantiles.all(axis=(1, 2))
    return list(np.flatnonzero(~is_finite).tolist())


def _no_forecast(bad: list[int]) -> Problem:
    """Say which series of a request have no finite forecast."""
    sentence = "has values too large or too small to forecast. Rescale it."
    return Problem(
        422,
        f"{pointer('series', bad[0])} {sentence}",
        [Place(pointer("series", index), sentence) for index in bad],
    )


def run(predictor: Predictor, series: Sequence[SeriesInput], request: ForecastRequest) -> Forecast:
    """Forecast series of one group as one panel."""
    with collected():  # the answer says which covariates are not read
        return predictor.predict(
            to_panel(series),
            request.horizon,
            request.quantile_levels,
            season_length=request.season_length,
        )


def _find_culprits(chunk: _Chunk) -> Problem:
    """Name the series of one request that cannot be forecast (at most ten, by trying each)."""
    places: list[Place] = []
    detail = "The series cannot be forecast together."
    for index in chunk.indices:
        try:
            run(chunk.predictor, [chunk.request.series[index]], chunk.request)
        except TcnError as error:
            detail = detail if places else str(error)
            places.append(Place(pointer("series", index), str(error)))
        if len(places) == 10:
            break
    return Problem(422, detail, places)


def _deliver(answers: list[Answer]) -> None:
    """Hand answers to the event loops that wait for them, with one call per loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Answer]] = {}
    for answer in answers:
        by_loop.setdefault(answer[0].loop, []).append(answer)
    for loop, together in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, together)
        except RuntimeError:
            logger.warning("An event loop closed before its forecast was ready.")


def _resolve(answers: list[Answer]) -> None:
    for chunk, result in answers:
        if chunk.answer.done():
            continue
        if isinstance(result, Problem):
            chunk.answer.set_exception(result)
        else:
            chunk.answer.set_result(result)


def _group_of(series: SeriesInput) -> Hashable:
    """What must be equal for two series to share a panel, and similar to share a batch."""
    return (len(series.y).bit_length(), panel_key(series))

"""What the routes of one application share: settings, models, engine, readiness."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from starlette.requests import Request

import tcn
from service.access import Access, KeyTable
from service.background import Background
from service.bodies import BodyReader, ByteBudget
from service.database import Database
from service.engine import Engine, Predictor
from service.errors import Problem
from service.jobs import JobTable
from service.metrics import Metrics
from service.rates import RateLimiter
from service.schemas import ForecastRequest, SeriesInput
from service.settings import Settings
from service.store import ModelStore
from service.streams import StreamTable
from service.times import Start
from tcn.checkpoint import load_classifier, read_checkpoint
from tcn.classifier import ImageClassifier
from tcn.models import IMAGE

logger = logging.getLogger(__name__)

WARM_UP_RETRY_S = 5.0


@dataclass
class Readiness:
    """Whether requests should be sent here, and if not, why."""

    is_warm: bool = False
    is_draining: bool = False
    reason: str = "The default model has not answered its first forecast yet."

    @property
    def is_ready(self) -> bool:
        """Whether a load balancer should send requests."""
        return self.is_warm and not self.is_draining


@dataclass
class ServiceState:
    """Everything that lives as long as the application does."""

    settings: Settings
    store: ModelStore
    engine: Engine
    bodies: BodyReader
    database: Database
    jobs: JobTable
    streams: StreamTable
    background: Background
    access: Access
    metrics: Metrics
    readiness: Readiness = field(default_factory=Readiness)

    @classmethod
    def build(
        cls,
        settings: Settings,
        load: Callable[[str | Path], Predictor | ImageClassifier],
        bundled: tuple[str, ...],
    ) -> "ServiceState":
        """Make the parts from the settings; the engine's threads start."""
        store = ModelStore(settings.store, load, bundled, memory_bytes=settings.model_memory_bytes)
        metrics = Metrics()
        engine = Engine(
            settings.queue_size,
            settings.batch_size,
            settings.engine_threads,
            metrics.observe_batch,
        )
        bodies = BodyReader(
            settings.max_body_bytes,
            settings.max_decoded_bytes,
            settings.max_parsed_bytes,
            settings.body_timeout_s,
            ByteBudget(settings.max_held_bytes),
        )
        database = Database(settings.database)
        jobs = JobTable(database, settings.max_jobs, settings.job_attempts)
        rates = None
        if settings.rate_per_minute:
            rates = RateLimiter(settings.state / "rates", settings.rate_per_minute)
        is_required = settings.auth == "required" or (
            settings.auth == "auto" and not settings.is_local
        )
        access = Access(KeyTable(database), rates, is_required=is_required)
        streams = StreamTable(database, settings.max_streams)
        return cls(
            settings,
            store,
            engine,
            bodies,
            database,
            jobs,
            streams,
            Background(jobs),
            access,
            metrics,
        )

    def close(self) -> None:
        """Stop the engine and close what is open."""
        self.engine.close()
        self.database.close()
        if self.access.rates is not None:
            self.access.rates.close()

    async def warm_up(self) -> None:
        """Forecast with the default model until it works; then the service is ready."""
        while not self.readiness.is_warm:
            try:
                _, predictor = await self.store.get(self.settings.default_model)
                await self.engine.forecast(predictor, _warm_up_request(self.settings))
            except Problem as problem:
                self.readiness.reason = problem.detail
                logger.warning("Not ready: %s", problem.detail)
                await asyncio.sleep(WARM_UP_RETRY_S)
            else:
                self.readiness.is_warm = True
                self.readiness.reason = ""


def state_of(request: Request) -> ServiceState:
    """Return the state of the application that a request came to."""
    return cast("ServiceState", request.scope["app"].service)


def _warm_up_request(settings: Settings) -> ForecastRequest:
    y = np.sin(np.arange(64) * (2 * np.pi / 8))
    series = [SeriesInput("warm-up", y, Start(), None)]
    return ForecastRequest(settings.default_model, series, 8, (0.1, 0.5, 0.9), None)


def bundled_models() -> tuple[str, ...]:
    """Return the names of the models that come with the package."""
    weights = Path(tcn.__path__[0]) / "weights"
    if not weights.is_dir():
        return ()
    found = (item.name for item in weights.iterdir() if (item / "manifest.json").is_file())
    return tuple(sorted(found))


def load_forecaster(name: str | Path) -> Any:
    """Load a forecaster by name or path, or an image classifier by path, with the library."""
    if isinstance(name, Path) and read_checkpoint(name).kind == IMAGE:
        return load_classifier(name)
    return tcn.load(name)

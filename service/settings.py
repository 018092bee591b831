"""Every setting of the service, with a safe default; environment variables begin with `TCN_`.

`Settings.from_environment` refuses a `TCN_` variable that names no setting, so that a typing
mistake in an operator's file is an error at the start and not a default in silence.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from tcn.errors import ConfigError

PREFIX = "TCN_"
MIB = 2**20
OTHERS = frozenset({"TCN_DATA"})  # variables of the benchmarks, which may be set everywhere
LOCAL_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})
ORIGIN = re.compile(r"https?://[^/,\s*]+")
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


class Settings(BaseSettings):
    """All settings. Sizes are in bytes and times in seconds unless the name says otherwise."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    workers: int = Field(1, ge=1, le=256, description="Processes that answer requests.")
    root_path: str = Field("", description="Path prefix that a proxy strips.")
    allow_origins: str = Field(
        "",
        description="Origins whose pages may call the API, with commas between; `*`: all.",
    )
    store: Path = Field(Path("models"), description="Directory of the models.")
    default_model: str = Field(
        "zero", pattern=NAME_PATTERN, description="Model of requests that name none."
    )
    log_format: Literal["text", "json"] = Field("text", description="Form of the log lines.")

    state_dir: Path | None = Field(
        None,
        description="Directory of the database and of jobs; in the store if unset.",
    )
    database_url: SecretStr | None = Field(
        None, description="SQLAlchemy URL, such as postgresql+psycopg://...; SQLite if unset."
    )
    runner: Literal["embedded", "none"] = Field(
        "embedded", description="Whether `python -m service` starts a runner of jobs beside it."
    )
    runner_jobs: int = Field(1, ge=1, le=64, description="Jobs that one runner runs at once.")
    job_timeout_s: float = Field(3600.0, gt=0, description="Time that a job may run.")
    job_memory_bytes: int = Field(
        16_384 * MIB, ge=2**28, description="Address space of the process of a job."
    )
    job_threads: int = Field(1, ge=1, le=256, description="Processor threads of a job.")
    job_attempts: int = Field(3, ge=1, le=100, description="Tries of a job that keeps dying.")
    job_lease_s: float = Field(
        15.0, gt=0, description="Silence after which a runner on another machine counts as dead."
    )
    job_retention_s: float = Field(
        7 * 86_400.0, gt=0, description="Time that jobs which ended are listed."
    )
    auth: Literal["auto", "required", "off"] = Field(
        "auto", description="Whether requests need a key; auto: unless only this machine connects."
    )
    rate_per_minute: int = Field(
        0, ge=0, le=1_000_000, description="Requests of one key (or address) a minute; 0: any."
    )
    max_streams: int = Field(100_000, ge=1, description="Streams that are open.")
    stream_retention_s: float = Field(
        30 * 86_400.0, gt=0, description="Time that a stream is kept after its last push."
    )
    max_jobs: int = Field(100, ge=1, description="Jobs that may wait or run.")

    max_body_bytes: int = Field(32 * MIB, ge=1, description="Request body as sent.")
    max_decoded_bytes: int = Field(256 * MIB, ge=1, description="Request body once decompressed.")
    max_parsed_bytes: int = Field(
        512 * MIB, ge=1, description="Memory that a JSON body may take once parsed, as estimated."
    )
    max_upload_bytes: int = Field(100 * MIB, ge=1, description="Uploaded CSV file.")
    max_held_bytes: int = Field(
        1024 * MIB, ge=1, description="Bodies of all running requests, and what they are parsed to."
    )
    max_series: int = Field(10_000, ge=1, description="Series in one request.")
    max_points: int = Field(5_000_000, ge=1, description="Values in one request.")
    max_image_pixels: int = Field(
        2**18, ge=1, description="Pixels of an image for a network that reads any size."
    )
    max_horizon: int = Field(10_000, ge=1, le=10_000, description="Steps to forecast.")
    max_forecast_values: int = Field(
        1_000_000, ge=1, description="Series times horizon in one request."
    )
    max_quantile_levels: int = Field(99, ge=1, le=99, description="Quantile levels.")
    max_id_length: int = Field(256, ge=1, le=4096, description="Characters of a series id.")
    max_covariates: int = Field(64, ge=0, le=512, description="Covariates of one kind.")

    queue_size: int = Field(100, ge=1, description="Requests that may wait or run at once.")
    batch_size: int = Field(256, ge=1, le=4096, description="Series that are forecast together.")
    engine_threads: int = Field(
        1, ge=1, le=64, description="Threads that run the networks, in each worker process."
    )
    torch_threads: int = Field(1, ge=1, le=256, description="Processor threads of one forecast.")
    model_memory_bytes: int = Field(
        2048 * MIB, ge=1, description="Weights that stay loaded, in each worker process."
    )

    header_timeout_s: float = Field(5.0, gt=0, description="Time to send the request's head.")
    body_timeout_s: float = Field(30.0, gt=0, description="Time to send the request's body.")
    keep_alive_s: float = Field(15.0, gt=0, description="Idle time between two requests.")
    max_header_bytes: int = Field(64 * 1024, ge=1024, description="Request line and headers.")
    drain_delay_s: float = Field(
        0.5, ge=0, description="Time from 'not ready' to the closed port after SIGTERM."
    )
    drain_timeout_s: float = Field(30.0, gt=0, description="Time for running requests to end.")

    @field_validator("store")
    @classmethod
    def _absolute(cls, store: Path) -> Path:
        return store.expanduser().absolute()

    @field_validator("allow_origins")
    @classmethod
    def _origins(cls, value: str) -> str:
        are_origins = all(ORIGIN.fullmatch(origin.strip()) for origin in value.split(","))
        if value not in ("", "*") and not are_origins:
            raise ValueError("must be '*', or origins such as https://app.example")
        return value

    @property
    def state(self) -> Path:
        """Directory of the database and of running jobs."""
        return self.store / ".state" if self.state_dir is None else self.state_dir.absolute()

    @property
    def database(self) -> str:
        """URL of the database."""
        if self.database_url is None:
            return f"sqlite:///{self.state / 'service.db'}"
        return self.database_url.get_secret_value()

    @property
    def allowed_origins(self) -> list[str]:
        """Origins whose pages may call the API."""
        return [origin.strip() for origin in self.allow_origins.split(",") if origin]

    def to_environment(self) -> dict[str, str]:
        """Return the variables that give another process the same settings."""
        values = {name: getattr(self, name) for name in self.model_fields_set}
        return {
            PREFIX + name.upper(): value.get_secret_value()
            if isinstance(value, SecretStr)
            else str(value)
            for name, value in values.items()
            if value is not None
        }

    @property
    def is_local(self) -> bool:
        """Whether only programs on this machine can connect."""
        return self.host in LOCAL_HOSTS

    @classmethod
    def from_environment(
        cls, overrides: Mapping[str, Any] | None = None, environ: Mapping[str, str] = os.environ
    ) -> Self:
        """Read the `TCN_` variables; `overrides` (the command line) win. Raises `ConfigError`."""
        for key in environ:
            name = key.removeprefix(PREFIX).lower()
            is_ours = key.startswith(PREFIX) and key not in OTHERS
            if is_ours and name not in cls.model_fields:
                raise ConfigError(
                    f"Unknown setting {key}. Known settings: "
                    f"{', '.join(PREFIX + known.upper() for known in sorted(cls.model_fields))}."
                )
        try:
            return cls(**dict(overrides or {}))
        except ValidationError as error:
            raise ConfigError(_sentence(error)) from None


def _sentence(error: ValidationError) -> str:
    """Say in one line per setting what is wrong; the values are not repeated (secrets)."""
    parts = [
        f"Setting {PREFIX}{'.'.join(map(str, item['loc'])).upper()}:"
        f" {item['msg'].removeprefix('Value error, ')}."
        for item in error.errors(include_url=False, include_input=False)
    ]
    return " ".join(parts)


def limits(settings: Settings) -> dict[str, Any]:
    """Return the limits that a client can run into, by name of the setting."""
    names = [name for name in Settings.model_fields if name.startswith("max_")]
    return {
        **{name: getattr(settings, name) for name in sorted(names)},
        "queue_size": settings.queue_size,
        "rate_per_minute": settings.rate_per_minute,
        "job_timeout_s": settings.job_timeout_s,
        "job_memory_bytes": settings.job_memory_bytes,
        "body_timeout_s": settings.body_timeout_s,
        "header_timeout_s": settings.header_timeout_s,
    }

"""The database: SQLite beside the models, or PostgreSQL by URL, through SQLAlchemy Core.

It is opened at its first use and again after a failure, so a server without a working database
lives on, says so in its readiness, and forecasts. All calls block: routes make them in a thread.
"""

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from service.errors import Problem

logger = logging.getLogger(__name__)

NEWEST = "0001"  # the last file of migrations/versions
MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT_MS = 5000
DISK_FULL = "53100"  # a SQLSTATE

metadata = sa.MetaData()

schema_version = sa.Table(
    "alembic_version", metadata, sa.Column("version_num", sa.String(32), primary_key=True)
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("owner", sa.String(32), nullable=False),
    sa.Column("status", sa.String(16), nullable=False, index=True),
    sa.Column("model", sa.String(64), nullable=False),
    sa.Column("version", sa.String(64)),
    sa.Column("params", sa.Text, nullable=False),
    sa.Column("progress", sa.Text),
    sa.Column("result", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("created_at", sa.Float, nullable=False, index=True),
    sa.Column("started_at", sa.Float),
    sa.Column("finished_at", sa.Float),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("token", sa.Integer, nullable=False, default=0),
    sa.Column("beats", sa.Integer, nullable=False, default=0),
    sa.Column("runner", sa.String(128)),
    sa.Column("is_cancel_asked", sa.Boolean, nullable=False, default=False),
)

idempotency = sa.Table(
    "idempotency",
    metadata,
    sa.Column("owner", sa.String(32), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("body_hash", sa.String(64), nullable=False),
    sa.Column("job_id", sa.String(32), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("scope", sa.String(16), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("expires_at", sa.Float),
    sa.Column("revoked_at", sa.Float),
)

streams = sa.Table(
    "streams",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("owner", sa.String(32), nullable=False, index=True),
    sa.Column("model", sa.String(129), nullable=False),
    sa.Column("state", sa.LargeBinary, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False, default=0),
    sa.Column("touched_at", sa.Float, nullable=False, index=True),
)


class Database:
    """Connections to one database; its tables are made when they are missing."""

    def __init__(self, url: str) -> None:
        self.url = sa.make_url(url)
        self._engine: Engine | None = None
        self._lock = threading.Lock()

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a file on this machine."""
        return self.url.get_backend_name() == "sqlite"

    @contextlib.contextmanager
    def begin(self) -> Iterator[Connection]:
        """Give a connection inside a transaction.

        Raises `Problem`: 507 when the disk of the database is full, 503 when it fails otherwise.
        """
        try:
            with self._opened().begin() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            raise _unusable(error) from error

    def check(self) -> None:
        """Read and write nothing of value; raises `Problem` 503 when that is not possible."""
        with self.begin() as connection:
            connection.execute(sa.select(schema_version.c.version_num)).scalar()
            connection.execute(sa.select(jobs.c.id).limit(1)).first()

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()
            self._engine = None

    def _opened(self) -> Engine:
        with self._lock:
            if self._engine is None:
                self._engine = self._open()
            return self._engine

    def _open(self) -> Engine:
        if self.is_sqlite and self.url.database:
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(self.url, pool_pre_ping=not self.is_sqlite, pool_timeout=10)
        if self.is_sqlite:
            sa.event.listen(engine, "connect", _configure_sqlite)
            sa.event.listen(engine, "begin", _begin_immediate)
        try:
            with engine.begin() as connection:
                if not self.is_sqlite:
                    connection.execute(sa.text("SELECT pg_advisory_xact_lock(7236210)"))
                _bring_up_to_date(connection)
        except BaseException:
            engine.dispose()
            raise
        return engine


def _bring_up_to_date(connection: Connection) -> None:
    """Make the tables of a new database; change those of an older one."""
    if not sa.inspect(connection).has_table(schema_version.name):
        metadata.create_all(connection)
        connection.execute(schema_version.insert().values(version_num=NEWEST))
        return
    found = connection.execute(sa.select(schema_version.c.version_num)).scalar()
    if found == NEWEST:
        return
    if found is not None and found > NEWEST:
        raise Problem(
            503, f"The database is of a newer version ({found}); this one knows {NEWEST}. Upgrade."
        )
    migrate(connection)


def migrate(connection: Connection) -> None:
    """Run the changes that a database lacks, inside the transaction of `connection`."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun below, not by the driver
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    _use_write_ahead_log(cursor)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _use_write_ahead_log(cursor: Any) -> None:
    """Turn the write-ahead log on; here SQLite does not wait by itself for another process."""
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _begin_immediate(connection: Connection) -> None:
    """Take the write lock at once: a lock taken later could fail in the middle."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _unusable(error: Exception) -> Problem:
    reason = str(getattr(error, "orig", None) or type(error).__name__).splitlines()[0][:200]
    logger.warning("The database cannot be used: %s", reason)
    status = 507 if _is_full_disk(error) else 503
    return Problem(status, f"The database cannot be used: {reason}.", headers={"retry-after": "5"})


def _is_full_disk(error: Exception) -> bool:
    """Whether SQLite or PostgreSQL found no space; both may write again once there is some."""
    cause = getattr(error, "orig", None)
    names = (getattr(cause, "sqlite_errorname", None), getattr(cause, "sqlstate", None))
    return names[0] == "SQLITE_FULL" or names[1] == DISK_FULL

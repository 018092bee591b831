"""Who may do what: keys with a scope, kept as hashes.

Without keys (`TCN_AUTH=off`, or `auto` on an address of this machine) everyone is an administrator.
A key is `tcn_` and 32 random bytes; the database has its sha256 only. Unknown, revoked and expired
keys get the same answer. A key is looked up again after `CACHE_S`, so a revoked one ends soon
everywhere.
"""

import asyncio
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa
from starlette.requests import Request

from service.database import Database, api_keys
from service.errors import Problem
from service.jobs import new_id
from service.rates import RateLimiter

Scope = Literal["open", "read", "train", "admin"]

PREFIX = "tcn_"
CACHE_S = 2.0
CACHE_SIZE = 10_000
RANKS: dict[str, int] = {"open": 0, "read": 1, "train": 2, "admin": 3}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who sent a request: the id of a key, or '' where there are no keys."""

    id: str
    scope: str

    @property
    def is_admin(self) -> bool:
        """Whether everything may be seen and done."""
        return self.scope == "admin"


EVERYONE = Principal("", "admin")  # where there are no keys


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key as it is listed: everything but the key."""

    id: str
    name: str
    scope: str
    created_at: float
    expires_at: float | None
    revoked_at: float | None
    digest: str

    @property
    def is_valid(self) -> bool:
        """Whether requests with the key are answered."""
        has_expired = self.expires_at is not None and self.expires_at <= time.time()
        return self.revoked_at is None and not has_expired


class KeyTable:
    """The keys in a database. All methods block."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def create(self, name: str, scope: str, days: float | None = None) -> tuple[str, str]:
        """Add a key; return its id and the key itself, which is nowhere else."""
        key = PREFIX + secrets.token_urlsafe(32)
        now = time.time()
        row = {
            "id": new_id()[:12],
            "name": name,
            "digest": digest_of(key),
            "scope": scope,
            "created_at": now,
            "expires_at": None if days is None else now + days * 86_400,
        }
        with self.database.begin() as connection:
            connection.execute(api_keys.insert().values(row))
        return str(row["id"]), key

    def find(self, digest: str) -> KeyRow | None:
        """Return the key of a digest, valid or not."""
        with self.database.begin() as connection:
            row = connection.execute(sa.select(api_keys).where(api_keys.c.digest == digest)).first()
        return None if row is None else KeyRow(**row._mapping)  # noqa: SLF001

    def listing(self) -> list[KeyRow]:
        """Return all keys, the newest last."""
        with self.database.begin() as connection:
            rows = connection.execute(sa.select(api_keys).order_by(api_keys.c.created_at))
            return [KeyRow(**row._mapping) for row in rows]  # noqa: SLF001

    def revoke(self, key_id: str) -> bool:
        """End a key for good; False when there is none of this id."""
        with self.database.begin() as connection:
            changed = connection.execute(
                api_keys.update()
                .where(api_keys.c.id == key_id)
                .values(revoked_at=sa.func.coalesce(api_keys.c.revoked_at, time.time()))
            )
        return bool(changed.rowcount)


class Access:
    """Checks every request: its key, the scope it needs, its rate."""

    def __init__(self, keys: KeyTable, rates: RateLimiter | None, *, is_required: bool) -> None:
        self.keys = keys
        self.rates = rates
        self.is_required = is_required
        self.is_open = not is_required and rates is None
        self._cache: OrderedDict[str, tuple[float, KeyRow | None]] = OrderedDict()

    async def admit(self, request: Request, scope: Scope) -> Principal:
        """Return who sends the request. Raises `Problem` 401, 403 or 429."""
        if scope == "open":
            return Principal("", "open")
        if self.is_open:
            return EVERYONE
        address = request.client.host if request.client else ""
        if not self.is_required:
            self._count(f"address {address}")
            return EVERYONE
        try:
            row = await self._authenticate(request)
        except Problem:
            self._count(f"refused {address}")
            raise
        self._count(f"key {row.id}")
        if RANKS[row.scope] < RANKS[scope]:
            raise Problem(403, f"This needs a key of the scope {scope!r}.")
        return Principal(row.id, row.scope)

    def _count(self, who: str) -> None:
        if self.rates is None:
            return
        wait_s = self.rates.take(who)
        if wait_s > 0:
            raise Problem(
                429,
                f"More than {self.rates.per_minute:,} requests a minute. Wait {wait_s:.0f} s.",
                headers={"retry-after": str(max(1, round(wait_s)))},
            )

    async def _authenticate(self, request: Request) -> KeyRow:
        values = request.headers.getlist("authorization")
        scheme, _, key = values[0].partition(" ") if len(values) == 1 else ("", "", "")
        if scheme.lower() != "bearer" or not key.strip():
            raise _unauthorized("Send your key in the header 'Authorization: Bearer <key>'.")
        digest = digest_of(key.strip())
        row = await self._look_up(digest)
        stored = row.digest if row is not None else digest_of("")
        is_same = hmac.compare_digest(stored, digest)
        if row is None or not is_same or not row.is_valid:
            raise _unauthorized("The key is not valid.")
        return row

    async def _look_up(self, digest: str) -> KeyRow | None:
        now = time.monotonic()
        since, row = self._cache.get(digest, (-CACHE_S, None))
        if now - since < CACHE_S:
            return row
        row = await asyncio.to_thread(self.keys.find, digest)
        self._cache[digest] = (now, row)
        self._cache.move_to_end(digest)
        while len(self._cache) > CACHE_SIZE:
            self._cache.popitem(last=False)
        return row


def digest_of(key: str) -> str:
    """Return what is stored of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def _unauthorized(detail: str) -> Problem:
    return Problem(401, detail, headers={"www-authenticate": "Bearer"})


def owner_of(request: Request) -> str:
    """Return who the things that a request makes belong to."""
    principal: Principal = request.scope["principal"]
    return principal.id


def owner_filter(request: Request) -> str | None:
    """Return whose things a request may see; None for everyone's."""
    principal: Principal = request.scope["principal"]
    return None if principal.is_admin else principal.id

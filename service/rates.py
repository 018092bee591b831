"""A rate limit that all processes of one machine share: a small file, mapped into each of them.

Each caller has a slot with the time at which its allowance is full again (the generic cell rate
algorithm). Times are of the monotonic clock, which the processes of a machine have in common.
"""

import fcntl
import hashlib
import mmap
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

SLOTS = 65_536
PROBES = 16
_SLOT = struct.Struct("<Qd")


class RateLimiter:
    """At most `per_minute` requests at once, and as many a minute on the whole, per caller."""

    def __init__(
        self, path: Path, per_minute: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._spacing = 60.0 / per_minute
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(self._file, SLOTS * _SLOT.size)
        self._map = mmap.mmap(self._file, SLOTS * _SLOT.size)

    def take(self, caller: str) -> float:
        """Count one request; return 0, or the seconds to wait when it is one too many."""
        name = int.from_bytes(hashlib.blake2b(caller.encode(), digest_size=8).digest(), "little")
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            return self._take(name or 1)
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _take(self, name: int) -> float:
        now = self._clock()
        place, full_at = self._slot(name, now)
        is_stale = full_at > now + 61.0  # left by a machine that was up for longer
        full_at = now if is_stale else max(full_at, now)
        wait_s = full_at + self._spacing - now - 60.0
        if wait_s > 1e-9:
            return wait_s
        _SLOT.pack_into(self._map, place, name, full_at + self._spacing)
        return 0.0

    def _slot(self, name: int, now: float) -> tuple[int, float]:
        """Find the caller's slot, or a free one, or else the one that is free soonest."""
        soonest = (float("inf"), 0)
        for probe in range(PROBES):
            place = ((name + probe) % SLOTS) * _SLOT.size
            owner, full_at = _SLOT.unpack_from(self._map, place)
            if owner == name:
                return place, full_at
            soonest = min(soonest, (full_at if full_at > now else 0.0, place))
        return soonest[1], 0.0

    def close(self) -> None:
        """Give the file back."""
        self._map.close()
        os.close(self._file)

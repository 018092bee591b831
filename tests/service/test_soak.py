"""Half the load that fits, for minutes: memory, descriptors, threads and files stay what they were.

Five minutes unless `TEST_SOAK_S` says otherwise; half an hour is what a release is held to.
"""

import logging
import os
import re
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import orjson
import pytest

from benchmarks.load import load, post

SOAK_S = float(os.environ.get("TEST_SOAK_S", "300"))
WARM_S = min(120.0, 0.3 * SOAK_S)
EVERY_S = 1.0
CONNECTIONS = 8
MAX_SLOPE = 1.0  # MiB a minute
MAX_WAL = 32 * 2**20


@dataclass
class Sample:
    """What a process holds at one moment."""

    seconds: float
    rss_mib: float
    descriptors: int
    threads: int
    files: int
    wal: int

    @classmethod
    def take(cls, pid: int, temporary: Path, wal: Path) -> "Sample":
        status = Path(f"/proc/{pid}/status").read_text()
        return cls(
            time.monotonic(),
            int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024,
            len(list(Path(f"/proc/{pid}/fd").iterdir())),
            int(re.search(r"Threads:\s+(\d+)", status)[1]),
            sum(1 for _ in temporary.rglob("*")),
            wal.stat().st_size if wal.exists() else 0,
        )


def requests_of(url: str) -> list[bytes]:
    """Return a mix: forecasts of one and of many series, pushes, refusals, paths that are not."""
    rng = np.random.default_rng(0)
    walks = [rng.normal(size=length).cumsum().round(3).tolist() for length in (512, 90, 200)]
    opened = {"series": walks[1], "horizon": 1}
    ids = [httpx.post(f"{url}/v1/streams", json=opened).json()["id"] for _ in range(4)]
    bodies = [{"series": walk, "horizon": 24} for walk in walks]
    bodies += [{"series": [{"id": "a", "y": walks[1]}, {"id": "b", "y": walks[2]}], "horizon": 7}]
    bodies += [{"series": [None], "horizon": 0}, {"series": walks[0], "horizon": 5, "model": "no"}]
    made = [post("/v1/forecast", orjson.dumps(body)) for body in bodies]
    made += [post(f"/v1/streams/{key}/push", b'{"values": [1.5]}') for key in ids]
    return [*made, post("/nothing", b"{}"), post("/v1/forecast", b'{"series": [NaN]}')]


@pytest.mark.slow
@pytest.mark.timeout(int(SOAK_S) + 300)
def test_minutes_at_half_load_leave_nothing_behind(own_server, tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    server = own_server(module="service")
    requests = requests_of(server.url)
    most = load(server.port, requests, CONNECTIONS, seconds=5.0).per_second
    wal = server.store / ".state" / "service.db-wal"
    samples: list[Sample] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(EVERY_S):
            samples.append(Sample.take(server.process.pid, temporary, wal))

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.monotonic()
    seen = load(server.port, requests, CONNECTIONS, seconds=SOAK_S, rate=most / 2)
    stop.set()
    watcher.join()
    kept = [sample for sample in samples if sample.seconds > began + WARM_S]
    minutes = np.array([sample.seconds - began for sample in kept]) / 60
    slope = float(np.polyfit(minutes, [sample.rss_mib for sample in kept], 1)[0])
    figures = {"requests/s": most / 2, "answers": seen.counts(), "MiB/min": slope}
    figures |= {"first": kept[0], "last": kept[-1], "p99_ms": seen.percentile_ms(99)}
    logging.getLogger(__name__).info("%s", figures)
    assert set(seen.counts()) == {200, 400, 404, 422}, figures
    assert slope < MAX_SLOPE, figures
    assert kept[-1].descriptors <= kept[0].descriptors + 2, figures
    assert kept[-1].threads <= kept[0].threads + 1, figures
    assert kept[-1].files <= kept[0].files, figures
    assert max(sample.wal for sample in kept) < MAX_WAL, figures
    assert "Traceback" not in server.log_text()
    assert server.stop() == 0

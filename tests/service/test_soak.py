"""A minute of load: memory, descriptors and threads stay what they were."""

import re
import threading
import time
from pathlib import Path

import httpx
import pytest

WARM_S = 15.0
LOAD_S = 45.0


def facts(pid: int) -> tuple[int, int, int]:
    """Return resident bytes, open descriptors and threads of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    rss = int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024
    threads = int(re.search(r"Threads:\s+(\d+)", status)[1])
    return rss, len(list(Path(f"/proc/{pid}/fd").iterdir())), threads


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_minute_of_load_leaves_nothing_behind(own_server):
    server = own_server(queue_size=4)
    stop = threading.Event()
    counts: dict[int, int] = {}

    def load(client: httpx.Client, number: int) -> None:
        stream = client.post("/v1/streams", json={"series": [1, 2], "horizon": 1}).json()["id"]
        for n in range(10**9):
            if stop.is_set():
                return
            body = {"series": [[n % 7, 2.0, 3.0] * 50] * (1 + number), "horizon": 5}
            answers = [
                client.post("/v1/forecast", json=body),
                client.post("/v1/forecast", json={"series": [None], "horizon": 0}),
                client.post(f"/v1/streams/{stream}/push", json={"values": [n]}),
                client.get("/nothing"),
            ]
            for answer in answers:
                counts[answer.status_code] = counts.get(answer.status_code, 0) + 1

    clients = [httpx.Client(base_url=server.url, timeout=20) for _ in range(6)]
    threads = [threading.Thread(target=load, args=(c, i)) for i, c in enumerate(clients)]
    for thread in threads:
        thread.start()
    time.sleep(WARM_S)
    before = facts(server.process.pid)
    time.sleep(LOAD_S)
    after = facts(server.process.pid)
    stop.set()
    for thread in threads:
        thread.join()
    for client in clients:
        client.close()
    assert set(counts) <= {200, 404, 422, 503}
    assert (after[0] - before[0]) / (LOAD_S / 60) < 8 * 2**20
    assert after[1] <= before[1] + 5
    assert after[2] <= before[2] + 2
    log = server.store / ".state" / "service.db-wal"
    assert log.stat().st_size < 32 * 2**20

"""Several workers and the signals they get; what one writes the others see at once."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest
import torch

from tcn.checkpoint import write_checkpoint

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
BODY = {"series": [1, 2, 3], "horizon": 1}
CALLERS, RATE = 4, 100.0  # requests a second of all callers together
SWITCHES = 50


@pytest.fixture
def server(own_server):
    return own_server(workers=2, rate_per_minute=100_000)


def save(path: Path) -> None:
    write_checkpoint(path, kind="tcn", config={}, tensors={"w": torch.zeros(1)}, info={})


def workers_of(server) -> list[int]:
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text()
    return [int(pid) for pid in children.split() if "spawn_main" in command_of(pid)]


def command_of(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def ask(server, **fields) -> httpx.Response:
    return httpx.post(f"{server.url}/v1/forecast", json=BODY | fields, timeout=20)


def test_workers_agree_and_one_that_dies_is_replaced(server):
    assert len(workers_of(server)) == 2
    for version in range(1, 6):
        save(server.store / "sales" / str(version))
        assert {ask(server, model="sales").json()["model"] for _ in range(10)} == {
            f"sales/{version}"
        }
    for _ in range(5):
        httpx.put(f"{server.url}/v1/aliases/live", json={"model": "sales/2"})
        assert {ask(server, model="live").json()["model"] for _ in range(6)} == {"sales/2"}
        assert httpx.delete(f"{server.url}/v1/aliases/live").status_code == 204
        assert {ask(server, model="live").status_code for _ in range(6)} == {404}
    for version in (4, 5):
        assert httpx.delete(f"{server.url}/v1/models/sales/{version}").status_code == 204
        assert {ask(server, model=f"sales/{version}").status_code for _ in range(6)} == {404}
    assert {ask(server, model="sales").json()["model"] for _ in range(6)} == {"sales/3"}
    counted = httpx.get(f"{server.url}/metrics").text
    found = re.search(r'tcn_requests_total\{.*"/v1/forecast".*status="200"\} (\S+)', counted)
    assert float(found[1]) == 86
    first = workers_of(server)[0]
    os.kill(first, signal.SIGKILL)
    for _ in range(100):
        now = workers_of(server)
        if first not in now and len(now) == 2:
            break
        time.sleep(0.1)
    assert first not in workers_of(server)
    assert ask(server).status_code == 200
    assert server.stop() == 0


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_an_alias_is_switched_and_workers_reload_under_load(own_server, request, database):
    """A hundred requests a second: each answer is wholly of the old or of the new version."""
    settings = {"workers": 2}
    if database == "postgresql":
        settings["database_url"] = request.getfixturevalue("postgres_url")
    server = own_server(**settings)
    for version in ("1", "2"):
        save(server.store / "sales" / version)
    httpx.put(f"{server.url}/v1/aliases/live", json={"model": "sales/1"})
    answers: list[tuple[int, str, tuple[float, ...]]] = []
    stop = threading.Event()

    def load() -> None:
        due = time.monotonic()
        with httpx.Client(timeout=20) as client:
            while not stop.wait(max(0.0, due - time.monotonic())):
                due += CALLERS / RATE
                body = {"series": [1, 2, 3], "horizon": 4, "model": "live"}
                found = client.post(f"{server.url}/v1/forecast", json=body)
                content = found.json()
                means = content["forecasts"][0]["mean"] if found.status_code == 200 else ()
                answers.append((found.status_code, content.get("model", ""), tuple(means)))

    threads = [threading.Thread(target=load) for _ in range(CALLERS)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for n in range(SWITCHES):
        httpx.put(f"{server.url}/v1/aliases/live", json={"model": f"sales/{n % 2 + 1}"})
        time.sleep(0.1)
    before = set(workers_of(server))
    server.process.send_signal(signal.SIGHUP)
    for _ in range(600):
        if not before & set(workers_of(server)):
            break
        time.sleep(0.1)
    stop.set()
    for thread in threads:
        thread.join()
    rate = len(answers) / (time.monotonic() - began)
    counts = Counter(answers)
    logging.getLogger(__name__).info("%s: %.0f/s, %s", database, rate, dict(counts))
    assert not before & set(workers_of(server))
    assert set(counts) == {(200, "sales/1", (4.0,) * 4), (200, "sales/2", (5.0,) * 4)}
    assert min(counts.values()) > SWITCHES
    assert server.stop() == 0


def test_the_processes_of_the_compose_file_work_together(own_server, postgres_url, tmp_path):
    """Two API workers and a runner of its own on PostgreSQL: train, then forecast, with keys."""
    server = own_server(database_url=postgres_url, auth="required", workers=2)
    environment = os.environ | {
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "TCN_STORE": str(server.store),
        "TCN_DATABASE_URL": postgres_url,
    }
    keys = [sys.executable, "-m", "service", "keys", "--json", "create", "--name", "me"]
    made = subprocess.run(
        [*keys, "--scope", "admin"], env=environment, capture_output=True, check=True
    )
    headers = {"Authorization": f"Bearer {json.loads(made.stdout)['key']}"}
    runner = subprocess.Popen([sys.executable, "-m", "service.runner"], env=environment)
    try:
        series = [[float(n % 12) for n in range(60)]]
        body = {"name": "sales", "horizon": 3, "start": None, "series": series}
        body |= {"network": {"channels": 8, "hidden_channels": 8, "context_length": 32}}
        body |= {"train": {"max_epochs": 1, "steps_per_epoch": 2}}
        assert httpx.post(f"{server.url}/v1/train", json=body).status_code == 401
        job = httpx.post(f"{server.url}/v1/train", json=body, headers=headers).json()["id"]
        for _ in range(600):
            found = httpx.get(f"{server.url}/v1/jobs/{job}", headers=headers).json()
            if found["status"] not in ("pending", "running"):
                break
            time.sleep(0.1)
        assert found["status"] == "succeeded", found
        for _ in range(8):
            answer = httpx.post(
                f"{server.url}/v1/forecast", json=BODY | {"model": "sales"}, headers=headers
            )
            assert answer.json()["model"] == "sales/1"
    finally:
        runner.terminate()
        assert runner.wait(timeout=30) == 0
    assert server.stop() == 0

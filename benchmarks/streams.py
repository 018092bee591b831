"""How many pushes go through in a second when ten thousand streams are open?

    python -m benchmarks.streams [--streams 10000] [--batch 10000] [--rounds 3] [--double]

A server process on loopback with one worker and one thread, its state in SQLite. Each stream is one
series of 100 points, horizon 1, three quantiles. A round pushes one value to every stream, in
batches of POST /v1/pushes; every push is stored durably and answered with a forecast. With
`--double` the forecaster costs nothing, so what is left is the service. Resident memory is that of
the server, idle, with all streams open, and after the rounds.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import orjson

POINTS = 100
CALLERS = 8
SERVING = re.compile(r"Serving on (http://[\d.]+:\d+)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--double", action="store_true")
    arguments = parser.parse_args()
    module = "service.testing" if arguments.double else "service"
    print(f"{_processor()}; {module}, one worker, one thread, SQLite")
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder), module) as (url, pid):
        client = httpx.Client(base_url=url, timeout=600)
        idle = _resident_mib(pid)
        began = time.perf_counter()
        with ThreadPoolExecutor(CALLERS) as pool:
            ids = list(pool.map(lambda n: _open(client, n), range(arguments.streams)))
        seconds = time.perf_counter() - began
        print(f"{len(ids):,} streams opened, {len(ids) / seconds:,.0f}/s")
        opened = _resident_mib(pid)
        rates = [_round(client, ids, arguments.batch, n) for n in range(arguments.rounds)]
        after = _resident_mib(pid)
        client.close()
    print(f"pushes/s in batches of {arguments.batch:,}: {', '.join(f'{r:,.0f}' for r in rates)}")
    print(f"resident MiB: {idle:.0f} idle, {opened:.0f} with the streams, {after:.0f} after pushes")


def _open(client: httpx.Client, seed: int) -> str:
    noise = np.random.default_rng(seed).normal(size=POINTS)
    values = (50 + 10 * np.sin(np.arange(POINTS) * (2 * np.pi / 12)) + noise).round(3).tolist()
    body = {"series": [values], "horizon": 1, "quantile_levels": [0.1, 0.5, 0.9]}
    answer = client.post("/v1/streams", json=body)
    answer.raise_for_status()
    return str(answer.json()["id"])


def _round(client: httpx.Client, ids: list[str], batch: int, number: int) -> float:
    """Push one value to each stream; return pushes a second of wall time."""
    bodies = [
        orjson.dumps({"pushes": [{"id": key, "values": [50 + number]} for key in ids[at:end]]})
        for at in range(0, len(ids), batch)
        for end in [at + batch]
    ]
    headers = {"content-type": "application/json"}
    began = time.perf_counter()
    answers = [client.post("/v1/pushes", content=body, headers=headers) for body in bodies]
    seconds = time.perf_counter() - began
    results = [result for answer in answers for result in answer.json()["results"]]
    if [result["id"] for result in results] != ids or any("problem" in each for each in results):
        raise SystemExit("A push was refused.")
    return len(ids) / seconds


@contextmanager
def _server(folder: Path, module: str) -> Iterator[tuple[str, int]]:
    settings = {"TCN_RUNNER": "none", "TCN_STORE": str(folder / "models"), "OMP_NUM_THREADS": "1"}
    log = folder / "log"
    with log.open("w") as file:
        command = [sys.executable, "-m", module, "--port", "0"]
        process = subprocess.Popen(command, stderr=file, env=os.environ | settings)
    try:
        for _ in range(1200):
            found = SERVING.search(log.read_text())
            if found and _is_ready(found[1]):
                yield found[1], process.pid
                break
            if process.poll() is not None:
                raise SystemExit(log.read_text())
            time.sleep(0.05)
        else:
            raise SystemExit("The server is not ready after a minute.")
    finally:
        process.terminate()
        process.wait()


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready", timeout=20).status_code == 200
    except httpx.HTTPError:
        return False


def _resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", status)
    return int(found[1]) / 1024 if found else float("nan")


def _processor() -> str:
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return f"{found[1].strip() if found else 'unknown processor'}, {os.cpu_count()} cores"


if __name__ == "__main__":
    main()

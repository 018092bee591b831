"""What does serving cost beside the forecast itself, and what happens under load?

    python -m benchmarks.serving route|engine|half|overload [--seconds 3] [--rounds 4]

A server process on loopback, one worker, one thread; 16 connections, each with one request at a
time: one series of 512 values in, 24 steps of nine quantiles and a mean out.

route     our route with a forecaster that costs nothing, beside a textbook FastAPI route (`def`,
          a pydantic model with a list of floats) that gives the same answer; runs alternate, by
          wrk where it is installed. CPU time of the server per request is printed too.
engine    requests a second with the bundled model, beside the same series forecast in process in
          batches of the mean size that the server used.
half      latency at half of the requests a second of `engine`.
overload  ten times as many callers as the queue takes, for --seconds: time to a refusal, memory.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from statistics import median
from typing import TYPE_CHECKING

import httpx
import numpy as np
import orjson

from benchmarks.load import Load, load, post

if TYPE_CHECKING:
    from fastapi import FastAPI

CONNECTIONS = 16
POINTS, HORIZON = 512, 24
LEVELS = tuple(n / 10 for n in range(1, 10))
TICKS = os.sysconf("SC_CLK_TCK")
WRK = """wrk.method, wrk.headers["content-type"] = "POST", "application/json"
wrk.body = io.open(os.getenv("BODY")):read("a")
done = function(summary) io.write("OK ", summary.requests, " ", summary.duration, " ",
  summary.errors.status + summary.errors.read + summary.errors.timeout, "\\n") end
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("route", "engine", "half", "overload", "textbook"))
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.what == "textbook":
        serve_textbook(arguments.port)
        return
    print(f"{_processor()}; {CONNECTIONS} connections, {POINTS} values")
    with tempfile.TemporaryDirectory() as folder:
        measures = {"route": route, "engine": engine, "half": half, "overload": overload}
        measures[arguments.what](Path(folder), arguments.seconds, arguments.rounds)


def body() -> bytes:
    rng = np.random.default_rng(0)
    values = (
        50 + 10 * np.sin(np.arange(POINTS) * (2 * np.pi / 24)) + rng.normal(size=POINTS)
    ).round(3)
    return orjson.dumps({"series": values.tolist(), "horizon": HORIZON})


def textbook() -> "FastAPI":
    """A FastAPI application as its tutorial writes it, that forecasts the last value."""
    from fastapi import FastAPI
    from pydantic import BaseModel

    class Wanted(BaseModel):
        series: list[float]
        horizon: int

    class One(BaseModel):
        id: str
        ds: list[int]
        mean: list[float]
        quantiles: dict[str, list[float]]

    class Answer(BaseModel):
        model: str
        forecasts: list[One]

    app = FastAPI()

    @app.post("/v1/forecast")
    def forecast(wanted: Wanted) -> Answer:
        last, steps = wanted.series[-1], wanted.horizon
        spread = 4 * abs(last)
        quantiles = {str(level): [last + spread * (level - 0.5)] * steps for level in LEVELS}
        ds = list(range(len(wanted.series), len(wanted.series) + steps))
        one = One(id="0", ds=ds, mean=[last] * steps, quantiles=quantiles)
        return Answer(model="zero", forecasts=[one])

    return app


def serve_textbook(port: int) -> None:
    import uvicorn

    uvicorn.run(textbook(), port=port, log_level="warning", access_log=False)


@dataclass
class Server:
    """A server process."""

    pid: int
    port: int

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def resident_mib(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", status)
        return int(found[1]) / 1024 if found else float("nan")

    def mean_batch(self) -> float:
        text = httpx.get(f"http://127.0.0.1:{self.port}/metrics").text
        total, count = (
            float(re.search(rf"^tcn_batch_series_{name} (\S+)", text, re.MULTILINE)[1])
            for name in ("sum", "count")
        )
        return total / count


@contextmanager
def server(folder: Path, *command: str, port: int, **settings: str) -> Iterator[Server]:
    environment = os.environ | {"TCN_RUNNER": "none", "TCN_STORE": str(folder), **settings}
    environment.pop("TCN_DATA", None)
    arguments = [sys.executable, "-m", *command, "--port", str(port)]
    with (folder / f"{port}.log").open("w") as log:
        process = subprocess.Popen(arguments, stderr=log, env=environment)
    try:
        for _ in range(600):
            if process.poll() is not None:
                raise SystemExit((folder / f"{port}.log").read_text())
            if _answers(port):
                break
            time.sleep(0.1)
        yield Server(process.pid, port)
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    headers = {"content-type": "application/json"}
    url = f"http://127.0.0.1:{port}/v1/forecast"
    try:
        return httpx.post(url, content=body(), headers=headers, timeout=20).status_code == 200
    except httpx.HTTPError:
        return False


def route(folder: Path, seconds: float, rounds: int) -> None:
    by = "wrk" if which("wrk") else "the load loop of this folder"
    print(f"forecaster that costs nothing beside a textbook route, by {by}")
    found: dict[str, list[tuple[float, float]]] = {"textbook": [], "ours": []}
    with (
        server(folder, "benchmarks.serving", "textbook", port=8191) as textbook_server,
        server(folder, "service.testing", port=8192) as our_server,
    ):
        for _ in range(rounds):
            for name, each in (("textbook", textbook_server), ("ours", our_server)):
                before = each.cpu_s()
                count, took = _drive(folder, each.port, seconds)
                found[name].append((count / took, 1e6 * (each.cpu_s() - before) / count))
    for name, runs in found.items():
        rates = ", ".join(f"{rate:,.0f}" for rate, _ in runs)
        print(f"{name:9} requests/s {rates}; CPU {median(cpu for _, cpu in runs):.0f} us a request")
    ratios = [a[0] / b[0] for a, b in zip(found["ours"], found["textbook"], strict=True)]
    cpu = median(c for _, c in found["textbook"]) / median(c for _, c in found["ours"])
    print(f"ratio: median {median(ratios):.2f} of {', '.join(f'{r:.2f}' for r in ratios)}")
    print(f"ratio by CPU time of the server: {cpu:.2f}")


def _drive(folder: Path, port: int, seconds: float) -> tuple[int, float]:
    """Return how many requests were answered, and the seconds it took."""
    if which("wrk") is None:
        seen = load(port, [post("/v1/forecast", body())], CONNECTIONS, seconds)
        _require_success(seen)
        return len(seen.statuses), seen.seconds
    (folder / "wrk.lua").write_text(WRK)
    (folder / "body").write_bytes(body())
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s"]
    command += ["-s", str(folder / "wrk.lua"), f"http://127.0.0.1:{port}/v1/forecast"]
    environment = os.environ | {"BODY": str(folder / "body")}
    text = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    count, micros, errors = re.search(r"OK (\d+) (\d+) (\d+)", text.stdout).groups()
    if int(errors):
        raise SystemExit(f"{errors} requests failed.")
    return int(count), int(micros) / 1e6


def _require_success(seen: Load) -> None:
    if set(seen.counts()) != {200}:
        raise SystemExit(f"Some requests were refused: {seen.counts()}")


def engine(folder: Path, seconds: float, rounds: int) -> None:
    import tcn

    forecaster = tcn.load("zero")
    series = np.array(orjson.loads(body())["series"])
    with server(folder, "service", port=8193) as ours:
        _drive(folder, ours.port, 2.0)
        size = round(ours.mean_batch())
        panel = tcn.Panel.from_arrays([series] * size)
        over_http, in_process = [], []
        for _ in range(rounds):
            count, took = _drive(folder, ours.port, seconds)
            over_http.append(count / took)
            began, done = time.perf_counter(), 0
            while time.perf_counter() - began < seconds:
                forecaster.predict(panel, HORIZON, LEVELS)
                done += size
            in_process.append(done / (time.perf_counter() - began))
        print(f"bundled model, mean batch {ours.mean_batch():.1f}, in process {size}")
    print(f"over HTTP  {', '.join(f'{rate:,.0f}' for rate in over_http)} requests/s")
    print(f"in process {', '.join(f'{rate:,.0f}' for rate in in_process)} series/s")
    shares = [a / b for a, b in zip(over_http, in_process, strict=True)]
    print(f"share: median {median(shares):.2f} of {', '.join(f'{s:.2f}' for s in shares)}")


def half(folder: Path, seconds: float, rounds: int) -> None:
    requests = [post("/v1/forecast", body())]
    with server(folder, "service", port=8194) as ours:
        most = load(ours.port, requests, CONNECTIONS, 5.0).per_second
        print(f"bundled model: {most:,.0f} requests/s at most")
        for _ in range(rounds):
            seen = load(ours.port, requests, CONNECTIONS, seconds, rate=most / 2)
            _require_success(seen)
            points = ", ".join(f"p{p} {seen.percentile_ms(p):.1f} ms" for p in (50, 95, 99))
            print(f"at {most / 2:,.0f}/s: {points}")


def overload(folder: Path, seconds: float, rounds: int) -> None:  # noqa: ARG001  one long round
    queue = CONNECTIONS
    requests = [post("/v1/forecast", body())]
    with server(folder, "service", port=8195, TCN_QUEUE_SIZE=str(queue)) as ours:
        load(ours.port, requests, 10 * queue, 5.0, pause_s=0.05)
        before = ours.resident_mib()
        seen = load(ours.port, requests, 10 * queue, seconds, pause_s=0.05)
        after = ours.resident_mib()
    counts = seen.counts()
    refused = ", ".join(f"p{p} {seen.percentile_ms(p, 503):.1f} ms" for p in (50, 95, 99, 100))
    print(f"{10 * queue} callers, a queue of {queue}, {seen.seconds:.0f} s: {counts}")
    print(f"time to a refusal: {refused}")
    print(f"resident MiB: {before:.0f} before, {after:.0f} after")


def _processor() -> str:
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return f"{found[1].strip() if found else 'unknown processor'}, {os.cpu_count()} cores"


if __name__ == "__main__":
    main()

"""Clients of the service: in process for quick tests, a real server for those about HTTP."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from service.app import create_app
from service.gate import GatedApp
from service.settings import Settings
from service.testing import LastValue

ROOT = Path(__file__).parent.parent.parent


class Client:
    """A synchronous client of an application in this process."""

    def __init__(self, app: GatedApp) -> None:
        self.app = app
        self.runner = asyncio.Runner()
        self.lifespan = app.router.lifespan_context(app)
        self.run(self.lifespan.__aenter__())
        transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://test")

    def run(self, awaitable: Any) -> Any:
        async def waiting() -> Any:
            return await awaitable

        return self.runner.run(waiting())

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self.run(self.http.request(method, path, **options))

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, body: object = None, **options: Any) -> httpx.Response:
        if body is not None:
            content = body if isinstance(body, bytes) else orjson.dumps(body)
            options.setdefault("content", content)
            options["headers"] = {"content-type": "application/json", **options.get("headers", {})}
        return self.request("POST", path, **options)

    def post_all(self, path: str, bodies: list[object]) -> list[httpx.Response]:
        """Send several requests at once."""
        headers = {"content-type": "application/json"}

        async def sending() -> list[httpx.Response]:
            return await asyncio.gather(
                *(
                    self.http.post(path, content=orjson.dumps(body), headers=headers)
                    for body in bodies
                )
            )

        return self.run(sending())

    def close(self) -> None:
        self.run(self.http.aclose())
        self.run(self.lifespan.__aexit__(None, None, None))
        self.runner.close()


MakeClient = Callable[..., Client]


@pytest.fixture
def make_client(tmp_path: Path) -> Iterator[MakeClient]:
    """Return a function that starts an application with given settings and forecaster."""
    made: list[Client] = []

    def make(load: Callable[[Any], Any] = lambda _: LastValue(), **settings: Any) -> Client:
        chosen = {"store": tmp_path / "models", **settings}
        app = create_app(Settings(**chosen), load, ("zero",))
        client = Client(app)
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(make_client: MakeClient) -> Client:
    return make_client()


def assert_problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """Check that a refusal has the one shape that all have, and return it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert len(response.content) <= 16 * 1024
    problem: dict[str, Any] = orjson.loads(response.content)
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == response.headers["x-request-id"]
    assert len(problem.get("errors", [])) <= 10
    return problem


@pytest.fixture
def problem() -> Callable[[httpx.Response, int], dict[str, Any]]:
    return assert_problem


@dataclass
class Server:
    """A server process on loopback."""

    process: subprocess.Popen[str]
    url: str
    port: int
    store: Path
    log: Path

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=20)

    def log_text(self) -> str:
        return self.log.read_text()


def start_server(folder: Path, module: str = "service.testing", **settings: Any) -> Server:
    """Start a server process and wait until it answers 'ready'."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "error",
        "TCN_RUNNER": "none",
        **{f"TCN_{key.upper()}": str(value) for key, value in settings.items()},
    }
    log = folder / "server.log"
    command = [sys.executable, "-m", module, "--port", "0", "--store", str(folder / "models")]
    with log.open("w") as file:
        process = subprocess.Popen(command, stderr=file, env=environment, text=True, cwd=folder)
    for _ in range(1100):  # a busy machine takes most of a minute to import torch
        found = re.search(r"Serving on (http://[\d.]+:(\d+))", log.read_text())
        if found and is_ready(found[1]):
            return Server(process, found[1], int(found[2]), folder / "models", log)
        if process.poll() is not None:
            break
        process_wait(process)
    process.kill()
    process.wait()
    raise AssertionError(f"The server did not start: {log.read_text()}")


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready", timeout=20).status_code == 200
    except httpx.HTTPError:
        return False


def process_wait(process: subprocess.Popen[str]) -> None:
    try:
        process.wait(timeout=0.05)
    except subprocess.TimeoutExpired:
        return


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server with small limits, for all tests that do not stop it."""
    started = start_server(
        tmp_path_factory.mktemp("server"),
        max_body_bytes=2**20,
        max_decoded_bytes=2**22,
        header_timeout_s=1.0,
        body_timeout_s=1.0,
    )
    yield started
    assert started.stop() == 0


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Return a function that starts a server of the test's own."""
    started: list[Server] = []

    def start(**settings: Any) -> Server:
        made = start_server(tmp_path, **settings)
        started.append(made)
        return made

    yield start
    for item in started:
        if item.process.poll() is None:
            item.process.kill()
            item.process.wait()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of its own, where the programs are installed; or TEST_POSTGRES_URL."""
    if "TEST_POSTGRES_URL" in os.environ:
        yield os.environ["TEST_POSTGRES_URL"]
        return
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    if not programs or shutil.which("runuser") is None:
        pytest.skip("PostgreSQL is not installed here")
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    as_user = []
    if os.getuid() == 0:
        shutil.chown(folder, "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    pg_ctl = [*as_user, str(programs[-1]), "-D", str(folder / "data"), "-s", "-w"]

    def call(*arguments: str) -> None:
        subprocess.run([*pg_ctl, *arguments], check=True, cwd="/", stdout=subprocess.DEVNULL)

    call("initdb", "-o", "-A trust -U tester --no-sync")
    call("start", "-l", str(folder / "log"), "-o", f"-k {folder} -c listen_addresses=")
    try:
        yield f"postgresql+psycopg://tester@/postgres?host={folder}"
    finally:
        call("stop", "-m", "immediate")
        shutil.rmtree(folder)

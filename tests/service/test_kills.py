"""SIGKILL at random moments: while models are saved, and to the server with all it started."""

import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
import torch

from service.database import Database, metadata
from service.jobs import ACTIVE, JobTable
from service.settings import Settings
from service.shelf import ModelShelf
from service.store import ModelStore
from service.testing import LastValue
from tcn.checkpoint import read_checkpoint, write_checkpoint
from tcn.checkpoint.atomic import LEFTOVER_AGE_S

ROOT = Path(__file__).parent.parent.parent
KILLS = 10
SIZE = 50_000  # weights of a model: writing them takes a few milliseconds

PUBLISHER = """
import itertools, pathlib, sys, torch
from service.shelf import ModelShelf
from tcn.checkpoint import write_checkpoint

shelf, made = ModelShelf(pathlib.Path(sys.argv[1])), pathlib.Path(sys.argv[2])
print("ready", flush=True)
for n in itertools.count():
    def save(path, **info):
        weight = torch.full((50_000,), float(n))
        write_checkpoint(path, kind="tcn", config={"n": n}, tensors={"w": weight}, info=info)
    save(shelf.root / "fixed")
    save(made)
    shelf.set_alias("live", shelf.publish(made, "sales"))
"""


def load(path):
    """Load a whole model, whose config and weights tell whether they belong together."""
    checkpoint = read_checkpoint(path)
    network = torch.nn.Module()
    network.register_parameter("w", torch.nn.Parameter(torch.zeros(SIZE)))
    checkpoint.load_into(network)
    assert (network.w == checkpoint.config["n"]).all()
    return LastValue(str(path))


@pytest.fixture(params=["one file system", "two file systems"])
def made(request, tmp_path):
    """The place where a model is made before it is published."""
    if request.param == "one file system":
        yield tmp_path / "made"
        return
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("There is one file system here")
    folder = Path(tempfile.mkdtemp(dir=memory))
    yield folder / "made"
    shutil.rmtree(folder)


def age(root: Path, seconds: float) -> None:
    """Make everything below look older."""
    then = time.time() - seconds
    for path in root.rglob("*"):
        os.utime(path, (then, then), follow_symlinks=False)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_kill_during_a_save_leaves_whole_models_only(tmp_path, made):
    """What was listed stays, what is listed loads, and what is half written is swept."""
    rng = random.Random(0)
    root = tmp_path / "models"
    root.mkdir()
    save_first(root / "fixed")
    listed: set[str] = set()
    n_left = 0
    for _ in range(KILLS):
        command = [sys.executable, "-c", PUBLISHER, str(root), str(made)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
        try:
            assert process.stdout.readline() == b"ready\n"
            time.sleep(rng.uniform(0.0, 0.3))
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        n_left += len(leftovers(root))
        age(root, LEFTOVER_AGE_S + 1)
        store = ModelStore(root, load)
        store.shelf.sweep()
        assert leftovers(root) == []
        described = {item["name"]: item["status"] for item in store.listing()}
        assert set(described.values()) == {"ready"}
        assert listed <= set(described)
        listed = set(described)
        if (root / ".aliases.json").exists():
            assert store.shelf.resolve("live").name in listed
        for name in store.shelf.versions("sales")[:-1]:
            shutil.rmtree(root / "sales" / name)  # the test stays small
            listed.discard(f"sales/{name}")
        if store.shelf.versions("sales"):
            store.shelf.set_alias("live", "sales")
    assert "fixed" in listed
    assert n_left > 0, "No kill came while something was written."


def save_first(path: Path) -> None:
    weight = torch.full((SIZE,), -1.0)
    write_checkpoint(path, kind="tcn", config={"n": -1}, tensors={"w": weight}, info={})


def leftovers(root: Path) -> list[Path]:
    """Return what is no model: hidden names but for the lock, the aliases and the state."""
    known = {".lock", ".aliases.json", ".state"}
    found = itertools.chain(root.glob(".*"), root.glob("*/.*"))
    return sorted(path for path in found if path.name not in known)


def test_a_sweep_spares_what_may_be_in_use(tmp_path):
    """A save of another process is left alone until it is too old to be one."""
    fresh, old = (tmp_path / f".sales.{letter * 32}.tmp" for letter in "ab")
    foreign = tmp_path / ".notes"
    for path in (fresh, old, foreign):
        path.mkdir()
        (path / "weights.safetensors").write_text("half")
    then = time.time() - LEFTOVER_AGE_S - 1
    for path in (old, foreign):
        os.utime(path, (then, then))
    ModelShelf(tmp_path).sweep()
    assert fresh.exists()
    assert foreign.exists()
    assert not old.exists()


def test_a_sweep_waits_for_a_copy_that_is_being_made(tmp_path):
    shelf = ModelShelf(tmp_path)
    copy = tmp_path / ".trash-copy"
    with shelf.changing():
        copy.mkdir()
        sweeping = threading.Thread(target=ModelShelf(tmp_path).sweep)
        sweeping.start()
        sweeping.join(timeout=0.2)
        assert copy.exists()
    sweeping.join()
    assert not copy.exists()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'models' / '.state' / 'service.db'}"
        return
    found = request.getfixturevalue("postgres_url")
    yield found
    engine = sa.create_engine(found)
    metadata.drop_all(engine)
    engine.dispose()


def processes_of(pid: int) -> list[int]:
    """Return a process and all that it started, the youngest first."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    return [found for child in children for found in processes_of(int(child))] + [pid]


def trainers_in(directory: Path) -> list[int]:
    """Return the processes that work on jobs below a directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"service.trainer" in words and any(os.fsencode(directory) in word for word in words):
            found.append(int(entry.parent.name))
    return found


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_ten_kills_of_everything_lose_no_job(own_server, tmp_path, url):
    """After each kill the job was tried once more at most, and one process works on it."""
    rng = random.Random(0)
    limits = {"runner": "embedded", "job_attempts": 100, "job_threads": 1, "database_url": url}
    train = {"max_epochs": 200, "steps_per_epoch": 5, "patience": 1000}
    network = {"channels": 8, "hidden_channels": 8, "context_length": 32}
    series = [[float(n % 12) for n in range(60)] for _ in range(2)]
    body = {"name": "sales", "horizon": 3, "start": None, "series": series}
    body |= {"network": network, "train": train}
    table = JobTable(Database(url))
    ids: list[str] = []
    for _ in range(KILLS):
        server = own_server(**limits)
        if not ids or table.get(ids[-1]).has_ended:
            ids.append(httpx.post(f"{server.url}/v1/train", json=body, timeout=20).json()["id"])
        before = table.get(ids[-1])
        deadline = time.monotonic() + rng.uniform(0.5, 6.0)
        while time.monotonic() < deadline:
            assert len(trainers_in(tmp_path)) <= 1
            time.sleep(0.1)
        for pid in processes_of(server.process.pid):
            os.kill(pid, signal.SIGKILL)
        server.process.wait()
        after = table.get(ids[-1])
        assert after.attempts <= before.attempts + 1
        assert after.token <= before.token + 2  # given back once, claimed once
        assert after.status in (*ACTIVE, "succeeded")
    last = own_server(**limits)
    deadline = time.monotonic() + 600  # a busy machine trains slowly; only the end is of interest
    while any(not table.get(job_id).has_ended for job_id in ids) and time.monotonic() < deadline:
        time.sleep(0.1)
    ended = [table.get(job_id) for job_id in ids]
    assert {job.status for job in ended} == {"succeeded"}, ended
    models = [job.result["model"] for job in ended]
    assert len(set(models)) == len(ids)
    names = [item["name"] for item in httpx.get(f"{last.url}/v1/models").json()["models"]]
    assert names == [*models, "zero"]
    assert last.stop() == 0
    if table.database.is_sqlite:
        with table.database.begin() as connection:
            assert connection.exec_driver_sql("PRAGMA quick_check").scalar() == "ok"
    table.database.close()
    assert not list(Settings(store=tmp_path / "models").state.glob("jobs/*"))

"""A disk that is really full: refusals with the reason, a server that lives, space given back."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import orjson
import pytest

from service.database import Database
from service.errors import Problem
from service.jobs import JobTable
from service.runner import TRAINER as TRAINING
from service.runner import Runner, job_directory
from service.settings import Settings
from service.shelf import ModelShelf

TRAINER = Path(__file__).parent / "fake_trainer.py"
MIB = 2**20
BODY = {"series": [1, 2, 3], "horizon": 1}
NETWORK = {"channels": 8, "hidden_channels": 8, "context_length": 32}
SERIES = [[float(n % 12) for n in range(60)] for _ in range(2)]
ORDER = {"horizon": 3, "start": None, "train": {"max_epochs": 1, "steps_per_epoch": 2}}


@pytest.fixture
def disk(tmp_path):
    """A file system of four MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("Nothing can be mounted here")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk: Path, spare: int = 0) -> Path:
    """Leave no byte free, or about `spare`."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    if spare:
        with filler.open("r+b") as file:
            file.truncate(filler.stat().st_size - spare)
    return filler


def test_an_upload_that_fills_the_disk_is_507_and_leaves_nothing(make_client, problem, disk):
    client = make_client(store=disk / "models")
    query = "/v1/train?name=sales&horizon=2&start=none"
    headers = {"content-type": "text/csv"}
    content = b"ds,y\n" + b"2024-01-01,1\n" * (6 * MIB // 13)
    answer = client.request("POST", query, content=content, headers=headers)
    assert "No space left" in problem(answer, 507)["detail"]
    assert not list((disk / "models/.state/jobs").iterdir())
    rows = "".join(f"2024-{month:02d}-01,{month}\n" for month in range(1, 13))
    answer = client.request("POST", query, content=f"ds,y\n{rows}", headers=headers)
    assert answer.status_code == 202
    file = {"file": ("x.csv", content, "text/csv")}
    form = {"name": "sales", "horizon": "2"}
    answer = client.request("POST", "/v1/train", data=form, files=file)
    assert "No space left" in problem(answer, 507)["detail"]
    assert client.post("/v1/forecast", BODY).status_code == 200


def test_a_full_disk_refuses_what_must_be_stored_and_heals(make_client, problem, disk):
    client = make_client(store=disk / "models")
    stream = client.post("/v1/streams", BODY).json()["id"]
    filler = fill(disk)
    train = {**ORDER, "name": "sales", "series": SERIES}
    writes = [
        lambda: client.post("/v1/train", train),
        lambda: client.post("/v1/streams", {**BODY, "series": [n / 8000 for n in range(4000)]}),
        lambda: client.request("PUT", "/v1/aliases/live", json={"model": "zero"}),
        lambda: client.post(f"/v1/streams/{stream}/push", {"values": [1.0] * 4000}),
    ]
    for write in writes:
        problem(write(), 507)
        assert client.post("/v1/forecast", BODY).status_code == 200
    filler.unlink()
    assert [write().status_code for write in writes] == [202, 201, 200, 200]
    kept = client.get(f"/v1/streams/{stream}").json()["series"][0]["kept"]
    assert kept == 4003, "A push that was refused left nothing."


def test_a_model_that_does_not_fit_is_not_published(disk, tmp_path):
    made = tmp_path / "made"
    made.mkdir()
    (made / "manifest.json").write_text("{}")
    (made / "weights.safetensors").write_bytes(bytes(6 * MIB))
    shelf = ModelShelf(disk / "models")
    with pytest.raises(Problem, match=r"No space left|disk refuses") as caught:
        shelf.publish(made, "sales")
    assert caught.value.status == 507
    assert shelf.names() == []
    assert [path.name for path in shelf.root.iterdir() if path.name.startswith(".trash")] == []
    (made / "weights.safetensors").write_bytes(bytes(MIB))
    assert shelf.publish(made, "sales") == "sales/1"


def add_job(table: JobTable, settings: Settings, **order):
    """Queue a job as the route does, with its data in its directory."""
    job = table.add("train", "me", "sales", {**ORDER, **order})
    directory = job_directory(settings, job.id)
    directory.mkdir(parents=True)
    (directory / "series.json").write_bytes(orjson.dumps({"series": SERIES}))
    return job


def run_until_ended(table, settings, job, seconds: float, trainer=TRAINING):
    runner = Runner(settings, trainer)
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        deadline = time.monotonic() + seconds
        while not table.get(job.id).has_ended and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        runner.stopping.set()
        thread.join()
    return table.get(job.id)


def test_a_job_whose_end_could_not_be_written_is_not_stuck(tmp_path, monkeypatch):
    """The disk of the database is full when the job ends, and has space again soon after."""
    settings = Settings(store=tmp_path / "models", job_lease_s=0.5)
    table = JobTable(Database(settings.database))
    job = table.add("train", "me", "sales", {"do": ["succeed"]})
    write, refused = JobTable.end, []

    def end(self, *arguments, **options):
        if not refused:
            refused.append(True)
            raise Problem(507, "The database cannot be used: database or disk is full.")
        write(self, *arguments, **options)

    monkeypatch.setattr(JobTable, "end", end)
    ended = run_until_ended(table, settings, job, 30.0, (sys.executable, str(TRAINER)))
    table.database.close()
    assert (ended.status, ended.attempts) == ("succeeded", 2), ended
    assert ended.result["model"] in ModelShelf(settings.store).names()


def test_files_of_jobs_that_are_no_more_are_swept_at_the_start(tmp_path):
    """An upload that was killed has no job; one that may still come in is left alone."""
    settings = Settings(store=tmp_path / "models")
    runner = Runner(settings)
    table = runner.table
    waiting, ended = (add_job(table, settings) for _ in range(2))
    table.cancel(ended.id)
    old, fresh = (job_directory(settings, letter * 32) for letter in "ab")
    for directory in (old, fresh):
        directory.mkdir()
    os.utime(old, (0, 0))
    runner.sweep_jobs()
    table.database.close()
    assert job_directory(settings, waiting.id).exists()
    assert fresh.exists()
    assert not job_directory(settings, ended.id).exists()
    assert not old.exists()


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("spare", [16 * 1024, 128 * 1024, 512 * 1024])
def test_a_job_whose_disk_is_full_fails_with_the_reason(disk, tmp_path, spare):
    """The real training process: its state or its model does not fit."""
    url = f"sqlite:///{tmp_path / 'service.db'}"
    settings = Settings(store=tmp_path / "models", state_dir=disk / "state", database_url=url)
    table = JobTable(Database(url))
    job = add_job(table, settings, network={**NETWORK, "channels": 64, "hidden_channels": 64})
    fill(disk, spare)
    ended = run_until_ended(table, settings, job, 150.0)
    table.database.close()
    assert ended.status == "failed", ended
    assert "No space left" in ended.error
    assert str(tmp_path) not in ended.error, "A path of the server is nobody's business."
    assert not job_directory(settings, job.id).exists()
    assert ModelShelf(settings.store).names() == []

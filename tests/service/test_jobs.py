"""Jobs: the table, the runner, its processes; on SQLite, and PostgreSQL where there is one."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest
import sqlalchemy as sa
import torch

from service.database import Database, jobs, metadata
from service.errors import Problem
from service.jobs import JobTable, LeaseLost
from service.runner import Runner, job_directory
from service.settings import Settings
from service.trainer import Reporter
from tcn.checkpoint import write_checkpoint

TRAINER = Path(__file__).parent / "fake_trainer.py"


def make_url(request, tmp_path):
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'state' / 'service.db'}"
        return
    url = request.getfixturevalue("postgres_url")
    yield url
    engine = sa.create_engine(url)
    metadata.drop_all(engine)
    engine.dispose()


any_url = pytest.fixture(params=["sqlite", "postgresql"])(make_url)
url = pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)], name="url"
)(make_url)


@pytest.fixture
def any_table(any_url):
    database = Database(any_url)
    yield JobTable(database)
    database.close()


@pytest.fixture
def table(url):
    database = Database(url)
    yield JobTable(database)
    database.close()


@pytest.fixture
def settings(tmp_path, url):
    return Settings(store=tmp_path / "models", database_url=url, job_timeout_s=20, job_lease_s=0.5)


def add(table, **params):
    return table.add("train", "me", "sales", params)


class Running:
    """A runner in a thread of this process."""

    def __init__(self, settings: Settings) -> None:
        self.runner = Runner(settings, (sys.executable, str(TRAINER)))
        self.thread = threading.Thread(target=self.runner.run)
        self.thread.start()

    def stop(self) -> None:
        self.runner.stopping.set()
        self.thread.join()


@pytest.fixture
def running(settings):
    made = Running(settings)
    yield made
    made.stop()


def wait_for(table, job, *statuses, seconds: float = 15):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = table.get(job.id)
        if found.status in statuses:
            return found
        time.sleep(0.02)
    raise AssertionError(f"The job is {found.status}: {found}")


def wait_until_gone(path: Path) -> None:
    for _ in range(500):
        if not path.exists():
            return
        time.sleep(0.01)
    raise AssertionError(f"{path} is still there.")


def wait_for_file(path: Path) -> str:
    for _ in range(1000):
        if path.exists() and path.read_text():
            return path.read_text()
        time.sleep(0.01)
    raise AssertionError(f"There is no {path}.")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# The table


def test_a_job_is_claimed_once_by_many_runners(any_table):
    made = [add(any_table, n=n) for n in range(10)]
    with ThreadPoolExecutor(8) as pool:
        claimed = [job for job in pool.map(lambda n: any_table.claim(f"r{n}"), range(20)) if job]
    assert sorted(job.id for job in claimed) == sorted(job.id for job in made)
    assert {job.token for job in claimed} == {1}


def test_the_oldest_job_is_first(any_table):
    first, second = add(any_table), add(any_table)
    assert any_table.claim("r").id == first.id
    assert any_table.claim("r").id == second.id
    assert any_table.claim("r") is None


def test_a_runner_that_lost_its_lease_cannot_write(any_table):
    add(any_table)
    old = any_table.claim("old")
    assert any_table.take_from_dead(old, "gone")
    new = any_table.claim("new")
    assert new.token > old.token
    for write in (
        lambda: any_table.beat(old),
        lambda: any_table.end(old, "succeeded"),
        lambda: any_table.give_back(old, is_attempt=True, reason=""),
    ):
        with pytest.raises(LeaseLost):
            write()
    assert any_table.get(new.id).status == "running"
    any_table.end(new, "succeeded", {"model": "sales/1"})
    with pytest.raises(LeaseLost):
        any_table.beat(new)


def test_a_runner_that_beats_is_not_dead(any_table):
    add(any_table)
    job = any_table.claim("r")
    any_table.beat(job, {"step": 1})
    assert not any_table.take_from_dead(job, "gone")
    assert any_table.get(job.id).progress == {"step": 1}


def test_a_job_that_keeps_dying_fails(any_table):
    made = add(any_table)
    for _ in range(3):
        job = any_table.claim("r")
        any_table.give_back(job, is_attempt=True, reason="Its process was ended by SIGKILL.")
    ended = any_table.get(made.id)
    assert ended.status == "failed"
    assert ended.error == "Its process was ended by SIGKILL. It was tried 3 times."


def test_an_idempotency_key_makes_one_job(any_table):
    def ask(body):
        return any_table.add("train", "me", "sales", {}, request=("key", body))

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(ask, ["same"] * 16))
    assert len({job.id for job in made}) == 1
    with pytest.raises(Problem, match="came with another request") as caught:
        ask("other")
    assert caught.value.status == 422
    assert any_table.add("train", "you", "sales", {}, request=("key", "x")).id != made[0].id
    again = JobTable(Database(any_table.database.url.render_as_string(hide_password=False)))
    assert again.add("train", "me", "sales", {}, request=("key", "same")).id == made[0].id
    again.database.close()


def test_the_jobs_of_others_are_not_there(any_table):
    job = add(any_table)
    with pytest.raises(Problem, match="no job of this id"):
        any_table.get(job.id, "you")
    with pytest.raises(Problem, match="no job of this id"):
        any_table.cancel(job.id, "you")
    assert any_table.newest("you") == []
    assert [found.id for found in any_table.newest("me")] == [job.id]


def test_too_many_jobs_are_refused(any_table):
    any_table.max_active = 2
    add(any_table)
    add(any_table)
    with pytest.raises(Problem, match="2 jobs wait or run") as caught:
        add(any_table)
    assert caught.value.status == 429
    assert caught.value.headers["retry-after"] == "30"


def test_one_version_is_made_by_one_job(any_table):
    any_table.add("train", "me", "sales", {}, version="7")
    with pytest.raises(Problem, match="Another job is making this version") as caught:
        any_table.add("train", "you", "sales", {}, version="7")
    assert caught.value.status == 422


def test_old_jobs_are_forgotten(any_table):
    job = add(any_table)
    any_table.cancel(job.id)
    add(any_table)
    assert any_table.forget(3600) == []
    with any_table.database.begin() as connection:
        connection.execute(jobs.update().values(finished_at=time.time() - 7200))
    assert any_table.forget(3600) == [job.id]


@pytest.mark.parametrize("state", ["pending", "running", "succeeded", "failed", "cancelled"])
def test_cancel_in_every_state(any_table, state):
    job = add(any_table)
    if state != "pending":
        job = any_table.claim("r")
    if state in ("succeeded", "failed"):
        any_table.end(job, state)
        with pytest.raises(Problem, match=f"has {state} already") as caught:
            any_table.cancel(job.id)
        assert caught.value.status == 409
        return
    if state == "cancelled":
        any_table.end(job, state)
    after = any_table.cancel(job.id)
    assert after.status == ("running" if state == "running" else "cancelled")
    assert any_table.cancel(job.id).is_cancel_asked or state == "cancelled"
    if state == "running":
        assert any_table.beat(job)
        any_table.give_back(job, is_attempt=False, reason="")
        assert any_table.get(job.id).status == "cancelled"


# The database


def test_a_database_that_fails_is_a_503_and_heals(tmp_path):
    path = tmp_path / "state" / "service.db"
    database = Database(f"sqlite:///{path}")
    path.parent.mkdir()
    path.write_bytes(b"this is not a database" * 100)
    for _ in range(2):
        with pytest.raises(Problem, match="The database cannot be used") as caught:
            database.check()
        assert caught.value.status == 503
    path.unlink()
    database.check()
    database.close()


def test_a_locked_database_is_a_503(tmp_path, monkeypatch):
    monkeypatch.setattr("service.database.BUSY_TIMEOUT_MS", 50)
    path = tmp_path / "service.db"
    database, other = Database(f"sqlite:///{path}"), Database(f"sqlite:///{path}")
    other.check()
    with other.begin(), pytest.raises(Problem, match="locked"):
        database.check()
    database.check()
    database.close()
    other.close()


# The runner, with a training process that does as it is told


def test_a_job_runs_and_publishes_its_model(table, running, settings):
    job = add(table, do=["progress 1", "progress 2", "succeed"])
    ended = wait_for(table, job, "succeeded", "failed")
    assert ended.result == {"model": "sales/1", "series": 3}
    assert ended.progress == {"step": 2}
    assert (settings.store / "sales" / "1" / "manifest.json").exists()
    wait_until_gone(job_directory(settings, job.id))
    second = add(table, do=["succeed"])
    assert wait_for(table, second, "succeeded").result["model"] == "sales/2"


def test_a_model_is_published_once_even_if_the_runner_died_after_it(table, running, settings):
    job = table.add("train", "me", "sales", {"do": ["succeed"]}, job_id="a" * 32)
    write_checkpoint(
        settings.store / "sales" / "1",
        kind="tcn",
        config={},
        tensors={"w": torch.zeros(1)},
        info={"job": job.id},
    )
    assert wait_for(table, job, "succeeded").result["model"] == "sales/1"
    assert not (settings.store / "sales" / "2").exists()


@pytest.mark.parametrize(
    ("do", "error"),
    [
        ("refuse", "Row 7 is no number."),
        ("memory", "It ran out of memory; 17,179,869,184 bytes are allowed."),
        ("crash", "Its process ended with code 1. It was tried 3 times."),
        ("abort", "Its process was ended by SIGABRT. It was tried 3 times."),
    ],
)
def test_how_a_job_failed_is_said(table, running, do, error):
    job = add(table, do=[do])
    assert wait_for(table, job, "failed").error == error


def test_a_job_that_takes_too_long_is_ended_with_its_grandchildren(table, settings, tmp_path):
    running = Running(settings.model_copy(update={"job_timeout_s": 1.0}))
    try:
        job = add(table, do=[f"grandchild {tmp_path / 'pid'}", "sleep 60"])
        grandchild = int(wait_for_file(tmp_path / "pid"))
        assert "ran longer than 1 s" in wait_for(table, job, "failed").error
        assert not alive(grandchild)
    finally:
        running.stop()


def test_a_running_job_is_cancelled_within_seconds(table, running, tmp_path):
    job = add(table, do=[f"grandchild {tmp_path / 'pid'}", "sleep 60"])
    grandchild = int(wait_for_file(tmp_path / "pid"))
    began = time.monotonic()
    table.cancel(job.id)
    wait_for(table, job, "cancelled")
    assert time.monotonic() - began < 5
    assert not alive(grandchild)


def test_a_process_that_ignores_sigterm_is_killed(table, running, tmp_path):
    job = add(table, do=[f"stubborn {tmp_path / 'pid'}", "sleep 60"])
    wait_for_file(tmp_path / "pid")
    began = time.monotonic()
    table.cancel(job.id)
    wait_for(table, job, "cancelled")
    assert time.monotonic() - began < 6


def test_a_killed_job_goes_on_from_its_state(table, running, tmp_path):
    """Each process counts one step further and is killed: the count is never lost."""
    table.max_attempts = running.runner.table.max_attempts = 3
    job = add(table, do=[f"count {tmp_path / 'pid'} 8"])
    for _ in range(7):
        pid = int(wait_for_file(tmp_path / "pid"))
        (tmp_path / "pid").unlink()
        os.kill(pid, signal.SIGKILL)
    ended = wait_for(table, job, "succeeded", "failed")
    assert ended.status == "succeeded"
    assert ended.progress == {"step": 8}


def test_a_runner_that_stops_gives_its_job_back(table, settings, tmp_path):
    first = Running(settings)
    job = add(table, do=[f"grandchild {tmp_path / 'pid'}", "sleep 60"])
    wait_for_file(tmp_path / "pid")
    first.stop()
    waiting = table.get(job.id)
    assert (waiting.status, waiting.attempts) == ("pending", 0)


def runner_process(settings: Settings) -> "subprocess.Popen[bytes]":
    code = (
        "import sys; from service.runner import Runner; from service.settings import Settings;"
        f"Runner(Settings.from_environment(), (sys.executable, {str(TRAINER)!r})).run()"
    )
    root = Path(__file__).parent.parent.parent
    environment = os.environ | settings.to_environment() | {"PYTHONPATH": str(root)}
    return subprocess.Popen([sys.executable, "-c", code], env=environment)


def test_the_job_of_a_killed_runner_is_run_again_by_another(table, settings, tmp_path):
    process = runner_process(settings)
    job = add(table, do=[f"count {tmp_path / 'pid'} 3"])
    child = int(wait_for_file(tmp_path / "pid"))
    process.kill()
    process.wait()
    (tmp_path / "pid").unlink()
    running = Running(settings)
    try:
        second = int(wait_for_file(tmp_path / "pid"))
        assert second != child
        assert not alive(child)
        (tmp_path / "pid").unlink()
        os.kill(second, signal.SIGKILL)
        wait_for_file(tmp_path / "pid")
        ended = wait_for(table, job, "succeeded")
        assert ended.progress == {"step": 3}
    finally:
        running.stop()
    if table.database.is_sqlite:
        with table.database.begin() as connection:
            assert connection.exec_driver_sql("PRAGMA quick_check").scalar() == "ok"


def test_a_silent_runner_of_another_machine_loses_its_job(table, settings):
    job = add(table, do=["succeed"])
    table.claim("elsewhere:1:2")
    running = Running(settings)
    try:
        assert wait_for(table, job, "succeeded").attempts == 2
    finally:
        running.stop()


def test_a_disk_that_refuses_fails_the_job_with_the_reason(table, settings):
    settings.store.mkdir(parents=True)
    (settings.store / "sales").write_text("a file where the model should be")
    running = Running(settings)
    try:
        job = add(table, do=["succeed"])
        assert "The store cannot be written" in wait_for(table, job, "failed").error
    finally:
        running.stop()


# Over HTTP


def train_body(**fields):
    series = [[float(n % 12) for n in range(60)] for _ in range(2)]
    return {"name": "sales", "horizon": 3, "start": None, "series": series, **fields}


def test_a_job_over_http_from_submission_to_its_end(make_client, problem, tmp_path):
    client = make_client()
    answer = client.post("/v1/train", train_body(), headers={"idempotency-key": "k1"})
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (tmp_path / "models/.state/jobs" / job["id"] / "series.json").exists()
    again = client.post("/v1/train", train_body(), headers={"idempotency-key": "k1"})
    assert again.json()["id"] == job["id"]
    other = client.post("/v1/train", train_body(horizon=4), headers={"idempotency-key": "k1"})
    problem(other, 422)
    assert len(list((tmp_path / "models/.state/jobs").iterdir())) == 1
    assert [item["id"] for item in client.get("/v1/jobs").json()["jobs"]] == [job["id"]]
    assert client.get(f"/v1/jobs/{job['id']}").json()["status"] == "pending"
    cancelled = client.post(f"/v1/jobs/{job['id']}/cancel")
    assert cancelled.json()["status"] == "cancelled"
    assert not (tmp_path / "models/.state/jobs" / job["id"]).exists()
    events = client.get(f"/v1/jobs/{job['id']}/events")
    assert events.headers["content-type"].startswith("text/event-stream")
    assert re.match(r"event: end\ndata: {.*\"cancelled\"", events.text)
    for path in ("nothing", "..%2f", "%00", "a" * 65):
        problem(client.get(f"/v1/jobs/{path}"), 404)


CSV = "ds,y\n" + "".join(f"2024-{m:02d}-01,{m}\n" for m in range(1, 13))


def test_a_csv_file_is_stored_as_it_came(client, tmp_path):
    query = "/v1/train?name=sales&horizon=2&start=none&max_epochs=1"
    answer = client.request("POST", query, content=CSV, headers={"content-type": "text/csv"})
    assert answer.status_code == 202
    directory = tmp_path / "models/.state/jobs" / answer.json()["id"]
    assert (directory / "data.csv").read_text() == CSV
    form = {"name": "sales", "horizon": "2", "start": "none"}
    file = {"file": ("../../x.csv", CSV, "text/csv")}
    answer = client.request("POST", "/v1/train", data=form, files=file)
    assert answer.status_code == 202
    directory = tmp_path / "models/.state/jobs" / answer.json()["id"]
    assert [path.name for path in directory.iterdir()] == ["data.csv"]


def test_a_file_without_its_fields_is_told_where_they_go(client, problem):
    refused = client.request("POST", "/v1/train", content=CSV, headers={"content-type": "text/csv"})
    sentence = "in the query, as in /v1/train?name=sales&horizon=12."
    assert problem(refused, 422)["detail"].endswith(sentence)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"ds,y\n2024-01-01,1\n2024-01-02,abc\n", "row 3"),
        (b"", "empty"),
        (b"PK\x03\x04xx", "compressed file or a workbook"),
        (b"\x1f\x8bxx", "compressed file"),
        (b'ds,y\n"2024-01-01,1\n', "quote"),
        (b"ds,y\n2024-01-01,1\n2024-01-02,2\n2024-01-02,2\n", "2024-01-02"),
    ],
)
def test_a_bad_csv_is_refused_at_once(client, problem, tmp_path, content, sentence):
    query = "/v1/train?name=sales&horizon=2&start=none"
    answer = client.request("POST", query, content=content, headers={"content-type": "text/csv"})
    assert sentence in problem(answer, 422)["detail"]
    assert not list((tmp_path / "models/.state/jobs").iterdir())


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": "../x"}, "#/name"),
        ({"name": None}, "#/name"),
        ({"version": "a/b"}, "#/version"),
        ({"horizon": 0}, "#/horizon"),
        ({"start": "../zero"}, "#/start"),
        ({"kind": "transformer"}, "#/kind: must be one of tcn, wavenet"),
        ({"network": []}, "#/network"),
        ({"network": {"chanels": 3}}, "Unknown key 'chanels' in TCNConfig"),
        ({"network": {"channels": 10**9}}, "channels must be"),
        ({"network": {"dilations": "x"}}, "dilations"),
        ({"train": {"epochs": 3}}, "Unknown key 'epochs' in TrainConfig"),
        ({"series": [[1, "x"]]}, "#/series/0/1"),
        ({"callback": "http://x"}, "unknown field 'callback'"),
        (
            {"series": [{"y": [1, 2], "freq": "D", "start": "2024-01-01"}, {"y": [1, 2]}]},
            "the same freq",
        ),
    ],
)
def test_a_bad_request_to_train_is_refused_at_once(client, problem, fields, sentence):
    assert sentence in problem(client.post("/v1/train", train_body(**fields)), 422)["detail"]


def test_an_unknown_start_is_404(client, problem):
    problem(client.post("/v1/train", train_body(start="nothing")), 404)


def test_forms_with_too_much_in_them_are_refused(make_client, problem):
    client = make_client(max_upload_bytes=200_000)
    many = {f"f{n}": ("x.csv", b"a") for n in range(50)}
    problem(client.request("POST", "/v1/train", files=many), 400)
    fields = {f"f{n}": "x" for n in range(100)}
    file = {"file": ("x.csv", b"a")}
    problem(client.request("POST", "/v1/train", data=fields, files=file), 400)
    problem(client.request("POST", "/v1/train", data={"name": "x"}, files={}), 415)
    large = {"file": ("x.csv", b"a" * 300_000)}
    problem(client.request("POST", "/v1/train", files=large), 413)
    problem(client.request("POST", "/v1/train", files={"other": ("x.csv", b"a")}), 422)


def test_a_store_that_cannot_be_written_is_507(make_client, problem, tmp_path):
    (tmp_path / "file").write_text("")
    client = make_client(state_dir=tmp_path / "file", database_url=f"sqlite:///{tmp_path}/db")
    problem(client.post("/v1/train", train_body()), 507)


def test_a_missing_database_is_reported_by_readiness(make_client, tmp_path):
    (tmp_path / "file").write_text("")
    client = make_client(database_url=f"sqlite:///{tmp_path}/file/x.db")
    for _ in range(3):
        client.post("/v1/forecast", {"series": [1, 2], "horizon": 1})
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert "database" in answer.json()["reason"]


def test_a_real_training_job_makes_a_model_that_serves(own_server):
    """The whole way: server, runner, training process, store, forecast."""
    import httpx

    server = own_server(runner="embedded", job_threads=1)
    network = {"channels": 8, "hidden_channels": 8, "context_length": 32}
    body = train_body(network=network, train={"max_epochs": 1, "steps_per_epoch": 2})
    job = httpx.post(f"{server.url}/v1/train", json=body).json()
    last = ""
    with httpx.stream("GET", f"{server.url}/v1/jobs/{job['id']}/events", timeout=50) as events:
        for line in events.iter_lines():
            last = line or last
    ended = orjson.loads(last.removeprefix("data: "))
    assert ended["status"] == "succeeded", ended
    assert ended["result"]["model"] == "sales/1"
    listed = httpx.get(f"{server.url}/v1/models/sales").json()
    assert (listed["name"], listed["horizon"]) == ("sales/1", 3)
    assert server.stop() == 0
    assert "Traceback" not in server.log_text()
    shutil.rmtree(server.store)


def test_sigterm_ends_event_streams_and_gives_the_job_back(own_server):
    """A training job runs and two clients follow it when the server is told to stop."""
    import httpx

    server = own_server(runner="embedded")
    body = train_body(train={"max_epochs": 10_000}, network={"channels": 8, "hidden_channels": 8})
    job = httpx.post(f"{server.url}/v1/train", json=body).json()["id"]
    url = f"{server.url}/v1/jobs/{job}/events"
    ends: list[str] = []

    def follow() -> None:
        with httpx.stream("GET", url, timeout=40) as events:
            ends.append([line for line in events.iter_lines() if line.startswith("event")][-1])

    followers = [threading.Thread(target=follow) for _ in range(2)]
    for follower in followers:
        follower.start()
    for _ in range(400):
        if httpx.get(f"{server.url}/v1/jobs/{job}").json()["status"] == "running":
            break
        time.sleep(0.05)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=40) == 0
    for follower in followers:
        follower.join()
    assert ends == ["event: shutdown"] * 2
    table = JobTable(Database(f"sqlite:///{server.store}/.state/service.db"))
    waiting = table.get(job)
    table.database.close()
    assert (waiting.status, waiting.attempts) == ("pending", 0)
    assert "Traceback" not in server.log_text()


@pytest.mark.slow
def test_a_job_that_takes_too_much_memory_says_so(own_server):
    import httpx

    server = own_server(runner="embedded", job_memory_bytes=2**29)
    job = httpx.post(f"{server.url}/v1/train", json=train_body()).json()["id"]
    for _ in range(400):
        found = httpx.get(f"{server.url}/v1/jobs/{job}").json()
        if found["status"] not in ("pending", "running"):
            break
        time.sleep(0.1)
    assert found["status"] == "failed"
    assert "out of memory" in found["error"]
    assert httpx.get(f"{server.url}/health/ready").status_code == 200


def processes_of(pid: int) -> list[int]:
    """Return a process and all that it started, the youngest first."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    return [found for child in children for found in processes_of(int(child))] + [pid]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("moment_s", [0.5, 2.0, 3.5, 5.0])
def test_after_everything_was_killed_the_job_goes_on(own_server, moment_s):
    """Server, runner and training process die at once; the next start finishes the job once."""
    import httpx

    server = own_server(runner="embedded", job_attempts=10)
    train = {"max_epochs": 30, "steps_per_epoch": 5, "patience": 100}
    body = train_body(train=train, network={"channels": 8, "hidden_channels": 8})
    job = httpx.post(f"{server.url}/v1/train", json=body).json()["id"]
    time.sleep(moment_s)
    for pid in processes_of(server.process.pid):
        os.kill(pid, signal.SIGKILL)
    server.process.wait()
    again = own_server(runner="embedded", job_attempts=10)
    for _ in range(600):
        found = httpx.get(f"{again.url}/v1/jobs/{job}").json()
        if found["status"] not in ("pending", "running"):
            break
        time.sleep(0.1)
    assert found["status"] == "succeeded", found
    names = [item["name"] for item in httpx.get(f"{again.url}/v1/models").json()["models"]]
    assert names == ["sales/1", "zero"]
    assert again.stop() == 0
    database = Database(f"sqlite:///{again.store}/.state/service.db")
    with database.begin() as connection:
        assert connection.exec_driver_sql("PRAGMA quick_check").scalar() == "ok"
    database.close()
    assert not list((again.store / ".state" / "jobs").iterdir())


@pytest.mark.slow
def test_twenty_kills_at_random_moments_lose_nothing(table, running, tmp_path):
    """The process is killed before, while and after it reports; the job still ends well."""
    table.max_attempts = running.runner.table.max_attempts = 30
    job = add(table, do=[f"count {tmp_path / 'pid'} 21"])
    rng = torch.Generator().manual_seed(0)
    for _ in range(20):
        pid = int(wait_for_file(tmp_path / "pid"))
        time.sleep(float(torch.rand((), generator=rng)) * 0.2)
        (tmp_path / "pid").unlink()
        os.kill(pid, signal.SIGKILL)
    ended = wait_for(table, job, "succeeded", "failed", seconds=30)
    assert ended.status == "succeeded"
    assert ended.progress == {"step": 21}


def test_many_processes_may_open_a_new_database_at_once(tmp_path):
    code = (
        "import sys; from service.database import Database; "
        "database = Database(f'sqlite:///{sys.argv[1]}'); database.check(); database.close()"
    )
    path = tmp_path / "new.db"
    openers = [subprocess.Popen([sys.executable, "-c", code, path]) for _ in range(4)]
    assert [opener.wait(timeout=50) for opener in openers] == [0, 0, 0, 0]


def test_progress_says_where_training_on_all_points_begins(capfdbinary):
    report = Reporter()
    report({"step": 1, "steps": 1, "loss": 0.5, "score": 0.4, "best": 0.4})
    report({"step": 2, "steps": 2, "loss": 0.6, "best": 0.4})
    first, second = (
        orjson.loads(line)["progress"] for line in capfdbinary.readouterr().out.splitlines()
    )
    assert (first["phase"], second["phase"]) == ("held_back", "all_points")
    assert second["curve"] == [[1, 0.5, 0.4], [2, 0.6, None]]

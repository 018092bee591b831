"""docker-compose.yml and the Dockerfile: what an operator relies on, checked without Docker."""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import yaml

from service.settings import PREFIX, Settings

ROOT = Path(__file__).parent.parent.parent
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
OURS = ("api", "runner")


def seconds(text: str) -> float:
    return float(re.fullmatch(r"(\d+)s", text)[1])


def filled(text: str) -> str:
    """Fill variables in as compose does: with their defaults, or here with "given"."""
    return re.sub(r"\$\{\w+(?::-([^}]*)|:\?[^}]*)?\}", lambda found: found[1] or "given", text)


def test_the_file_is_what_the_compose_specification_allows():
    parser = pytest.importorskip("compose_spec").PyCompose
    document = yaml.safe_load(filled((ROOT / "docker-compose.yml").read_text()))
    parsed = parser.from_yaml(yaml.safe_dump(document))
    assert set(parsed.service_names()) == {"api", "runner", "database"}
    assert parsed.to_spec().services.keys() == SERVICES.keys()
    document["services"]["api"]["restart"] = "sometimes"
    with pytest.raises(ValueError, match="unknown variant"):
        parser.from_yaml(yaml.safe_dump(document))


def test_there_is_no_default_password():
    text = (ROOT / "docker-compose.yml").read_text()
    for use in re.findall(r"\$\{POSTGRES_PASSWORD[^}]*\}", text):
        assert use.startswith("${POSTGRES_PASSWORD:?")
    assert not re.search(r"(?i)password[^$\n]*:\s*[\"']?[a-z0-9]+[\"']?$", text, re.MULTILINE)


@pytest.mark.parametrize("name", OURS)
def test_our_containers_cannot_write_but_where_they_must(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["user"] == "10001"
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["volumes"] == ["models:/data"]


def test_every_variable_is_a_setting():
    for name in OURS:
        for key in SERVICES[name]["environment"]:
            assert key.removeprefix(PREFIX).lower() in Settings.model_fields, key
    for key in re.findall(r"\b(TCN_[A-Z_]+)=", (ROOT / "Dockerfile").read_text()):
        assert key.removeprefix(PREFIX).lower() in Settings.model_fields, key


def test_the_health_check_is_readiness_and_there_is_time_to_drain():
    api = SERVICES["api"]
    assert "/health/ready" in " ".join(api["healthcheck"]["test"])
    environment = api["environment"]
    drain = float(environment["TCN_DRAIN_DELAY_S"]) + float(environment["TCN_DRAIN_TIMEOUT_S"])
    assert seconds(api["stop_grace_period"]) > drain
    for service in SERVICES.values():
        assert "healthcheck" in service


def test_keys_are_required_and_the_port_is_bound_to_this_machine():
    for name in OURS:
        assert SERVICES[name]["environment"]["TCN_AUTH"] == "required"
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["api"]["ports"])
    assert "ports" not in SERVICES["database"]


def test_the_image_runs_as_nobody_in_particular():
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    users = [line for line in lines if line.startswith("USER ")]
    assert users == ["USER 10001"]
    assert lines.index("USER 10001") < next(
        i for i, line in enumerate(lines) if line.startswith("CMD ")
    )


def test_the_commands_are_modules_of_ours():
    for name in OURS:
        python, flag, module = SERVICES[name]["command"]
        assert (python, flag) == ("python", "-m")
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists()


@pytest.fixture
def commands(postgres_url, tmp_path):
    """Return a function that starts the command of a service as a process, with its variables."""
    started = []

    def start(name: str, **replaced: str) -> subprocess.Popen:
        environment = {key: filled(value) for key, value in SERVICES[name]["environment"].items()}
        places = {"TCN_STORE": str(tmp_path / "models"), "TCN_DATABASE_URL": postgres_url}
        environment = os.environ | {"PYTHONPATH": str(ROOT)} | environment | places | replaced
        command = [sys.executable, *SERVICES[name]["command"][1:]]
        log = (tmp_path / f"{name}.log").open("w")
        started.append((subprocess.Popen(command, env=environment, stderr=log), log))
        return started[-1][0]

    yield start
    for process, log in started:
        if process.poll() is None:
            process.kill()
            process.wait()
        log.close()


def is_healthy(name: str, **replaced: str) -> bool:
    kind, *command = SERVICES[name]["healthcheck"]["test"]
    assert kind == "CMD"
    command = [sys.executable, *command[1:]]
    for old, new in replaced.items():
        command = [word.replace(old.removeprefix("_"), new) for word in command]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_command_of_the_file_runs(commands, postgres_url, tmp_path):
    """As processes on this machine, with PostgreSQL of its own: a job is trained and served."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    here = {"TCN_HOST": "127.0.0.1", "TCN_PORT": port}
    api, runner = commands("api", **here), commands("runner")
    for _ in range(600):
        if is_healthy("api", _8000=port):
            break
        assert api.poll() is None, (tmp_path / "api.log").read_text()
        time.sleep(0.1)
    assert is_healthy("api", _8000=port)
    assert is_healthy("runner", _1=str(runner.pid))
    url = f"http://127.0.0.1:{port}"
    made = commands_key(postgres_url, tmp_path)
    headers = {"Authorization": f"Bearer {made}"}
    assert httpx.get(f"{url}/v1/models").status_code == 401
    series = [[float(n % 12) for n in range(60)]]
    body = {"name": "sales", "horizon": 3, "start": None, "series": series}
    body |= {"network": {"channels": 8, "hidden_channels": 8, "context_length": 32}}
    body |= {"train": {"max_epochs": 1, "steps_per_epoch": 2}}
    job = httpx.post(f"{url}/v1/train", json=body, headers=headers).json()["id"]
    for _ in range(600):
        found = httpx.get(f"{url}/v1/jobs/{job}", headers=headers).json()
        if found["status"] not in ("pending", "running"):
            break
        time.sleep(0.1)
    assert found["status"] == "succeeded", found
    wanted = {"series": series[0], "horizon": 2, "model": "sales"}
    answers = [httpx.post(f"{url}/v1/forecast", json=wanted, headers=headers) for _ in range(8)]
    assert {answer.json()["model"] for answer in answers} == {"sales/1"}
    for process in (api, runner):
        process.terminate()
        assert process.wait(timeout=60) == 0


def commands_key(database_url: str, folder: Path) -> str:
    """Make a key by the command at the head of the file."""
    head = re.search(r"run --rm api python (-m .*)", (ROOT / "docker-compose.yml").read_text())
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "TCN_STORE": str(folder / "models"),
        "TCN_DATABASE_URL": database_url,
    }
    command = [sys.executable, *head[1].split()]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return re.search(r"tcn_[A-Za-z0-9_-]{43}", done.stdout)[0]

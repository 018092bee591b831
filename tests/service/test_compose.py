"""docker-compose.yml and the Dockerfile: what an operator relies on, checked without Docker."""

import re
from pathlib import Path

import pytest
import yaml

from service.settings import PREFIX, Settings

ROOT = Path(__file__).parent.parent.parent
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
OURS = ("api", "runner")


def seconds(text: str) -> float:
    return float(re.fullmatch(r"(\d+)s", text)[1])


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

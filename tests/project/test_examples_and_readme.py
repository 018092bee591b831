"""The README's blocks and the examples run, and the service lines are answered."""

import json
import re
import runpy
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tcn.cli import main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
NEEDS_SERVER = {"call_the_service.py"}


@pytest.fixture(scope="module")
def base_url(tmp_path_factory):
    """The address of a server started as a user would start it."""
    command = [sys.executable, "-m", "tcn.cli", "serve", "--port", "0"]
    log = tmp_path_factory.mktemp("server") / "log.txt"
    with log.open("w") as stream:
        server = subprocess.Popen(
            [*command, "--store", str(log.parent / "models")],
            stdout=stream,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
        )
    try:
        yield wait_until_ready(server, log)
    finally:
        server.terminate()
        assert server.wait(timeout=20) == 0


def wait_until_ready(server, log, patience_s=50.0):
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline and server.poll() is None:
        found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())
        if found and is_ready(found[0]):
            return found[0]
        time.sleep(0.1)
    raise AssertionError(f"The server did not become ready:\n{log.read_text()}")


def is_ready(base_url):
    try:
        with urllib.request.urlopen(f"{base_url}/health/ready", timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, ConnectionError):
        return False


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def console_lines(program):
    lines = [line for block in blocks("console") for line in block.splitlines()]
    commands = [line.removeprefix("$ ").split("  #")[0].strip() for line in lines]
    return [command for command in commands if command.startswith(f"{program} ")]


@pytest.mark.parametrize("block", blocks("python"))
def test_the_readmes_python_runs(block, capsys):
    exec(compile(block, "README.md", "exec"), {})
    assert "unique_id" in capsys.readouterr().out
    assert len(block.strip().splitlines()) <= 12


@pytest.mark.parametrize("command", console_lines("tcn"))
def test_the_readmes_commands_run(command, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as exit_:
        main(shlex.split(command)[1:])
    assert exit_.value.code == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize("command", console_lines("curl"))
def test_the_readmes_curl_lines_are_answered(command, base_url):
    words = shlex.split(command.replace("http://127.0.0.1:8000", base_url))
    (url,) = [word for word in words if word.startswith("http")]
    data = words[words.index("-d") + 1].encode() if "-d" in words else None
    headers = dict([words[words.index("-H") + 1].split(": ")]) if "-H" in words else {}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=30) as response:
        answer = json.load(response)
    if data is not None:
        (forecast,) = answer["forecasts"]
        assert len(forecast["mean"]) == json.loads(data)["horizon"]
        assert forecast["quantiles"]


@pytest.mark.parametrize(
    "example", [path for path in EXAMPLES if path.name not in NEEDS_SERVER], ids=lambda p: p.name
)
def test_every_example_runs(example, capsys):
    runpy.run_path(str(example), run_name="__main__")
    assert capsys.readouterr().out


def test_the_example_of_the_service_runs(base_url, capsys, monkeypatch):
    example = ROOT / "examples" / "call_the_service.py"
    monkeypatch.setattr("sys.argv", [str(example), base_url])
    runpy.run_path(str(example), run_name="__main__")
    assert len(capsys.readouterr().out.splitlines()) == 6


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.name)
def test_an_example_is_short_and_says_what_it_shows(example):
    text = example.read_text()
    assert text.startswith('"""')
    assert len(text.splitlines()) < 40

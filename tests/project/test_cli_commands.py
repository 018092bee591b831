import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer
from project.cpu_time import child_cpu_s
from project.last_value import LastValue

import tcn
from tcn.cli import main
from tcn.cli.app import app
from tcn.cli.console import PlainProgress

ROOT = Path(__file__).parents[2]


def exit_code(*arguments):
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    return exit_.value.code


def test_help_needs_less_than_0_3_s_beside_the_interpreter():
    command = "import sys; sys.argv = ['tcn', '--help']; import tcn.cli; tcn.cli.main()"
    help_s = min(child_cpu_s(command) for _ in range(3))
    assert help_s - child_cpu_s("pass") < 0.3


def test_help_imports_neither_torch_nor_pandas():
    code = (
        "import sys, atexit; sys.argv = ['tcn', 'forecast', '--help']; import tcn.cli\n"
        "heavy = {'torch', 'pandas', 'numpy', 'pyarrow'}\n"
        "atexit.register(lambda: print(sorted(heavy & set(sys.modules))))\n"
        "tcn.cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "--horizon" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_without_a_command_the_help_is_shown(capsys):
    assert exit_code() in (0, 2)
    assert "forecast" in capsys.readouterr().out


def test_version_is_one_line(capsys):
    assert exit_code("--version") == 0
    assert capsys.readouterr().out.count(".") == 2


def test_an_unknown_command_is_named(capsys):
    assert exit_code("foretell") == 2
    assert capsys.readouterr().err.startswith("tcn: No such command 'foretell'.")


def test_info_shows_the_manifest(monkeypatch, capsys):
    monkeypatch.setattr(tcn, "load", lambda name: LastValue())
    assert exit_code("info", "zero", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["parameters"] == 8
    assert facts["manifest"]["info"] == {"made_by": "hand"}
    assert exit_code("info", "zero") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].split() == ["manifest.info.made_by", "hand"]


def test_info_shows_short_lists_whole_and_counts_long_ones(monkeypatch, capsys):
    model = LastValue()
    model.manifest = {"runs": [{"steps": 1000}, {"steps": 2000}], "history": [{"step": 1}] * 9}
    monkeypatch.setattr(tcn, "load", lambda name: model)
    assert exit_code("info", "zero") == 0
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert lines[-3:] == [
        ["manifest.runs.1.steps", "1,000"],
        ["manifest.runs.2.steps", "2,000"],
        ["manifest.history", "9 entries (--json shows them)"],
    ]


def test_serve_hands_its_options_over(monkeypatch):
    started = []
    monkeypatch.setattr(os, "execv", lambda program, command: started.append(command))
    monkeypatch.setattr(
        subprocess, "run", lambda command, check: subprocess.CompletedProcess(command, 7)
    )
    assert exit_code("serve", "--port", "0", "--store", "elsewhere") == 7
    expected = ["-P", "-m", "service", "--host", "127.0.0.1", "--port", "0", "--store", "elsewhere"]
    assert started[0][1:] == expected


def test_keys_hands_everything_over(monkeypatch):
    commands = []
    monkeypatch.setattr(os, "execv", lambda program, command: commands.append(command))
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(a, 0))
    assert exit_code("keys", "create", "--name", "ci", "--help") == 0
    assert commands[0][1:] == ["-P", "-m", "service", "keys", "create", "--name", "ci", "--help"]


def test_serve_without_the_extra_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert exit_code("serve") == 2
    assert "pip install 'tcn-forecast[service]'" in capsys.readouterr().err


def test_every_command_and_option_is_documented():
    text = (ROOT / "docs" / "cli.md").read_text()
    group = typer.main.get_command(app)
    for name, command in group.commands.items():
        assert f"## tcn {name}" in text, name
        section = text.split(f"## tcn {name}")[1].split("\n## ")[0]
        shared = text.split("## What DATA holds")[1].split("\n## ")[0]
        for parameter in command.params:
            for option in parameter.opts:
                if option.startswith("--") and option != "--help":
                    assert f"`{option}`" in section + shared or option in section, (name, option)


def test_the_version_is_the_same_everywhere():
    with (ROOT / "pyproject.toml").open("rb") as file:
        assert tomllib.load(file)["project"]["version"] == tcn.__version__


def test_progress_without_a_terminal_is_a_line_now_and_then(monkeypatch, capsys):
    clock = iter([0.0, 1.0, 6.0, 6.0, 7.0])
    monkeypatch.setattr("tcn.cli.console.time.monotonic", lambda: next(clock))
    advance = PlainProgress("Forecast", 3000, sys.stderr)
    advance(1000)
    advance(1000)
    advance(1000)
    assert capsys.readouterr().err == "Forecast: 2,000 of 3,000\n"


def test_the_package_runs_as_the_command():
    found = subprocess.run(
        [sys.executable, "-m", "tcn", "--version"], capture_output=True, text=True, check=True
    )
    assert found.stdout.count(".") == 2

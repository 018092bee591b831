"""The examples of docs/service.md run; every setting and route is in the docs."""

import re
from functools import lru_cache
from pathlib import Path

import httpx

from service.app import create_app
from service.settings import Settings

DOCS = Path(__file__).parent.parent.parent / "docs"


def test_the_python_examples_run(server):
    text = (DOCS / "service.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names = {"httpx": httpx, "url": server.url}
    ran = 0
    for block in blocks:
        if "nixtla" not in block:
            exec(compile(block, "docs/service.md", "exec"), names)
            ran += 1
    assert ran >= 3


def test_the_console_examples_are_answered(server, tmp_path):
    text = (DOCS / "service.md").read_text()
    bodies = re.findall(r"-d '(\{.*?\})'", text)
    assert bodies
    for body in bodies:
        headers = {"Content-Type": "application/json"}
        answer = httpx.post(f"{server.url}/v1/forecast", content=body, headers=headers)
        assert answer.status_code == 200


def test_every_setting_is_documented_with_its_default():
    text = (DOCS / "operations.md").read_text()
    for name, field in Settings.model_fields.items():
        (line,) = [
            line for line in text.splitlines() if line.startswith(f"| `TCN_{name.upper()}` |")
        ]
        assert str(field.description) in line
        if field.default not in (None, ""):
            assert f"`{field.default}`" in line


def test_every_route_is_documented(tmp_path):
    app = create_app(Settings(store=tmp_path))
    text = (DOCS / "service.md").read_text() + (DOCS / "operations.md").read_text()
    for path in app.openapi()["paths"]:
        known = path.replace("{job_id}", "{id}").replace("{stream_id}", "{id}")
        parts = [part for part in known.split("/") if part and not part.startswith("{")]
        assert all(part in text for part in parts), path
    app.service.close()


def test_every_case_names_tests_that_are_there():
    text = (DOCS / "service_cases.md").read_text()
    rows = re.findall(r"^\| (\d+b?) \| .+? \| (.+) \|$", text, re.MULTILINE)
    numbers = [str(n) for n in range(1, 67)]
    numbers.insert(numbers.index("42") + 1, "42b")
    assert [number for number, _ in rows] == numbers
    for number, tests in rows:
        named = re.findall(r"`(?:(tests/\w+): )?(test_\w+)`", tests)
        assert named, number
        for folder, name in named:
            assert name in names_in(folder or "tests/service"), (number, name)


@lru_cache
def names_in(folder: str) -> frozenset[str]:
    """Return the names of the tests of a folder."""
    files = (DOCS.parent / folder).rglob("test_*.py")
    return frozenset(
        name for file in files for name in re.findall(r"def (test_\w+)", file.read_text())
    )

"""The Python blocks of the pages about data run, each page from its top."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["coming_from.md", "data.md", "evaluation.md"])
def test_the_python_of_a_page_runs(name, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / name).read_text(), re.DOTALL)
    ran = [block for block in blocks if "import NixtlaClient" not in block]
    names = {}
    for block in ran:
        exec(compile(block, name, "exec"), names)
    assert len(ran) >= 2

"""The tutorial's blocks run one after another and print what they say; its pictures are drawn."""

import re
import runpy
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def promised(block):
    """What a block says it prints: comments after print(...), and lines that are comments."""
    found = []
    for line in block.splitlines():
        if line.startswith("# "):
            found.append(line.removeprefix("# "))
        elif line.lstrip().startswith("print(") and "  # " in line:
            found.append(line.rpartition("  # ")[2])
    return found


def test_the_tutorial_runs_and_prints_what_it_says(capsys):
    names = {}
    for block in BLOCKS:
        exec(compile(block, "docs/tutorial.md", "exec"), names)
        assert capsys.readouterr().out.splitlines() == promised(block), block
    assert len(BLOCKS) > 15


def script():
    return runpy.run_path(str(ROOT / "docs" / "draw_tutorial.py"))


def test_the_tutorial_shows_the_pictures_of_its_script():
    shown = set(re.findall(r"\]\(images/(tutorial_\w+\.png)\)", PAGE))
    kept = {path.name for path in (ROOT / "docs" / "images").glob("tutorial_*.png")}
    assert {f"tutorial_{name}.png" for name in script()["PICTURES"]} == shown == kept


@pytest.mark.slow
def test_the_pictures_of_the_tutorial_are_drawn_anew(tmp_path):
    drawn = script()["draw_all"](tmp_path)
    for path in drawn:
        with Image.open(path) as new, Image.open(ROOT / "docs" / "images" / path.name) as kept:
            assert new.size == kept.size
        assert path.stat().st_size < 100_000
    assert len(drawn) == len(script()["PICTURES"])

"""The blocks of docs/sequences.md run, and its figures are those of the results."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "sequences.md").read_text(encoding="utf-8")


def test_the_blocks_run_and_print_what_they_say(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    for block in blocks:
        exec(compile(block, "docs/sequences.md", "exec"), names)
        said = re.findall(r"^print\(.*\)  # (.*)$", block, re.MULTILINE)
        assert capsys.readouterr().out.splitlines() == said
    assert len(blocks) == 3
    assert names["new"].shape == (3, 100)
    assert names["more"].shape == (1, 100)
    assert names["low"].shape == (1, 50)
    assert names["again"].config == names["generator"].config or names["again"].config


def test_the_table_has_a_line_for_each_result():
    benchmark = pytest.importorskip("benchmarks.sequences")
    lines = benchmark.table_lines()
    assert lines
    assert not [line for line in lines if line not in PAGE.splitlines()]


def test_the_figures_of_generation_are_those_of_the_result():
    path = ROOT / "benchmarks" / "results" / "generation.json"
    result = json.loads(path.read_text(encoding="utf-8"))
    for compared in result["against_recomputation"]:
        assert compared["largest_difference"] == 0.0
        assert f"{compared['times_as_fast_as_anew']:.0f} x" in PAGE
    for milliseconds in result["by_depth"]["ms_per_sample"].values():
        assert f"{milliseconds:.2f}" in PAGE

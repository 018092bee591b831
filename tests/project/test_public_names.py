"""The page of public names is that of the code, and all that pages and examples import is on it."""

import importlib
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text()
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "examples").glob("*.py")),
]
IMPORT = re.compile(r"^ *from (tcn[\w.]*) import ([\w, ]+)$", re.MULTILINE)


def test_the_page_of_public_names_is_up_to_date():
    fresh = runpy.run_path(str(ROOT / "docs" / "list_api.py"))["page"]()
    assert fresh == PAGE, "Run python docs/list_api.py."


def test_every_public_name_is_described():
    assert not re.findall(r"^\| `[\w.]+` \| +\|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_all_that_readers_are_told_to_import_is_public(page):
    for module, names in IMPORT.findall(page.read_text()):
        section = PAGE.split(f"\n## {module}\n")[1].split("\n## ")[0]
        for name in names.split(","):
            assert f"| `{name.strip()}` |" in section, (module, name)


def test_all_names_of_the_package_exist():
    package = importlib.import_module("tcn")
    assert set(package.__all__) - {"__version__"} == set(package._HOMES)
    assert all(hasattr(package, name) for name in package.__all__)


def test_packages_need_no_import_of_their_own():
    package = importlib.import_module("tcn")
    for name in package._PACKAGES:
        assert package.__getattr__(name) is importlib.import_module(f"tcn.{name}")
        assert name in dir(package)
    with pytest.raises(AttributeError, match=r"^module 'tcn' has no attribute 'network'$"):
        package.network  # noqa: B018


PROGRAM = """
import tcn
from tcn.layers import CausalConv1d, StreamSequential

panel = tcn.Panel.from_arrays([[1.0, 2.0, 3.0]], freq="D", starts="2026-01-01")
forecast: tcn.Forecast = tcn.load("zero").predict(panel, horizon=2, quantile_levels=[0.1, 0.9])
low, high = forecast.interval(0.8)
model: tcn.Forecaster = tcn.fit(panel, tcn.TCNConfig(horizon=2), tcn.TrainConfig(), start=None)
result = tcn.backtest({"mine": model.predict, "naive": tcn.evaluation.naive}, panel, horizon=2)
mase: float = result.measures["mine"].mase
network = StreamSequential(CausalConv1d(1, 8, 2), CausalConv1d(8, 1, 2))
tcn.export.export_layer(network, 1, "onnx")
tcn.Forcaster
tcn.load(3)
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_type_checker_knows_the_public_names_and_finds_misspelt_ones(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", str(program)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    wrong = [int(line) for line in re.findall(r"program\.py:(\d+): error: ", done.stdout)]
    lines = PROGRAM.splitlines()
    assert [lines[line - 1] for line in wrong] == ["tcn.Forcaster", "tcn.load(3)"], done.stdout

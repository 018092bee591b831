"""The page of public names is that of the code, and all that pages and examples import is on it."""

import importlib
import re
import runpy
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

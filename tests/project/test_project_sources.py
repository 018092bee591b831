import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PACKAGES = [ROOT / "tcn", ROOT / "service"]
SOURCES = sorted(path for package in PACKAGES for path in package.rglob("*.py"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
with (ROOT / "pyproject.toml").open("rb") as file:
    PROJECT = tomllib.load(file)["project"]


def pins():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def name_of(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize(
    "word",
    [
        r"\btorch\.load\(",
        r"^\s*(import|from) (pickle|cPickle|dill|joblib|cloudpickle|marshal|shelve)\b",
        r"\bpickle\.",
        r"(?<![.\w])(eval|exec)\(",
        r"\byaml\.load\(",
        r"\bweights_only\b",
        r"^\s*except:",
        r"^\s*from \.",
    ],
)
def test_nothing_is_unpickled_evaluated_or_caught_blindly(word):
    pattern = re.compile(word, re.MULTILINE)
    found = [name_of(path) for path in SOURCES if pattern.search(code_of(path))]
    assert not found


def code_of(path):
    """The source without comments and docstrings, in which such words may be explained."""
    text = re.sub(r'""".*?"""', '""', path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r"#.*", "", text)


def test_no_module_is_a_drawer_for_odds_and_ends():
    names = {"utils.py", "util.py", "common.py", "helpers.py", "misc.py"}
    assert not [name_of(path) for path in SOURCES if path.name in names]


def test_every_package_says_what_it_is():
    silent = [path for path in SOURCES if not path.read_text().lstrip().startswith(('"""', 'r"""'))]
    assert not [name_of(path) for path in silent if path.stat().st_size]


def test_every_dependency_has_one_pin_that_satisfies_it():
    pinned = pins()
    lists = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    for requirement in (Requirement(text) for items in lists for text in items):
        if requirement.name != PROJECT["name"]:
            version = pinned.get(requirement.name.lower().replace("_", "-"))
            assert version is not None, requirement.name
            assert requirement.specifier.contains(version), (requirement.name, version)


def test_the_wheel_holds_weights_page_and_type_marker():
    builder = WheelBuilder(str(ROOT))
    files = {item.distribution_path for item in builder.recurse_included_files()}
    assert "tcn/py.typed" in files
    assert not [name for name in files if not name.startswith(("tcn/", "service/"))]
    shipped = [*(ROOT / "tcn" / "weights").rglob("*"), *(ROOT / "service" / "web").rglob("*")]
    missing = {name_of(path) for path in shipped if path.is_file()} - files
    assert not {name for name in missing if "__pycache__" not in name}


def test_the_page_of_the_package_leads_to_no_file():
    project = WheelBuilder(str(ROOT)).metadata.core
    page = project.readme
    assert project.readme_content_type == "text/markdown"
    assert page.startswith("# tcn-forecast")
    assert "docs/service.md" in page
    links = re.findall(r"\]\(([^)]+)\)", page)
    assert all(link.startswith("https://") for link in links)
    assert set(project.license_files) == {"LICENSE", "service/web/uPlot.LICENSE.txt"}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_between_pages_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), target


def test_the_index_leads_to_every_page():
    index = (ROOT / "docs" / "index.md").read_text()
    pages = (ROOT / "docs").glob("*.md")
    assert not [page.name for page in pages if f"({page.name})" not in index + "(index.md)"]


def test_make_shows_every_target_and_the_pages_name_no_other():
    done = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True)
    targets = set(re.findall(r"make ([a-z-]+) - ", done.stdout))
    assert {"install", "serve", "test", "check", "test-slow", "bench"} <= targets
    for page in PAGES:
        named = re.findall(r"(?:`|\$ |^    )make ([a-z][a-z -]*)", page.read_text(), re.MULTILINE)
        assert {word for words in named for word in words.split()} <= targets, page


def test_ci_runs_the_line_that_the_readers_are_told():
    assert "make check test" in (ROOT / ".ci" / "run").read_text()
    assert "make check test" in (ROOT / "CONTRIBUTING.md").read_text()

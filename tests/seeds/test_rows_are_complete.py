"""Each statement of the source documents has a test or stands among those no test can decide."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ERRATA = (HERE.parents[1] / "docs" / "errata.md").read_text(encoding="utf-8")
SOURCES = "\n".join(
    path.read_text(encoding="utf-8")
    for path in sorted(HERE.parent.rglob("test_*.py"))
    if path != Path(__file__)
)
COUNTS = {"A": 8, "B": 29, "C": 46, "D": 13}
IDS = [f"{letter}{number}" for letter, count in COUNTS.items() for number in range(1, count + 1)]
UNDECIDED = ERRATA.split("## Statements that no test can decide")[1]


def marked():
    marks = re.findall(r"pytest\.mark\.row\(([^)]*)\)", SOURCES)
    return {name for mark in marks for name in re.findall(r'"(\w+)"', mark)}


@pytest.mark.parametrize("name", IDS)
def test_each_statement_has_a_test_or_a_reason_why_not(name):
    assert name in marked() or f"| {name} |" in UNDECIDED


def test_no_test_shows_a_statement_that_does_not_exist():
    assert marked() <= set(IDS)


def test_each_erratum_names_a_test_that_exists_and_shows_it():
    rows = re.findall(r"^\| ((?:[A-D]\d+(?:, )?)+) \|.*\| `(test_\w+)` \|$", ERRATA, re.MULTILINE)
    assert len(rows) > 40
    for ids, test in rows:
        found = re.search(rf"((?:^@.*\n|^    .*\n|^\)\n)*)^def {test}\(", SOURCES, re.MULTILINE)
        assert found, test
        marks = found[1]
        assert all(f'"{name}"' in marks for name in ids.split(", ")), (ids, test)

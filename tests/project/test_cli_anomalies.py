"""`tcn anomalies`: the anomalies on stdout, every point in the file."""

import io
import json

import numpy as np
import pandas as pd
import pytest

import tcn
from tcn.cli import main

DAYS = pd.date_range("2026-01-01", periods=60, freq="D")


@pytest.fixture
def sales(tmp_path):
    values = 20.0 + 5.0 * np.sin(2.0 * np.pi * np.arange(60) / 7.0)
    values += 0.3 * np.random.default_rng(0).normal(size=60)
    values[50] += 8.0
    frame = pd.DataFrame({"unique_id": "shop", "ds": DAYS, "y": values, "price": 1.0})
    frame = pd.concat([frame, frame.head(2).assign(unique_id="young")])
    path = tmp_path / "sales.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.fixture
def run(capsys):
    def call(*arguments):
        with pytest.raises(SystemExit) as exit_:
            main(["anomalies", *map(str, arguments)])
        out, err = capsys.readouterr()
        return exit_.value.code, out, err

    return call


def test_the_anomalies_alone_go_to_stdout(run, sales):
    code, out, err = run(sales, "--level", 0.999, "--length", 20)
    frame = pd.read_csv(io.StringIO(out))
    assert code == 0
    assert list(frame) == ["unique_id", "ds", "y", "mean", "lo", "hi", "score"]
    assert frame["ds"].tolist() == ["2026-02-20"]
    assert "1 of 20 points lie outside the interval that should hold 99.9 % of them." in err
    assert "Too short: 'young'." in err


def test_the_file_has_every_point_that_was_judged(run, sales, tmp_path):
    for name, read in (("all.csv", pd.read_csv), ("all.parquet", pd.read_parquet)):
        out = tmp_path / name
        code, _, _ = run(sales, "--length", 20, "--horizon", 5, "--out", out, "--quiet")
        frame = read(out)
        assert (code, len(frame), int(frame["anomaly"].sum())) == (0, 20, 1)


def test_json_is_what_the_library_finds(run, sales):
    code, out, err = run(sales, "--length", 3, "--json", "--quiet")
    found = json.loads(out)
    panel = tcn.read_csv(sales)
    expected = tcn.find_anomalies(tcn.load("zero").predict, panel, length=3)
    assert (code, err) == (0, "")
    assert found["left_out"] == ["young"]
    assert found["series"][0]["ds"] == ["2026-02-27", "2026-02-28", "2026-03-01"]
    np.testing.assert_allclose(found["series"][0]["hi"], expected.hi)
    assert found["series"][0]["anomaly"] == [False] * 3


def test_a_terminal_gets_a_table_and_a_note_of_covariates_that_are_not_read(
    run, sales, monkeypatch
):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    code, out, err = run(sales, "--level", 0.999, "--length", 20, "--past-covariates", "price")
    assert code == 0
    assert "2026-02-20" in out
    assert "shop" in out
    assert err.count("Not used by 'zero': price.") == 1
    assert "Warning" not in err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--level", 1), "tcn: level must be between 0 and 1, such as 0.99, got 1.0."),
        (("--length", 59), "tcn: length must be from 1 to 58, two less than the longest series"),
        (("--horizon", 59), "tcn: No series is long enough to look for anomalies"),
        (("--out", "a.txt"), "tcn: --out must end in .csv or .parquet, got 'a.txt'."),
    ],
)
def test_a_wrong_option_is_a_mistake(run, sales, options, sentence):
    code, out, err = run(sales, *options)
    assert (code, out) == (2, "")
    assert sentence in err

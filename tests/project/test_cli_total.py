"""`tcn total`: a row a series with the quantiles of its sum."""

import io
import json

import numpy as np
import pandas as pd
import pytest

import tcn
from tcn.cli import main

FILE = "data/air_passengers.csv"


@pytest.fixture
def run(capsys):
    def call(*arguments):
        with pytest.raises(SystemExit) as exit_:
            main(["total", *map(str, arguments)])
        out, err = capsys.readouterr()
        return exit_.value.code, out, err

    return call


def test_stdout_has_the_totals_that_the_library_draws(run):
    code, out, err = run(FILE, "--horizon", 6, "--quantiles", "0.05,0.95")
    frame = pd.read_csv(io.StringIO(out))
    assert code == 0
    assert list(frame) == ["unique_id", "first", "last", "mean", "q0.05", "q0.95"]
    assert frame.loc[0, ["first", "last"]].tolist() == ["1961-01-01", "1961-06-01"]
    paths = tcn.sample_paths(tcn.load("zero").predict, tcn.read_csv(FILE), 6, 1000)
    np.testing.assert_allclose(frame[["q0.05", "q0.95"]], paths.total((0.05, 0.95)))
    assert "values from 'y'" in err


def test_files_and_json_hold_the_same(run, tmp_path):
    _, text, _ = run(FILE, "--horizon", 2, "--json", "--quiet")
    found = json.loads(text)
    for name, read in (("t.csv", pd.read_csv), ("t.parquet", pd.read_parquet)):
        code, out, err = run(FILE, "--horizon", 2, "--out", tmp_path / name, "--quiet")
        assert (code, out, err) == (0, "", "")
        (row,) = read(tmp_path / name).to_dict("records")
        (total,) = found["totals"]
        assert {key: pytest.approx(value) for key, value in total.items()} == row
    assert (found["model"], found["horizon"]) == ("zero", 2)


def test_series_too_short_for_the_past_are_a_mistake(run, tmp_path):
    path = tmp_path / "short.csv"
    path.write_text("ds,y\n2026-01-01,1\n2026-01-02,2\n2026-01-03,3\n")
    code, out, err = run(path, "--horizon", 3)
    assert (code, out) == (2, "")
    assert "No series is long enough to tell how 3 steps hang together" in err

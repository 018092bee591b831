import io
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from project.last_value import LastValue

import tcn
from tcn.cli import main
from tcn.cli.columns import Columns
from tcn.cli.pieces import GroupedParquet
from tcn.errors import CheckpointError
from tcn.series.conditions import Conditions

LONG = """unique_id,ds,y
a,2026-01-01,1
a,2026-01-02,2
a,2026-01-03,3
b,2026-01-01,7
b,2026-01-02,8
"""


@pytest.fixture
def forecaster(monkeypatch):
    fake = LastValue()

    def load(name):
        if name != "zero":
            raise CheckpointError(f"No model {name!r}.")
        return fake

    monkeypatch.setattr(tcn, "load", load)
    return fake


@pytest.fixture
def run(forecaster, capsys):
    def call(*arguments):
        with pytest.raises(SystemExit) as exit_:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return exit_.value.code, out, err

    return call


@pytest.fixture
def sales(tmp_path):
    path = tmp_path / "sales.csv"
    path.write_text(LONG)
    return path


def test_a_pipe_gets_csv_and_stderr_says_which_columns_were_chosen(run, sales):
    code, out, err = run("forecast", sales, "--horizon", 2)
    rows = out.splitlines()
    assert code == 0
    assert rows[0] == "unique_id,ds,mean,q0.1,q0.5,q0.9"
    assert rows[1].startswith("a,2026-01-04,3.0,")
    assert rows[-1].startswith("b,2026-01-04,8.0,")
    assert "Series by 'unique_id': values from 'y', times from 'ds'." in err


@pytest.mark.parametrize(
    ("options", "stamp"),
    [
        ([], "2026-01-04"),
        (["--freq", "24h"], "2026-01-04T00:00:00"),
        (["--tz", "Europe/Berlin"], "2026-01-04T00:00:00+01:00"),
    ],
)
def test_json_has_the_shape_of_the_services_answer(run, sales, options, stamp):
    code, out, _ = run(
        "forecast", sales, "--horizon", 1, "--quantiles", "0.9,0.5", "--json", *options
    )
    answer = json.loads(out)
    assert code == 0
    assert answer["model"] == "zero"
    assert [record["id"] for record in answer["forecasts"]] == ["a", "b"]
    assert answer["forecasts"][0]["ds"] == [stamp]
    assert answer["forecasts"][0]["quantiles"] == {"0.5": [3.0], "0.9": [3.4]}


@pytest.mark.parametrize(("suffix", "read"), [("csv", pd.read_csv), ("parquet", pd.read_parquet)])
def test_a_file_gets_the_whole_forecast_and_stdout_nothing(run, sales, tmp_path, suffix, read):
    out_path = tmp_path / f"forecast.{suffix}"
    code, out, err = run("forecast", sales, "--horizon", 3, "--out", out_path)
    frame = read(out_path)
    assert (code, out) == (0, "")
    assert list(frame["unique_id"]) == ["a"] * 3 + ["b"] * 3
    assert list(frame["mean"]) == [3.0] * 3 + [8.0] * 3
    assert str(out_path) in err
    assert not list(tmp_path.glob(".*"))


def test_quiet_says_nothing_but_the_result(run, sales):
    code, out, err = run("forecast", sales, "--horizon", 1, "--quiet")
    assert (code, err) == (0, "")
    assert out


def test_a_plot_is_a_picture(run, sales, tmp_path):
    picture = tmp_path / "forecast.png"
    code, _, _ = run("forecast", sales, "--horizon", 2, "--plot", picture)
    assert code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--horizon", 0], "'--horizon': must be a whole number from 1 to 10,000, got '0'."),
        (["--horizon", 10**9], "from 1 to 10,000, got '1000000000'."),
        (["--horizon", "soon"], "got 'soon'."),
        (["--horizon", 1, "--quantiles", "0.1,1.5"], "strictly between 0 and 1, got 1.5."),
        (["--horizon", 1, "--quantiles", "a"], "numbers separated by commas"),
        (["--horizon", 1, "--out", "f.xlsx"], "--out must end in .csv or .parquet, got 'f.xlsx'."),
        (["--horizon", 1, "--plot", "f.gif"], "--plot must end in .png, .svg, .pdf, got 'f.gif'."),
        (["--horizon", 1, "--out", "no/where/f.csv"], "no/where' for --out. Make it."),
        (["--horizon", 1, "--model", "one"], "No model 'one'."),
        (["--horizon", 1, "--target-col", "z"], "z"),
        (["--horizon", 1, "--windows", 2], "No such option: --windows"),
        ([], "Missing option '--horizon'."),
    ],
)
def test_a_mistake_gets_one_sentence_and_code_2(run, sales, options, sentence):
    code, out, err = run("forecast", sales, *options)
    assert (code, out) == (2, "")
    assert err.startswith("tcn: ")
    assert sentence in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("none.csv", None, "There is no file"),
        ("empty.csv", b"", "The file is empty."),
        ("text.parquet", b"ds,y\n1,2\n", "parquet"),
        ("text.csv", b"ds,y\n2026-01-01,1\n2026-01-02,two\n", "'two'"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_mistake(run, tmp_path, name, content, sentence):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    code, out, err = run("forecast", tmp_path / name, "--horizon", 2)
    assert (code, out) == (2, "")
    assert sentence in err
    assert "Traceback" not in err


def test_covariates_that_the_model_does_not_know_are_named(run, tmp_path):
    path = tmp_path / "sales.csv"
    path.write_text("ds,y,price\n2026-01-01,1,9\n2026-01-02,2,9\n2026-01-03,3,8\n")
    code, _, err = run("forecast", path, "--horizon", 1, "--past-covariates", "price")
    assert code == 0
    assert "Not used by 'last-value': price." in err


def test_a_backtest_names_the_covariates_that_the_model_does_not_know(run, tmp_path):
    path = tmp_path / "sales.csv"
    rows = "".join(f"2026-01-{day:02},{day % 3},{day}\n" for day in range(1, 21))
    path.write_text(f"ds,y,price\n{rows}")
    code, out, err = run("backtest", path, "--horizon", 2, "--past-covariates", "price")
    assert (code, "seasonal_naive" in out) == (0, True)
    assert err.count("Not used by 'last-value': price.") == 1
    assert "Warning" not in err


def test_covariates_of_a_future_file_act_and_are_not_named(run, tmp_path):
    path, future = tmp_path / "data.csv", tmp_path / "future.csv"
    path.write_text("ds,y,price\n2026-01-01,1,5\n2026-01-02,2,6\n")
    future.write_text("ds,price\n2026-01-03,7\n")
    code, _, err = run("forecast", path, "--horizon", 1, "--future", future)
    assert code == 0
    assert "Not used by" not in err


def test_covariates_that_the_model_was_trained_with_are_not_complained_about(
    run, tmp_path, forecaster
):
    path = tmp_path / "sales.csv"
    path.write_text("unique_id,ds,y,kind\na,2026-01-01,1,x\na,2026-01-02,2,x\nb,2026-01-01,1,z\n")
    panel = tcn.read_csv(path, static_covariates=["kind"])
    forecaster.conditions = Conditions.fitted(panel)
    code, _, err = run("forecast", path, "--horizon", 1, "--static-covariates", "kind")
    assert code == 0
    assert "Not used by" not in err


def test_options_of_csv_files_are_refused_for_parquet(run, parquet):
    code, _, err = run("forecast", parquet[0], "--horizon", 1, "--encoding", "latin-1")
    assert code == 2
    assert "--encoding is for CSV files" in err


def test_a_directory_is_not_a_file(run, tmp_path):
    code, _, err = run("forecast", tmp_path, "--horizon", 2)
    assert code == 2
    assert "is a directory" in err


def test_a_failure_leaves_the_old_file_and_nothing_beside_it(run, sales, tmp_path, forecaster):
    out_path = tmp_path / "forecast.csv"
    out_path.write_text("old")

    def fail(*arguments, **options):
        raise KeyboardInterrupt

    forecaster.predict = fail
    code, _, err = run("forecast", sales, "--horizon", 2, "--out", out_path)
    assert code == 130
    assert err.endswith("Interrupted.\n")
    assert out_path.read_text() == "old"
    assert not list(tmp_path.glob(".*"))


@pytest.fixture
def parquet(tmp_path):
    lengths = np.random.default_rng(0).integers(1, 6, 300)
    frame = pd.DataFrame(
        {
            "unique_id": np.repeat([f"s{index:03d}" for index in range(300)], lengths),
            "ds": np.concatenate([np.arange(length) for length in lengths]),
            "y": np.arange(lengths.sum(), dtype=float),
        }
    )
    path = tmp_path / "many.parquet"
    frame.to_parquet(path, index=False, row_group_size=70)
    return path, frame


def test_a_long_parquet_file_is_read_in_pieces_of_whole_series(parquet, monkeypatch):
    path, frame = parquet
    monkeypatch.setattr("tcn.cli.pieces.ROWS_PER_PIECE", 100)
    monkeypatch.setattr("tcn.cli.pieces.ROWS_PER_BATCH", 64)
    grouped = GroupedParquet.of(path, Columns())
    panels = list(grouped)
    assert grouped.n_series == 300
    assert len(panels) == -(-len(frame) // 100)
    assert [str(name) for panel in panels for name in panel.ids] == list(
        frame["unique_id"].unique()
    )
    assert np.array_equal(np.concatenate([panel.values for panel in panels]), frame["y"])
    assert max(len(panel.values) for panel in panels) <= 105


def test_pieces_give_the_same_forecasts_as_the_whole_file(run, parquet, tmp_path, monkeypatch):
    path, _ = parquet
    run("forecast", path, "--horizon", 2, "--out", tmp_path / "whole.csv")
    monkeypatch.setattr("tcn.cli.pieces.ROWS_PER_PIECE", 100)
    run("forecast", path, "--horizon", 2, "--out", tmp_path / "pieces.csv")
    assert (tmp_path / "whole.csv").read_text() == (tmp_path / "pieces.csv").read_text()


def test_a_parquet_file_with_scattered_series_is_read_whole(parquet, tmp_path, monkeypatch):
    path, frame = parquet
    monkeypatch.setattr("tcn.cli.pieces.ROWS_PER_PIECE", 100)
    frame.sort_values(["ds", "unique_id"]).to_parquet(path, index=False)
    assert GroupedParquet.of(path, Columns()) is None


def test_stdin_is_read_like_a_file(run, sales, monkeypatch):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(LONG.encode())))
    assert run("forecast", "-", "--horizon", 2) == run("forecast", sales, "--horizon", 2)


def test_a_message_names_options_and_not_arguments_of_the_library(run, sales):
    sales.write_text("ds,y\n01.02.24,1\n02.02.24,2\n")
    code, _, err = run("forecast", sales, "--horizon", 2)
    assert code == 2
    assert "(pass --time-format='%d.%m.%y')" in err
    assert run("forecast", sales, "--horizon", 2, "--time-format=%d.%m.%y")[0] == 0
    sales.write_text("ds,y\n2024-01-01,1\n")
    assert "Pass --freq, such as 'D'" in run("forecast", sales, "--horizon", 2)[2]

import json
from pathlib import Path

import pytest
from project.last_value import LastValue

import tcn
from tcn.cli import main
from tcn.cli.console import TrainingLines
from tcn.config import TCNConfig, WaveNetConfig

ROWS = "".join(f"2026-01-{day:02d},{day % 7}\n" for day in range(1, 29))


@pytest.fixture
def sales(tmp_path):
    path = tmp_path / "sales.csv"
    path.write_text(f"ds,y\n{ROWS}")
    return path


@pytest.fixture
def calls(monkeypatch):
    """What `fit` and `save` were asked for."""
    seen = {}

    def fit(panel, config, train_config, *, start, directory, progress, name):
        seen.update(panel=panel, config=config, train=train_config, start=start, name=name)
        directory.mkdir(parents=True, exist_ok=True)
        progress({"step": 1, "steps": 2, "loss": 0.5, "score": 0.4, "best": 0.4})
        if seen.get("interrupt"):
            raise KeyboardInterrupt
        return LastValue(config=config, manifest={"steps": 2, **seen.get("manifest", {})})

    monkeypatch.setattr(tcn, "fit", fit)
    monkeypatch.setattr(
        tcn, "load", lambda name: LastValue(name=name, config=TCNConfig(channels=7))
    )
    monkeypatch.setattr(tcn, "save", lambda forecaster, path: seen.update(saved=Path(path)))
    return seen


@pytest.fixture
def run(capsys, monkeypatch):
    def call(*arguments):
        texts = [str(argument) for argument in arguments]
        monkeypatch.setattr("sys.argv", ["tcn", *texts])
        with pytest.raises(SystemExit) as exit_:
            main(texts)
        out, err = capsys.readouterr()
        return exit_.value.code, out, err

    return call


def test_training_starts_from_zero_with_its_sizes_and_the_horizon_asked_for(
    run, calls, sales, tmp_path
):
    out = tmp_path / "models" / "sales"
    code, stdout, err = run("train", sales, "--horizon", 5, "--out", out, "--seed", 3)
    assert (code, stdout) == (0, "")
    assert calls["start"].name == "zero"
    assert calls["config"] == TCNConfig(channels=7, horizon=5)
    assert calls["train"].seed == 3
    assert (calls["saved"], calls["name"]) == (out, "sales")
    assert "step 1 of 2, loss 0.5000, validation 0.4000" in err
    assert f"tcn forecast {sales} --horizon 5 --model {out}" in err
    assert not list(out.parent.glob(".*"))


def test_a_config_file_sets_kind_network_and_training(run, calls, sales, tmp_path):
    config = tmp_path / "c.json"
    found = {"kind": "wavenet", "network": {"channels": 9}, "train": {"max_epochs": 4, "clip": 2.0}}
    config.write_text(json.dumps(found))
    options = ["--config", config, "--start", "none", "--max-epochs", 6, "--season-length", 7]
    code, _, _ = run("train", sales, "--horizon", 5, "--out", tmp_path / "m", *options)
    assert code == 0
    assert calls["start"] is None
    assert calls["config"] == WaveNetConfig(channels=9, horizon=5, season_length=7)
    assert (calls["train"].max_epochs, calls["train"].clip) == (6, 2.0)


def test_an_interrupted_run_keeps_its_state_and_says_how_to_go_on(run, calls, sales, tmp_path):
    calls["interrupt"] = True
    out = tmp_path / "my model"
    code, _, err = run("train", sales, "--horizon", 5, "--out", out, "--restart")
    assert code == 130
    assert f"To go on: tcn train {sales} --horizon 5 --out '{out}'\n" in err
    assert (tmp_path / ".my model.training").is_dir()
    assert "saved" not in calls
    calls["interrupt"] = False
    code, _, err = run("train", sales, "--horizon", 5, "--out", out)
    assert code == 0
    assert "Going on from" in err
    assert not (tmp_path / ".my model.training").exists()


def test_the_test_option_keeps_the_last_horizon_out_of_training(run, calls, sales, tmp_path):
    out = tmp_path / "m"
    code, stdout, _ = run("train", sales, "--horizon", 7, "--out", out, "--test", "--json")
    answer = json.loads(stdout)
    assert code == 0
    assert calls["panel"].lengths.tolist() == [21]
    assert answer["manifest"] == {"steps": 2}
    assert set(answer["test"]["measures"]) == {"forecaster", "seasonal_naive", "naive", "drift"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "is not JSON"),
        ("[1]", "may hold the keys kind, network, train; got list."),
        ('{"net": {}}', "may hold the keys kind, network, train; got ['net']."),
        ('{"network": 3}', "'network' in"),
        ('{"network": {"kernel": 3}}', "Unknown key 'kernel' in TCNConfig."),
        ('{"network": {"channels": 1000000000}}', "from 1 to 2,048, got 1000000000."),
        ('{"train": {"epochs": 3}}', "Unknown key 'epochs' in TrainConfig."),
        ('{"kind": "lstm"}', "kind must be one of tcn, wavenet, got 'lstm'."),
    ],
)
def test_a_bad_config_file_is_a_mistake(run, calls, sales, tmp_path, content, sentence):
    config = tmp_path / "c.json"
    config.write_text(content)
    code, _, err = run("train", sales, "--horizon", 5, "--out", tmp_path / "m", "--config", config)
    assert code == 2
    assert sentence in err
    assert "saved" not in calls


def test_a_directory_with_other_files_is_refused_before_training(run, calls, sales, tmp_path):
    code, _, err = run("train", sales, "--horizon", 5, "--out", tmp_path)
    assert code == 2
    assert "holds other files. Give --out a new directory" in err
    assert "panel" not in calls


def test_a_file_as_out_is_refused_before_training(run, calls, sales):
    code, _, err = run("train", sales, "--horizon", 5, "--out", sales)
    assert code == 2
    assert "is a file. Give --out the name of a directory" in err


def test_backtest_prints_a_table_beside_the_baselines(run, calls, sales, tmp_path):
    forecasts = tmp_path / "windows.csv"
    code, stdout, _ = run("backtest", sales, "--horizon", 4, "--windows", 2, "--out", forecasts)
    assert code == 0
    assert all(word in stdout for word in ("MASE", "forecaster", "seasonal_naive", "drift"))
    assert forecasts.read_text().startswith("unique_id,ds,cutoff,y,mean,")


def test_backtest_sets_several_models_beside_each_other(run, calls, sales, tmp_path):
    out = tmp_path / "windows.csv"
    models = ("--model", "zero, models/sales", "--windows", 2)
    code, stdout, _ = run("backtest", sales, "--horizon", 4, *models, "--out", out)
    assert code == 0
    assert all(word in stdout for word in ("zero ", "models/sales ", "seasonal_naive "))
    rows = out.read_text().splitlines()
    assert rows[0].endswith(",model")
    assert [row.rsplit(",", 1)[1] for row in rows[1:]] == ["zero"] * 8 + ["models/sales"] * 8


def test_backtest_as_json_has_every_method_and_window(run, calls, sales):
    code, stdout, _ = run("backtest", sales, "--horizon", 4, "--baselines", "naive", "--json")
    answer = json.loads(stdout)
    assert code == 0
    assert answer["n_windows"] == 3
    assert set(answer["measures"]) == {"forecaster", "naive"}


def test_backtest_names_an_unknown_baseline(run, calls, sales):
    code, _, err = run("backtest", sales, "--horizon", 4, "--baselines", "oracle")
    assert code == 2
    assert "Unknown baseline 'oracle'." in err


def test_training_lines_always_say_the_last_step(capsys):
    import sys

    show = TrainingLines(sys.stderr)
    for step in range(1, 5):
        show({"step": step, "steps": 4, "loss": 1.0 / step})
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Training: step 1 of 4")
    assert lines[-1] == "Training: step 4 of 4, loss 0.2500"


def test_the_command_that_forecasts_reads_the_file_as_the_training_did(run, calls, tmp_path):
    data, out = tmp_path / "wide.csv", tmp_path / "m"
    rows = "".join(f"2026-01-{n:02};{n};{n + 1};3\n" for n in range(1, 29))
    data.write_text(f"day;north;south;heat\n{rows}")
    options = ("--target-col", "*", "--past-covariates", "heat", "--freq", "D")
    code, _, err = run("train", data, "--horizon", 2, "--out", out, *options)
    assert code == 0
    read = "--target-col '*' --freq D --past-covariates heat"
    assert f"tcn forecast {data} {read} --horizon 2 --model {out}\n" in err


def test_covariates_that_are_left_to_the_regression_are_named(run, calls, sales, tmp_path):
    calls["manifest"] = {"by_regression": ["price", "holiday"]}
    _, _, err = run("train", sales, "--horizon", 4, "--out", tmp_path / "m")
    assert "left to a regression of each series: price, holiday." in err

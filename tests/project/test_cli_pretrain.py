import json

import pytest

import tcn
from tcn.cli import main
from tcn.cli.pretrain import seconds
from tcn.errors import ConfigError

TINY = {
    "network": {
        "channels": 8,
        "hidden_channels": 8,
        "head_channels": 8,
        "dilations": [1, 2],
        "context_length": 64,
    },
    "train": {"positions": 512, "warmup_steps": 1},
}


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(TINY))
    return path


@pytest.fixture
def run(capsys):
    def call(*arguments):
        with pytest.raises(SystemExit) as exit_:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return exit_.value.code, out, err

    return call


def test_pretraining_then_training_then_forecasting_then_backtesting(run, config, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    options = ["--out", first, "--steps", 3, "--horizon", 8, "--config", config, "--json"]
    code, out, _ = run("pretrain", *options)
    assert code == 0
    assert json.loads(out)["manifest"]["data"] == "synthetic series only"

    data = tmp_path / "sales.csv"
    rows = [f"{series},{step},{step % 7 + series}" for series in (1, 2) for step in range(80)]
    data.write_text("\n".join(["unique_id,ds,y", *rows]))
    code, _, err = run(
        *["train", data, "--horizon", 8, "--out", second, "--start", first, "--max-epochs", 1]
    )
    assert code == 0, err
    assert tcn.load(second).config.channels == 8

    code, out, _ = run("forecast", data, "--horizon", 12, "--model", second, "--json")
    assert code == 0
    assert [len(record["mean"]) for record in json.loads(out)["forecasts"]] == [12, 12]

    code, out, _ = run("backtest", data, "--horizon", 8, "--model", second, "--windows", 1)
    assert code == 0
    assert "seasonal_naive" in out

    code, out, _ = run("info", second)
    assert code == 0
    assert "validation_loss" in out


def test_a_budget_becomes_a_number_of_steps_that_a_resumed_run_keeps(run, config, tmp_path):
    out = tmp_path / "model"
    options = ["--out", out, "--horizon", 8, "--config", config, "--json"]
    state = tmp_path / ".model.training"
    state.mkdir()
    (state / "plan.json").write_text('{"steps": 2}')
    code, stdout, err = run("pretrain", *options, "--budget", "10h")
    assert code == 0
    assert "Going on from" in err
    assert json.loads(stdout)["manifest"]["pretrain"]["steps"] == 2
    code, stdout, _ = run("pretrain", *options, "--budget", "1s")
    assert code == 0
    assert json.loads(stdout)["manifest"]["pretrain"]["steps"] >= 1


def test_budget_and_steps_together_are_a_mistake(run, tmp_path):
    code, _, err = run("pretrain", "--out", tmp_path / "m", "--budget", "1m", "--steps", 5)
    assert (code, err) == (2, "tcn: Give --budget or --steps, not both.\n")


@pytest.mark.parametrize("text", ["10", "m", "-1m", "0s", "1d", "1m 30s"])
def test_a_budget_that_is_no_time_is_refused(text):
    with pytest.raises(ConfigError, match=r"must be a time such as 90s, 10m or 1\.5h, got"):
        seconds(text)

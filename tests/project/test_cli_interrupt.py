"""A training process that is interrupted keeps what it has done."""

import json
import signal
import subprocess
import sys

import pytest

TINY = {
    "network": {
        "channels": 8,
        "hidden_channels": 8,
        "head_channels": 8,
        "dilations": [1, 2],
        "context_length": 64,
    },
    "train": {"steps_per_epoch": 1, "patience": 10_000, "seed": 5},
}


@pytest.fixture
def command(tmp_path):
    """Arguments of a short training run, but for its length."""
    (tmp_path / "tiny.json").write_text(json.dumps(TINY))
    rows = [f"2026-01-01T{hour % 24:02d}:00,{hour % 5}" for hour in range(24)]
    (tmp_path / "sales.csv").write_text("\n".join(["ds,y", *rows]))
    program = [sys.executable, "-m", "tcn.cli", "train", "sales.csv", "--horizon", "4"]
    return [*program, "--out", "model", "--start", "none", "--config", "tiny.json"]


@pytest.mark.timeout(180)
def test_ctrl_c_keeps_the_state_and_prints_the_command_that_goes_on(command, tmp_path):
    long_run = [*command, "--max-epochs", "100000"]
    with subprocess.Popen(long_run, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if line.startswith("Training:"):
                process.send_signal(signal.SIGINT)
                break
        lines += process.stderr.readlines()
    text = "".join(lines)
    assert process.returncode == 130
    assert "Traceback" not in text
    assert "To go on: tcn train sales.csv --horizon 4 --out model --start none" in text
    assert (tmp_path / ".model.training").is_dir()
    assert not (tmp_path / "model").exists()

    other = subprocess.run(
        [*command, "--max-epochs", "7"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert other.returncode == 2
    assert "(--restart begins anew)" in other.stderr
    assert "belongs to other data or settings" in other.stderr

"""Forecasts of several processes: those of one, in order; ends that leave nothing behind."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import tcn
from tcn.cli import forecast as command
from tcn.cli import main
from tcn.cli.forecast import Request
from tcn.cli.jobs import in_order
from tcn.errors import DataError, TcnError
from tcn.series import Panel


def panel_of(*lengths):
    rng = np.random.default_rng(0)
    return Panel.from_arrays([rng.normal(size=length).cumsum() for length in lengths])


def test_two_processes_write_what_one_writes_bit_for_bit(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "SERIES_PER_CALL", 3)
    data = tmp_path / "data.csv"
    panel_of(30, 80, 9, 41, 55, 12, 77, 30).to_frame("pandas").to_csv(data, index=False)
    written = []
    for jobs in ("1", "2"):
        out = tmp_path / f"{jobs}.csv"
        arguments = ["forecast", str(data), "--horizon", "3", "--out", str(out), "--jobs", jobs]
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 0
        written.append(out.read_text())
    assert written[0] == written[1]
    assert len(written[0].splitlines()) == 1 + 8 * 3


def test_a_mistake_in_the_data_and_a_killed_process_end_with_one_sentence():
    request = Request("zero", 2, (0.5,), 16)
    good, bad = panel_of(20), Panel.from_arrays([[np.nan]], ids=["empty"])
    with pytest.raises(DataError, match=r"^Series 'empty' has no observed value\. Give at least"):
        list(in_order(request, [good, bad, good], 2))

    def panels_and_a_death():
        yield good
        while not multiprocessing.active_children():
            time.sleep(0.05)
        for child in multiprocessing.active_children():
            os.kill(child.pid, signal.SIGKILL)
        yield from [good] * 6

    message = r"^One of the 2 processes was ended from outside, .* Use fewer --jobs or a smaller"
    with pytest.raises(TcnError, match=message):
        list(in_order(request, panels_and_a_death(), 2))
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_ctrl_c_ends_all_processes_without_a_traceback(tmp_path):
    data, out = tmp_path / "data.parquet", tmp_path / "out.csv"
    panel_of(*[400] * 6000).to_frame("pandas").to_parquet(data)
    arguments = ["forecast", str(data), "--horizon", "24", "--jobs", "2", "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tcn.cli", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for line in process.stderr:
        if line.startswith("Forecast:"):
            break
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.strip().splitlines()[-1] == "Interrupted."
    assert "Traceback" not in err
    assert not out.exists()
    assert is_gone_soon(process.pid)


def is_gone_soon(group):
    """Whether no process of the group is left; the last one needs a moment."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def test_forecasts_come_in_the_order_of_the_panels():
    sizes = [40, 3, 25, 7, 60]
    panels = [panel_of(size) for size in sizes]
    request = Request("zero", 2, (0.5,), 16)
    zero = tcn.load("zero")
    for (panel, forecast), expected in zip(in_order(request, panels, 2), panels, strict=True):
        np.testing.assert_array_equal(panel.values, expected.values)
        np.testing.assert_array_equal(forecast.mean, request.of(zero, expected).mean)

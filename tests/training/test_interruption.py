"""A run that was stopped and goes on takes the steps of one that was not, bit for bit."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from training.killed_run import train as train_small
from training.small_runs import QUICK, seasonal_panel, small

import tcn
from tcn.checkpoint import load_state
from tcn.training.fit import REFIT_FOLDER
from tcn.training.interrupts import interrupts_held
from tcn.training.loop import STATE_FILE, LoopSettings, Task, train, warmup_then_linear

TESTS = Path(__file__).parents[1]


class Interrupter:
    """Raises KeyboardInterrupt at the events counted in `at`."""

    def __init__(self, at: list[int]) -> None:
        self.at = at
        self.count = 0

    def __call__(self) -> None:
        self.count += 1
        if self.count in self.at:
            raise KeyboardInterrupt


def tiny_run(directory: Path | None, event: Interrupter):
    """Twelve steps of a tiny network with dropout, scored every four steps."""
    torch.manual_seed(3)
    network = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 1))

    def batch_at(step):
        event()
        return torch.randn(8, 3, generator=torch.Generator().manual_seed(step))

    def loss_of(x):
        event()
        return (network(x) - x.sum(dim=1, keepdim=True)).square().mean()

    def score():
        event()
        return float((network(torch.ones(2, 3)) - 3.0).square().mean())

    options = LoopSettings(
        steps=12,
        learning_rate=warmup_then_linear(0.1, 2, 12),
        evaluate_every=4,
        average=0.8,
        fingerprint="tiny",
    )
    reports = []

    def report(entry):
        reports.append(entry)
        event()

    progress = train(network, Task(batch_at, loss_of, score), options, directory, report)
    return network, progress


def equal(first: nn.Module, second: nn.Module) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@settings(max_examples=25)
@given(st.lists(st.integers(1, 31), min_size=1, max_size=3))
def test_ctrl_c_at_any_moment_loses_nothing(tmp_path_factory, at):
    directory = tmp_path_factory.mktemp("run")
    expected, whole = tiny_run(None, Interrupter([]))
    for moment in at:
        try:
            tiny_run(directory, Interrupter([moment]))
        except KeyboardInterrupt:
            assert (directory / STATE_FILE).exists()
    found, resumed = tiny_run(directory, Interrupter([]))
    assert equal(found, expected)
    assert resumed == whole


def test_the_whole_run_has_the_events_that_are_interrupted():
    event = Interrupter([])
    tiny_run(None, event)
    assert event.count == 1 + 2 * 12 + 3 + 3


def test_numbers_that_are_not_finite_are_left_out_of_what_is_told():
    network = nn.Linear(1, 1)
    bad = {1: float("nan"), 2: float("inf")}
    scores = iter([float("nan"), 3.0, float("nan"), 2.0])

    def loss_of(step):
        return network(torch.ones(1, 1)).square().sum() * bad.get(step, 1.0)

    options = LoopSettings(
        steps=12, learning_rate=lambda step: 0.1, evaluate_every=4, average=0.0, clip=1e30
    )
    reports = []
    progress = train(
        network,
        Task(lambda step: step, loss_of, lambda: next(scores)),
        options,
        None,
        reports.append,
    )
    assert [entry["score"] for entry in reports] == [3.0, None, 2.0]
    assert np.isfinite([entry["loss"] for entry in progress.history]).all()
    assert (progress.best_score, progress.best_step) == (2.0, 12)
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())


def test_a_run_without_a_finite_loss_leaves_its_weights_alone():
    network = nn.Linear(1, 1)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    task = Task(lambda step: step, lambda step: network(torch.ones(1, 1)).sum() * float("nan"))
    progress = train(network, task, LoopSettings(5, lambda step: 0.1), None, lambda entry: None)
    assert (progress.step, progress.history) == (5, [])
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_random_numbers_differ_from_step_to_step():
    network, drawn = nn.Linear(1, 1), []

    def loss_of(step):
        drawn.append(float(torch.rand(())))
        return network(torch.ones(1, 1)).sum()

    options = LoopSettings(steps=4, learning_rate=lambda step: 0.1)
    train(network, Task(lambda step: step, loss_of), options, None, lambda entry: None)
    assert len(set(drawn)) == 4


def test_a_finished_run_is_not_trained_again(tmp_path):
    first, _ = tiny_run(tmp_path, Interrupter([]))
    event = Interrupter([])
    second, progress = tiny_run(tmp_path, event)
    assert event.count == 0
    assert progress.step == 12
    assert equal(first, second)


def test_a_real_ctrl_c_in_the_middle_of_a_step_waits_for_its_end():
    done = []

    def interrupted_block():
        with interrupts_held():
            signal.raise_signal(signal.SIGINT)
            time.sleep(0.01)
            done.append("whole")

    with pytest.raises(KeyboardInterrupt):
        interrupted_block()
    assert done == ["whole"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_blocks_without_ctrl_c_and_in_other_threads_run_as_ever():
    seen = []

    def work():
        with interrupts_held():
            seen.append(threading.current_thread().name)

    work()
    thread = threading.Thread(target=work, name="other")
    thread.start()
    thread.join()
    assert seen == ["MainThread", "other"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_fit_leaves_its_state_at_ctrl_c_and_goes_on(tmp_path):
    def stop(entry):
        if entry["step"] == 20:
            raise KeyboardInterrupt

    options = {"start": None, "directory": tmp_path}
    config = small(dropout=0.1)
    with pytest.raises(KeyboardInterrupt):
        tcn.fit(seasonal_panel(), config, QUICK, progress=stop, **options)
    assert load_state(tmp_path / STATE_FILE)[1]["progress"]["step"] == 20
    resumed = tcn.fit(seasonal_panel(), config, QUICK, **options)
    whole = tcn.fit(seasonal_panel(), config, QUICK, start=None)
    assert equal(resumed.network, whole.network)
    assert resumed.manifest == whole.manifest
    assert resumed.calibration == whole.calibration


def start_child(directory: Path, saved: Path) -> "subprocess.Popen[bytes]":
    path = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    return subprocess.Popen(
        [sys.executable, str(TESTS / "training" / "killed_run.py"), str(directory), str(saved)],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
    )


def steps_done(directory: Path) -> int:
    """Steps in the state that the run has written last."""
    """Of both runs of a fit: one without the points held back, one with all."""
    paths = [directory / STATE_FILE, directory / REFIT_FOLDER / STATE_FILE]
    return sum(load_state(path)[1]["progress"]["step"] for path in paths if path.exists())


@pytest.mark.timeout(240)  # four processes, of which three train
def test_a_run_killed_at_a_random_step_and_resumed_equals_one_that_was_not(tmp_path):
    directory, saved = tmp_path / "run", tmp_path / "model"
    target = random.Random().randint(1, 22)
    child = start_child(directory, saved)
    while steps_done(directory) < target:
        assert child.poll() is None, "the run ended before it could be killed"
        time.sleep(random.Random().uniform(0.0, 0.02))
    child.send_signal(signal.SIGKILL)
    child.wait()
    killed_at = steps_done(directory)
    assert killed_at >= target
    assert not saved.exists(), "the run ended before it was killed"
    assert start_child(directory, saved).wait() == 0
    expected = train_small(None)
    found = tcn.load(saved)
    assert equal(found.network, expected.network), f"killed at step {killed_at}"
    assert found.calibration == expected.calibration
    np.testing.assert_array_equal(
        found.predict(seasonal_panel()).quantiles, expected.predict(seasonal_panel()).quantiles
    )

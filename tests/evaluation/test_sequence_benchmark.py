"""The sequence tasks are those of the paper, and a run that was stopped goes on."""

import argparse
import dataclasses
import json
import math

import numpy as np
import pytest
import torch

tasks = pytest.importorskip("benchmarks.sequence_tasks")
sequences = pytest.importorskip("benchmarks.sequences")


def test_copying_asks_for_the_first_ten_symbols_after_a_thousand_steps():
    x, target = tasks.draw_copying(3, torch.Generator().manual_seed(0))
    assert x.shape == (3, 1, 1020)
    assert torch.equal(target[:, -10:], x[:, 0, :10].long())
    assert (target[:, :-10] == 0).all()
    assert (x[:, 0, 10:1009] == 0).all()
    assert (x[:, 0, 1009:] == 9).all()
    assert set(x[:, 0, :10].unique().tolist()) <= set(range(1, 9))


def test_guessing_the_symbols_scores_what_the_task_says_of_chance():
    task = tasks.TASKS["copy-memory"]
    target = tasks.draw_copying(4, torch.Generator().manual_seed(0)).target
    logits = torch.full((4, 10, 1020), -1e9)
    logits[:, 0, :-10] = 0.0
    logits[:, 1:9, -10:] = 0.0
    sums = task.sums(logits, target)
    assert float(sums.loss) / sums.count == pytest.approx(task.chance, rel=1e-5)
    assert task.chance == pytest.approx(0.0204, abs=1e-4)


def test_adding_marks_one_number_in_each_half():
    x, target = tasks.draw_adding(50, torch.Generator().manual_seed(0))
    numbers, marks = x[:, 0], x[:, 1]
    assert (marks[:, :300].sum(dim=1) == 1).all()
    assert (marks[:, 300:].sum(dim=1) == 1).all()
    torch.testing.assert_close((numbers * marks).sum(dim=1), target)


def write_music(folder, lengths):
    from scipy.io import savemat

    random = np.random.default_rng(0)
    pieces = [(random.random((length, 88)) < 0.05).astype(np.uint8) for length in lengths]
    cells = np.empty((1, len(pieces)), object)
    cells[0] = pieces
    (folder / "tcn_sequences").mkdir()
    path = folder / "tcn_sequences" / "JSB_Chorales.mat"
    savemat(path, dict.fromkeys(("traindata", "validdata", "testdata"), cells))
    return pieces


def test_the_likelihood_of_music_is_that_of_each_next_step_whatever_the_batch(tmp_path):
    pieces = write_music(tmp_path, [9, 30, 12, 5])
    data = tasks.TASKS["jsb"].data(tmp_path, 0)
    logits = torch.linspace(-3.0, 3.0, 88)[None, :, None]
    found = [tasks.key_entropy(logits.expand_as(b.x), b.target) for b in data.test]
    p = torch.sigmoid(logits[0, :, 0]).double().numpy()
    expected, count = 0.0, 0
    for piece in pieces:
        for keys in piece[1:]:
            expected -= (np.log(p) * keys + np.log(1.0 - p) * (1.0 - keys)).sum()
            count += 1
    assert sum(sums.count for sums in found) == count == 52
    assert sum(float(sums.loss) for sums in found) == pytest.approx(expected, rel=1e-5)


def test_an_epoch_of_music_has_each_piece_once(tmp_path):
    pieces = write_music(tmp_path, range(10, 30))
    data = tasks.TASKS["jsb"].data(tmp_path, 0)
    steps = [data.batch_at(step) for step in range(3)]
    n_steps = sum(int((~batch.target[:, 0].isnan()).sum()) for batch in steps)
    assert n_steps == sum(len(piece) - 1 for piece in pieces)


@pytest.mark.parametrize("name", sorted(tasks.TASKS))
def test_the_lstm_has_as_many_parameters_as_the_tcn(name):
    task = tasks.TASKS[name]
    tcn, lstm = (sequences.build(kind, task, task.recipe, 0) for kind in ("tcn", "lstm"))
    assert sequences.count(lstm) == pytest.approx(sequences.count(tcn), rel=0.02)
    x = torch.randn(2, task.n_inputs, 20)
    assert tcn(x).shape == lstm(x).shape == (2, task.n_outputs, 1 if task.reads_last else 20)


@pytest.mark.parametrize("kind", ["tcn", "lstm"])
def test_a_run_in_two_parts_ends_with_the_weights_of_one(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(tasks, "ADDING_LENGTH", 20)
    task = tasks.TASKS["adding"]
    data = dataclasses.replace(task.data(None, 0), validation=[task.data(None, 0).batch_at(99)])
    recipe = dataclasses.replace(
        task.recipe, steps=6, channels=4, levels=2, evaluate_every=2, target=-1.0
    )

    def train(state, minutes):
        options = argparse.Namespace(network=kind, state=str(tmp_path / state), minutes=minutes)
        return sequences.train_task("adding", recipe, data, 0, options)

    whole, progress, _ = train("whole", math.inf)
    assert progress.step == 6
    _, stopped, _ = train("parts", 0.0)
    assert stopped.step == 2
    resumed, progress, _ = train("parts", math.inf)
    assert progress.step == 6
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_result_keeps_the_newest_run_of_each_network_and_seed(tmp_path, monkeypatch):
    monkeypatch.setattr(sequences, "RESULTS", tmp_path)
    monkeypatch.setattr(
        sequences,
        "write_result",
        lambda name, table, packages: (tmp_path / f"{name}.json").write_text(json.dumps(table)),
    )
    for network, loss in (("tcn", 0.5), ("lstm", 0.7), ("tcn", 0.4)):
        sequences.save_run("adding", {"network": network, "seed": 0, "test_loss": loss})
    runs = {run["network"]: run["test_loss"] for run in sequences.finished("adding")}
    assert runs == {"tcn": 0.4, "lstm": 0.7}

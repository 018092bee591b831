"""Pretraining: batches by step number, and a run that goes on where it stood."""

from dataclasses import replace

import pytest
import torch

from tcn.config import TCNConfig
from tcn.errors import CheckpointError, ConfigError
from tcn.models import ForecastNetwork
from tcn.pretraining import PretrainConfig, pretrain
from tcn.pretraining import run as pretraining_run
from tcn.pretraining.run import STEPS_PER_POOL, SyntheticBatches

NETWORK = TCNConfig(
    horizon=24, channels=8, hidden_channels=8, head_channels=8, dilations=(1, 2), dropout=0.1
)
TINY = PretrainConfig(steps=10, positions=256, warmup_steps=2, precision="float32")


def silent(entry) -> None:
    """Report nothing."""


def equal(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def flat(pairs) -> list[torch.Tensor]:
    step = pairs.inputs.step
    targets = pairs.targets
    parts = [pairs.inputs.features, step.references, step.drafts, step.steps, pairs.origins]
    return [*parts, targets.values, targets.weights]


def test_batches_depend_on_seed_and_step_alone():
    first, second = SyntheticBatches(TINY, 4), SyntheticBatches(TINY, 4)
    second(40)
    for step in (0, 5, 3, 17):
        pairs = zip(flat(first(step)), flat(second(step)), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    other = SyntheticBatches(replace(TINY, seed=1), 4)(5)
    assert flat(other)[0].shape != flat(first(5))[0].shape or not torch.equal(
        flat(other)[0], flat(first(5))[0]
    )


def test_batches_are_finite_and_different():
    batches = SyntheticBatches(TINY, 4)
    sums = set()
    for step in range(3 * STEPS_PER_POOL):
        tensors = flat(batches(step))
        assert all(torch.isfinite(tensor).all() for tensor in tensors)
        assert tensors[-1].sum() > 0
        sums.add(float(tensors[0].sum()))
    assert len(sums) == 3 * STEPS_PER_POOL


def test_a_run_lowers_its_loss_and_leaves_global_random_numbers_alone():
    state = torch.random.get_rng_state()
    entries = []
    config = replace(TINY, steps=200, positions=128)
    network = pretrain(NETWORK, config, None, report=entries.append)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert [entry["step"] for entry in entries] == [100, 200]
    assert entries[1]["loss"] < entries[0]["loss"]
    assert not network.training


def test_a_run_that_was_interrupted_equals_one_that_was_not(tmp_path, monkeypatch):
    expected = pretrain(NETWORK, TINY, None, report=silent)
    sample = pretraining_run.sample_series
    draws = []

    def interrupted(*arguments):
        draws.append(1)
        if len(draws) == 2:
            raise KeyboardInterrupt
        return sample(*arguments)

    monkeypatch.setattr(pretraining_run, "sample_series", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pretrain(NETWORK, TINY, tmp_path, report=silent)
    found = pretrain(NETWORK, TINY, tmp_path, report=silent)
    assert equal(found, expected)


def test_a_run_may_start_from_weights():
    initial = ForecastNetwork(NETWORK)
    torch.nn.init.ones_(initial.stem.weight)
    config = replace(TINY, steps=1, learning_rate=0.0)
    assert equal(pretrain(NETWORK, config, None, report=silent, initial=initial), initial)


def test_a_state_of_another_network_is_refused(tmp_path):
    pretrain(NETWORK, replace(TINY, steps=1), tmp_path, report=silent)
    with pytest.raises(CheckpointError, match=r"belongs to other data or settings\. Remove it"):
        pretrain(replace(NETWORK, channels=9), TINY, tmp_path, report=silent)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": 0}, r"^steps must be a whole number from 1 to 100,000,000, got 0\.$"),
        ({"decay_share": 1.5}, r"^decay_share must be a number from 0 to 1, got 1\.5\.$"),
        ({"precision": "half"}, r"^precision must be one of 'auto', .*, got 'half'\.$"),
        ({"step": 5}, r"^Unknown key 'step' in PretrainConfig\. Known keys: average, clip, "),
    ],
)
def test_settings_that_are_not_allowed_are_named(values, message):
    with pytest.raises(ConfigError, match=message):
        PretrainConfig.from_dict(values)


def test_settings_go_through_a_dictionary_unchanged():
    assert PretrainConfig.from_dict(TINY.to_dict()) == TINY

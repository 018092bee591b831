"""Ratios of speed to a plain reference in the same process must not fall.

CPU time on one thread, the two taking turns, the quickest of some rounds: what is left of the noise
of a busy machine is well below the margin. Each floor is 15 % under the ratio that was measured.
"""

import time
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.nn import functional

import tcn
from benchmarks.plain_networks import (
    BATCH,
    CONTEXT,
    HORIZON,
    FullTCN,
    OnDemandTCN,
    frame_of,
    require_equal,
    season_panel,
)
from tcn.layers import ResidualBlock, Stack, dilation_cycles
from tcn.training.panel_windows import PanelWindows

pytestmark = pytest.mark.slow


def ratio(reference: Callable[[], object], own: Callable[[], object], rounds: int = 9) -> float:
    """How many times less CPU time `own` takes."""
    best = [np.inf, np.inf]
    for _ in range(rounds + 1):
        for place, call in enumerate((reference, own)):
            begin = time.process_time()
            call()
            best[place] = min(best[place], time.process_time() - begin)
    return best[0] / best[1]


def step_of(network, dtype=torch.float32):
    """A training step on one batch."""
    pairs = PanelWindows(season_panel(20), CONTEXT, HORIZON, batch_size=BATCH)(0)
    optimiser = torch.optim.AdamW(network.parameters(), fused=True)
    network.train()

    def step():
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            forecast = network(pairs.past)
        loss = functional.mse_loss(forecast.float(), pairs.future)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


@pytest.mark.parametrize(("dropout", "floor"), [(0.0, 4.6), (0.2, 7.2)])
def test_a_training_step_on_demand_beats_the_full_network(dropout, floor):
    require_equal()
    full, own = FullTCN(dropout), OnDemandTCN(dropout)
    assert ratio(step_of(full), step_of(own)) > floor


def test_the_last_position_on_demand_beats_the_whole_sequence():
    stack = Stack(lambda d: ResidualBlock(64, 64, 3, d), dilation_cycles(8)).eval()
    x = torch.randn(32, 512, 64).transpose(1, 2)
    with torch.inference_mode():
        torch.testing.assert_close(stack.last(x), stack(x)[..., -1:], rtol=1e-4, atol=1e-5)
        assert ratio(lambda: stack(x), lambda: stack.last(x), rounds=5) > 4.7


def test_many_series_at_once_beat_one_after_the_other():
    zero = tcn.load("zero")
    panel = season_panel(50, 200)
    each = [panel.take([index]) for index in range(len(panel))]
    together = lambda: zero.predict(panel, HORIZON)  # noqa: E731
    apart = lambda: [zero.predict(one, HORIZON) for one in each]  # noqa: E731
    np.testing.assert_allclose(
        np.concatenate([answer.mean for answer in apart()]), together().mean, rtol=1e-4, atol=1e-5
    )
    assert ratio(apart, together, rounds=3) > 3.6


def test_a_frame_is_read_and_checked_faster_than_it_is_taken_apart_by_pandas():
    frame = frame_of(season_panel(1000, 200))

    def parts():
        by_id = frame.groupby("unique_id")
        return [(group["ds"].to_numpy(), group["y"].to_numpy()) for _, group in by_id]

    panel = tcn.Panel.from_frame(frame)
    assert {len(y) for _, y in parts()} == set(panel.lengths.tolist()) == {200}
    assert ratio(parts, lambda: tcn.Panel.from_frame(frame), rounds=5) > 3.2

"""Floors, 15 % and more under what was measured: ratios of CPU time, on one thread, the best."""

import time

import pytest
import torch

from tcn.layers import ResidualBlock, Stack, Streams, dilation_cycles

pytestmark = pytest.mark.slow


def stack(levels):
    return Stack(lambda d: ResidualBlock(64, 64, 3, d), dilation_cycles(levels)).eval()


def best_cpu_ms(*calls, rounds=15, repeats=10):
    """The best CPU time of each call, all taking turns."""
    best = [float("inf")] * len(calls)
    for _ in range(rounds):
        for number, call in enumerate(calls):
            began = time.process_time()
            for _ in range(repeats):
                call()
            best[number] = min(best[number], 1e3 * (time.process_time() - began) / repeats)
    return best


def test_a_push_is_ten_times_faster_than_a_step_whose_state_is_copied():
    layer, x = stack(8), torch.randn(1, 64, 1)
    streams, state = Streams(layer), [layer.initial_state(1)]

    def step():
        with torch.inference_mode():
            _, state[0] = layer.step(x, state[0])

    copied, pushed = best_cpu_ms(step, lambda: streams.push(x))
    assert copied / pushed > 10.0, (copied, pushed)  # 15


def test_a_push_costs_no_more_for_a_field_64_times_as_long():
    x = torch.randn(1, 64, 1)
    short, long = Streams(stack(6)), Streams(stack(12))
    few, many = best_cpu_ms(lambda: short.push(x), lambda: long.push(x))
    assert many / few < 2.3, (few, many)  # 1.8 for twice the levels


def test_a_push_of_many_streams_costs_a_twelfth_for_each():
    layer = stack(8)
    one, many = Streams(layer), Streams(layer, 500)
    single, all_of_them = best_cpu_ms(
        lambda: one.push(torch.zeros(1, 64, 1)),
        lambda: many.push(torch.zeros(500, 64, 1)),
        repeats=3,
    )
    assert 500 * single / all_of_them > 12.0, (single, all_of_them)  # 17

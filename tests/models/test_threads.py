"""Batches side by side: results in order, and threads left as they were."""

import os
import threading
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
import torch

import tcn
from benchmarks.plain_networks import season_panel
from tcn.models.threads import even_batch_size, side_by_side


@pytest.fixture(params=[1, 2, 3])
def n_threads(request):
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(1)


def on_a_new_thread(call):
    found = []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()
    thread.join()
    return found[0]


def test_results_come_in_the_order_of_the_items(n_threads):
    assert list(side_by_side(lambda item: item * item, range(50))) == [i * i for i in range(50)]


def test_each_thread_computes_on_one(n_threads):
    found = set(side_by_side(lambda _: torch.get_num_threads(), range(20)))
    assert found == {1}


def test_one_item_is_left_to_the_caller_and_all_its_threads(n_threads):
    found = list(side_by_side(lambda _: (torch.get_num_threads(), threading.get_ident()), [0]))
    assert found == [(n_threads, threading.get_ident())]


def test_threads_are_left_as_they_were(n_threads):
    list(side_by_side(torch.sum, torch.ones(8, 4)))
    assert torch.get_num_threads() == n_threads
    assert on_a_new_thread(torch.get_num_threads) == n_threads


def test_what_goes_wrong_in_a_thread_is_raised(n_threads):
    with pytest.raises(ZeroDivisionError):
        list(side_by_side(lambda item: 1 // item, [1, 2, 0, 3]))


def test_a_child_process_has_threads_of_its_own(n_threads):
    list(side_by_side(torch.sum, torch.ones(8, 4)))
    if os.name == "posix":
        assert _sum_in_a_child() == [4.0] * 8


def _sum_in_a_child():
    with ProcessPoolExecutor(1) as pool:
        return pool.submit(_sums).result(timeout=30)


def _sums():
    torch.set_num_threads(2)
    return [float(each) for each in side_by_side(torch.sum, torch.ones(8, 4))]


def test_batches_are_even_for_all_threads_and_never_too_large(n_threads):
    for n_rows in (1, 31, 33, 100, 256, 600, 1000, 5000):
        size = even_batch_size(n_rows, 256)
        sizes = [min(size, n_rows - first) for first in range(0, n_rows, size)]
        assert sum(sizes) == n_rows
        assert max(sizes) <= 256
        rounds = len(sizes) // n_threads
        if n_rows >= 32 * n_threads * max(rounds, 1):
            assert len(sizes) % n_threads == 0
            assert max(sizes) - min(sizes) < len(sizes)


@pytest.mark.parametrize("horizon", [6, 30])  # at once, and rolled on
def test_forecasts_are_the_same_on_any_number_of_threads(n_threads, horizon):
    panel = season_panel(130, 200)
    zero = tcn.load("zero")
    found = zero.predict(panel, horizon, batch_size=40)
    assert torch.get_num_threads() == n_threads
    torch.set_num_threads(1)
    alone = zero.predict(panel, horizon)
    np.testing.assert_allclose(found.mean, alone.mean, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.quantiles, alone.quantiles, rtol=1e-5, atol=1e-5)

"""Batches side by side: each thread computes whole batches on its own.

A small convolution gains little from a second thread, and what lies between two of them nothing;
two batches at once have nothing to wait for.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

FEWEST_ROWS = 32  # of a batch that is worth a thread of its own
_BEGINNING = threading.Lock()


def side_by_side(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Results of `work` in the order of the items, on as many threads as torch has here.

    Each thread computes on one. With one thread, or one item, the work is done by the caller.
    `work` enters `torch.inference_mode` and the like itself: these hold for one thread.

    >>> list(side_by_side(lambda batch: batch.sum().item(), torch.ones(4, 3).split(2)))
    [6.0, 6.0]
    """
    given = list(items)
    n_threads = min(torch.get_num_threads(), len(given))
    if n_threads < 2:
        return map(work, given)
    return _pool(torch.get_num_threads(), os.getpid()).map(work, given)


def even_batch_size(n_rows: int, most: int) -> int:
    """The size of batches of `n_rows`, at most `most`, that gives threads the same work."""
    n_threads = torch.get_num_threads()
    rounds = -(-n_rows // (most * n_threads))
    fair = -(-n_rows // (n_threads * max(rounds, 1)))
    return min(most, max(fair, FEWEST_ROWS))


@lru_cache(maxsize=8)
def _pool(n_threads: int, process: int) -> ThreadPoolExecutor:  # noqa: ARG001 - a child has its own
    return ThreadPoolExecutor(n_threads, "tcn", initializer=_compute_alone)


def _compute_alone() -> None:
    """Have this thread compute on one; threads that begin later get as many as before.

    A thread begins with the number that was set last, by whichever thread.
    """
    with _BEGINNING:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        back = threading.Thread(target=torch.set_num_threads, args=(before,))
        back.start()
        back.join()

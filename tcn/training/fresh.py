"""Fresh networks whose weights follow a seed."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def fresh(build: Callable[[], Network], seed: int) -> Network:
    """What `build` makes in float32, its weights drawn from `seed`; torch's random state stays.

    >>> first, second = (fresh(lambda: nn.Linear(2, 1), seed=3) for _ in range(2))
    >>> torch.equal(first.weight, second.weight)
    True
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # noqa: TID251 - the one place where weights are drawn
        return build().float()

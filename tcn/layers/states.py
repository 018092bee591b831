"""States of streams as values: some streams taken out of a batch, batches joined to one.

A state is a tensor whose first axis counts the streams, or tuples and lists of states.
"""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from tcn.errors import ConfigError

State = TypeVar("State")


def take_states(state: State, streams: Sequence[int] | Tensor) -> State:
    """The state of some streams of a batch, in the order given; a copy.

    >>> take_states((torch.arange(3.0)[:, None],), [2, 0])
    (tensor([[2.],
            [0.]]),)
    """
    index = torch.as_tensor(streams, dtype=torch.int64)
    taken: State = with_leaves(state, (leaf[index.to(leaf.device)] for leaf in leaves(state)))
    return taken


def join_states(states: Sequence[State]) -> State:
    """The state of one batch with the streams of all `states`, one after another.

    Raises ConfigError where the states are not of one layer, or its streams stand at different
    positions between two outputs of a strided layer.

    >>> join_states([(torch.zeros(1, 2),), (torch.ones(1, 2),)])[0].shape
    torch.Size([2, 2])
    """
    if len(states) == 0:
        raise ConfigError("There are no states to join. Give at least one.")
    columns = zip(*(list(leaves(state)) for state in states), strict=True)
    try:
        joined = [torch.cat(column) for column in columns]
    except (RuntimeError, ValueError) as error:
        raise ConfigError(
            "The states cannot be joined: they are of different layers, or of streams at different "
            "phases of a stride. Join states of one layer after as many inputs."
        ) from error
    together: State = with_leaves(states[0], iter(joined))
    return together


def leaves(state: Any) -> Iterator[Tensor]:
    """The tensors of a state, in order."""
    if isinstance(state, Tensor):
        yield state
    else:
        for part in state:
            yield from leaves(part)


def with_leaves(state: Any, tensors: Iterator[Tensor]) -> Any:
    """A state built like `state` of other tensors, as many as it has."""
    if isinstance(state, Tensor):
        return next(tensors)
    parts = [with_leaves(part, tensors) for part in state]
    return type(state)(*parts) if hasattr(state, "_fields") else type(state)(parts)

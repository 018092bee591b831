"""Tables of layers: output shapes and numbers of parameters."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from torch import nn


class Row(NamedTuple):
    """One layer. shape: channels first, without the batch. fixed: statistics, not trained."""

    name: str
    shape: tuple[int | None, ...]
    trainable: int
    fixed: int

    @property
    def printed_shape(self) -> str:
        """The shape with the batch before it and the channels last.

        >>> Row("conv", (10, 16, 16), 490, 0).printed_shape
        '(None, 16, 16, 10)'
        """
        sizes = (None, *self.shape[1:], self.shape[0])
        return f"({', '.join(map(str, sizes))})"


def count(modules: Iterable[nn.Module]) -> tuple[int, int]:
    """Numbers that training changes, and numbers that are stored beside them."""
    trainable, fixed = 0, 0
    for module in modules:
        names = {name for name, _ in module.named_parameters()}
        for name, value in module.state_dict().items():
            if name in names:
                trainable += value.numel()
            elif value.is_floating_point():
                fixed += value.numel()
    return trainable, fixed


def summarise(rows: Sequence[Row]) -> str:
    """The table of a network: a line for each layer, then the totals.

    >>> print(summarise([Row("input", (2,), 0, 0), Row("1 dense", (3,), 9, 0)]))
    layer    output shape  parameters
    input    (None, 2)              0
    1 dense  (None, 3)              9
    total parameters: 9
    trainable: 9
    not trainable: 0
    """
    cells = [("layer", "output shape", "parameters")]
    cells += [(row.name, row.printed_shape, f"{row.trainable + row.fixed:,}") for row in rows]
    name, shape, number = (max(map(len, column)) for column in zip(*cells, strict=True))
    lines = [f"{a.ljust(name)}  {b.ljust(shape)}  {c.rjust(number)}" for a, b, c in cells]
    trainable, fixed = sum(row.trainable for row in rows), sum(row.fixed for row in rows)
    lines.append(f"total parameters: {trainable + fixed:,}")
    lines.append(f"trainable: {trainable:,}")
    lines.append(f"not trainable: {fixed:,}")
    return "\n".join(lines)

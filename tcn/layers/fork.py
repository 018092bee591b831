"""A sequence read twice: whole, and at some of its positions."""

from typing import Any

import torch
from torch import Tensor

Columns = tuple[int, int, int]


def fork(x: Tensor, columns: slice) -> tuple[Tensor, Tensor]:
    """`x` and `x[..., columns]`, for a block whose shortcut needs fewer positions than its path.

    Equal to plain indexing, values and gradients. The gradient of the columns is added into that of
    the whole, where they are, instead of to a tensor of zeros first. So the whole must go to one
    function that makes a gradient of its own, such as a convolution or a norm, not a sum.
    """
    is_plain = not x.requires_grad or torch.compiler.is_compiling()
    if is_plain or not torch.is_grad_enabled():
        return x, x[..., columns]
    columns_read = columns.indices(x.shape[-1])
    picked: tuple[Tensor, Tensor] = _Fork.apply(x, columns_read)  # type: ignore[no-untyped-call]
    return picked


class _Fork(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, columns: Columns) -> tuple[Tensor, Tensor]:
        return x.view_as(x), x[..., slice(*columns)]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Columns], output: object) -> None:  # noqa: ARG004
        ctx.columns = slice(*inputs[1])
        ctx.shape = inputs[0].shape
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, whole: Tensor | None, picked: Tensor | None) -> tuple[Any, None]:
        if picked is None:
            return whole, None
        if whole is None:
            whole = picked.new_zeros(ctx.shape)
        elif torch.is_grad_enabled():  # the gradient will itself be differentiated
            whole = whole.clone()
        whole[..., ctx.columns] += picked
        return whole, None

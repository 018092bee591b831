"""Positions as rows of arrays, (N, L, C): what a prepared layer computes with.

On the few rows of one series a call of numpy costs a fraction of one of torch. Large products are
left to torch, which shares them among its threads.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from tcn.layers.points import Matrix

Rows = NDArray[Any]  # float32 or float64, as the weights

MOST_PRODUCTS = 1 << 18  # multiplications up to which numpy's library uses one thread


def product(rows: Rows, matrix: Matrix) -> Rows:
    """Rows (..., C_in) times the transposed weights, plus the bias; new rows (..., C_out)."""
    flat = rows.reshape(-1, rows.shape[-1])
    if flat.size * len(matrix.weight_array) > MOST_PRODUCTS:
        y = functional.linear(torch.from_numpy(flat), matrix.weight, matrix.bias).numpy()
    else:
        y = flat.dot(matrix.weight_array.T)
        if matrix.bias_array is not None:
            y += matrix.bias_array
    return y.reshape(*rows.shape[:-1], -1)


def relu(rows: Rows) -> Rows:
    """The rows themselves, with negative numbers set to zero."""
    return np.maximum(rows, 0.0, out=rows)


def normed(rows: Rows, weight: Tensor | None, bias: Tensor | None, eps: float) -> Rows:
    """Each row (..., C) with mean 0 and variance 1; new rows."""
    y = torch.layer_norm(torch.from_numpy(rows), rows.shape[-1:], weight, bias, eps)
    normal: Rows = y.numpy()
    return normal


def can_be_rows(weight: Tensor) -> bool:
    """Whether weights are of a kind that arrays have, on the processor."""
    return weight.device.type == "cpu" and weight.dtype in (torch.float32, torch.float64)

"""Layouts of (N, C, L) tensors, and zeros before them."""

import pytest
import torch
from torch.nn import functional

from tcn.layers.layout import channels_last, is_channels_last, relu_behind_zeros


@pytest.mark.parametrize("layout", [torch.Tensor.contiguous, channels_last])
@pytest.mark.parametrize("count", [0, 1, 5])
@pytest.mark.parametrize("gradients", [False, True])
def test_relu_behind_zeros_is_the_relu_of_what_is_padded(layout, count, gradients):
    x = layout(torch.randn(3, 4, 6))
    x[0, 1, 2] = torch.nan
    expected = functional.pad(torch.relu(x), (count, 0))
    with torch.set_grad_enabled(gradients):
        found = relu_behind_zeros(x.clone(), count)
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)
    assert is_channels_last(found) == is_channels_last(x)


def test_relu_behind_zeros_passes_gradients_on():
    x = torch.randn(2, 3, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: relu_behind_zeros(x * 2.0, 2), (x,))

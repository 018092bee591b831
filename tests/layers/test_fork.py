"""Shortcuts of blocks on demand, and convolutions of one channel: fast ways, the same results."""

import pytest
import torch
from torch.nn import functional

from tcn.layers import CausalConv1d, ResidualBlock
from tcn.layers.fork import fork


def through(x, weight, read_twice):
    whole, columns = read_twice(x, slice(2, 9, 2))
    path = functional.conv1d(whole, weight, stride=2)
    return path.tanh() + columns[..., : path.shape[-1]].square()


def test_a_fork_has_the_gradients_of_plain_indexing():
    x = torch.randn(3, 4, 9, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 4, 3, dtype=torch.float64, requires_grad=True)
    plain = through(x, weight, lambda x, columns: (x, x[..., columns])).sum()
    own = through(x, weight, fork).sum()
    expected = torch.autograd.grad(plain, (x, weight))
    found = torch.autograd.grad(own, (x, weight))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert torch.autograd.gradcheck(lambda *a: through(*a, fork), (x, weight))
    assert torch.autograd.gradgradcheck(lambda *a: through(*a, fork), (x, weight))


def test_either_branch_of_a_fork_may_be_unused():
    x = torch.randn(2, 3, 5, requires_grad=True)
    whole, columns = fork(x, slice(1, 5, 2))
    (gradient,) = torch.autograd.grad(columns.sum(), x, retain_graph=True)
    assert gradient[0, 0].tolist() == [0.0, 1.0, 0.0, 1.0, 0.0]
    (gradient,) = torch.autograd.grad((2 * whole).sum(), x)
    assert (gradient == 2.0).all()


@pytest.mark.parametrize("count", [1, 3, 40])
def test_a_block_on_demand_has_the_gradients_of_the_whole(count):
    block = ResidualBlock(4, 4, 3, dilation=4).double()
    x = torch.randn(2, 4, 40, dtype=torch.float64, requires_grad=True)
    inputs = [x, *block.parameters()]
    whole = torch.autograd.grad(block(x)[..., -count:].square().sum(), inputs)
    on_demand = torch.autograd.grad(block.last(x, count).square().sum(), inputs)
    for a, b in zip(on_demand, whole, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("kernel_size", "dilation", "stride"), [(1, 1, 1), (3, 4, 1), (2, 3, 2)])
def test_a_long_convolution_of_one_channel_equals_conv1d(kernel_size, dilation, stride):
    conv = CausalConv1d(1, 8, kernel_size, dilation, stride=stride).double()
    x = torch.randn(3, 1, 501, dtype=torch.float64, requires_grad=True)
    padded = functional.pad(x, (conv.left_padding, 0))
    expected = functional.conv1d(padded, conv.weight, conv.bias, stride, 0, dilation)
    found = conv(x)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    inputs = [x, conv.weight, conv.bias]
    for a, b in zip(
        torch.autograd.grad(found.square().sum(), inputs),
        torch.autograd.grad(expected.square().sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)

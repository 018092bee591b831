"""Rows C23 to C34: pooling, transposed convolution, images of any size."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tcn.errors import ConfigError
from tcn.layers import Conv2d, ConvTranspose2d, conv_transpose_out
from tcn.models.image import ImageConfig, ImageNetwork, residual_cnn, specs

SIX = torch.arange(36.0).reshape(1, 1, 6, 6)
INPUT = torch.tensor([[1.0, 0], [2, 3]])
KERNEL = torch.tensor([[2.0, 3], [4, 5]])
SCATTERED = [[2.0, 3, 0, 0], [4, 5, 0, 0], [4, 6, 6, 9], [8, 10, 12, 15]]


def build(layers, input_shape):
    return ImageNetwork(ImageConfig(input_shape, layers)).eval()


def shape_of(input_shape, *layers):
    channels, rows, columns = ImageNetwork(ImageConfig(input_shape, layers)).output_shape
    return rows, columns, channels


def transposed(stride, bias=True):
    conv = ConvTranspose2d(1, 1, 2, stride=stride, bias=bias)
    with torch.no_grad():
        conv.weight.copy_(KERNEL)
        if conv.bias is not None:
            conv.bias.zero_()
    return conv


@pytest.mark.row("C23")
def test_max_pooling_takes_the_largest_of_each_window_and_steps_by_its_size():
    y = build([specs.MaxPool(size=2)], (6, 6, 1))(SIX)
    assert y[0, 0].tolist() == [[7.0, 9, 11], [19, 21, 23], [31, 33, 35]]
    assert shape_of((6, 6, 1), specs.MaxPool(size=2)) == (3, 3, 1)
    assert shape_of((6, 6, 1), specs.MaxPool(size=2, stride=1)) == (5, 5, 1)


@pytest.mark.row("C24")
def test_average_pooling_takes_the_mean_of_each_window():
    y = build([specs.AveragePool(size=2)], (6, 6, 1))(SIX)
    assert y[0, 0].tolist() == [[3.5, 5.5, 7.5], [15.5, 17.5, 19.5], [27.5, 29.5, 31.5]]


@pytest.mark.row("C24")
def test_pooling_over_the_edge_reads_only_what_is_inside():
    x = -torch.ones(1, 1, 3, 5)
    for spec in (specs.MaxPool(padding="same"), specs.AveragePool(padding="same")):
        y = build([spec], (3, 5, 1))(x)
        assert y.shape == (1, 1, 2, 3)
        assert torch.equal(y, -torch.ones(1, 1, 2, 3))


@pytest.mark.row("C25", "C26")
def test_pooling_has_no_parameters_and_comes_to_the_shape_of_a_stride():
    pooled = (specs.Conv(channels=8), specs.MaxPool())
    strided = (specs.Conv(channels=8, stride=2),)
    assert shape_of((16, 16, 3), *pooled) == shape_of((16, 16, 3), *strided) == (8, 8, 8)
    for spec in (specs.MaxPool(), specs.AveragePool(), specs.GlobalPool()):
        row = ImageNetwork(ImageConfig((16, 16, 3), [spec])).rows[1]
        assert row.trainable == row.fixed == 0


@pytest.mark.row("C27")
def test_global_pooling_gives_one_number_per_channel():
    x = torch.randn(5, 7, 4, 6)
    average = build([specs.GlobalPool()], (4, 6, 7))(x)
    assert average.shape == (5, 7)
    assert average.shape != (5, 1)
    torch.testing.assert_close(average, x.mean((2, 3)))
    largest = build([specs.GlobalPool(pool="max")], (4, 6, 7))(x)
    assert torch.equal(largest, x.amax((2, 3)))


@pytest.mark.row("C28")
@given(
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    padding=st.integers(0, 1),
    dilation=st.integers(1, 2),
)
def test_the_transposed_convolution_is_the_adjoint_of_the_convolution(
    kernel, stride, padding, dilation
):
    options = {"stride": stride, "padding": padding, "dilation": dilation, "bias": False}
    up = ConvTranspose2d(3, 2, kernel, **options).double()
    b = torch.randn(1, 3, 4, 4, dtype=torch.float64)
    if up.output_size((4, 4))[0] < 1:
        return
    image = up(b)
    size = conv_transpose_out(4, kernel, stride, padding, dilation)
    assert size == (4 - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1
    assert image.shape == (1, 2, size, size)
    down = Conv2d(2, 3, kernel, **options).double()
    down.load_state_dict(up.state_dict())
    a = torch.randn_like(image)
    torch.testing.assert_close((down(a) * b).sum(), (a * image).sum())


@pytest.mark.row("C28")
def test_zeros_go_between_the_inputs_and_the_convolution_is_not_undone():
    spread = torch.zeros(1, 1, 5, 5)
    spread[..., 1:4:2, 1:4:2] = INPUT  # one zero between two inputs, one around them
    conv = Conv2d(1, 1, 2, padding="valid", bias=False)
    with torch.no_grad():
        conv.weight.copy_(KERNEL.flip(0, 1))
    torch.testing.assert_close(transposed(2)(INPUT[None, None]), conv(spread))
    down = Conv2d(1, 1, 2, stride=2, padding=0, bias=False)
    with torch.no_grad():
        down.weight.copy_(KERNEL)
    back = down(transposed(2)(INPUT[None, None]))
    torch.testing.assert_close(back[0, 0], INPUT * float((KERNEL**2).sum()))
    assert not torch.allclose(back[0, 0], INPUT)


@pytest.mark.row("C29", "C30")
def test_at_stride_two_each_input_scatters_its_own_copy_of_the_kernel():
    y = transposed(2)(INPUT[None, None])[0, 0]
    assert y.tolist() == SCATTERED
    for row in range(2):
        for column in range(2):
            block = y[2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            assert torch.equal(block, INPUT[row, column] * KERNEL)
    assert not set(y.flatten().tolist()) & {13.0, 23.0}


@pytest.mark.row("C31")
def test_without_a_stride_the_kernels_overlap():
    y = transposed(1)(INPUT[None, None])
    assert y[0, 0].tolist() == [[2.0, 3, 0], [8, 17, 9], [8, 22, 15]]
    assert y[0, 0].tolist() != SCATTERED


@pytest.mark.row("C31")
def test_a_state_without_the_bias_is_refused():
    without = {"weight": KERNEL[None, None]}
    with pytest.raises(RuntimeError, match="bias"):
        transposed(2).load_state_dict(without)
    transposed(2, bias=False).load_state_dict(without)


@pytest.mark.row("C32")
@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"kernel_size": 2, "padding": 0}, 12),
        ({"kernel_size": 4, "padding": 1}, 12),
        ({"kernel_size": 3, "padding": 1, "output_padding": 1}, 12),
        ({"kernel_size": 3, "padding": 1}, 11),
        ({"kernel_size": 3, "padding": "valid"}, 13),
        ({"kernel_size": 3, "padding": "same"}, 12),
    ],
)
def test_six_pixels_become_twelve_for_some_kernels_and_paddings_alone(options, size):
    spec = specs.ConvTranspose(channels=2, stride=2, **options)
    assert shape_of((6, 6, 3), spec) == (size, size, 2)
    assert build([spec], (6, 6, 3))(torch.zeros(1, 3, 6, 6)).shape == (1, 2, size, size)


@pytest.mark.row("C33")
def test_a_kernel_of_one_changes_nothing_at_stride_one_and_interleaves_zeros_at_two():
    x = torch.arange(1.0, 17.0).reshape(1, 1, 4, 4)
    layers = [nn.Identity(), nn.Identity()]
    for index, stride in enumerate((1, 2)):
        layers[index] = ConvTranspose2d(1, 1, 1, stride=stride)
        with torch.no_grad():
            layers[index].weight.fill_(1.0)
            layers[index].bias.zero_()
    assert torch.equal(layers[0](x), x)
    y = layers[1](x)
    assert y.shape == (1, 1, 7, 7)
    assert torch.equal(y[..., ::2, ::2], x)
    assert y.sum() == x.sum()


@pytest.mark.row("C34")
@pytest.mark.parametrize("head", ["global pool", "convolution"])
def test_one_network_reads_images_of_any_size(head):
    conv_head = (
        specs.Conv(channels=16, stride=2, activation="relu"),
        specs.Conv(channels=10, kernel_size=1),
        specs.GlobalPool(),
        specs.Softmax(),
    )
    config = ImageConfig((None, None, 3), conv_head)
    network = ImageNetwork(
        config if head == "convolution" else residual_cnn((None, None, 3))
    ).eval()
    assert network.rows[0].printed_shape == "(None, None, None, 3)"
    for rows, columns in ((32, 32), (48, 40), (64, 64)):
        y = network(torch.randn(1, 3, rows, columns))
        assert y.shape == (1, 10)
        torch.testing.assert_close(y.sum(), torch.tensor(1.0))


@pytest.mark.row("C34")
def test_one_network_reads_series_of_50_to_5000_steps():
    body = (
        specs.Conv(channels=6, padding="causal", dilation=4),
        specs.RMSNorm(),
        specs.ReLU(),
        specs.Conv(channels=6, padding="causal", dilation=4),
    )
    layers = (specs.Residual(layers=body), specs.GlobalPool(), specs.Dense(units=3))
    network = build(layers, (None, 1))
    for length in (50, 333, 5000):
        assert network(torch.randn(2, 1, length)).shape == (2, 3)


@pytest.mark.row("C34")
def test_a_dense_layer_after_flatten_needs_to_know_the_size():
    message = r"^Layer 2 \(flatten\) after any x any x 8: the size of the images is free"
    with pytest.raises(ConfigError, match=message):
        build((specs.Conv(channels=8), specs.Flatten(), specs.Dense()), (None, None, 3))
    fixed = build((specs.Conv(channels=8), specs.Flatten(), specs.Dense()), (8, 8, 3))
    with pytest.raises(
        ConfigError, match=r"^The network reads 8 x 8 x 3; the input is 9 x 8 x 3\.$"
    ):
        fixed(torch.zeros(1, 3, 9, 8))


@pytest.mark.row("C34")
def test_a_convolution_of_kernel_one_keeps_every_position_and_global_pooling_makes_one_of_them():
    assert shape_of((5, 6, 3), specs.Conv(channels=4, kernel_size=1)) == (5, 6, 4)
    pooled = ImageNetwork(
        ImageConfig((5, 6, 3), [specs.Conv(channels=4, kernel_size=1), specs.GlobalPool()])
    )
    assert pooled.output_shape == (4,)
    assert np.prod((5, 6, 4)) != 4

"""Output sizes and 2D layers."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from tcn.errors import ConfigError
from tcn.layers import (
    CausalConv1d,
    CausalConvTranspose1d,
    Conv2d,
    ConvTranspose2d,
    MaskedConv2d,
    conv_out,
    conv_transpose_out,
    same_padding,
)


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
def test_conv_out_equals_the_size_that_torch_gives(kernel_size, stride, dilation):
    for size in range(dilation * (kernel_size - 1) + 1, 14):
        for padding in range(3):
            y = functional.conv1d(
                torch.zeros(1, 1, size),
                torch.zeros(1, 1, kernel_size),
                None,
                stride,
                padding,
                dilation,
            )
            assert conv_out(size, kernel_size, stride, padding, dilation) == y.shape[-1]
        assert conv_out(size, kernel_size, stride, "same", dilation) == -(-size // stride)
        causal = CausalConv1d(1, 1, kernel_size, dilation, stride=stride)
        expected = conv_out(size, kernel_size, stride, "causal", dilation)
        assert causal(torch.zeros(1, 1, size)).shape[-1] == expected
        assert causal.output_length(size) == expected


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_conv_transpose_out_equals_the_size_that_torch_gives(kernel_size, stride):
    for size in range(2, 8):
        for padding in range(min(2, (kernel_size + 1) // 2)):
            for more in range(stride):
                y = functional.conv_transpose1d(
                    torch.zeros(1, 1, size),
                    torch.zeros(1, 1, kernel_size),
                    None,
                    stride,
                    padding,
                    more,
                )
                found = conv_transpose_out(size, kernel_size, stride, padding, output_padding=more)
                assert found == y.shape[-1]
        up = CausalConvTranspose1d(1, 1, kernel_size, stride)
        expected = conv_transpose_out(size, kernel_size, stride, "same")
        assert up(torch.zeros(1, 1, size)).shape[-1] == expected == up.output_length(size)


def test_conv_out_takes_a_height_and_a_width():
    assert conv_out((6, 9), kernel_size=3, stride=2, padding=1) == (3, 5)
    assert conv_out((6, 9), kernel_size=(3, 2), stride=(1, 2), padding="valid") == (4, 4)


def test_conv_out_rejects_an_axis_shorter_than_the_kernel():
    with pytest.raises(ConfigError, match=r"axis of 3 .* 5 positions of kernel_size=3, dilation=2"):
        conv_out(3, kernel_size=3, dilation=2)


def test_conv_out_rejects_an_unknown_padding():
    with pytest.raises(ConfigError, match="'same', 'valid' or 'causal', got 'full'"):
        conv_out(3, kernel_size=3, padding="full")


def test_same_padding_puts_the_odd_zero_after():
    assert same_padding(32, 3, stride=2) == (0, 1)
    assert same_padding(32, 4, stride=2) == (1, 1)
    assert same_padding(32, 4) == (1, 2)
    assert same_padding(5, 1, stride=3) == (0, 0)


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [(7, 8), (32, 9)])
def test_same_padding_of_images_keeps_the_size_over_the_stride(kernel_size, stride, size):
    layer = Conv2d(2, 3, kernel_size, stride=stride, padding="same")
    y = layer(torch.randn(1, 2, *size))
    assert tuple(y.shape[2:]) == layer.output_size(size)
    assert tuple(y.shape[2:]) == tuple(-(-side // stride) for side in size)


def test_same_and_numeric_padding_differ_by_one_pixel_at_stride_two():
    x = torch.randn(1, 1, 32, 32)
    named = Conv2d(1, 1, 3, stride=2, padding="same")
    numeric = Conv2d(1, 1, 3, stride=2, padding=1)
    numeric.load_state_dict(named.state_dict())
    assert named(x).shape == numeric(x).shape
    assert not torch.allclose(named(x), numeric(x))
    shifted = functional.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
    torch.testing.assert_close(named(x)[:, :, 1:, 1:], numeric(shifted)[:, :, 1:, 1:])


@pytest.mark.parametrize("padding", [0, 1, (1, 2)])
def test_equals_torch_with_numeric_padding(padding):
    ours = Conv2d(3, 4, 3, stride=2, padding=padding, dilation=2)
    theirs = nn.Conv2d(3, 4, 3, stride=2, padding=padding, dilation=2)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 3, 11, 12)
    assert torch.equal(ours(x), theirs(x))


def test_layers_compute_cross_correlation():
    image = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])[None, None]
    layer = Conv2d(1, 1, 3, padding="same", bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[-1.0, -1, -1], [0, 0, 0], [1, 1, 1]]))
    expected = [[9.0, 15, 11], [12, 18, 12], [-9, -15, -11]]
    assert layer(image)[0, 0].tolist() == expected


def test_causal_padding_of_images_reads_above_and_to_the_left():
    layer = Conv2d(1, 1, 3, padding="causal")
    x = torch.randn(1, 1, 6, 6, requires_grad=True)
    y = layer(x)
    assert y.shape == x.shape
    (gradient,) = torch.autograd.grad(y[0, 0, 3, 3], x)
    read = gradient[0, 0].nonzero()
    assert read.min().item() == 1
    assert read.max().item() == 3


@pytest.mark.parametrize(("mask", "colours"), [("A", 1), ("B", 1), ("A", 3), ("B", 3)])
def test_a_masked_layer_reads_only_what_raster_order_allows(mask, colours):
    layer = MaskedConv2d(3, 6, 5, mask=mask, colours=colours)
    x = torch.randn(1, 3, 7, 7, requires_grad=True)
    y = layer(x)
    assert y.shape == (1, 6, 7, 7)
    for channel in range(6):
        (gradient,) = torch.autograd.grad(y[0, channel, 3, 3], x, retain_graph=True)
        read = {tuple(place) for place in gradient[0].nonzero().tolist()}
        assert read == allowed_reads(mask, colours, channel)


def allowed_reads(mask, colours, channel):
    """(channel, row, column) that output `channel` of 6 at (3, 3) may read, 5 x 5 around it."""
    places = set()
    for source in range(3):
        before = channel // (6 // colours) - source // (3 // colours)
        for row in range(1, 4):
            for column in range(1, 6):
                centre = before > 0 or (mask == "B" and before == 0)
                if row < 3 or column < 3 or ((row, column) == (3, 3) and centre):
                    places.add((source, row, column))
    return places


def test_masked_layers_stacked_a_then_b_never_read_the_pixel_itself_or_later():
    network = nn.Sequential(
        MaskedConv2d(1, 4, 3, mask="A"), MaskedConv2d(4, 4, 3, mask="B"), nn.ReLU()
    )
    x = torch.randn(1, 1, 6, 6, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(x)[0, :, 3, 2].sum(), x)
    assert (gradient.flatten()[3 * 6 + 2 :] == 0).all()


def test_the_mask_is_no_part_of_the_saved_weights():
    assert set(MaskedConv2d(1, 4, 3, mask="A").state_dict()) == {"weight", "bias"}


def test_the_transposed_layer_scatters_scaled_kernels():
    layer = ConvTranspose2d(1, 1, 2, stride=2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[2.0, 3], [4, 5]]))
        layer.bias.zero_()
    x = torch.tensor([[1.0, 0], [2, 3]])[None, None]
    expected = [[2.0, 3, 0, 0], [4, 5, 0, 0], [4, 6, 6, 9], [8, 10, 12, 15]]
    assert layer(x)[0, 0].tolist() == expected


def test_stride_one_is_the_default_of_the_transposed_layer():
    layer = ConvTranspose2d(1, 1, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[2.0, 3], [4, 5]]))
    x = torch.tensor([[1.0, 0], [2, 3]])[None, None]
    assert layer(x)[0, 0].tolist() == [[2.0, 3, 0], [8, 17, 9], [8, 22, 15]]


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_same_padding_of_the_transposed_layer_is_the_adjoint_of_the_forward_one(
    kernel_size, stride
):
    up = ConvTranspose2d(3, 2, kernel_size, stride=stride, padding="same", bias=False).double()
    down = Conv2d(2, 3, kernel_size, stride=stride, padding="same", bias=False).double()
    down.load_state_dict(up.state_dict())
    x = torch.randn(1, 3, 4, 5, dtype=torch.float64)
    y = torch.randn(1, 2, 4 * stride, 5 * stride, dtype=torch.float64)
    assert up(x).shape == y.shape
    assert up.output_size((4, 5)) == tuple(y.shape[2:])
    torch.testing.assert_close((up(x) * y).sum(), (x * down(y)).sum())


@pytest.mark.parametrize(
    "options",
    [{"stride": 2, "padding": 1, "output_padding": 1}, {"stride": 3, "dilation": 2}],
)
def test_the_transposed_layer_equals_that_of_torch(options):
    ours = ConvTranspose2d(3, 4, 3, **options)
    theirs = nn.ConvTranspose2d(3, 4, 3, **options)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 3, 5, 6)
    assert torch.equal(ours(x), theirs(x))
    assert tuple(ours(x).shape[2:]) == ours.output_size((5, 6))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Conv2d(0, 1, 3), r"at least 1, got in_channels=0"),
        (lambda: Conv2d(4, 6, 3, groups=4), r"^groups must divide .* got 4\.$"),
        (lambda: Conv2d(1, 1, 3, padding="full"), "got 'full'"),
        (lambda: MaskedConv2d(1, 1, 3, mask="C"), r"^mask must be 'A' or 'B', got 'C'\.$"),
        (lambda: MaskedConv2d(1, 1, 4, mask="A"), r"odd kernel_size, got 4\.$"),
        (lambda: MaskedConv2d(3, 4, 3, mask="A", colours=3), r"^colours must divide .* got 3\.$"),
        (lambda: ConvTranspose2d(1, 1, 3, padding="causal"), "got 'causal'"),
        (
            lambda: ConvTranspose2d(1, 1, 3, padding="same", output_padding=1),
            "goes with a padding in numbers, got padding='same'",
        ),
        (lambda: CausalConvTranspose1d(1, 1, 0, 2), r"at least 1, got .*kernel_size=0"),
        (lambda: CausalConvTranspose1d(4, 6, 2, 2, groups=4), r"^groups must divide .* got 4\.$"),
    ],
)
def test_a_refusal_names_the_value(build, message):
    with pytest.raises(ConfigError, match=message):
        build()

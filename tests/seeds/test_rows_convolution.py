"""Rows C1 to C22: 2D convolution, its sizes, paddings, filters and channels."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from tcn.errors import ConfigError
from tcn.images import ImageSet
from tcn.layers import Conv2d, conv_out, same_padding
from tcn.models.image import ImageConfig, ImageNetwork, small_cnn, specs, summarise
from tcn.training.images import ImageTrainConfig, fit_images, fresh_network

ROOT = Path(__file__).parents[2]
IMAGE = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])[None, None]
HORIZONTAL = torch.tensor([[-1.0, -1, -1], [0, 0, 0], [1, 1, 1]])
VERTICAL = torch.tensor([[-1.0, 0, 1]] * 3)
X = torch.tensor([[1.0, 0, 1], [0, 1, 0], [1, 0, 1]])
O = torch.tensor([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]])  # noqa: E741 - the letter it draws
FALLING = torch.tensor([[1.0, 0], [0, 1]])
RISING = torch.tensor([[0.0, 1], [1, 0]])


def layer(weight, *, padding="valid", flip=False):
    """A convolution of one channel, without bias, with a given kernel."""
    conv = Conv2d(1, 1, tuple(weight.shape), padding=padding, bias=False)
    with torch.no_grad():
        conv.weight.copy_(weight.flip(0, 1) if flip else weight)
    return conv


def shape_of(input_shape, *layers):
    """Output shape in the documents' order: rows, columns, channels."""
    channels, rows, columns = ImageNetwork(ImageConfig(input_shape, layers)).output_shape
    return rows, columns, channels


@pytest.mark.row("C1")
def test_a_layer_correlates_and_the_flipped_convolution_has_the_other_sign():
    assert layer(HORIZONTAL)(IMAGE).item() == 18.0
    assert layer(HORIZONTAL, flip=True)(IMAGE).item() == -18.0
    document = sum(IMAGE[0, 0, i, j] * HORIZONTAL[2 - i, 2 - j] for i in range(3) for j in range(3))
    assert document.item() == -18.0
    symmetric = HORIZONTAL + HORIZONTAL.flip(0, 1) + 1.0
    assert torch.equal(layer(symmetric)(IMAGE), layer(symmetric, flip=True)(IMAGE))


@pytest.mark.row("C2")
def test_the_edge_filters_give_a_number_for_each_position():
    assert layer(HORIZONTAL)(IMAGE).tolist() == [[[[18.0]]]]
    padded = layer(HORIZONTAL, padding="same")(IMAGE)
    assert padded[0, 0].tolist() == [[9.0, 15, 11], [12, 18, 12], [-9, -15, -11]]
    assert layer(VERTICAL)(IMAGE).item() == 6.0
    assert layer(-HORIZONTAL)(IMAGE).item() == -18.0


@pytest.mark.row("C3")
def test_among_patches_of_equal_norm_the_filter_itself_answers_most():
    kernel = torch.randn(3, 3)
    patches = torch.randn(200, 1, 3, 3)
    patches = patches / patches.flatten(1).norm(dim=1)[:, None, None, None]
    best = (kernel / kernel.norm())[None, None]
    answers = layer(kernel)(torch.cat([patches, best, -best])).flatten()
    assert answers.argmax() == 200
    assert answers.argmin() == 201
    louder = layer(kernel)(100.0 * patches[answers[:200].argmax()][None])
    assert louder > answers[200]  # a large patch that fits worse answers more: norms must be equal


@pytest.mark.row("C3", "C5")
def test_a_step_from_dark_to_bright_is_found_by_the_filter_of_its_direction():
    image = torch.zeros(1, 1, 9, 9)
    image[:, :, 5:] = 1.0
    across = layer(HORIZONTAL, padding="same")(image)[0, 0, 1:-1, 1:-1]
    assert set(across.argmax(dim=0).tolist()) <= {3, 4}
    assert across[0].abs().max() == across[-1].abs().max() == 0.0
    upright = layer(VERTICAL, padding="same")(image)[0, 0, :, 1:-1]
    assert upright.abs().max() == 0.0


@pytest.mark.row("C4")
def test_a_convolution_moves_with_the_image_and_a_dense_layer_knows_no_neighbours():
    conv = Conv2d(1, 4, 3, padding="same")
    x = torch.randn(1, 1, 12, 12)
    moved = functional.pad(x, (2, 0, 1, 0))[..., :12, :12]
    torch.testing.assert_close(conv(moved)[..., 3:-2, 4:-2], conv(x)[..., 2:-3, 2:-4])
    order = torch.randperm(144)
    dense, shuffled = nn.Linear(144, 5), nn.Linear(144, 5)
    with torch.no_grad():
        shuffled.weight.copy_(dense.weight[:, order])
        shuffled.bias.copy_(dense.bias)
    torch.testing.assert_close(shuffled(x.flatten(1)[:, order]), dense(x.flatten(1)))


@pytest.mark.row("C4")
def test_parameters_of_a_convolution_do_not_depend_on_the_size_of_the_image():
    counts = {
        ImageNetwork(ImageConfig((size, size, 3), [specs.Conv(channels=8)])).rows[1].trainable
        for size in (8, 64, None)
    }
    assert counts == {(3 * 3 * 3 + 1) * 8}
    assert shape_of((20, 20, 3), specs.Conv(channels=8)) == (20, 20, 8)
    assert shape_of((20, 20, 3), specs.Conv(channels=8, padding="valid")) == (18, 18, 8)


@pytest.mark.row("C5", "C22")
def test_filters_are_learned_from_seeded_random_ones_and_can_be_read():
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 300)
    images = random.integers(0, 60, (300, 8, 8, 1))
    for image, label in zip(images, labels, strict=True):
        place = random.integers(1, 7)
        view = image if label else image.transpose(1, 0, 2)
        view[place] += 150
    bars = ImageSet.from_arrays(images.astype(np.uint8), labels, ["upright", "across"])
    layers = (
        specs.Conv(channels=4, activation="relu"),
        specs.GlobalPool(pool="max"),
        specs.Dense(units=2),
    )
    config = ImageConfig((8, 8, 1), layers)
    start, again = fresh_network(config, 3), fresh_network(config, 3)
    assert torch.equal(start.body[0].weight, again.body[0].weight)
    classifier = fit_images(bars, config, ImageTrainConfig(epochs=12, learning_rate=0.02, seed=3))
    filters = classifier.network.body[0].weight.detach()
    assert filters.shape == (4, 1, 3, 3)
    assert (filters - start.body[0].weight).abs().max() > 0.1
    assert (classifier.predict(bars.images).labels == bars.labels).mean() > 0.95


@pytest.mark.row("C6")
def test_a_layer_takes_filters_kernel_stride_padding_and_dilation():
    assert shape_of((32, 32, 3), specs.Conv(channels=64, kernel_size=3)) == (32, 32, 64)
    wide = specs.Conv(channels=64, kernel_size=3, dilation=4, padding="valid")
    assert shape_of((32, 32, 3), wide) == (24, 24, 64)


@pytest.mark.row("C7")
def test_stride_four_leaves_a_quarter_of_each_side_and_filters_set_the_channels():
    assert shape_of((64, 64, 1), specs.Conv(channels=2, stride=2)) == (32, 32, 2)
    rows, columns, channels = shape_of((64, 64, 1), specs.Conv(channels=2, stride=4))
    assert (rows, columns, channels) == (16, 16, 2)
    assert rows * columns * 16 == 64 * 64
    assert channels != 1


@pytest.mark.row("C8")
@given(
    size=st.integers(1, 40),
    kernel=st.integers(1, 7),
    stride=st.integers(1, 4),
    dilation=st.integers(1, 3),
)
def test_same_padding_keeps_one_position_for_each_stride_with_the_odd_zero_last(
    size, kernel, stride, dilation
):
    before, after = same_padding(size, kernel, stride, dilation)
    out = -(-size // stride)
    assert before + after == max((out - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
    assert after - before in (0, 1)
    assert conv_out(size, kernel, stride, "same", dilation) == out


@pytest.mark.row("C8")
def test_same_padding_at_stride_two_starts_one_pixel_later_than_padding_one():
    assert same_padding(32, kernel_size=3, stride=2) == (0, 1)
    assert same_padding(32, kernel_size=4, stride=2) == (1, 1)
    named, numeric = (Conv2d(1, 1, 3, stride=2, padding=p) for p in ("same", 1))
    numeric.load_state_dict(named.state_dict())
    x = torch.randn(1, 1, 32, 32)
    assert named(x).shape == numeric(x).shape == (1, 1, 16, 16)
    assert not torch.allclose(named(x), numeric(x))
    later = functional.pad(x, (0, 1, 0, 1))[..., 1:, 1:]
    torch.testing.assert_close(named(x)[..., 1:, 1:], numeric(later)[..., 1:, 1:])


@pytest.mark.row("C9")
def test_stride_two_with_same_padding_halves_sixteen_to_eight():
    found = shape_of((16, 16, 10), specs.Conv(channels=20, kernel_size=3, stride=2))
    assert found == (8, 8, 20)
    assert found != (16, 16, 10)


@pytest.mark.row("C10")
def test_filters_of_the_first_layer_are_as_deep_as_the_image():
    network = ImageNetwork(small_cnn())
    assert network.body[0].weight.shape == (10, 3, 4, 4)
    assert network.rows[1].trainable == 4 * 4 * 3 * 10 + 10 == 490
    assert ImageNetwork(small_cnn((32, 32, 1))).body[0].weight.shape == (10, 1, 4, 4)


@pytest.mark.row("C11")
def test_the_second_layer_has_twenty_filters_of_three_by_three_by_ten():
    network = ImageNetwork(small_cnn())
    assert network.body[1].weight.shape == (20, 10, 3, 3)
    assert network.rows[2].trainable == (3 * 3 * 10 + 1) * 20 == 1820
    assert network.rows[2].trainable != (4 * 4 * 10 + 1) * 10


@pytest.mark.row("C12")
@pytest.mark.parametrize("channels", [1, 3, 10])
def test_the_depth_of_the_output_is_the_number_of_filters_whatever_comes_in(channels):
    assert shape_of((16, 16, channels), specs.Conv(channels=20)) == (16, 16, 20)


@pytest.mark.row("C13", "B25")
def test_shapes_are_traced_layer_by_layer():
    shapes = [row.printed_shape for row in ImageNetwork(small_cnn()).rows]
    assert shapes == [
        "(None, 32, 32, 3)",
        "(None, 16, 16, 10)",
        "(None, 8, 8, 20)",
        "(None, 1280)",
        "(None, 10)",
    ]
    assert "2 conv     (None, 8, 8, 20)         1,820" in summarise(ImageNetwork(small_cnn()).rows)


@pytest.mark.row("C14")
@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"kernel_size": 3, "padding": 1}, 3),
        ({"kernel_size": 2, "padding": "valid"}, 3),
        ({"kernel_size": 3, "padding": "valid"}, 2),
    ],
)
def test_what_stride_two_makes_of_six_pixels_depends_on_kernel_and_padding(options, size):
    assert shape_of((6, 6, 3), specs.Conv(channels=64, stride=2, **options)) == (size, size, 64)


@pytest.mark.row("C15")
@given(
    size=st.integers(1, 30),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 4),
    padding=st.integers(0, 4),
    dilation=st.integers(1, 3),
)
def test_one_formula_gives_the_output_size_and_it_is_that_of_torch(
    size, kernel, stride, padding, dilation
):
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    if room < 0:
        with pytest.raises(ConfigError, match="is shorter than"):
            conv_out(size, kernel, stride, padding, dilation)
        return
    x = torch.zeros(1, 1, size, size)
    y = functional.conv2d(x, torch.zeros(1, 1, kernel, kernel), None, stride, padding, dilation)
    assert conv_out(size, kernel, stride, padding, dilation) == y.shape[2] == room // stride + 1
    spec = specs.Conv(
        channels=1, kernel_size=kernel, stride=stride, padding=padding, dilation=dilation
    )
    assert shape_of((size, size, 1), spec)[:2] == tuple(y.shape[2:])


@pytest.mark.row("C16", "C17")
def test_padding_adds_a_row_and_a_column_on_each_side_and_stride_two_still_halves():
    assert conv_out(3, kernel_size=3, stride=1, padding=1) == 3
    assert conv_out(3, kernel_size=3, stride=2, padding=1) == 2
    assert conv_out(32, kernel_size=3, stride=2, padding=1) == 16
    padded = functional.pad(IMAGE, (1, 1, 1, 1))
    assert padded.shape[2:] == (5, 5)
    conv = layer(HORIZONTAL, padding=1)
    assert torch.equal(conv(IMAGE), layer(HORIZONTAL)(padded))


@pytest.mark.row("C18")
def test_a_kernel_of_two_with_stride_two_drops_the_last_row_and_column_of_three():
    conv = Conv2d(1, 1, 2, stride=2, padding=0)
    changed = IMAGE.clone()
    changed[..., 2, :] = changed[..., :, 2] = 100.0
    assert conv(IMAGE).shape == (1, 1, 1, 1)
    assert torch.equal(conv(changed), conv(IMAGE))
    assert Conv2d(1, 1, 2, stride=1, padding=0)(IMAGE).shape == (1, 1, 2, 2)


@pytest.mark.row("C19")
@pytest.mark.parametrize("page", ["docs/images.md", "docs/errata.md"])
def test_the_examples_of_the_pages_define_every_name_they_use(page):
    text = (ROOT / page).read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, page, "exec"), {})


@pytest.mark.row("C20")
def test_a_map_is_the_sum_over_channels_of_one_filter_and_maps_are_stacked():
    conv = Conv2d(3, 5, 3, padding="valid")
    x = torch.randn(2, 3, 6, 6)
    for index in range(5):
        each = [
            functional.conv2d(x[:, c : c + 1], conv.weight[index : index + 1, c : c + 1])
            for c in range(3)
        ]
        torch.testing.assert_close(conv(x)[:, index], sum(each)[:, 0] + conv.bias[index])


def letter_layers(padding):
    """Two filters of 2 x 2, the largest answer of each 2 x 2 window, one score for each letter."""
    return (
        specs.Conv(channels=2, kernel_size=2, padding=padding),
        specs.MaxPool(padding=padding),
        specs.Flatten(),
        specs.Dense(units=2, activation="softmax"),
    )


def strokes(letter, padding):
    """The pooled answers of the two diagonal filters to a letter."""
    network = ImageNetwork(ImageConfig((3, 3, 1), letter_layers(padding)))
    with torch.no_grad():
        network.body[0].weight.copy_(torch.stack([FALLING, RISING])[:, None])
        return network.body[:3](letter[None, None])


@pytest.mark.row("C21")
def test_two_diagonal_filters_pooled_by_quarters_tell_an_x_from_an_o():
    assert layer(FALLING)(torch.eye(3)[None, None])[0, 0].tolist() == [[2.0, 0], [0, 2]]
    x, o = strokes(X, "same"), strokes(O, "same")
    weight = x - o
    boundary = (weight * (x + o)).sum() / 2
    assert (weight * x).sum() > boundary > (weight * o).sum()


@pytest.mark.row("C21")
def test_pooling_the_whole_map_forgets_where_the_strokes_are_and_an_x_looks_like_an_o():
    assert torch.equal(strokes(X, "valid"), strokes(O, "valid"))
    ring = torch.ones(3, 3)
    ring[1, 1] = 0.0
    assert torch.equal(strokes(X, "valid"), strokes(ring, "valid"))


@pytest.mark.row("C21", "C22")
@pytest.mark.parametrize(("padding", "is_learned"), [("same", True), ("valid", False)])
def test_the_filters_that_tell_letters_apart_can_be_learned(padding, is_learned):
    letters = torch.stack([X, O]).numpy()[..., None]
    random = np.random.default_rng(0)
    labels = np.arange(200) % 2
    noisy = np.clip(letters[labels] * 200 + random.integers(0, 50, (200, 3, 3, 1)), 0, 255)
    images = ImageSet.from_arrays(noisy.astype(np.uint8), labels, ["X", "O"])
    settings = ImageTrainConfig(epochs=20, learning_rate=0.03)
    config = ImageConfig((3, 3, 1), letter_layers(padding))
    once, again = (fit_images(images, config, settings) for _ in range(2))
    assert torch.equal(once.network.body[0].weight, again.network.body[0].weight)
    history = once.manifest["history"]
    assert (history[-1]["loss"] < 0.1) is is_learned

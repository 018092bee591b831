"""Networks from lists of layers: shapes, masks, residual blocks, refusals."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from tcn.errors import ConfigError
from tcn.models import build_network, kind_of
from tcn.models.image import (
    NETWORKS,
    ImageConfig,
    ImageNetwork,
    pixel_tcn,
    reference_config,
    specs,
    summarise,
)

EACH_TYPE = [
    {"type": "conv", "channels": 8, "kernel_size": [3, 2], "dilation": 2, "groups": 1},
    {"type": "conv", "channels": 8, "padding": [1, 0], "groups": 4, "bias": False},
    {"type": "conv", "channels": 8, "padding": "causal", "activation": "tanh"},
    {"type": "conv", "channels": 6, "padding": "valid", "stride": [2, 1]},
    {"type": "conv", "channels": 6, "mask": "A", "kernel_size": 5},
    {"type": "conv", "channels": 6, "mask": "B"},
    {"type": "conv_transpose", "channels": 5, "kernel_size": 3, "stride": 2},
    {"type": "conv_transpose", "channels": 5, "padding": 1, "kernel_size": 4, "output_padding": 1},
    {"type": "batch_norm"},
    {"type": "layer_norm"},
    {"type": "instance_norm"},
    {"type": "rms_norm"},
    {"type": "dropout", "rate": 0.1},
    {"type": "channel_dropout"},
    {"type": "relu"},
    {"type": "leaky_relu", "alpha": 0.2},
    {"type": "sigmoid"},
    {"type": "tanh"},
    {"type": "softmax"},
    {"type": "max_pool", "size": 3, "stride": 2, "padding": "same"},
    {"type": "average_pool", "size": [2, 1]},
    {"type": "residual", "layers": [{"type": "conv", "channels": 7, "stride": 2}]},
    {"type": "residual", "layers": [{"type": "conv", "channels": 7}], "activation": "relu"},
]


@pytest.mark.parametrize("options", EACH_TYPE, ids=lambda options: options["type"])
@pytest.mark.parametrize("size", [(13, 10), (None, None)])
def test_the_inferred_shape_is_that_of_the_output(options, size):
    config = ImageConfig.from_dict({"input_shape": [*size, 4], "layers": [options]})
    network = ImageNetwork(config)
    x = torch.randn(2, 4, 13, 10)
    given, found = network.output_shape, network(x).shape[1:]
    assert len(given) == len(found)
    assert all(n in (None, m) for n, m in zip(given, found, strict=True))
    assert (None in given) == (None in size)


SERIES_TYPES = [
    options
    for options in EACH_TYPE
    if "mask" not in options and not any(isinstance(v, list) for v in options.values())
] + [{"type": "residual", "layers": [{"type": "conv", "channels": 4, "padding": "causal"}]}]


@pytest.mark.parametrize("options", SERIES_TYPES, ids=lambda options: options["type"])
def test_the_same_layers_read_series(options):
    network = ImageNetwork(ImageConfig.from_dict({"input_shape": [23, 4], "layers": [options]}))
    assert network(torch.randn(2, 4, 23)).shape == (2, *network.output_shape)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_named_network_goes_through_json_and_gives_probabilities(name):
    config = reference_config(name, (16, 12, 1), 7)
    assert ImageConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    built, network = build_network(kind_of(config), config.to_dict())
    assert built == config
    y = network.eval()(torch.randn(3, 1, 16, 12))
    assert y.shape == (3, 7)
    torch.testing.assert_close(y.sum(dim=1), torch.ones(3))
    assert summarise(network.rows).splitlines()[-3].startswith("total parameters: ")


def test_every_type_is_documented_and_has_its_name():
    from pathlib import Path

    page = (Path(__file__).parents[2] / "docs" / "images.md").read_text()
    for name, spec in specs.TYPES.items():
        assert f"`{name}`" in page
        assert spec.__dataclass_fields__["type"].default == name
    assert all(f"`{name}`" in page for name in NETWORKS)


def test_the_logits_leave_out_a_softmax_at_the_end():
    config = ImageConfig(
        (2, 2, 1), [{"type": "flatten"}, {"type": "dense", "activation": "softmax"}]
    )
    network = ImageNetwork(config)
    x = torch.randn(3, 1, 2, 2)
    torch.testing.assert_close(torch.softmax(network.logits(x), dim=1), network(x))
    assert not torch.allclose(network.logits(x).sum(dim=1), torch.ones(3))


def test_weights_start_glorot_uniform_and_biases_at_zero():
    conv = ImageNetwork(ImageConfig((9, 9, 16), [{"type": "conv", "channels": 64}])).body[0]
    bound = (6.0 / (9 * 16 + 9 * 64)) ** 0.5
    assert conv.weight.abs().max() <= bound
    assert float(conv.weight.detach().std()) == pytest.approx(bound / 3**0.5, rel=0.05)
    assert not conv.bias.any()


def test_masked_layers_read_pixels_before_alone():
    layers = [
        specs.Conv(channels=4, kernel_size=5, mask="A"),
        specs.LayerNorm(),
        specs.Residual(layers=(specs.Conv(channels=4, mask="B"), specs.ReLU())),
        specs.Conv(channels=2, kernel_size=1, mask="B"),
    ]
    network = ImageNetwork(ImageConfig((6, 6, 1), tuple(layers)))
    x = torch.randn(1, 1, 6, 6, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(x)[0, :, 3, 2].sum(), x)
    assert not gradient.flatten()[3 * 6 + 2 :].any()
    assert gradient.flatten()[: 3 * 6 + 2].any()


def test_the_pixel_tcn_is_causal_and_reads_pixels_row_by_row():
    network = ImageNetwork(pixel_tcn((6, 5, 1), channels=4, kernel_size=3, levels=3)).eval()
    sequence, last, _ = network.body
    x = torch.arange(30.0).reshape(1, 1, 6, 5)
    assert torch.equal(sequence(x).flatten(), x.flatten())
    other = x.clone()
    other[0, 0, 4, 2] += 9.0
    hidden = [sequence(v) for v in (x, other)]
    for block in last.layers.layers:
        hidden = [block(v) for v in hidden]
    assert torch.equal(hidden[0][..., :22], hidden[1][..., :22])
    assert not torch.equal(hidden[0][..., 22:], hidden[1][..., 22:])


def test_a_residual_layer_is_its_layers_plus_its_input():
    inner = specs.Conv(channels=3, kernel_size=1)
    network = ImageNetwork(ImageConfig((4, 4, 3), [specs.Residual(layers=(inner,))]))
    branch = network.body[0]
    assert isinstance(branch.shortcut, nn.Identity)
    x = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(network(x), x + branch.layers(x))


@pytest.mark.parametrize("network", ["small-cnn", "residual-cnn", "pixel-tcn"])
def test_a_network_can_be_exported(network):
    built = ImageNetwork(reference_config(network, (12, 12, 1), 3)).eval()
    x = torch.randn(2, 1, 12, 12)
    exported = torch.export.export(built, (x,)).module()
    torch.testing.assert_close(exported(x), built(x))


def test_missing_pixels_of_one_image_do_not_reach_another():
    network = ImageNetwork(reference_config("cnn", (8, 8, 1), 3)).eval()
    x = torch.randn(2, 1, 8, 8)
    broken = x.clone()
    broken[0] = torch.nan
    torch.testing.assert_close(network(broken)[1], network(x)[1])


def refusal(layers, input_shape=(8, 8, 3)):
    with pytest.raises(ConfigError) as caught:
        ImageNetwork(ImageConfig.from_dict({"input_shape": list(input_shape), "layers": layers}))
    return str(caught.value)


@pytest.mark.parametrize(
    ("layers", "sentence"),
    [
        (
            [{"type": "conv", "channels": 4}, {"type": "dense"}],
            "Layer 2 (dense) after 8 x 8 x 4: dense reads one vector per image. "
            "Put flatten or global_pool before it.",
        ),
        (
            [{"type": "flatten"}, {"type": "conv"}],
            "Layer 2 (conv) after 192: it reads an image or a series, and a vector has no "
            "positions.",
        ),
        (
            [{"type": "conv", "kernel_size": 9, "padding": "valid"}],
            "Layer 1 (conv) after 8 x 8 x 3: An axis of 8 with padding 0 and 0 is shorter than "
            "the 9 positions of kernel_size=9, dilation=1.",
        ),
        (
            [{"type": "residual", "layers": [{"type": "relu"}, {"type": "flatten"}]}],
            "Layer 1 (residual) after 8 x 8 x 3: the layers inside make 192 of 8 x 8 x 3, which "
            "cannot be added.",
        ),
        (
            [{"type": "relu"}, {"type": "residual", "layers": [{"type": "dense"}]}],
            "Layer 2.1 (dense) after 8 x 8 x 3: dense reads one vector per image. "
            "Put flatten or global_pool before it.",
        ),
        (
            [{"type": "residual", "layers": [{"type": "conv", "padding": "valid"}]}],
            "Layer 1 (residual) after 8 x 8 x 3: the layers inside make 6 x 6 x 32 of 8 x 8 x 3; "
            "a shortcut makes 8 x 8 x 32. Use padding 'same' inside.",
        ),
        (
            [{"type": "conv", "groups": 2}],
            "Layer 1 (conv) after 8 x 8 x 3: groups must divide in_channels=3 and "
            "out_channels=32, got 2.",
        ),
        ([{"type": "convolution"}], "Layer 1: unknown type 'convolution'. Known types: "),
        (
            [{"type": "relu"}, {"type": "dense", "unit": 3}],
            "Layer 2: Unknown key 'unit' in Dense. Known keys: activation, bias, type, units.",
        ),
        ([{"units": 3}], "Layer 1: a layer is an object with a 'type', got {'units': 3}."),
        ([], "layers must list 1 to 512 layers, got ()."),
        (
            [{"type": "dense", "units": 10**9}],
            "Layer 1: units must be a whole number from 1 to 65,536, got 1000000000.",
        ),
        (
            [{"type": "conv", "channels": 8, "mask": "A", "stride": 2}],
            "Layer 1: A convolution with mask='A' keeps the size: it takes one kernel_size",
        ),
        (
            [{"type": "conv", "padding": "full"}],
            "Layer 1: padding must be a number, a pair or one of 'same', 'valid', 'causal', "
            "got 'full'.",
        ),
        (
            [{"type": "conv", "stride": [1, 2, 3]}],
            "Layer 1: stride must be one number or two (rows, columns), got (1, 2, 3).",
        ),
        (
            [{"type": "conv", "activation": "leaky_relu"}],
            "Layer 1: leaky_relu needs a slope: give it as a layer of its own, with alpha.",
        ),
        (
            [{"type": "conv", "channels": 8192, "kernel_size": 1024}],
            "Layer 1 (conv) after 8 x 8 x 3: it would have 25,769,803,776 weights; at most "
            "268,435,456 are allowed.",
        ),
        (
            [{"type": "conv_transpose", "kernel_size": 1, "padding": 8}],
            "Layer 1 (conv_transpose) after 8 x 8 x 3: padding=8 crops the whole output away.",
        ),
    ],
)
def test_a_layer_that_does_not_fit_is_named_in_a_sentence(layers, sentence):
    assert refusal(layers).startswith(sentence)


@pytest.mark.parametrize(
    ("layers", "sentence"),
    [
        ([{"type": "sequence"}], "Layer 1 (sequence) after 20 x 3: sequence reads an image"),
        ([{"type": "conv", "mask": "A"}], "Layer 1 (conv) after 20 x 3: masks are for images"),
        (
            [{"type": "conv", "kernel_size": [3, 3]}],
            "Layer 1 (conv) after 20 x 3: a series has one axis; got the two values (3, 3).",
        ),
    ],
)
def test_what_is_for_images_alone_is_refused_for_series(layers, sentence):
    assert refusal(layers, (20, 3)).startswith(sentence)


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ((8,), "input_shape must be (rows, columns, channels), or (length, channels)"),
        ((8, 8, 10**9), "the channels of input_shape, its last number, must be a whole number"),
        ((0, 8, 3), "each size of input_shape must be a whole number from 1 to 16,384, got 0."),
        ((8, 8, None), "the channels of input_shape"),
    ],
)
def test_a_shape_that_is_no_image_is_refused(shape, sentence):
    assert refusal([{"type": "relu"}], shape).startswith(sentence)


def test_nested_residual_layers_have_a_limit():
    layer = {"type": "relu"}
    for _ in range(50):
        layer = {"type": "residual", "layers": [layer]}
    assert "residual layers may be nested 8 deep" in refusal([layer])


def test_statistics_of_pixels_must_fit_the_channels():
    with pytest.raises(ConfigError, match=r"^pixel_std must be one number or one for each of 3"):
        ImageConfig((8, 8, 3), [{"type": "relu"}], pixel_std=(0.0, 1.0, 1.0))
    with pytest.raises(ConfigError, match=r"^pixel_mean must be"):
        ImageConfig((8, 8, 3), [{"type": "relu"}], pixel_mean=(np.nan,))


def test_an_input_of_another_shape_is_refused():
    network = ImageNetwork(reference_config("small-cnn", (8, 8, 3), 2))
    with pytest.raises(
        ConfigError, match=r"^The network reads 8 x 8 x 3; the input is 8 x 8 x 1\.$"
    ):
        network(torch.zeros(1, 1, 8, 8))
    with pytest.raises(ConfigError, match=r"the input is 192\.$"):
        network(torch.zeros(1, 192))
    maps = ImageNetwork(ImageConfig((8, 8, 3), [{"type": "relu"}]))
    with pytest.raises(ConfigError, match=r"^The last layer gives 8 x 8 x 3, not one vector"):
        _ = maps.n_outputs

"""Rows C35 to C46: batch norm and dropout."""

import numpy as np
import pytest
import torch
from seeds.deep_networks import deep_network, gradient_ratio
from torch import nn

from tcn.images import ImageSet
from tcn.models.image import ImageConfig, ImageNetwork, cnn, specs
from tcn.training.images import ImageTrainConfig, fit_images, fresh_network

CNN_ROWS = [
    ("1 conv", 896),
    ("2 batch_norm", 128),
    ("4 conv", 9_248),
    ("5 batch_norm", 128),
    ("7 conv", 18_496),
    ("8 batch_norm", 256),
    ("10 conv", 36_928),
    ("11 batch_norm", 256),
    ("14 dense", 524_416),
    ("15 batch_norm", 512),
    ("18 dense", 1_290),
]
EXAMPLE_MEAN, EXAMPLE_STD = -0.3766776919364929, 0.17841289937496185


def norm(channels=3, **options):
    """The batch norm that a config builds, in training mode."""
    network = ImageNetwork(ImageConfig((4, 4, channels), [specs.BatchNorm(**options)]))
    return network.body[0].train()


def layer_of(spec, channels=3):
    return ImageNetwork(ImageConfig((8, 8, channels), [spec])).body[0]


@pytest.mark.row("B25", "C35")
def test_the_summary_of_the_cnn_counts_592554_of_which_591914_are_trained():
    rows = ImageNetwork(cnn()).rows
    assert [(row.name, row.trainable + row.fixed) for row in rows if row.trainable] == CNN_ROWS
    assert sum(row.trainable for row in rows) == 591_914
    assert sum(row.fixed for row in rows) == 640
    assert rows[13].printed_shape == "(None, 4096)"
    assert rows[-1].printed_shape == "(None, 10)"


@pytest.mark.row("C35")
def test_batch_norm_learns_two_numbers_a_channel_and_remembers_two_more():
    layer = norm(channels=7)
    assert sum(p.numel() for p in layer.parameters()) == 14
    stored = {name: value for name, value in layer.named_buffers() if value.is_floating_point()}
    assert set(stored) == {"running_mean", "running_var"}
    assert sum(value.numel() for value in stored.values()) == 14
    row = ImageNetwork(ImageConfig((4, 4, 7), [specs.BatchNorm()])).rows[1]
    assert (row.trainable, row.fixed) == (14, 14)


@pytest.mark.row("C35")
def test_in_training_each_channel_has_mean_0_and_biased_deviation_1():
    y = norm()(3.0 * torch.randn(16, 3, 4, 4) + 5.0).detach()
    assert y.mean((0, 2, 3)).abs().max() < 1e-6
    torch.testing.assert_close(y.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-4, rtol=0)


@pytest.mark.row("C36")
def test_the_denominator_is_the_root_of_variance_plus_epsilon():
    x = torch.randn(64, 1, 4, 4, dtype=torch.float64)
    x = 1e-3 * (x - x.mean()) / x.std(correction=0)  # variance 1e-6
    y = norm(channels=1, eps=1e-5).double()(x).detach()
    torch.testing.assert_close(y, x / (1e-6 + 1e-5) ** 0.5)
    document = x / (1e-3 + 1e-5)
    assert float(document.std() / y.std()) == pytest.approx(3.28, abs=0.02)


@pytest.mark.row("C37")
def test_after_training_batch_mates_do_not_matter_and_in_training_they_do():
    layer = norm()
    x, mates = torch.randn(1, 3, 4, 4), torch.randn(3, 3, 4, 4)
    for _ in range(5):
        layer(torch.randn(8, 3, 4, 4))
    in_training = layer(torch.cat([x, mates]))[0], layer(torch.cat([x, 2.0 * mates]))[0]
    assert not torch.allclose(*in_training)
    layer.eval()
    alone, together = layer(x)[0], layer(torch.cat([x, mates]))[0]
    assert torch.equal(alone, together)


@pytest.mark.row("C38")
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("input_shape", [(17, 13, 3), (29, 3)])
def test_batch_norm_never_changes_a_shape(input_shape, stride):
    layers = (specs.Conv(channels=5, stride=stride), specs.BatchNorm())
    rows = ImageNetwork(ImageConfig(input_shape, layers)).rows
    assert rows[1].shape == rows[2].shape
    x = torch.randn(2, 3, *input_shape[:-1])
    network = ImageNetwork(ImageConfig(input_shape, layers))
    assert network(x).shape == network.body[0](x).shape == (2, *rows[2].shape)


@pytest.mark.row("C39")
def test_a_keras_momentum_of_0_9_weighs_the_newest_batch_by_0_1():
    layer = norm(momentum=1 - 0.9)
    x = torch.randn(8, 3, 4, 4) + 2.0
    layer(x)
    torch.testing.assert_close(layer.running_mean, 0.1 * x.mean((0, 2, 3)))
    unbiased = x.var((0, 2, 3), correction=1)
    torch.testing.assert_close(layer.running_var, 0.9 + 0.1 * unbiased)
    assert not torch.allclose(layer.running_mean, 0.9 * x.mean((0, 2, 3)))
    defaults = specs.BatchNorm()
    assert (defaults.momentum, defaults.eps) == (0.1, 1e-5)
    keras = next(spec for spec in cnn().layers if isinstance(spec, specs.BatchNorm))
    assert (keras.momentum, keras.eps) == (0.01, 1e-3)


@pytest.mark.row("C40", "C41")
def test_batch_norm_makes_gradients_blind_to_the_scale_of_the_initial_weights():
    def ratio(norm, scale):
        torch.manual_seed(1)
        return gradient_ratio(deep_network(norm=norm), scale)

    assert ratio(norm=True, scale=0.1) == pytest.approx(ratio(norm=True, scale=10.0), rel=0.05)
    assert ratio(norm=False, scale=10.0) > 1e6 * ratio(norm=False, scale=1.0)


@pytest.mark.row("C40")
def test_images_of_a_batch_are_tied_together_by_batch_norm_not_made_independent():
    network = fresh_network(ImageConfig((4, 4, 2), [specs.Conv(channels=3), specs.BatchNorm()]), 0)
    x = torch.randn(4, 2, 4, 4, requires_grad=True)
    weights = torch.randn(3, 4, 4)
    (gradient,) = torch.autograd.grad((network.train()(x)[0] * weights).sum(), x)
    assert (gradient[1:].abs().amax((1, 2, 3)) > 0).all()
    (gradient,) = torch.autograd.grad((network.eval()(x)[0] * weights).sum(), x)
    assert (gradient[1:] == 0).all()


@pytest.mark.row("C41")
def test_with_plain_relu_gradients_grow_towards_the_first_layer_even_so():
    torch.manual_seed(0)
    assert 10.0 < gradient_ratio(deep_network(norm=True, alpha=0.0)) < 50.0


@pytest.mark.row("C42")
def test_the_channel_of_the_example_is_normalised_by_its_own_numbers():
    x = torch.randn(32, 3, 64, 64) * EXAMPLE_STD + EXAMPLE_MEAN
    shifted = (x[:, 0] + 0.3766776919) / 0.1784128994
    assert shifted.mean().abs() < 0.02
    assert shifted.std() == pytest.approx(1.0, abs=0.02)
    y = norm(eps=1e-12)(x[:1]).detach()[0, 0]
    assert y.std(correction=0) == pytest.approx(1.0, abs=1e-5)
    assert y.std(correction=1) == pytest.approx((4096 / 4095) ** 0.5, abs=1e-5)
    few = torch.tensor([1.0, 2.0, 4.0])
    assert few.std(correction=0) < 0.9 * few.std(correction=1)


@pytest.mark.row("C43")
@pytest.mark.parametrize("spec", [specs.Dropout(rate=0.25), specs.ChannelDropout(rate=0.25)])
def test_dropout_scales_what_it_keeps_and_rests_after_training(spec):
    layer = layer_of(spec, channels=64)
    x = torch.ones(400, 64, 8, 8)
    y = layer.train()(x)
    kept = y[y != 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / 0.75))
    assert float(y.mean()) == pytest.approx(1.0, abs=0.01)
    assert float((y == 0).float().mean()) == pytest.approx(0.25, abs=0.01)
    assert torch.equal(layer.eval()(x), x)


@pytest.mark.row("C43")
def test_channel_dropout_takes_whole_maps():
    y = layer_of(specs.ChannelDropout(rate=0.5), channels=32).train()(torch.ones(8, 32, 8, 8))
    per_map = y.flatten(2)
    assert ((per_map == 0).all(2) | (per_map != 0).all(2)).all()
    values = layer_of(specs.Dropout(rate=0.5), channels=32).train()(torch.ones(8, 32, 8, 8))
    assert not ((values.flatten(2) == 0).all(2) | (values.flatten(2) != 0).all(2)).all()


@pytest.mark.row("C44")
def test_a_rate_of_one_half_takes_half_in_expectation_not_exactly():
    layer = layer_of(specs.Dropout(rate=0.5), channels=1).train()
    counts = [int((layer(torch.ones(1, 1, 10, 10)) == 0).sum()) for _ in range(400)]
    assert np.mean(counts) == pytest.approx(50.0, abs=3 * 5.0 / 400**0.5)
    assert np.std(counts) == pytest.approx(5.0, rel=0.15)
    assert len(set(counts)) > 5


@pytest.mark.row("C45")
@pytest.mark.parametrize("spec", [specs.Dropout(rate=0.3), specs.ChannelDropout(rate=0.3)])
def test_dropout_goes_after_convolutions_and_plain_dropout_after_dense_layers_too(spec):
    layers = [specs.Conv(channels=4), spec, specs.Flatten(), specs.Dense(units=8)]
    layers += [specs.Dropout(rate=0.5), specs.Dense(units=2)]
    network = ImageNetwork(ImageConfig((6, 6, 1), tuple(layers)))
    assert network.train()(torch.randn(3, 1, 6, 6)).shape == (3, 2)
    rows = [row for row in network.rows if "dropout" in row.name]
    assert len(rows) == 2
    assert all(row.trainable == row.fixed == 0 for row in rows)


@pytest.mark.row("B28", "C46")
@pytest.mark.parametrize("order", ["document", "book"])
def test_batch_norm_and_dropout_train_together_in_either_order(order):
    random = np.random.default_rng(0)
    labels = np.arange(300) % 10
    x = random.normal(size=(300, 100, 1))
    x[np.arange(300), labels * 5, 0] += 5.0
    series = ImageSet.from_arrays(x, labels)
    document = [specs.BatchNorm(), specs.Dense(units=64, activation="relu")]
    book = [specs.Dense(units=64), specs.BatchNorm(), specs.ReLU()]
    ends = [specs.Dropout(rate=0.25), specs.Dense(units=10, activation="softmax")]
    layers = [specs.Flatten(), *(document if order == "document" else book), *ends]
    classifier = fit_images(
        series,
        ImageConfig((100, 1), tuple(layers)),
        ImageTrainConfig(epochs=12, learning_rate=3e-3),
    )
    assert (classifier.predict(series.images).labels == labels).mean() > 0.9
    module = next(m for m in classifier.network.body if isinstance(m, nn.BatchNorm1d))
    assert int(module.num_batches_tracked) == 12 * 10
    training = classifier.network.train()
    inputs = torch.randn(20, 1, 100)
    assert not torch.equal(training(inputs), training(inputs))

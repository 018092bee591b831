"""Rows A1 to A8: tensors, pixels, one-hot labels, batches, augmentation, names."""

import numpy as np
import pytest
import torch
from seeds.row_data import coloured_shapes
from torch.nn import functional

import tcn
import tcn.classifier
from tcn.errors import ConfigError, DataError
from tcn.images import (
    CIFAR10_CLASSES,
    Augmentation,
    ImageSet,
    augment,
    channel_statistics,
    one_hot,
    standardise,
    to_images,
    to_tensor,
)
from tcn.models.image import ImageConfig, cnn, network_inputs, pixel_tcn
from tcn.training.images import ImageBatches, ImageTrainConfig, fit_images, fresh_network


def every_pixel():
    return np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)


@pytest.mark.row("A1")
def test_pixels_become_float32_from_0_to_1_and_come_back_exactly():
    pixels = to_tensor(every_pixel())
    assert pixels.dtype == torch.float32
    assert (pixels.min(), pixels.max()) == (0.0, 1.0)
    assert np.array_equal(to_images(pixels), every_pixel())


@pytest.mark.row("A1")
def test_pixels_may_go_from_minus_1_to_1_or_have_mean_0_and_deviation_1():
    images = coloured_shapes(20).images
    symmetric = ImageConfig((16, 16, 1), [{"type": "flatten"}], (0.5,), (0.5,))
    inputs = network_inputs(symmetric, every_pixel())
    assert (inputs.min(), inputs.max()) == (-1.0, 1.0)
    mean, std = channel_statistics(images)
    standard = standardise(to_tensor(images), mean, std)
    torch.testing.assert_close(standard.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    deviation = standard.std((0, 2, 3), correction=0)
    torch.testing.assert_close(deviation, torch.ones(3), atol=1e-5, rtol=0)


@pytest.mark.row("A2")
def test_a_label_is_a_one_among_zeros_with_the_same_cross_entropy_as_its_index():
    assert one_hot(3, 10).tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    logits, labels = torch.randn(6, 10), torch.tensor([3, 0, 9, 3, 5, 1])
    encoded = one_hot(labels.numpy(), 10)
    assert encoded.shape == (6, 10)
    torch.testing.assert_close(
        functional.cross_entropy(logits, encoded), functional.cross_entropy(logits, labels)
    )


@pytest.mark.row("A2")
def test_a_label_beyond_the_classes_is_refused():
    with pytest.raises(DataError, match=r"^Labels must be from 0 to 9, got 10\.$"):
        one_hot(10, 10)


@pytest.mark.row("A3", "A4")
def test_rows_come_before_columns_and_channels_move_to_the_front():
    images = np.zeros((60, 32, 32, 3), np.uint8)
    images[54, 12, 13, 1] = 255  # row 12, column 13, green
    x = to_tensor(images)
    assert x.shape == (60, 3, 32, 32)
    assert x.nonzero().tolist() == [[54, 1, 12, 13]]
    assert x[54, 1, 13, 12] == 0.0  # column 12, row 13 is another pixel
    assert np.array_equal(to_images(x), images)


@pytest.mark.row("A3")
def test_an_image_that_is_not_square_keeps_rows_and_columns_apart():
    config = ImageConfig((2, 5, 3), [{"type": "global_pool"}])
    images = np.zeros((1, 2, 5, 3), np.uint8)
    assert network_inputs(config, images).shape == (1, 3, 2, 5)
    network = fresh_network(config, 0)
    with pytest.raises(ConfigError, match=r"^The network reads 2 x 5 x 3; the input is 5 x 2 x 3"):
        network(to_tensor(images.transpose(0, 2, 1, 3)))


@pytest.mark.row("A5")
@pytest.mark.parametrize("batch_size", [1, 7, 512])
def test_the_answer_does_not_depend_on_the_size_of_the_batch(batch_size):
    images = coloured_shapes(20)
    network = fresh_network(cnn((12, 12, 3)), seed=1).eval()
    classifier = tcn.classifier.ImageClassifier(cnn((12, 12, 3)), network, CIFAR10_CLASSES)
    whole = classifier.logits(images.images, batch_size=20)
    parts = classifier.logits(images.images, batch_size=batch_size)
    torch.testing.assert_close(parts, whole, atol=1e-6, rtol=1e-5)


@pytest.mark.row("A6")
def test_augmentation_follows_the_seed_and_leaves_labels_alone():
    images = coloured_shapes(64)
    config = cnn((12, 12, 3))
    change = Augmentation(zoom=0.2, tilt=15.0, shift=0.1, flip=True)

    def batch(seed, step):
        return ImageBatches(images, config, 16, seed, change)(step)

    assert torch.equal(batch(3, 2).inputs, batch(3, 2).inputs)
    plain = ImageBatches(images, config, 16, 3)(2)
    assert torch.equal(batch(3, 2).labels, plain.labels)
    assert not torch.equal(batch(3, 2).inputs, plain.inputs)
    other = ImageBatches(images, config, 16, 3, change)
    assert not torch.equal(other(2).inputs, other(2 + other.steps_per_epoch).inputs)


@pytest.mark.row("A6")
def test_augmentation_is_for_training_alone():
    images = coloured_shapes(40)
    config = cnn((12, 12, 3))
    change = Augmentation(zoom=0.5, tilt=90.0, jitter=0.5)
    classifier = fit_images(
        images, config, ImageTrainConfig(epochs=1), validation=images, augmentation=change
    )
    once, again = (classifier.predict(images.images).probabilities for _ in range(2))
    assert np.array_equal(once, again)
    torch.testing.assert_close(
        torch.from_numpy(once),
        torch.softmax(classifier.network.logits(to_tensor(images.images)), 1).detach(),
    )


@pytest.mark.row("A6")
def test_a_shift_alone_moves_whole_pixels_and_a_flip_mirrors():
    x = torch.arange(36.0).reshape(1, 1, 6, 6)
    generator = torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(40):
        moved = augment(x, Augmentation(shift=0.2), generator)
        torch.testing.assert_close(moved, moved.round(), atol=1e-4, rtol=0)
        seen.add(tuple(moved.round().flatten().tolist()))
    assert len(seen) == 9  # -1, 0, 1 rows and columns
    flipped = {
        tuple(augment(x, Augmentation(flip=True), generator).round().flatten().tolist())
        for _ in range(20)
    }
    assert flipped == {tuple(x.flatten().tolist()), tuple(x.flip(3).flatten().tolist())}


@pytest.mark.row("A6")
def test_a_tilt_of_a_quarter_turn_and_a_zoom_keep_the_proportions_of_wide_images():
    wide = torch.zeros(1, 1, 9, 15)
    wide[..., 4, 5:10] = 1.0  # a bar of five pixels across
    angle = Augmentation(tilt=90.0)
    sizes = []
    for seed in range(30):
        turned = augment(wide, angle, torch.Generator().manual_seed(seed))
        sizes.append(float(turned.sum()))
    assert max(abs(size - 5.0) for size in sizes) < 0.6


@pytest.mark.row("A6")
def test_series_are_jittered_scaled_and_warped_but_not_tilted():
    x = torch.sin(torch.arange(50.0) / 5).reshape(1, 1, 50).repeat(2, 3, 1)
    generator = torch.Generator().manual_seed(0)
    y = augment(x, Augmentation(zoom=0.2, contrast=0.1, jitter=0.01), generator)
    assert y.shape == x.shape
    assert 0.01 < (y - x).abs().mean() < 0.8
    with pytest.raises(ConfigError, match=r"^A series cannot be tilted\."):
        augment(x, Augmentation(tilt=5.0), generator)


@pytest.mark.row("A6")
def test_time_is_not_turned_round_for_a_causal_model():
    series = ImageSet.from_arrays(np.random.default_rng(0).normal(size=(8, 20, 1)), [0, 1] * 4)
    causal = pixel_tcn((20, 1), 2, channels=4, kernel_size=3, levels=2)
    with pytest.raises(ConfigError, match="runs backwards"):
        fit_images(series, causal, augmentation=Augmentation(flip=True))
    layers = [
        {"type": "conv", "channels": 4},
        {"type": "global_pool"},
        {"type": "dense", "units": 2},
    ]
    symmetric = ImageConfig((20, 1), layers)
    settings = ImageTrainConfig(epochs=1)
    fit_images(series, symmetric, settings, augmentation=Augmentation(flip=True))


@pytest.mark.row("A7")
@pytest.mark.parametrize("factor", [0.25, 3.0])
def test_a_window_normalised_by_its_own_moments_forecasts_shifted_data_as_it_should(factor):
    from tcn.forecaster import Forecaster
    from tcn.models import ForecastNetwork

    torch.manual_seed(0)
    config = tcn.TCNConfig(
        horizon=4, channels=8, hidden_channels=8, head_channels=8, dilations=(1,)
    )
    forecaster = Forecaster(config, ForecastNetwork(config).eval())
    y = np.random.default_rng(1).normal(size=120).cumsum()
    plain = forecaster.predict(tcn.Panel.from_arrays([y]))
    moved = forecaster.predict(tcn.Panel.from_arrays([factor * y + 100.0]))
    np.testing.assert_allclose(moved.mean, factor * plain.mean + 100.0, rtol=1e-3, atol=1e-2)
    flat = forecaster.predict(tcn.Panel.from_arrays([np.full(50, 7.0)]))
    assert np.isfinite(flat.quantiles).all()


@pytest.mark.row("A7")
def test_drift_is_a_shift_of_the_inputs_that_normalising_each_window_removes():
    window = torch.randn(1, 40)
    for x in (window, 5.0 * window - 30.0):
        normal = (x - x.mean()) / torch.sqrt(x.var(correction=0) + 1e-5)
        torch.testing.assert_close(
            normal, (window - window.mean()) / window.std(correction=0), atol=1e-3, rtol=1e-3
        )


@pytest.mark.row("A8")
def test_ten_names_keep_the_order_of_their_indices():
    assert len(set(CIFAR10_CLASSES)) == 10
    assert (CIFAR10_CLASSES[0], CIFAR10_CLASSES[3], CIFAR10_CLASSES[9]) == (
        "airplane",
        "cat",
        "truck",
    )
    images = coloured_shapes(10)
    for index, name in enumerate(CIFAR10_CLASSES):
        assert images.class_names.index(images.class_names[index]) == index
        assert images.class_names[index] == name

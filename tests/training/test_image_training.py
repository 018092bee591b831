"""Image networks are trained by the loop of all networks: resumable, seeded, with moments kept."""

import numpy as np
import pytest
import torch

from tcn.classifier import ImageClassifier
from tcn.errors import CheckpointError, ConfigError, DataError
from tcn.evaluation.images import evaluate_images
from tcn.images import Augmentation, ImageSet, to_tensor
from tcn.models.image import ImageConfig, cnn, mlp, specs
from tcn.training.images import ImageTrainConfig, fit_images, fresh_network, measure
from tcn.training.moments import RunningMoments, cancelled_biases

CONFIG = ImageConfig(
    (10, 10, 1),
    (
        specs.Conv(channels=6, stride=2),
        specs.BatchNorm(),
        specs.ReLU(),
        specs.Flatten(),
        specs.Dropout(rate=0.2),
        specs.Dense(units=3, activation="softmax"),
    ),
)


def glyphs(count, n_classes=3, size=10, seed=0):
    """Images with one of a few patterns of 4 x 4 pixels somewhere in noise."""
    random = np.random.default_rng(seed)
    patterns = np.random.default_rng(99).integers(0, 2, (n_classes, 4, 4)) * 180
    labels = np.arange(count) % n_classes
    images = random.integers(0, 70, (count, size, size, 1))
    for image, label in zip(images, labels, strict=True):
        row, column = random.integers(0, size - 4, 2)
        image[row : row + 4, column : column + 4, 0] += patterns[label]
    return ImageSet.from_arrays(images, labels)


def interrupted(at_step):
    def progress(entry):
        if entry["step"] >= at_step:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_run_that_was_stopped_and_resumed_equals_one_that_was_not(tmp_path, average):
    images, validation = glyphs(70), glyphs(30, seed=1)
    settings = ImageTrainConfig(epochs=4, batch_size=16, learning_rate=0.01, average=average)
    options = {"validation": validation, "augmentation": Augmentation(shift=0.1)}
    whole = fit_images(images, CONFIG, settings, **options)
    with pytest.raises(KeyboardInterrupt):
        fit_images(
            images, CONFIG, settings, **options, directory=tmp_path, progress=interrupted(10)
        )
    resumed = fit_images(images, CONFIG, settings, **options, directory=tmp_path)
    first, second = whole.network.state_dict(), resumed.network.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    losses = [[entry["loss"] for entry in c.manifest["history"]] for c in (whole, resumed)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    "changed",
    [
        {"images": glyphs(70, seed=3)},
        {"config": ImageConfig(CONFIG.input_shape, CONFIG.layers, pixel_mean=(0.5,))},
        {"settings": ImageTrainConfig(epochs=2, batch_size=16, learning_rate=0.02)},
        {"augmentation": Augmentation(shift=0.2)},
        {"validation": glyphs(30, seed=4)},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_run_does_not_go_on_with_other_data_or_settings(tmp_path, changed):
    given = {
        "images": glyphs(70),
        "config": CONFIG,
        "settings": ImageTrainConfig(epochs=2, batch_size=16),
        "augmentation": None,
        "validation": None,
    }

    def run(options):
        return fit_images(
            options["images"],
            options["config"],
            options["settings"],
            augmentation=options["augmentation"],
            validation=options["validation"],
            directory=tmp_path,
        )

    run(given)
    with pytest.raises(CheckpointError, match="belongs to other data or settings"):
        run(given | changed)


def test_a_convolution_is_far_ahead_of_dense_layers_where_the_place_does_not_matter():
    images, test = (glyphs(count, 5, 12, seed) for count, seed in ((1000, 0), (300, 1)))
    settings = ImageTrainConfig(epochs=3, learning_rate=2e-3)
    accuracy = {
        network: evaluate_images(
            fit_images(images, network((12, 12, 1), 5), settings), test
        ).accuracy
        for network in (mlp, cnn)
    }
    assert accuracy[cnn] >= accuracy[mlp] + 0.08


def test_the_best_epoch_is_kept_with_moments_that_belong_to_its_weights():
    images, validation = glyphs(60), glyphs(60, seed=1)
    settings = ImageTrainConfig(epochs=20, batch_size=16, learning_rate=0.01, seed=1)
    classifier = fit_images(images, CONFIG, settings, validation=validation)
    manifest = classifier.manifest
    assert 0 < manifest["best_step"] < manifest["steps"]
    kept = RunningMoments(classifier.network).norms[0]
    with torch.no_grad():
        hidden = classifier.network.body[0](to_tensor(images.images))
    torch.testing.assert_close(kept.running_mean, hidden.mean((0, 2, 3)), atol=0.02, rtol=0.05)
    assert kept.momentum == 0.1
    again = measure(classifier.network, CONFIG, validation)
    assert again.loss == pytest.approx(manifest["validation_loss"], rel=0.05)


def test_first_weights_that_stay_the_best_keep_their_first_moments():
    images, validation = glyphs(60), glyphs(60, seed=1)
    settings = ImageTrainConfig(epochs=3, batch_size=16, learning_rate=0.5)
    classifier = fit_images(images, CONFIG, settings, validation=validation)
    assert classifier.manifest["best_step"] == 0
    again = measure(classifier.network, CONFIG, validation)
    assert again.loss == pytest.approx(classifier.manifest["validation_loss"])


def test_running_moments_begin_as_plain_means():
    network = fresh_network(cnn((8, 8, 1), 3), 0).train()
    moments = RunningMoments(network)
    seen = []
    first = moments.norms[0]
    first.register_forward_hook(lambda module, inputs, y: seen.append(inputs[0].mean((0, 2, 3))))
    for _ in range(5):
        moments.prepare()
        network(torch.randn(8, 1, 8, 8) + 3.0)
    torch.testing.assert_close(first.running_mean, torch.stack(seen).mean(0).detach())
    moments.restore()
    assert first.momentum == 0.01
    for _ in range(200):
        first.num_batches_tracked += 1
    moments.prepare()
    assert first.momentum == 0.01


def test_biases_that_a_batch_norm_takes_away_do_not_wander():
    classifier = fit_images(glyphs(64), CONFIG, ImageTrainConfig(epochs=3, learning_rate=0.01))
    first, last = classifier.network.body[0].bias, classifier.network.body[-1].bias
    assert [bias is first for bias in cancelled_biases(classifier.network)] == [True]
    assert first.requires_grad
    assert not first.any()
    assert last.any()


def test_only_what_stands_right_before_a_batch_norm_is_cancelled_series_and_branches_included():
    branch = specs.Residual(layers=(specs.Conv(channels=2), specs.BatchNorm()))
    layers = (
        specs.Conv(channels=2),
        specs.BatchNorm(),
        specs.Conv(channels=2, activation="relu"),
        specs.BatchNorm(),
        specs.Conv(channels=2, bias=False),
        specs.BatchNorm(),
        branch,
        specs.Flatten(),
        specs.Dense(units=2),
    )
    network = fresh_network(ImageConfig((12, 1), layers), 0)
    cancelled = {id(bias) for bias in cancelled_biases(network)}
    names = [name for name, value in network.named_parameters() if id(value) in cancelled]
    assert names == ["body.0.layer.bias", "body.7.layers.0.layer.bias"]


def test_the_history_says_loss_and_accuracy_of_each_epoch():
    reports = []
    classifier = fit_images(
        glyphs(64),
        CONFIG,
        ImageTrainConfig(epochs=3, learning_rate=0.01),
        validation=glyphs(32, seed=1),
        progress=reports.append,
    )
    names = {"step", "loss", "score", "accuracy", "validation_accuracy"}
    assert [set(entry) for entry in classifier.manifest["history"]] == [names] * 3
    assert [report["accuracy"] for report in reports] == [
        entry["accuracy"] for entry in classifier.manifest["history"]
    ]
    assert all(report["steps"] == 6 for report in reports)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_each_schedule_and_precision_learns(schedule, precision):
    settings = ImageTrainConfig(
        epochs=8,
        batch_size=16,
        learning_rate=0.01,
        schedule=schedule,
        precision=precision,
        label_smoothing=0.05,
        weight_decay=0.01,
        clip=1.0,
    )
    history = fit_images(glyphs(120), CONFIG, settings).manifest["history"]
    assert history[-1]["loss"] < history[0]["loss"] - 0.1


def test_training_for_no_epochs_gives_the_first_weights():
    classifier = fit_images(glyphs(10), CONFIG, ImageTrainConfig(epochs=0, seed=3))
    start = fresh_network(CONFIG, 3)
    assert torch.equal(classifier.network.body[0].weight, start.body[0].weight)


def test_a_scaling_of_pixels_is_part_of_the_model():
    scaled = ImageConfig(CONFIG.input_shape, CONFIG.layers, (0.2,), (0.5,))
    images = glyphs(9)
    plain, shifted = (
        ImageClassifier(config, fresh_network(config, 0), images.class_names)
        for config in (CONFIG, scaled)
    )
    x = (to_tensor(images.images) - 0.2) / 0.5
    expected = plain.network.logits(x).detach()
    torch.testing.assert_close(shifted.logits(images.images), expected)


@pytest.mark.parametrize(
    ("images", "validation", "error", "sentence"),
    [
        (
            glyphs(9, size=12),
            None,
            ConfigError,
            "The images are 12 x 12 x 1, but the network reads",
        ),
        (glyphs(8, 4), None, ConfigError, "The images have 4 classes, but the last layer gives 3"),
        (glyphs(9).take(slice(0, 0)), None, DataError, "The images are none."),
        (glyphs(9), glyphs(9, size=12), ConfigError, "The validation images are 12 x 12 x 1"),
        (
            glyphs(9),
            ImageSet.from_arrays(glyphs(9).images, glyphs(9).labels, ["a", "b", "c"]),
            DataError,
            "The classes differ: 0, 1, 2 in training, a, b, c in validation.",
        ),
    ],
)
def test_images_and_network_that_do_not_fit_are_refused(images, validation, error, sentence):
    with pytest.raises(error) as caught:
        fit_images(images, CONFIG, ImageTrainConfig(epochs=1), validation=validation)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    "options", [{"epochs": -1}, {"batch_size": 0}, {"schedule": "step"}, {"beta1": 1.0}]
)
def test_settings_beyond_their_limits_are_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        ImageTrainConfig(**options)


def test_names_must_be_as_many_as_the_network_tells_apart():
    with pytest.raises(ConfigError, match=r"^The network tells 3 classes apart, but there are 2"):
        ImageClassifier(CONFIG, fresh_network(CONFIG, 0), ("a", "b"))

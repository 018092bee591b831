"""Rows B1 to B29: dense layers, activations, losses, Adam, the training loop, summaries."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from seeds.deep_networks import deep_network, gradient_ratio
from seeds.row_data import coloured_shapes, development_data
from torch import nn
from torch.nn import functional

from tcn.classifier import ImageClassifier
from tcn.errors import ConfigError
from tcn.evaluation.images import evaluate_images
from tcn.images import ImageSet, one_hot, plot_images
from tcn.layers import ResidualBlock, StreamSequential, dilation_cycles
from tcn.models.image import ImageConfig, ImageNetwork, cnn, mlp, small_cnn, specs, summarise
from tcn.training.images import ImageBatches, ImageTrainConfig, fit_images, fresh_network
from tcn.training.loop import LoopSettings, Task, train

MLP_TABLE = """\
layer      output shape       parameters
input      (None, 32, 32, 3)           0
1 flatten  (None, 3072)                0
2 dense    (None, 200)           614,600
3 dense    (None, 150)            30,150
4 dense    (None, 10)              1,510
total parameters: 646,260
trainable: 646,260
not trainable: 0"""


def build(layers, input_shape=(8,), seed=0):
    return fresh_network(ImageConfig(input_shape, layers), seed).eval()


@pytest.mark.row("B1", "B25")
def test_the_summary_of_the_mlp_prints_its_rows_and_646260():
    assert summarise(ImageNetwork(mlp()).rows) == MLP_TABLE


@pytest.mark.row("B2")
def test_layers_called_one_by_one_give_what_the_sequence_gives():
    network = fresh_network(mlp((4, 4, 3), 5), 0)
    flat, first, relu, second, again, last = network.body
    x = torch.randn(3, 3, 4, 4)
    graph = torch.softmax(last(again(second(relu(first(flat(x)))))), dim=1)
    assert torch.equal(graph, network(x))


@pytest.mark.row("B3")
def test_flatten_makes_3072_numbers_of_an_image_in_either_order():
    x = torch.randn(2, 3, 32, 32)
    torch_order = build([specs.Flatten()], (32, 32, 3))
    keras_order = build([specs.Flatten(order="channels_last")], (32, 32, 3))
    assert torch_order(x).shape == keras_order(x).shape == (2, 3072)
    assert torch.equal(torch_order(x), x.reshape(2, -1))
    assert torch.equal(keras_order(x), x.permute(0, 2, 3, 1).reshape(2, -1))


@pytest.mark.row("B3")
def test_weights_of_a_dense_layer_move_from_one_order_to_the_other():
    layers = [specs.Flatten(order="channels_last"), specs.Dense(units=4)]
    keras = build(layers, (5, 6, 3))
    ours = build([specs.Flatten(), specs.Dense(units=4)], (5, 6, 3))
    weight = keras.body[1].weight.detach().reshape(4, 5, 6, 3)
    with torch.no_grad():
        ours.body[1].weight.copy_(weight.permute(0, 3, 1, 2).reshape(4, -1))
    x = torch.randn(2, 3, 5, 6)
    torch.testing.assert_close(ours(x), keras(x))
    with torch.no_grad():
        ours.body[1].weight.copy_(keras.body[1].weight)
    assert not torch.allclose(ours(x), keras(x))


@pytest.mark.row("B4")
def test_flatten_keeps_the_batch_and_makes_one_vector_per_image():
    x = torch.randn(5, 2, 3, 4)
    y = build([specs.Flatten()], (3, 4, 2))(x)
    assert y.shape == (5, 24)
    assert y.ndim != 1
    assert torch.equal(y.reshape(x.shape), x)


@pytest.mark.row("B5")
def test_a_dense_layer_is_a_weighted_sum_a_bias_and_an_activation():
    network = build([specs.Flatten(), specs.Dense(units=3, activation="relu")], (2, 2, 2))
    dense = network.body[1]
    with torch.no_grad():
        dense.bias.normal_()
    x = torch.randn(4, 2, 2, 2)
    by_hand = (x.reshape(4, 8) @ dense.weight.T + dense.bias).clamp(min=0.0)
    torch.testing.assert_close(network(x), by_hand)


@pytest.mark.row("B6")
@given(inputs=st.integers(1, 40), units=st.integers(1, 40))
def test_a_dense_layer_has_inputs_plus_one_times_units_parameters(inputs, units):
    network = ImageNetwork(ImageConfig((inputs, 1, 1), [specs.Flatten(), specs.Dense(units=units)]))
    assert network.rows[-1].trainable == (inputs + 1) * units
    assert (3072 + 1) * 200 == 614_600


@pytest.mark.row("B7", "B8")
@pytest.mark.parametrize("shape", [(2,), (2, 3), (1, 2, 3, 4)])
def test_relu_works_on_any_shape_and_passes_no_gradient_below_zero(shape):
    relu = nn.ReLU()
    x = torch.randn(shape)
    assert torch.equal(relu(x), torch.where(x > 0, x, 0.0))
    points = torch.tensor([-1.0, 1.0], requires_grad=True)
    relu(points).sum().backward()
    assert points.grad.tolist() == [0.0, 1.0]


@pytest.mark.row("B7")
def test_relu_units_can_die_and_leaky_ones_go_on_learning():
    def gradient_of(activation):
        network = build([specs.Flatten(), specs.Dense(units=6), activation], (2, 2, 1))
        with torch.no_grad():
            network.body[1].bias.fill_(-100.0)
        network(torch.rand(64, 1, 2, 2)).sum().backward()
        return network.body[1].weight.grad.abs().sum(dim=1)

    assert int((gradient_of(specs.ReLU()) == 0).sum()) == 6
    assert int((gradient_of(specs.LeakyReLU(alpha=0.1)) == 0).sum()) == 0


@pytest.mark.row("B9", "B10")
@pytest.mark.parametrize("alpha", [0.01, 0.1, 0.2, 0.3])
def test_leaky_relu_is_negative_below_zero_with_slope_alpha(alpha):
    leaky = build([specs.Flatten(), specs.LeakyReLU(alpha=alpha)], (1, 1, 1))
    x = torch.tensor([0.0, 1.0, -1.0]).reshape(3, 1, 1, 1).requires_grad_()
    y = leaky(x)
    torch.testing.assert_close(y.flatten(), torch.tensor([0.0, 1.0, -alpha]))
    y.sum().backward()
    assert float(x.grad.flatten()[2]) == pytest.approx(alpha)


@pytest.mark.row("B9")
def test_alpha_is_always_given_because_frameworks_differ():
    with pytest.raises(
        ConfigError, match=r"^Layer 1: leaky_relu needs alpha, the slope below zero"
    ):
        ImageConfig((4, 4, 1), [{"type": "leaky_relu"}])


@pytest.mark.row("B10")
def test_alpha_above_one_is_refused_as_the_larger_of_both_is_no_leaky_relu_then():
    x = torch.tensor([-1.0, 1.0])
    assert torch.equal(torch.maximum(0.2 * x, x), functional.leaky_relu(x, 0.2))
    assert not torch.equal(torch.maximum(2.0 * x, x), functional.leaky_relu(x, 2.0))
    with pytest.raises(ConfigError, match=r"alpha must be a number from 0 to 1, got 2\.0\.$"):
        specs.LeakyReLU(alpha=2.0)


@pytest.mark.row("B11")
def test_softmax_is_over_the_classes_finite_and_blind_to_a_common_shift():
    network = build([specs.Flatten(), specs.Softmax()], (1, 4, 1))
    x = torch.randn(3, 4)
    y = network(x.reshape(3, 1, 1, 4))
    torch.testing.assert_close(y.sum(dim=1), torch.ones(3))
    torch.testing.assert_close(network((x + 5.0).reshape(3, 1, 1, 4)), y)
    huge = np.array([1000.0, 0.0, 0.0, 0.0])
    with np.errstate(over="ignore", invalid="ignore"):
        naive = np.exp(huge) / np.sum(np.exp(huge), axis=0)
    assert np.isnan(naive[0])
    stable = network(torch.tensor(huge).float().reshape(1, 1, 1, 4))
    assert stable.tolist() == [[1.0, 0.0, 0.0, 0.0]]
    wrong_axis = np.exp(x.numpy()) / np.exp(x.numpy()).sum(axis=0)
    assert not np.allclose(wrong_axis.sum(axis=1), 1.0)


@pytest.mark.row("B12")
def test_sigmoid_is_finite_far_out_and_its_loss_is_computed_from_scores():
    sigmoid = build([specs.Flatten(), specs.Sigmoid()], (1, 1, 1))
    x = torch.tensor([-1000.0, 0.0, 1000.0]).reshape(3, 1, 1, 1)
    assert sigmoid(x).flatten().tolist() == [0.0, 0.5, 1.0]
    loss = functional.binary_cross_entropy_with_logits(x.flatten(), torch.tensor([1.0, 1.0, 0.0]))
    assert float(loss) == pytest.approx((2000.0 + math.log(2.0)) / 3)


@pytest.mark.row("B13")
@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh", "softmax"])
def test_an_activation_inside_a_layer_equals_one_of_its_own(name):
    inside = build([specs.Flatten(), specs.Dense(units=5, activation=name)], (2, 2, 1), seed=4)
    apart = build([specs.Flatten(), specs.Dense(units=5), {"type": name}], (2, 2, 1), seed=4)
    x = torch.randn(3, 1, 2, 2)
    assert torch.equal(inside(x), apart(x))


@pytest.mark.row("B14")
def test_cross_entropies_and_squared_error_have_the_values_of_their_formulas():
    p, y = torch.tensor([0.7, 0.3]), torch.tensor([0.0, 1.0])
    assert -float((y * p.log()).sum()) == pytest.approx(1.203973, abs=1e-6)
    ours = functional.cross_entropy(p.log()[None], torch.tensor([1]))
    assert float(ours) == pytest.approx(1.203973, abs=1e-6)
    uniform = functional.cross_entropy(torch.zeros(4, 10), torch.arange(4))
    assert float(uniform) == pytest.approx(2.302585, abs=1e-6)
    binary = functional.binary_cross_entropy(torch.tensor([0.3]), torch.tensor([1.0]))
    assert float(binary) == pytest.approx(1.203973, abs=1e-6)
    assert float(functional.mse_loss(p, y)) == pytest.approx(0.49)


@pytest.mark.row("B15")
def test_the_defaults_of_training_are_adam_at_0_0005_with_cross_entropy_and_accuracy():
    settings = ImageTrainConfig()
    assert (settings.learning_rate, settings.beta1, settings.beta2) == (5e-4, 0.9, 0.999)
    assert (settings.batch_size, settings.weight_decay, settings.schedule) == (32, 0.0, "constant")
    images = coloured_shapes(64)
    seen = []
    fit_images(images, small_cnn((12, 12, 3)), ImageTrainConfig(epochs=1), progress=seen.append)
    assert 0.0 <= seen[0]["accuracy"] <= 1.0
    assert seen[0]["loss"] == pytest.approx(math.log(10), abs=0.5)


@pytest.mark.row("B16")
@pytest.mark.parametrize("steps", [1, 10])
def test_the_loop_takes_the_steps_of_adam(steps):
    network = nn.Linear(3, 1, bias=False).double()
    start = network.weight.detach().clone()
    x = torch.randn(20, 4, 3, dtype=torch.float64)
    settings = LoopSettings(
        steps=steps,
        learning_rate=lambda step: 0.01,
        clip=1e30,
        weight_decay=0.0,
        betas=(0.9, 0.999),
        average=0.0,
    )
    task = Task(lambda step: x[step], lambda batch: (network(batch) - 1.0).square().mean())
    train(network, task, settings, None, lambda report: None)
    torch.testing.assert_close(network.weight.detach(), adam_by_hand(start, x, steps))


def adam_by_hand(weight, x, steps):
    m = v = torch.zeros_like(weight)
    for t in range(1, steps + 1):
        batch = x[t - 1]
        g = (2.0 * (batch @ weight.T - 1.0) * batch).mean(dim=0, keepdim=True)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        corrected = m / (1 - 0.9**t), v / (1 - 0.999**t)
        weight = weight - 0.01 * corrected[0] / (corrected[1].sqrt() + 1e-8)
    return weight


@pytest.mark.row("B17")
def test_the_variance_of_the_gradient_falls_as_one_over_the_batch_size():
    weight = torch.tensor(0.5, dtype=torch.float64)
    random = torch.Generator().manual_seed(0)
    x = torch.randn(4096, generator=random, dtype=torch.float64)
    y = 2.0 * x + torch.randn(4096, generator=random, dtype=torch.float64)
    each = 2.0 * (weight * x - y) * x
    variances = [each.reshape(-1, size).mean(dim=1).var() for size in (1, 4, 16)]
    assert float(variances[0] / variances[1]) == pytest.approx(4.0, rel=0.25)
    assert float(variances[0] / variances[2]) == pytest.approx(16.0, rel=0.35)


@pytest.mark.row("B18")
def test_fifty_thousand_images_are_1563_steps_and_no_image_is_dropped():
    pixel = np.zeros((50_000, 1, 1, 1), np.uint8)
    batches = ImageBatches(
        ImageSet.from_arrays(pixel, np.zeros(50_000, int), ["a"]), mlp((1, 1, 1)), 32, seed=0
    )
    assert batches.steps_per_epoch == math.ceil(50_000 / 32) == 1563
    assert batches.steps_per_epoch != 50_000 // 32
    rows = np.concatenate([batches.rows(step) for step in range(1563)])
    assert len(batches.rows(1562)) == 16
    assert np.array_equal(np.sort(rows), np.arange(50_000))


@pytest.mark.row("B19")
def test_two_runs_with_one_seed_agree_bit_for_bit_and_another_seed_differs():
    images = coloured_shapes(70)
    config = cnn((12, 12, 3))

    def weights(seed):
        settings = ImageTrainConfig(epochs=2, seed=seed)
        return fit_images(images, config, settings).network.state_dict()

    first, second, other = weights(1), weights(1), weights(2)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["body.0.weight"], other["body.0.weight"])


@pytest.mark.row("B20")
def test_an_epoch_sees_each_image_once():
    images = coloured_shapes(45)
    batches = ImageBatches(images, mlp((12, 12, 3)), 8, seed=0)
    seen = np.concatenate([batches.rows(step) for step in range(3 * batches.steps_per_epoch)])
    assert batches.steps_per_epoch == 6
    assert (np.bincount(seen, minlength=45) == 3).all()
    epochs = seen.reshape(3, 45)
    assert not np.array_equal(epochs[0], epochs[1])
    classifier = fit_images(images, mlp((12, 12, 3)), ImageTrainConfig(epochs=3, batch_size=8))
    assert [entry["step"] for entry in classifier.manifest["history"]] == [6, 12, 18]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.row("B21")
def test_the_mlp_learns_cifar10_as_the_log_of_the_documents_shows():
    from benchmarks.images import read_cifar10

    train_set, _ = read_cifar10(development_data())
    history = fit_images(train_set, mlp()).manifest["history"]
    assert 1.80 <= history[0]["loss"] <= 1.90
    assert 1.33 <= history[-1]["loss"] <= 1.42
    assert 0.50 <= history[-1]["accuracy"] <= 0.53


@pytest.mark.row("B21")
def test_losses_of_the_history_are_of_training_and_fall():
    images = coloured_shapes(200)
    settings = ImageTrainConfig(epochs=6, learning_rate=2e-3)
    history = fit_images(images, mlp((12, 12, 3)), settings).manifest["history"]
    assert history[0]["loss"] == pytest.approx(math.log(10), abs=0.8)
    assert history[-1]["loss"] < history[0]["loss"] - 0.3
    assert history[-1]["accuracy"] > history[0]["accuracy"]


@pytest.mark.row("B22")
def test_an_evaluation_counts_every_image_whatever_the_batch_size():
    images = coloured_shapes(23)
    classifier = fit_images(images, cnn((12, 12, 3)), ImageTrainConfig(epochs=1))
    whole = evaluate_images(classifier, images)
    for batch_size in (1, 5, 23):
        part = evaluate_images(classifier, images, batch_size=batch_size)
        assert (part.confusion == whole.confusion).all()
        assert part.loss == pytest.approx(whole.loss, rel=1e-5)
    assert whole.confusion.sum() == 23
    right = classifier.predict(images.images).labels == images.labels
    assert whole.accuracy == pytest.approx(right.mean())
    assert not classifier.network.training


@pytest.mark.row("B23")
def test_a_prediction_has_probabilities_labels_and_names():
    images = coloured_shapes(12)
    network = fresh_network(small_cnn((12, 12, 3)), 0)
    classifier = ImageClassifier(small_cnn((12, 12, 3)), network, images.class_names)
    answer = classifier.predict(images.images)
    np.testing.assert_allclose(answer.probabilities.sum(axis=1), 1.0, atol=1e-6)
    assert np.array_equal(answer.labels, answer.probabilities.argmax(axis=-1))
    assert answer.names[0] == images.class_names[answer.labels[0]]
    assert answer.top(2)[0][0] == (answer.names[0], pytest.approx(answer.probabilities[0].max()))


@pytest.mark.row("B24")
def test_pictures_are_drawn_with_predicted_and_actual_names_without_a_display():
    images = coloured_shapes(7)
    figure = plot_images(images.images, ["cat"] * 7, [images.class_names[i] for i in images.labels])
    assert len(figure.axes) == 7
    assert figure.axes[0].get_title().startswith("predicted cat\nactual ")
    assert plot_images(images.images[:2]).axes[1].get_title() == ""


@pytest.mark.row("B26")
def test_without_the_size_of_an_image_there_is_no_table():
    layers = [specs.Dense(units=200), specs.Dense(units=150), specs.Dense(units=10)]
    with pytest.raises(
        ConfigError, match=r"^input_shape is missing: .* the layers have no shapes\."
    ):
        ImageConfig(layers=tuple(layers))
    with pytest.raises(ConfigError, match=r"^Layer 1 \(dense\) after 32 x 32 x 3: dense reads one"):
        ImageNetwork(ImageConfig((32, 32, 3), tuple(layers)))


@pytest.mark.row("B27")
@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
def test_batch_norm_keeps_the_gradients_of_twenty_layers_alike(scale):
    torch.manual_seed(0)
    assert 0.1 <= gradient_ratio(deep_network(norm=True), scale) <= 10.0


@pytest.mark.row("B27")
def test_without_batch_norm_gradients_vanish_or_explode_with_the_weights():
    torch.manual_seed(0)
    assert gradient_ratio(deep_network(norm=False), scale=0.3) < 1e-6
    assert gradient_ratio(deep_network(norm=False), scale=1.0) < 0.01
    assert gradient_ratio(deep_network(norm=False), scale=3.0) > 1e4


@pytest.mark.row("B27")
def test_the_gradient_reaches_the_first_of_a_thousand_steps_through_residual_blocks():
    torch.manual_seed(0)
    blocks = [ResidualBlock(1 if d == 1 else 8, 8, 3, d) for d in dilation_cycles(9)]
    network = StreamSequential(blocks)
    assert network.receptive_field >= 1000
    x = torch.randn(1, 1, 1000, requires_grad=True)
    network(x)[0, :, -1].sum().backward()
    assert torch.isfinite(x.grad).all()
    assert float(x.grad[0, 0, 0].abs()) > 0.0


def noise_gap(dropout, seed):
    """Scores on 64 points whose labels are noise and were learned, and on points never seen."""
    random = np.random.default_rng(seed)
    noise = ImageSet.from_arrays(random.normal(size=(64, 100, 1)), random.integers(0, 10, 64))
    fresh = ImageSet.from_arrays(
        random.normal(size=(300, 100, 1)), np.append(random.integers(0, 10, 299), 9)
    )
    layers = [specs.Flatten(), specs.Dense(units=64, activation="relu")]
    layers += [specs.Dropout(rate=dropout), specs.Dense(units=10, activation="softmax")]
    settings = ImageTrainConfig(epochs=25, learning_rate=5e-3, seed=seed)
    classifier = fit_images(noise, ImageConfig((100, 1), tuple(layers)), settings)
    return evaluate_images(classifier, noise), evaluate_images(classifier, fresh)


@pytest.mark.row("B28")
def test_a_large_net_learns_noise_by_heart_and_dropout_narrows_the_gap():
    plain = [noise_gap(0.0, seed) for seed in range(2)]
    dropped = [noise_gap(0.8, seed) for seed in range(2)]
    assert all(known.accuracy > 0.98 for known, _ in plain)
    assert all(fresh.accuracy < 0.2 for _, fresh in plain)

    def gap(pairs):
        return sum(fresh.loss - known.loss for known, fresh in pairs)

    assert gap(dropped) < gap(plain)


@pytest.mark.row("B28")
def test_training_stops_and_keeps_the_best_once_the_validation_loss_stays_behind():
    random = np.random.default_rng(0)

    def noise(count):
        labels = np.append(random.integers(0, 2, count - 2), [0, 1])
        return ImageSet.from_arrays(random.normal(size=(count, 30, 1)), labels)

    layers = [specs.Flatten(), specs.Dense(units=64, activation="relu"), specs.Dense(units=2)]
    settings = ImageTrainConfig(epochs=200, learning_rate=5e-3, patience=3)
    validation = noise(100)
    classifier = fit_images(
        noise(40), ImageConfig((30, 1), tuple(layers)), settings, validation=validation
    )
    manifest = classifier.manifest
    assert manifest["steps"] < 200 * 2
    assert evaluate_images(classifier, validation).loss == pytest.approx(
        manifest["validation_loss"], rel=1e-5
    )
    assert manifest["validation_loss"] <= min(entry["score"] for entry in manifest["history"])


@pytest.mark.row("B29")
def test_one_builder_makes_networks_for_images_and_for_series_from_lists():
    layers = [
        {"type": "conv", "channels": 6, "kernel_size": 3, "stride": 2},
        {"type": "batch_norm"},
        {"type": "relu"},
        {"type": "max_pool"},
        {"type": "global_pool"},
        {"type": "dense", "units": 4, "activation": "softmax"},
    ]
    image = ImageNetwork(ImageConfig.from_dict({"input_shape": [16, 20, 3], "layers": layers}))
    series = ImageNetwork(ImageConfig.from_dict({"input_shape": [50, 3], "layers": layers}))
    assert image.eval()(torch.randn(2, 3, 16, 20)).shape == (2, 4)
    assert series.eval()(torch.randn(2, 3, 50)).shape == (2, 4)
    assert [row.name for row in image.rows] == [row.name for row in series.rows]
    swapped = [layers[1], layers[0], *layers[2:]]
    assert ImageNetwork(ImageConfig.from_dict({"input_shape": [16, 20, 3], "layers": swapped}))


@pytest.mark.row("B2", "A2")
def test_one_hot_targets_and_indices_train_alike():
    scores = torch.randn(5, 4, requires_grad=True)
    labels = torch.tensor([0, 3, 1, 1, 2])
    (by_index,) = torch.autograd.grad(functional.cross_entropy(scores, labels), scores)
    (by_code,) = torch.autograd.grad(
        functional.cross_entropy(scores, one_hot(labels.numpy(), 4)), scores
    )
    torch.testing.assert_close(by_index, by_code)

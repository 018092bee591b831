"""Accuracy, loss and confusion against counting by hand; classes are matched by name."""

import numpy as np
import pytest
import torch

from tcn.classifier import ImageClassifier
from tcn.errors import DataError
from tcn.evaluation.images import evaluate_images
from tcn.images import ImageSet
from tcn.models.image import ImageConfig, specs
from tcn.training.images import fresh_network

NAMES = ("dark", "bright", "never")


def classifier():
    """Says "bright" where the one pixel is above 127, "dark" below, and never "never"."""
    config = ImageConfig((1, 1, 1), (specs.Flatten(), specs.Dense(units=3)))
    network = fresh_network(config, 0)
    with torch.no_grad():
        network.body[1].weight.copy_(torch.tensor([[-2.0], [2.0], [0.0]]))
        network.body[1].bias.copy_(torch.tensor([1.0, -1.0, -9.0]))
    return ImageClassifier(config, network, NAMES)


def images(pixels, labels, names):
    return ImageSet.from_arrays(np.array(pixels, np.uint8).reshape(-1, 1, 1), labels, names)


def test_scores_are_those_counted_by_hand():
    scores = evaluate_images(classifier(), images([0, 255, 255, 10, 0], [0, 1, 0, 1, 0], NAMES))
    assert scores.accuracy == pytest.approx(3 / 5)
    assert scores.confusion.tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert scores.per_class["dark"] == pytest.approx(2 / 3)
    assert scores.per_class["bright"] == pytest.approx(1 / 2)
    assert np.isnan(scores.per_class["never"])
    assert scores.to_dict()["n_images"] == 5
    logits = torch.tensor([[1.0, -1.0, -9.0]])
    one = evaluate_images(classifier(), images([0], [0], NAMES))
    assert one.loss == pytest.approx(float(-torch.log_softmax(logits, 1)[0, 0]))


def test_classes_are_matched_by_name_not_by_place():
    scores = evaluate_images(classifier(), images([0, 255], [1, 0], ["bright", "dark"]))
    assert scores.accuracy == 1.0


def test_a_class_the_model_does_not_know_is_named():
    with pytest.raises(DataError, match=r"^The model knows no class 'grey'\. Its classes: dark, b"):
        evaluate_images(classifier(), images([0], [0], ["grey"]))


def test_a_set_without_names_is_taken_by_number():
    assert evaluate_images(classifier(), images([0, 255], [0, 1], None)).accuracy == 1.0

"""A classifier that was saved answers exactly as it did, and forecasters stay apart from it."""

import json
import threading
from hashlib import sha256

import numpy as np
import pytest
import torch

import tcn
from tcn.checkpoint import load_classifier, read_checkpoint, save_classifier
from tcn.checkpoint.directory import CONFIG_FILE, MANIFEST_FILE
from tcn.classifier import ImageClassifier
from tcn.errors import CheckpointError
from tcn.models.image import NETWORKS, reference_config
from tcn.training.images import fresh_network

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 12, 12, 3), dtype=np.uint8)
NAMES = ("cat", "dog", "frog")


def classifier(name="cnn"):
    config = reference_config(name, (12, 12, 3), 3)
    network = fresh_network(config, 0)
    for value in network.buffers():
        if value.is_floating_point():
            value.uniform_(0.5, 1.5)
    return ImageClassifier(config, network, NAMES, manifest={"made_by": "hand"})


def edit_config(path, change):
    """Change the config and sign it, as someone who means harm would."""
    config = json.loads((path / CONFIG_FILE).read_text())
    change(config)
    (path / CONFIG_FILE).write_text(json.dumps(config))
    manifest = json.loads((path / MANIFEST_FILE).read_text())
    manifest["sha256"][CONFIG_FILE] = sha256((path / CONFIG_FILE).read_bytes()).hexdigest()
    (path / MANIFEST_FILE).write_text(json.dumps(manifest))


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "pixel-tcn"])
def test_a_loaded_classifier_answers_bit_for_bit_the_same(tmp_path, name):
    before = classifier(name)
    save_classifier(before, tmp_path / "pets")
    after = load_classifier(tmp_path / "pets")
    assert torch.equal(after.logits(IMAGES), before.logits(IMAGES))
    assert (after.config, after.class_names, after.name) == (before.config, NAMES, "pets")
    assert after.manifest["made_by"] == "hand"
    assert after.manifest["parameters"] == sum(
        v.numel() for v in before.network.state_dict().values()
    )


def test_an_image_model_is_no_forecaster_and_a_forecaster_no_image_model(tmp_path):
    save_classifier(classifier(), tmp_path / "pets")
    assert read_checkpoint(tmp_path / "pets").kind == "image"
    with pytest.raises(CheckpointError, match=r"of kind 'image', which does not forecast series"):
        tcn.load(tmp_path / "pets")
    from tcn.forecaster import Forecaster
    from tcn.models import ForecastNetwork

    config = tcn.TCNConfig(
        horizon=2, channels=4, hidden_channels=4, head_channels=4, dilations=(1,)
    )
    tcn.save(Forecaster(config, ForecastNetwork(config)), tmp_path / "sales")
    with pytest.raises(CheckpointError, match=r"of kind 'tcn', which forecasts series and"):
        load_classifier(tmp_path / "sales")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda c: c["config"].update(colour=1), "Unknown key 'colour' in ImageConfig"),
        (
            lambda c: c["config"]["layers"].append({"type": "dense", "units": 65_536}),
            "do not fit its config; missing",
        ),
        (
            lambda c: c["config"]["layers"][0].update(channels=8000),
            "has shape .* but the config asks for",
        ),
        (lambda c: c["config"].update(input_shape=[12]), "is not valid: input_shape must"),
        (lambda c: c["config"].update(layers=7), "layers must list 1 to 512 layers, got 7"),
        (lambda c: c["extras"].update(class_names="cat"), "must hold class_names, a list of names"),
        (
            lambda c: c["extras"].update(class_names=["cat"]),
            "tells 3 classes apart, but there are 1",
        ),
    ],
)
def test_a_config_that_does_not_fit_its_weights_is_refused(tmp_path, change, sentence):
    save_classifier(classifier(), tmp_path / "pets")
    edit_config(tmp_path / "pets", change)
    with pytest.raises(CheckpointError, match=sentence):
        load_classifier(tmp_path / "pets")


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    broken = classifier()
    with torch.no_grad():
        broken.network.body[0].weight[0, 0, 0, 0] = torch.nan
    with pytest.raises(CheckpointError, match="NaN"):
        save_classifier(broken, tmp_path / "pets")
    assert not (tmp_path / "pets").exists()


def test_a_classifier_that_is_replaced_again_and_again_is_loaded_whole(tmp_path):
    models = [classifier(), classifier()]
    with torch.no_grad():
        models[1].network.body[0].weight.add_(1.0)
    save_classifier(models[0], tmp_path / "pets")
    answers = [model.logits(IMAGES) for model in models]
    stop = threading.Event()

    def replace():
        turn = 0
        while not stop.wait(0.01):
            turn += 1
            save_classifier(models[turn % 2], tmp_path / "pets")

    writer = threading.Thread(target=replace)
    writer.start()
    try:
        for _ in range(20):
            found = load_classifier(tmp_path / "pets").logits(IMAGES)
            assert any(torch.equal(found, answer) for answer in answers)
    finally:
        stop.set()
        writer.join()

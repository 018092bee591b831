"""An image classifier's batches."""

import numpy as np

from tcn.classifier import MAX_POSITIONS, ImageClassifier
from tcn.models.image import residual_cnn
from tcn.training.images import fresh_network


def test_large_images_go_in_small_batches_and_get_the_same_answers(monkeypatch):
    config = residual_cnn((None, None, 1), 3)
    classifier = ImageClassifier(config, fresh_network(config, 0), ("a", "b", "c"))
    images = np.random.default_rng(0).integers(0, 256, (3, 400, 400, 1), dtype=np.uint8)
    sizes = []
    logits = classifier.network.logits

    def counted(x):
        sizes.append(x.shape[0])
        return logits(x)

    monkeypatch.setattr(classifier.network, "logits", counted)
    found = classifier.predict(images).probabilities
    assert max(sizes) * 400 * 400 <= MAX_POSITIONS
    alone = [classifier.predict(image[None]).probabilities[0] for image in images]
    np.testing.assert_allclose(found, alone, atol=1e-6)
    sizes.clear()
    classifier.predict(images[:, :20, :20])
    assert sizes == [3]

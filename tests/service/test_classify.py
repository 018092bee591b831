"""Images over HTTP: as JSON and as files, and every kind of upload to be wary of."""

import io
import resource
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.state import load_forecaster
from tcn.checkpoint import save_classifier
from tcn.classifier import ImageClassifier
from tcn.models.image import residual_cnn, small_cnn
from tcn.training.images import fresh_network

NAMES = ("cat", "dog", "frog")
PNG = {"content-type": "image/png"}
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)


def classifier():
    config = small_cnn((8, 8, 3), 3)
    return ImageClassifier(config, fresh_network(config, 0), NAMES)


@pytest.fixture
def pets(make_client, tmp_path):
    """A service whose store holds an image model."""
    save_classifier(classifier(), tmp_path / "models" / "pets")
    return make_client(load_forecaster)


def encoded(pixels, form="PNG", mode=None):
    buffer = io.BytesIO()
    picture = Image.fromarray(pixels)
    (picture if mode is None else picture.convert(mode)).save(buffer, form)
    return buffer.getvalue()


def animation():
    buffer = io.BytesIO()
    frames = [Image.fromarray(image) for image in IMAGES]
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def bomb(size):
    """A small PNG whose pixels, all black, would fill `size` x `size` x 3 bytes."""

    def chunk(kind, data):
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    rows = zlib.compressobj()
    packed = b"".join(rows.compress(b"\0" * (3 * size + 1)) for _ in range(size)) + rows.flush()
    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header), chunk(b"IDAT", packed), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_images_as_json_get_the_answers_of_the_model(pets):
    answer = pets.post("/v1/classify", {"model": "pets", "images": IMAGES.tolist()}).json()
    expected = classifier().predict(IMAGES)
    assert answer["model"] == "pets"
    assert answer["classes"] == list(NAMES)
    assert [one["name"] for one in answer["predictions"]] == list(expected.names)
    found = [one["probabilities"] for one in answer["predictions"]]
    np.testing.assert_allclose(found, expected.probabilities, atol=1e-6)


def test_a_picture_as_the_body_gets_the_same_answer(pets):
    answer = pets.post("/v1/classify?model=pets", encoded(IMAGES[0]), headers=PNG)
    assert answer.status_code == 200, answer.text
    expected = classifier().predict(IMAGES[:1])
    (prediction,) = answer.json()["predictions"]
    np.testing.assert_allclose(prediction["probabilities"], expected.probabilities[0], atol=1e-6)
    jpeg = pets.post(
        "/v1/classify?model=pets",
        encoded(IMAGES[0], "JPEG"),
        headers={"content-type": "image/jpeg"},
    )
    assert jpeg.status_code == 200


def test_an_image_model_is_listed_and_kept_apart_from_forecasters(pets, problem):
    listed = {model["name"]: model for model in pets.get("/v1/models").json()["models"]}
    assert listed["pets"]["status"] == "ready"
    assert listed["pets"]["kind"] == "image"
    asked = {"series": [1, 2, 3, 4], "horizon": 2, "model": "pets"}
    found = problem(pets.post("/v1/forecast", asked), 422)
    assert found["detail"] == "The model 'pets' classifies images. POST them to /v1/classify."


def test_a_forecaster_classifies_nothing(client, problem):
    asked = {"model": "zero", "images": IMAGES.tolist()}
    found = problem(client.post("/v1/classify", asked), 422)
    assert found["detail"] == "The model 'zero' forecasts series. POST them to /v1/forecast."


WARY = {
    "empty": (b"", "The picture is not a PNG or JPEG picture."),
    "broken": (b"\x89PNG\r\n\x1a\n nonsense", "The picture is not a PNG or JPEG picture."),
    "not an image": (b"%PDF-1.7 no image", "The picture is not a PNG or JPEG picture."),
    "cut": (encoded(IMAGES[0])[:-80], "The picture is damaged: "),
    "one pixel": (
        encoded(IMAGES[0][:1, :1]),
        "The network reads 8 x 8 x 3; the input is 1 x 1 x 3.",
    ),
    "CMYK": (encoded(IMAGES[0], "JPEG", "CMYK"), "The picture has colours of kind CMYK."),
    "animated": (animation(), "The picture is an animation. Give one picture."),
    "large": (bomb(1000), "The picture has 1,000 x 1,000 pixels; at most 64 are allowed."),
}


@pytest.mark.parametrize(("data", "sentence"), WARY.values(), ids=WARY)
def test_uploads_to_be_wary_of_are_refused_by_a_sentence(pets, problem, data, sentence):
    answer = pets.post("/v1/classify?model=pets", data, headers=PNG)
    assert problem(answer, 422)["detail"].startswith(sentence)


def resident_kib():
    """Memory that this process, the service within it, holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024


@pytest.mark.parametrize("data", [data for data, _ in WARY.values()], ids=WARY)
def test_memory_stays_flat_under_uploads_to_be_wary_of(pets, data):
    for _ in range(5):
        pets.post("/v1/classify?model=pets", data, headers=PNG)
    before = resident_kib()
    for _ in range(40):
        assert pets.post("/v1/classify?model=pets", data, headers=PNG).status_code == 422
    assert resident_kib() - before < 8 * 1024


def test_a_decompression_bomb_does_not_fill_memory(pets, problem):
    data = bomb(6_000)  # 108 MB of pixels
    assert len(data) < 2**20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(3):
        problem(pets.post("/v1/classify?model=pets", data, headers=PNG), 422)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 25 * 1024  # KiB


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ([], 422, "The body must be an object, got a list."),
        ({"images": [[[1]]]}, 422, "#/model: must be the name of an image model, got null."),
        ({"model": "pets"}, 422, "#/images: must be a list of images, got null."),
        ({"model": "pets", "images": []}, 422, "#/images: must be a list of images, got a list."),
        ({"model": "pets", "images": [[[1, 2], [3]]]}, 422, "#/images: the images must all have"),
        ({"model": "pets", "images": [[["a"]]]}, 422, "#/images: every pixel must be a number"),
        ({"model": "pets", "images": [[[True]]]}, 422, "#/images: every pixel must be a number"),
        ({"model": "pets", "images": [[[None]]]}, 422, "#/images: every pixel must be a number"),
        ({"model": "pets", "images": [[[256]]]}, 422, "Pixels must be from 0 to 255, got 256"),
        ({"model": "pets", "images": [[[10**18]]]}, 422, "Pixels must be from 0 to 255"),
        ({"model": "pets", "images": [1]}, 422, "Images must have the shape"),
        ({"model": "pets", "images": [[[1]]]}, 422, "The network reads 8 x 8 x 3; the input is 1"),
        ({"model": "none", "images": [[[1]]]}, 404, "There is no model of this name."),
        ({"model": "../x", "images": [[[1]]]}, 422, "#/model: must be the name"),
        ({"model": "pets", "images": [[[1]]], "size": 3}, 422, "#: unknown field 'size'."),
    ],
)
def test_json_that_holds_no_images_is_refused_by_a_sentence(pets, problem, body, status, sentence):
    assert problem(pets.post("/v1/classify", body), status)["detail"].startswith(sentence)


def test_limits_and_types_are_those_of_the_settings(make_client, tmp_path, problem):
    save_classifier(classifier(), tmp_path / "models" / "pets")
    small = make_client(load_forecaster, max_points=500)
    asked = {"model": "pets", "images": IMAGES.tolist()}
    found = problem(small.post("/v1/classify", asked), 422)
    assert found["detail"] == "#/images: at most 500 values are allowed."
    gif = small.post("/v1/classify?model=pets", b"GIF89a", headers={"content-type": "image/gif"})
    assert "image/png and image/jpeg" in problem(gif, 415)["detail"]
    problem(small.post("/v1/classify", encoded(IMAGES[0]), headers=PNG), 422)


def test_a_network_that_reads_any_size_gets_images_of_bounded_size(make_client, tmp_path, problem):
    config = residual_cnn((None, None, 3), 3)
    any_size = ImageClassifier(config, fresh_network(config, 0), NAMES)
    save_classifier(any_size, tmp_path / "models" / "any")
    client = make_client(load_forecaster, max_image_pixels=100)
    assert client.get("/v1/limits").json()["max_image_pixels"] == 100
    path = "/v1/classify?model=any"
    assert client.post(path, encoded(IMAGES[0]), headers=PNG).status_code == 200
    large = np.zeros((20, 10, 3), np.uint8)
    refused = problem(client.post(path, encoded(large), headers=PNG), 422)
    assert refused["detail"].startswith("The picture has 20 x 10 pixels; at most 100 are allowed.")
    asked = {"model": "any", "images": [large.tolist()]}
    refused = problem(client.post("/v1/classify", asked), 422)
    assert "may have 100 pixels (max_image_pixels), got 200" in refused["detail"]
    asked["images"] = IMAGES.tolist()
    assert client.post("/v1/classify", asked).status_code == 200

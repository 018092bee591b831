"""Labelled images from arrays, files and folders."""

import contextlib
import io
import struct
import sys
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tcn.errors import ConfigError, DataError
from tcn.images import (
    Augmentation,
    ImageSet,
    augment,
    decode_picture,
    plot_images,
    read_images,
    read_picture,
    to_images,
    to_tensor,
)

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])


def encoded(pixels=PIXELS[0], form="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, **options)
    return buffer.getvalue()


def test_grey_images_get_an_axis_of_one_channel():
    images = ImageSet.from_arrays(PIXELS[..., 0], LABELS[:, None])
    assert images.shape == (5, 4, 1)
    assert images.class_names == ("0", "1", "2")
    assert images.images.dtype == np.uint8


@pytest.mark.parametrize(
    ("images", "labels", "sentence"),
    [
        (PIXELS.astype(int) + 1, LABELS, "Pixels must be from 0 to 255, got 1 to 256."),
        (PIXELS / 255, LABELS, "Floats are read as series of shape (number, length, channels)"),
        (PIXELS[0, 0], LABELS, "Images must have the shape (number, rows, columns)"),
        (PIXELS[:0], LABELS[:0], "Images must have the shape"),
        (PIXELS.astype(str), LABELS, "Images must be whole numbers from 0 to 255"),
        (PIXELS, LABELS[:5], "There must be one label for each of 6 images, got labels of shape"),
        (PIXELS, LABELS / 2, "Labels must be class indices (whole numbers), got float64."),
        (PIXELS, LABELS - 1, "Labels must be from 0 to 65,535, got -1 to 1."),
        (np.full((1, 3, 1), np.nan), [0], "The series have NaN or infinite values."),
    ],
)
def test_arrays_that_are_no_images_are_refused_by_a_sentence(images, labels, sentence):
    with pytest.raises(DataError) as caught:
        ImageSet.from_arrays(images, labels)
    assert str(caught.value).startswith(sentence)


def test_names_must_be_enough_and_distinct():
    with pytest.raises(DataError, match=r"go up to 2, but there are 2 class names; give 3\.$"):
        ImageSet.from_arrays(PIXELS, LABELS, ["a", "b"])
    with pytest.raises(DataError, match="has a name twice"):
        ImageSet.from_arrays(PIXELS, LABELS, ["a", "b", "b"])


@given(share=st.floats(0.1, 0.9), seed=st.integers(0, 5))
def test_a_split_parts_each_class_and_loses_no_image(share, seed):
    labels = np.arange(60) % 3
    images = ImageSet.from_arrays(np.arange(60, dtype=np.uint8).reshape(60, 1, 1), labels)
    known, held = images.split(share, seed)
    found = np.sort(np.concatenate([known.images.ravel(), held.images.ravel()]))
    assert np.array_equal(found, np.arange(60))
    assert np.ptp(np.bincount(held.labels, minlength=3)) == 0


def test_a_split_that_leaves_a_part_empty_is_refused():
    images = ImageSet.from_arrays(PIXELS, LABELS)
    with pytest.raises(DataError, match=r"^A share of 0\.01 of 6 images leaves one part empty\."):
        images.split(0.01)
    with pytest.raises(DataError, match="must be between 0 and 1, got 1"):
        images.split(1.0)


@given(st.lists(st.integers(0, 255), min_size=12, max_size=12))
def test_pixels_go_to_tensors_and_back_unchanged(values):
    images = np.array(values, np.uint8).reshape(1, 2, 2, 3)
    assert np.array_equal(to_images(to_tensor(images)), images)
    assert to_tensor(images).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    "names", [("x_train", "y_train"), ("x", "y"), ("images", "labels")], ids=str
)
def test_arrays_are_found_by_their_names(tmp_path, names):
    path = tmp_path / "set.npz"
    np.savez(path, **dict(zip(names, (PIXELS, LABELS), strict=True)), class_names=["a", "b", "c"])
    images = read_images(path)
    assert np.array_equal(images.images, PIXELS)
    assert images.class_names == ("a", "b", "c")


def test_files_that_hold_no_images_are_named(tmp_path):
    path = tmp_path / "set.npz"
    np.savez(path, a=PIXELS)
    with pytest.raises(DataError, match=r"has the arrays a\. Name them x_test and y_test, or x"):
        read_images(path, "test")
    np.savez(path, x=np.array([{"a": 1}]), y=[0])
    with pytest.raises(DataError, match="cannot be read as arrays"):
        read_images(path)
    path.write_bytes(b"PK nonsense")
    with pytest.raises(DataError, match="cannot be read as arrays"):
        read_images(path)
    np.savez(path, x=PIXELS, y=LABELS[:2])
    with pytest.raises(DataError, match=r"set\.npz', arrays 'x' and 'y': There must be one label"):
        read_images(path)
    with pytest.raises(DataError, match=r"^There is no '.*none\.npz'\."):
        read_images(tmp_path / "none.npz")
    (tmp_path / "set.csv").touch()
    with pytest.raises(DataError, match=r"is not a \.npz file"):
        read_images(tmp_path / "set.csv")


def make_folder(root, part=""):
    for name in ("cat", "dog"):
        folder = root / part / name
        folder.mkdir(parents=True)
        for index in range(2):
            (folder / f"{index}.png").write_bytes(encoded(PIXELS[index]))
        (folder / "notes.txt").write_text("not a picture")
    return root


def test_a_folder_has_a_folder_for_each_class(tmp_path):
    images = read_images(make_folder(tmp_path))
    assert images.class_names == ("cat", "dog")
    assert images.labels.tolist() == [0, 0, 1, 1]
    assert np.array_equal(images.images[0], PIXELS[0])
    assert read_images(tmp_path, channels=1, size=(3, 2)).shape == (3, 2, 1)


def test_a_folder_may_be_parted_into_train_and_test(tmp_path):
    make_folder(tmp_path, "train")
    make_folder(tmp_path, "test")
    (tmp_path / "test" / "cat" / "0.png").unlink()
    assert (len(read_images(tmp_path, "train")), len(read_images(tmp_path, "test"))) == (4, 3)


def test_folders_that_do_not_fit_are_named(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has 0 class folders"):
        read_images(tmp_path / "empty")
    (tmp_path / "empty" / "cat").mkdir()
    with pytest.raises(DataError, match=r"cat' holds no picture"):
        read_images(tmp_path / "empty")
    root = make_folder(tmp_path / "set")
    (root / "dog" / "1.png").write_bytes(encoded(PIXELS[0][:3]))
    with pytest.raises(
        DataError, match=r"dog/1\.png' has 3 x 4 pixels, the pictures before it 5 x"
    ):
        read_images(root)
    (root / "dog" / "1.png").write_text("no picture")
    with pytest.raises(DataError, match=r"dog/1\.png' is not a PNG or JPEG picture\.$"):
        read_images(root)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_pictures_are_decoded_to_grey_or_rgb_and_resized(form):
    smooth = np.full((40, 30, 3), (200, 100, 50), np.uint8)
    data = encoded(smooth, form)
    assert np.abs(decode_picture(data, 3).astype(int) - smooth).max() < 6
    assert decode_picture(data, 1, (20, 10)).shape == (20, 10, 1)


def test_transparent_and_sixteen_bit_pictures_are_read():
    clear = np.concatenate([PIXELS[0], np.full((5, 4, 1), 9, np.uint8)], axis=2)
    assert np.array_equal(decode_picture(encoded(clear), 3), PIXELS[0])
    deep = PIXELS[0, ..., 0].astype(np.uint16) * 257
    assert np.array_equal(decode_picture(encoded(deep), 1)[..., 0], PIXELS[0, ..., 0])


def bomb(columns=60_000, rows=60_000):
    """A PNG of few bytes that says it has many pixels."""

    def chunk(kind, data):
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 100_000)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def animation():
    buffer = io.BytesIO()
    frames = [Image.fromarray(image) for image in PIXELS[:3]]
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def cmyk():
    buffer = io.BytesIO()
    Image.fromarray(PIXELS[0]).convert("CMYK").save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "The picture is not a PNG or JPEG picture."),
        (b"GIF89a nonsense", "The picture is not a PNG or JPEG picture."),
        (encoded(form="GIF"), "The picture is not a PNG or JPEG picture."),
        (encoded(np.zeros((90, 90), np.uint8))[:60], "The picture is damaged: "),
        (encoded(np.tile(PIXELS[0], (9, 9, 1)), "JPEG")[:900], "The picture is damaged: "),
        (bomb(), "The picture has more than 16,777,216 pixels"),
        (bomb(10_000, 10_000), "The picture has "),
        (bomb(5000, 5000), "The picture has 5,000 x 5,000 pixels; at most 16,777,216 are allowed."),
        (animation(), "The picture is an animation. Give one picture."),
        (cmyk(), "The picture has colours of kind CMYK. Save it as grey or RGB and try again."),
        (b"\0" * (2**25 + 1), "The picture has more than 33,554,432 bytes"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else len(value),
)
def test_pictures_to_be_wary_of_are_refused_by_a_sentence(data, sentence):
    with pytest.raises(DataError) as caught:
        decode_picture(data, 3)
    assert str(caught.value).startswith(sentence)


@given(cut=st.integers(8, 200), at=st.integers(8, 200), byte=st.integers(0, 255))
def test_broken_bytes_give_a_picture_or_a_sentence(cut, at, byte):
    data = bytearray(encoded(np.tile(PIXELS[0], (5, 5, 1)), "JPEG"))
    data[at] = byte
    for broken in (bytes(data), bytes(data[:-cut])):
        with contextlib.suppress(DataError):
            assert decode_picture(broken, 3).dtype == np.uint8


def test_only_grey_and_rgb_are_decoded():
    with pytest.raises(DataError, match=r"^Pictures have 1 or 3 channels; the network reads 4\.$"):
        decode_picture(encoded(), 4)


def test_a_picture_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"^Cannot read '.*rose\.png': No such file"):
        read_picture(tmp_path / "rose.png", 3)


def test_without_pillow_it_is_said_what_to_install(monkeypatch):
    data = encoded()
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(DataError, match=r"pip install 'tcn-forecast\[images\]'\.$"):
        decode_picture(data, 3)


def test_without_matplotlib_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'tcn-forecast\[plot\]'\.$"):
        plot_images(PIXELS)


def test_no_augmentation_leaves_images_alone():
    x = torch.rand(2, 3, 5, 6)
    assert torch.equal(augment(x, Augmentation(), torch.Generator()), x)


def test_augmentation_keeps_pixels_within_the_range_it_found():
    x = torch.rand(20, 3, 9, 7)
    change = Augmentation(zoom=0.5, tilt=180.0, shift=0.5, flip=True)
    y = augment(x, change, torch.Generator().manual_seed(0))
    assert y.shape == x.shape
    assert y.min() >= 0.0
    assert y.max() <= 1.0 + 1e-6


@pytest.mark.parametrize("options", [{"zoom": 1.0}, {"tilt": -1.0}, {"flip": 1}, {"shift": "a"}])
def test_an_augmentation_beyond_its_limits_is_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        Augmentation(**options)

import io
import json

import numpy as np
import pytest
from PIL import Image

from tcn.cli import main

ARGUMENTS = ["--network", "small-cnn", "--epochs", "4", "--learning-rate", "0.01", "--flip"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures in which a bright half is up or down, as folders and as arrays, and a model."""
    root = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    labels = np.arange(80) % 2
    images = random.integers(0, 60, (80, 8, 8, 3), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[4 * label : 4 * label + 4] += 150
    np.savez(root / "set.npz", x=images, y=labels, class_names=["up", "down"])
    for index in range(20):
        place = root / "pictures" / ("up", "down")[labels[index]]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[index]).save(place / f"{index}.png")
    run("train", root / "set.npz", "--out", root / "model", *ARGUMENTS, "--quiet")
    return root


def run(*arguments):
    """The exit code of `tcn images` with these arguments."""
    with pytest.raises(SystemExit) as exit_:
        main(["images", *map(str, arguments)])
    return exit_.value.code


def test_train_shows_each_epoch_and_how_to_go_on(folder, tmp_path, capsys):
    out = tmp_path / "model"
    assert run("train", folder / "set.npz", "--out", out, *ARGUMENTS) == 0
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert len(lines) == 4
    assert "validation_accuracy" in lines[-1]
    assert shown.err.startswith("72 images of 8 x 8 x 3, 2 classes, 8 more held back.\n")
    assert f"tcn images predict PICTURE --model {out}" in shown.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


def test_train_reads_folders_of_pictures_and_a_config(folder, tmp_path, capsys):
    config = {
        "network": {"layers": [{"type": "global_pool"}, {"type": "dense", "units": 2}]},
        "train": {"epochs": 1, "schedule": "cosine"},
        "augmentation": {"tilt": 3.0},
    }
    (tmp_path / "c.json").write_text(json.dumps(config))
    arguments = ["--config", tmp_path / "c.json", "--size", "6x6", "--grey", "--json", "--quiet"]
    out = tmp_path / "model"
    assert run("train", folder / "pictures", "--out", out, "--shift", "0.2", *arguments) == 0
    manifest = json.loads(capsys.readouterr().out)["manifest"]
    assert manifest["augmentation"]["tilt"] == 3.0
    assert manifest["augmentation"]["shift"] == 0.2
    assert manifest["train"]["schedule"] == "cosine"
    assert run("summary", out) == 0
    assert "(None, 6, 6, 1)" in capsys.readouterr().out


def test_evaluate_prints_each_class(folder, capsys):
    assert run("evaluate", folder / "set.npz", "--model", folder / "model") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["class", "images", "accuracy"]
    assert [line.split()[:2] for line in lines[1:4]] == [
        ["up", "40"],
        ["down", "40"],
        ["all", "80"],
    ]
    assert lines[4].startswith("loss 0.")
    assert run("evaluate", folder / "pictures", "--model", folder / "model", "--json") == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["accuracy"] > 0.9
    assert scores["n_images"] == 20


def test_predict_names_classes_and_draws(folder, tmp_path, capsys):
    pictures = [folder / "pictures" / "up" / "0.png", folder / "pictures" / "down" / "1.png"]
    plot = tmp_path / "answers.png"
    assert run("predict", *pictures, "--model", folder / "model", "--plot", plot, "--json") == 0
    found = json.loads(capsys.readouterr().out)["predictions"]
    assert [one["classes"][0]["name"] for one in found] == ["up", "down"]
    assert sum(named["probability"] for named in found[0]["classes"]) == pytest.approx(1.0)
    with Image.open(plot) as drawn:
        assert drawn.width > 100
    assert run("predict", pictures[0], "--model", folder / "model", "--top", "1") == 0
    assert capsys.readouterr().out.splitlines()[1].split()[1] == "up"


def test_pictures_of_another_size_need_resize(folder, tmp_path, capsys):
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20)).save(buffer, "PNG")
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    assert run("predict", tmp_path / "a.png", "--model", folder / "model") == 2
    assert "has 20 x 30 pixels; the model reads 8 x 8. Give that size or --resize." in (
        capsys.readouterr().err
    )
    assert run("predict", tmp_path / "a.png", "--model", folder / "model", "--resize") == 0


def test_summary_prints_the_table_of_the_documents(capsys):
    assert run("summary", "small-cnn") == 0
    assert "total parameters: 15,120\n" in capsys.readouterr().out
    assert run("summary", "cnn", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["parameters"], found["trainable"]) == (592_554, 591_914)
    assert run("summary", "mlp", "--shape", "28x28x1", "--classes", "3") == 0
    assert "(None, 784)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["summary", "lstm"], "Unknown network 'lstm'. Known networks: mlp, small-cnn, cnn"),
        (["summary", "cnn", "--shape", "3x"], "--shape must be whole numbers such as 32x32x3"),
        (["train", "none.npz", "--out", "m"], "There is no 'none.npz'."),
        (["evaluate", "none.npz", "--model", "m"], "No model at 'm'."),
        (["train", "{set}", "--out", "m", "--epochs", "x"], "Invalid value for '--epochs'"),
        (["train", "{set}", "--out", "m", "--config", "no.json"], "There is no file 'no.json'"),
        (
            ["evaluate", "{set}", "--model", "{model}", "--part", "x"],
            "--part must be train or test",
        ),
        (["train", "{set}", "--out", "{set}"], "is a file. Give --out the name of a directory"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(
    folder, tmp_path, monkeypatch, capsys, arguments, sentence
):
    monkeypatch.chdir(tmp_path)
    places = {"{set}": str(folder / "set.npz"), "{model}": str(folder / "model")}
    assert run(*(places.get(argument, argument) for argument in arguments)) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert len(error.splitlines()) == 1


def test_every_option_is_documented():
    from pathlib import Path

    import typer

    from tcn.cli.images import app

    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    section = page.split("## tcn images")[1].split("\n## ")[0]
    for name, command in typer.main.get_command(app).commands.items():
        assert f"tcn images {name}" in section
        for parameter in command.params:
            for option in parameter.opts:
                assert not option.startswith("--") or f"`{option}`" in section, (name, option)

"""How well, and how fast, do image networks learn?

    python -m benchmarks.images TASK --data FOLDER [--seeds 0 1 2] [--state FOLDER] [--again]

    cifar-mlp, cifar-cnn     the recipe of the source documents: Adam 0.0005, batches of 32
    cifar-augmented          the CNN with shifts and flips, 30 epochs, cosine
    cifar-residual           residual blocks, the same
    mnist-image, mnist-steps the digits as 28 x 28 to a CNN, as 784 steps to a causal network
    cifar-reduced            MLP and CNN on 5,000 images, 3 epochs: the CNN is ahead by 8 points
    step                     a training step of the CNN beside plain torch.nn of the same layers

The images (`images/*.npz` below FOLDER, or below TCN_DATA) are not part of the project. CIFAR-10 is
a JPEG copy, about one point harder. No choice is made on the test set: it is looked at once, after
the last epoch. A run that was stopped goes on with the same command, and seeds that are in the
result are not run again.
"""

import argparse
import io
import json
import shlex
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.development_data import data_folder
from benchmarks.side_by_side import processor
from tcn.evaluation.images import evaluate_images
from tcn.images import CIFAR10_CLASSES, Augmentation, ImageSet, channel_statistics, read_images
from tcn.models.image import ImageConfig, cnn, mlp, pixel_tcn, residual_cnn
from tcn.models.precision import autocast, number_format
from tcn.training.images import ImageBatches, ImageTrainConfig, fit_images, fresh_network

RESULTS = Path(__file__).parent / "results"
SETS = Callable[[Path], tuple[ImageSet, ImageSet]]


def read_cifar10(folder: Path) -> tuple[ImageSet, ImageSet]:
    """Train and test images, decoded from JPEG."""
    from PIL import Image

    with np.load(folder / "cifar10_jpeg_packed.npz", allow_pickle=False) as archive:
        head, blob = archive["header"].tobytes(), archive["blob"].tobytes()
        offsets, labels = archive["offsets"], archive["labels"]
        n_train = int(archive["n_train"])
    images = np.empty((len(labels), 32, 32, 3), np.uint8)
    for index in range(len(labels)):
        data = head + blob[offsets[index] : offsets[index + 1]] + b"\xff\xd9"
        images[index] = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    whole = ImageSet.from_arrays(images, labels, CIFAR10_CLASSES)
    return whole.take(slice(0, n_train)), whole.take(slice(n_train, None))


def read_mnist(folder: Path) -> tuple[ImageSet, ImageSet]:
    path = folder / "mnist.npz"
    return read_images(path, "train"), read_images(path, "test")


@dataclass(frozen=True)
class Recipe:
    """One task: data, network, and how it is trained."""

    read: SETS
    network: Callable[[], ImageConfig]
    train: ImageTrainConfig = field(default_factory=ImageTrainConfig)
    augmentation: Augmentation | None = None
    is_standardised: bool = False


LONG = ImageTrainConfig(epochs=30, batch_size=64, learning_rate=2e-3, schedule="cosine")
RECIPES = {
    "cifar-mlp": Recipe(read_cifar10, mlp),
    "cifar-cnn": Recipe(read_cifar10, cnn),
    "cifar-augmented": Recipe(
        read_cifar10, cnn, LONG, Augmentation(shift=0.125, flip=True), is_standardised=True
    ),
    "cifar-residual": Recipe(
        read_cifar10,
        residual_cnn,
        replace(LONG, learning_rate=4e-3, weight_decay=0.05, average=0.995),
        Augmentation(shift=0.125, flip=True),
        is_standardised=True,
    ),
    "mnist-image": Recipe(
        read_mnist,
        lambda: cnn((28, 28, 1)),
        replace(LONG, epochs=6, batch_size=128),
        Augmentation(shift=0.08, zoom=0.1, tilt=8.0),
    ),
    "mnist-steps": Recipe(
        read_mnist,
        pixel_tcn,
        ImageTrainConfig(epochs=6, batch_size=64, learning_rate=2e-3, schedule="cosine", clip=1.0),
        is_standardised=True,
    ),
}


def run_recipe(task: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Train with one seed and measure on the test images."""
    recipe = RECIPES[task]
    known, test = recipe.read(data_folder(options.data) / "images")
    config = recipe.network()
    if recipe.is_standardised:
        mean, std = channel_statistics(known.images)
        config = replace(config, pixel_mean=mean, pixel_std=std)
    directory = Path(options.state) / f"{task}-{seed}"
    was_resumed = directory.exists()
    begin = time.process_time()
    classifier = fit_images(
        known,
        config,
        replace(recipe.train, seed=seed),
        augmentation=recipe.augmentation,
        directory=directory,
        progress=lambda entry: print(task, seed, _text(entry), flush=True),
    )
    minutes = (time.process_time() - begin) / 60
    scores = evaluate_images(classifier, test, batch_size=500)
    return {
        "seed": seed,
        "test_accuracy": scores.accuracy,
        "test_loss": scores.loss,
        "cpu_minutes_since_last_start": minutes,
        "was_resumed": was_resumed,
        "history": classifier.manifest["history"],
    }


def run_reduced(seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Accuracy of MLP and CNN trained on 500 images of each class for 3 epochs."""
    known, test = read_cifar10(data_folder(options.data) / "images")
    _, known = known.split(0.1, seed)
    settings = ImageTrainConfig(epochs=3, seed=seed)
    found: dict[str, Any] = {"seed": seed}
    for name, network in (("mlp", mlp), ("cnn", cnn)):
        classifier = fit_images(known, network(), settings)
        found[name] = evaluate_images(classifier, test, batch_size=500).accuracy
    return found | {"points_ahead": 100 * (found["cnn"] - found["mlp"])}


class PlainCNN(nn.Sequential):
    """The CNN of the documents as one would write it with torch.nn."""

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        for inputs, outputs, stride in ((3, 32, 1), (32, 32, 2), (32, 64, 1), (64, 64, 2)):
            layers += [nn.Conv2d(inputs, outputs, 3, stride, padding=1), nn.BatchNorm2d(outputs)]
            layers.append(nn.LeakyReLU(0.3))
        layers += [nn.Flatten(), nn.Linear(4096, 128), nn.BatchNorm1d(128), nn.LeakyReLU(0.3)]
        super().__init__(*layers, nn.Dropout(0.5), nn.Linear(128, 10))


def run_step(rounds: int = 40) -> dict[str, Any]:
    """Milliseconds of forward, backward and Adam for 32 images, in turns, and their ratio."""
    random = np.random.default_rng(0)
    images = ImageSet.from_arrays(
        random.integers(0, 256, (320, 32, 32, 3)), np.arange(320) % 10, CIFAR10_CLASSES
    )
    batches = ImageBatches(images, cnn(), 32, 0)
    ours, plain = fresh_network(cnn(), 0).train(), PlainCNN().train()
    dtype = number_format("auto")

    def our_loss(step: int) -> Tensor:
        batch = batches(step)
        with autocast(torch.device("cpu"), dtype):
            logits = ours.logits(batch.inputs)
        return nn.functional.cross_entropy(logits.float(), batch.labels)

    def plain_loss(step: int) -> Tensor:
        rows = batches.rows(step)
        x = torch.from_numpy(images.images[rows]).float().permute(0, 3, 1, 2).contiguous() / 255
        return nn.functional.cross_entropy(plain(x), torch.from_numpy(images.labels[rows]))

    losses: dict[str, Callable[[int], Tensor]] = {"ours": our_loss, "plain": plain_loss}
    networks: dict[str, nn.Module] = {"ours": ours, "plain": plain}
    adams = {
        "ours": torch.optim.AdamW(ours.parameters(), lr=5e-4, weight_decay=0.0, fused=True),
        "plain": torch.optim.Adam(plain.parameters(), lr=5e-4),
    }
    times: dict[str, list[float]] = {name: [] for name in networks}
    for step in range(rounds):
        for name in networks:
            begin = time.perf_counter()
            adams[name].zero_grad()
            losses[name](step).backward()  # type: ignore[no-untyped-call]
            adams[name].step()
            times[name].append(1e3 * (time.perf_counter() - begin))
    ms = {name: statistics.median(values[5:]) for name, values in times.items()}
    return {"dtype": str(dtype), "ms": ms, "times_as_fast": ms["plain"] / ms["ours"]}


def save_run(task: str, run: dict[str, Any]) -> None:
    """Add a run to the task's result; one of the same seed is replaced."""
    path = RESULTS / f"images_{task}.json"
    runs = [old for old in finished(task) if old.get("seed") != run.get("seed")]
    about = {
        "command": shlex.join(["python", "-m", "benchmarks.images", task]),
        "date": datetime.now(UTC).date().isoformat(),
        "processor": processor(),
        "torch": torch.__version__,
    }
    runs.append(run | about)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"task": task, "runs": runs}, indent=2) + "\n", encoding="utf-8")


def finished(task: str) -> list[dict[str, Any]]:
    """Runs that are in the task's result already."""
    path = RESULTS / f"images_{task}.json"
    if not path.exists():
        return []
    runs: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["runs"]
    return runs


def _text(figures: dict[str, Any]) -> str:
    return "  ".join(
        f"{name} {value:.4f}" if isinstance(value, float) else f"{name} {value}"
        for name, value in figures.items()
        if name != "history"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=(*RECIPES, "cifar-reduced", "step"))
    parser.add_argument("--data", help="folder with images/; by default that in TCN_DATA")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--state",
        default=str(Path(tempfile.gettempdir()) / "tcn_image_runs"),
        help="folder where stopped runs are kept",
    )
    parser.add_argument("--again", action="store_true", help="run seeds that are finished too")
    return parser.parse_args()


def main() -> None:
    options = _arguments()
    if options.task == "step":
        found = run_step()
        print(_text(found))
        save_run("step", found)
        return
    done = set() if options.again else {run["seed"] for run in finished(options.task)}
    for seed in [seed for seed in options.seeds if seed not in done]:
        reduced = options.task == "cifar-reduced"
        run = run_reduced(seed, options) if reduced else run_recipe(options.task, seed, options)
        print(options.task, _text(run), flush=True)
        save_run(options.task, run)


if __name__ == "__main__":
    main()

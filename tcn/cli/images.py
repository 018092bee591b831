"""`tcn images`: its commands and their options; the work is in `tcn.cli.image_runs`."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, BadParameter, Option

from tcn.cli import options
from tcn.errors import ConfigError

app = typer.Typer(
    name="images",
    help="Train and use networks that classify images.",
    no_args_is_help=True,
)


def sizes(option: str, text: str, counts: tuple[int, ...]) -> tuple[int, ...]:
    """Read whole numbers joined by x; errors name the option.

    >>> sizes("--size", "28x30", (2,))
    (28, 30)
    """
    parts = text.lower().split("x")
    if len(parts) not in counts or not all(part.isdecimal() and int(part) > 0 for part in parts):
        example = "x".join(("32", "32", "3")[: counts[0]])
        raise ConfigError(f"{option} must be whole numbers such as {example}, got {text!r}.")
    return tuple(int(part) for part in parts)


def decimal(low: float, high: float) -> Callable[[str | float], float]:
    """Return a parser of a number in [low, high]."""

    def parse(text: str | float) -> float:
        try:
            value = float(text)
        except ValueError:
            value = low - 1.0
        if not low <= value <= high:
            raise BadParameter(f"must be a number from {low:g} to {high:g}, got {text!r}.")
        return value

    return parse


Data = Annotated[
    Path,
    Argument(
        help="A .npz file of arrays, or a folder with one of PNG or JPEG files for each class.",
        metavar="DATA",
        show_default=False,
    ),
]
Model = Annotated[
    Path,
    Option("--model", help="Directory of a trained model.", metavar="DIR", show_default=False),
]
PictureSize = Annotated[
    str | None,
    Option("--size", help="Bring all pictures to this size.", metavar="ROWSxCOLUMNS"),
]
Grey = Annotated[bool, Option("--grey", help="Read pictures as grey instead of RGB.")]
BatchSize = Annotated[
    int | None,
    Option(
        "--batch-size",
        help="Images computed together.",
        parser=options.whole_number(1, 65_536),
        metavar="N",
    ),
]
Resize = Annotated[bool, Option("--resize", help="Bring pictures to the size the model reads.")]

Out = Annotated[
    Path, Option("--out", help="Directory for the model.", show_default=False, metavar="DIR")
]
Network = Annotated[
    str | None,
    Option("--network", help="mlp, small-cnn, cnn, residual-cnn or pixel-tcn; cnn if not given."),
]
Config = Annotated[
    Path | None, Option("--config", help='JSON file: {"network", "train", "augmentation"}.')
]
Epochs = Annotated[
    int | None,
    Option(
        "--epochs",
        help="Passes over the images.",
        parser=options.whole_number(0, 100_000),
        metavar="N",
    ),
]
LearningRate = Annotated[
    float | None,
    Option("--learning-rate", help="Of Adam.", parser=decimal(1e-8, 10.0), metavar="X"),
]
Validation = Annotated[
    float,
    Option(
        "--validation",
        help="Share of the images held back to choose the best epoch; 0 keeps the last.",
        parser=decimal(0.0, 0.9),
        metavar="SHARE",
    ),
]
Zoom = Annotated[
    float | None,
    Option("--zoom", help="Augment: 0.1 is 0.9 to 1.1.", parser=decimal(0.0, 0.9), metavar="X"),
]
Tilt = Annotated[
    float | None,
    Option("--tilt", help="Augment: degrees.", parser=decimal(0.0, 180.0), metavar="X"),
]
Shift = Annotated[
    float | None,
    Option("--shift", help="Augment: share of size.", parser=decimal(0.0, 0.9), metavar="X"),
]
Flip = Annotated[bool, Option("--flip", help="Augment: mirror every second image.")]


@app.command()
def train(
    data: Data,
    out: Out,
    network: Network = None,
    config: Config = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    validation: Validation = 0.1,
    zoom: Zoom = None,
    tilt: Tilt = None,
    shift: Shift = None,
    flip: Flip = False,
    size: PictureSize = None,
    grey: Grey = False,
    seed: options.Seed = None,
    restart: options.Restart = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Train a classifier on labelled images.

    A run that was stopped goes on with the same command.
    """
    from tcn.cli.image_runs import train_images

    given = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate}
    changes = {"zoom": zoom, "tilt": tilt, "shift": shift, "flip": flip or None}
    train_images(
        data,
        out=out,
        network=network,
        config=config,
        validation=validation,
        size=None if size is None else sizes("--size", size, (2,)),
        grey=grey,
        train_options={k: v for k, v in {**given, "seed": seed}.items() if v is not None},
        augmentation={k: v for k, v in changes.items() if v is not None},
        restart=restart,
        as_json=as_json,
        quiet=quiet,
    )


@app.command()
def evaluate(
    data: Data,
    model: Model,
    part: Annotated[
        str, Option("--part", help="test or train, where DATA has both.", metavar="PART")
    ] = "test",
    batch_size: BatchSize = None,
    resize: Resize = False,
    as_json: options.AsJson = False,
) -> None:
    """Measure a classifier on labelled images: loss, accuracy, accuracy of each class."""
    from tcn.cli.image_runs import evaluate_model

    evaluate_model(
        data, model, part=part, batch_size=batch_size or 256, resize=resize, as_json=as_json
    )


@app.command()
def predict(
    pictures: Annotated[
        list[Path], Argument(help="PNG or JPEG files.", metavar="PICTURE...", show_default=False)
    ],
    model: Model,
    top: Annotated[
        int,
        Option(
            "--top",
            help="Classes to name for each picture.",
            parser=options.whole_number(1, 1000),
            metavar="N",
        ),
    ] = 3,
    resize: Resize = False,
    plot: Annotated[
        Path | None,
        Option("--plot", help="Draw the pictures with their classes: .png, .svg, .pdf."),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Name what is on pictures, with probabilities."""
    from tcn.cli.image_runs import predict_pictures

    predict_pictures(pictures, model, top=top, resize=resize, plot=plot, as_json=as_json)


@app.command()
def summary(
    network: Annotated[
        str,
        Argument(
            help="A network's name, a JSON file as --config has it, or the directory of a model.",
            metavar="NETWORK",
        ),
    ],
    shape: Annotated[
        str, Option("--shape", help="Size of an image.", metavar="ROWSxCOLUMNSxCHANNELS")
    ] = "32x32x3",
    classes: Annotated[
        int,
        Option(
            "--classes",
            help="Number of classes.",
            parser=options.whole_number(1, 65_536),
            metavar="N",
        ),
    ] = 10,
    as_json: options.AsJson = False,
) -> None:
    """Print the layers of a network, their output shapes and numbers of parameters."""
    from tcn.cli.image_runs import print_summary

    print_summary(network, sizes("--shape", shape, (3, 2)), classes, as_json=as_json)

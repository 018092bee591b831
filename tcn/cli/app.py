"""The commands and their options; the work is in the modules beside this one."""

import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from typer import Argument, Option

from tcn.cli import images, options
from tcn.cli.columns import Columns, as_options, with_columns
from tcn.cli.console import say
from tcn.config import MAX_CONTEXT_LENGTH, MAX_HORIZON
from tcn.errors import TcnError

OBJECTS_BETWEEN_COLLECTIONS = 100_000
EXIT_MISTAKE = 2
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="tcn",
    help="Forecast time series with causal convolutions: pretrained, or trained on your data.",
    epilog="Every command explains itself: tcn forecast --help",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(images.app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `tcn`; exits with 2 and one sentence on stderr for a user's mistake.

    As a program of its own, without `arguments`, it does not look through the hundreds of thousands
    of objects of the imports for garbage, neither while they load nor when it ends.
    """
    is_program = arguments is None
    if is_program:
        gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    code = _exit_code(arguments)
    if is_program:
        gc.freeze()
    sys.exit(code)


def _exit_code(arguments: Sequence[str] | None) -> int:
    try:
        result = app(arguments, prog_name="tcn", standalone_mode=False)
    except typer.TyperException as error:
        return _mistake(error.format_message()) if error.format_message() else EXIT_MISTAKE
    except TcnError as error:
        return _mistake(str(error))
    except OSError as error:
        where = f" '{error.filename}'" if error.filename else ""
        return _mistake(f"Cannot read or write{where}: {error.strerror or error}.")
    if result == EXIT_INTERRUPTED:
        say("Interrupted.")
    return result if isinstance(result, int) else 0


def _mistake(sentence: str) -> int:
    say(f"tcn: {as_options(sentence)}")
    return EXIT_MISTAKE


@app.callback(invoke_without_command=True)
def tcn(
    version: Annotated[
        bool, Option("--version", help="Show the version and exit.", is_eager=True)
    ] = False,
) -> None:
    if version:
        from importlib.metadata import version as version_of

        sys.stdout.write(f"{version_of('tcn-forecast')}\n")
        raise typer.Exit


@app.command()
@with_columns
def forecast(
    *,
    columns: Columns,
    data: options.Data,
    horizon: options.Horizon,
    model: options.Model = "zero",
    quantiles: options.Quantiles = "0.1,0.5,0.9",
    out: Annotated[
        Path | None, Option("--out", help="File to write, .csv or .parquet; stdout without it.")
    ] = None,
    plot: Annotated[
        Path | None, Option("--plot", help="Picture of the first series: .png, .svg or .pdf.")
    ] = None,
    batch_size: options.BatchSize = 256,
    jobs: options.Jobs = 1,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Forecast every series of a file."""
    from tcn.cli.forecast import run

    run(
        data,
        columns,
        horizon=horizon,
        model=model,
        levels=options.quantile_levels(quantiles),
        out=out,
        plot=plot,
        batch_size=batch_size,
        jobs=jobs,
        as_json=as_json,
        quiet=quiet,
    )


@app.command()
@with_columns
def train(
    *,
    columns: Columns,
    data: options.Data,
    horizon: options.Horizon,
    out: Annotated[
        Path, Option("--out", help="Directory for the model.", show_default=False, metavar="DIR")
    ],
    start: Annotated[
        str, Option("--start", help="Weights to begin with: a model, or none for random ones.")
    ] = "zero",
    config: Annotated[
        Path | None, Option("--config", help='JSON file: {"kind", "network", "train"}.')
    ] = None,
    max_epochs: Annotated[
        int | None,
        Option(
            "--max-epochs",
            help="Passes over the data at most.",
            parser=options.whole_number(0, 100_000),
            metavar="N",
        ),
    ] = None,
    seed: options.Seed = None,
    test: Annotated[
        bool, Option("--test", help="Keep the last horizon out of training and measure on it.")
    ] = False,
    restart: options.Restart = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Train a model on the series of a file.

    A run that was stopped goes on with the same command.
    """
    from tcn.cli.train import run

    given = {"max_epochs": max_epochs, "seed": seed}
    run(
        data,
        columns,
        horizon=horizon,
        out=out,
        start=start,
        config=config,
        train_options={name: value for name, value in given.items() if value is not None},
        test=test,
        restart=restart,
        as_json=as_json,
        quiet=quiet,
    )


@app.command()
@with_columns
def backtest(
    *,
    columns: Columns,
    data: options.Data,
    horizon: options.Horizon,
    model: Annotated[
        str,
        Option("--model", help="Bundled name or directory, or several: zero,models/mine."),
    ] = "zero",
    windows: Annotated[
        int,
        Option(
            "--windows",
            help="Forecasts of the past for each series.",
            parser=options.whole_number(1, 1000),
            metavar="N",
        ),
    ] = 3,
    step_size: Annotated[
        int | None,
        Option(
            "--step-size",
            help="Steps between two windows; the horizon if not given.",
            parser=options.whole_number(1, MAX_HORIZON),
            metavar="N",
        ),
    ] = None,
    baselines: Annotated[
        str,
        Option(
            "--baselines",
            help="To compare with; also auto_ets, auto_theta (needs statsforecast).",
            metavar="A,B",
        ),
    ] = "seasonal_naive,naive,drift",
    out: Annotated[
        Path | None, Option("--out", help="Forecasts beside what came, .csv or .parquet.")
    ] = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure models on the past of a file, beside simple baselines."""
    from tcn.cli.backtest import run

    run(
        data,
        columns,
        horizon=horizon,
        models=options.names(model) or (model,),
        n_windows=windows,
        step_size=step_size,
        baselines=options.names(baselines),
        out=out,
        as_json=as_json,
        quiet=quiet,
    )


@app.command()
@with_columns
def total(
    *,
    columns: Columns,
    data: options.Data,
    horizon: options.Horizon,
    model: options.Model = "zero",
    quantiles: options.Quantiles = "0.1,0.5,0.9",
    out: Annotated[
        Path | None, Option("--out", help="File to write, .csv or .parquet; stdout without it.")
    ] = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Forecast the sum over the horizon of every series of a file."""
    from tcn.cli.total import run

    run(
        data,
        columns,
        horizon=horizon,
        model=model,
        levels=options.quantile_levels(quantiles),
        out=out,
        as_json=as_json,
        quiet=quiet,
    )


@app.command()
@with_columns
def anomalies(
    *,
    columns: Columns,
    data: options.Data,
    model: options.Model = "zero",
    level: Annotated[
        float, Option("--level", help="Share of points that the interval should hold.")
    ] = 0.99,
    horizon: Annotated[
        int,
        Option(
            "--horizon",
            help="Steps forecast at a time; more is faster, and coarser.",
            parser=options.whole_number(1, MAX_HORIZON),
            metavar="N",
        ),
    ] = 1,
    length: Annotated[
        int | None,
        Option(
            "--length",
            help="Newest points to judge; half of the longest series if not given.",
            parser=options.whole_number(1, 100_000_000),
            metavar="N",
        ),
    ] = None,
    out: Annotated[
        Path | None, Option("--out", help="Every point that was judged, .csv or .parquet.")
    ] = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Find points that the forecasts of a model would not have expected."""
    from tcn.cli.anomalies import run

    run(
        data,
        columns,
        model=model,
        level=level,
        horizon=horizon,
        length=length,
        out=out,
        as_json=as_json,
        quiet=quiet,
    )


@app.command()
def serve(
    host: Annotated[str, Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int,
        Option(
            "--port",
            help="Port to listen on; 0 takes a free one.",
            parser=options.whole_number(0, 65_535),
            metavar="N",
        ),
    ] = 8000,
    store: Annotated[Path, Option("--store", help="Directory of the models served.")] = Path(
        "models"
    ),
) -> int:
    """Serve forecasts over HTTP."""
    from tcn.cli.serve import run

    return run(["--host", host, "--port", str(port), "--store", str(store)])


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def keys(context: typer.Context) -> int:
    """Create, list and revoke the keys of the service."""
    from tcn.cli.serve import run

    return run(["keys", *context.args])


@app.command()
def info(
    model: Annotated[str, Argument(help="Bundled name or directory of a model.", metavar="MODEL")],
    as_json: options.AsJson = False,
) -> None:
    """Say what a model is and how it was made."""
    from tcn.cli.info import run

    run(model, as_json=as_json)


@app.command()
def export(
    model: Annotated[str, Argument(help="Bundled name or directory of a model.", metavar="MODEL")],
    export_format: Annotated[
        Literal["onnx", "openvino"],
        Option("--format", help="What to write: onnx or openvino.", show_default=False),
    ],
    out: Annotated[
        Path, Option("--out", help="Directory for the export.", show_default=False, metavar="DIR")
    ],
    context: Annotated[
        int | None,
        Option(
            "--context",
            help="Values of a window; the model's if not given.",
            parser=options.whole_number(1, MAX_CONTEXT_LENGTH),
            metavar="N",
        ),
    ] = None,
    horizon: Annotated[
        int | None,
        Option(
            "--horizon",
            help="Steps to forecast; the model's if not given.",
            parser=options.whole_number(1, MAX_HORIZON),
            metavar="N",
        ),
    ] = None,
    streaming: Annotated[
        bool,
        Option(
            "--streaming",
            help="Write a step that reads one patch, its state as inputs and outputs.",
        ),
    ] = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Write the network of a model for other runtimes."""
    from tcn.cli.export import run

    run(
        model,
        export_format=export_format,
        out=out,
        context=context,
        horizon=horizon,
        streaming=streaming,
        as_json=as_json,
        quiet=quiet,
    )


@app.command()
def pretrain(
    out: Annotated[
        Path, Option("--out", help="Directory for the model.", show_default=False, metavar="DIR")
    ],
    budget: Annotated[
        str | None, Option("--budget", help="Time to take: 90s, 10m, 1.5h.", metavar="TIME")
    ] = None,
    steps: Annotated[
        int | None,
        Option(
            "--steps",
            help="Steps to take; 10,000 without a budget.",
            parser=options.whole_number(1, 100_000_000),
            metavar="N",
        ),
    ] = None,
    horizon: Annotated[
        int,
        Option(
            "--horizon",
            help="Steps forecast in one pass.",
            parser=options.whole_number(1, MAX_HORIZON),
            metavar="N",
        ),
    ] = 192,
    start: Annotated[
        str, Option("--start", help="Weights to begin with: a model, or none for random ones.")
    ] = "none",
    config: Annotated[
        Path | None, Option("--config", help='JSON file: {"network", "train"}.')
    ] = None,
    seed: options.Seed = None,
    restart: options.Restart = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Make a zero-shot model from synthetic series.

    A run that was stopped goes on with the same command.
    """
    from tcn.cli.pretrain import Extent, run

    run(
        out=out,
        horizon=horizon,
        extent=Extent(steps, budget),
        start=start,
        config=config,
        seed=seed,
        restart=restart,
        as_json=as_json,
        quiet=quiet,
    )

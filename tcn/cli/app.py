"""The commands and their options; the work is in the modules beside this one."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from tcn.cli import options
from tcn.cli.columns import Columns, with_columns
from tcn.cli.console import say
from tcn.errors import TcnError

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


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `tcn`; exits with 2 and one sentence on stderr for a user's mistake."""
    sys.exit(_exit_code(arguments))


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
    say(f"tcn: {sentence}")
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


@app.command()
def info(
    model: Annotated[str, Argument(help="Bundled name or directory of a model.", metavar="MODEL")],
    as_json: options.AsJson = False,
) -> None:
    """Say what a model is and how it was made."""
    from tcn.cli.info import run

    run(model, as_json=as_json)

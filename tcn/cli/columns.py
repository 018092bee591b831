"""What a user said about the columns of a file, and the options it is said with."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from typer import Option

from tcn.cli.options import names, whole_number
from tcn.config import MAX_CONTEXT_LENGTH

if TYPE_CHECKING:
    from tcn.series import Panel

R = TypeVar("R")

_TITLE = "What DATA holds (found by name and content where not given)"


@dataclass(frozen=True)
class Columns:
    """Columns by role and how to read them; None and () leave the choice to the reader."""

    id_col: str | tuple[str, ...] | None = None
    time_col: str | None = None
    target_col: str | tuple[str, ...] | None = None
    freq: str | None = None
    tz: str | None = None
    season_length: int | None = None
    past_covariates: tuple[str, ...] = ()
    future_covariates: tuple[str, ...] = ()
    static_covariates: tuple[str, ...] = ()
    future: Path | None = None
    time_format: str | None = None
    decimal: str | None = None
    delimiter: str | None = None
    encoding: str | None = None

    def given(self) -> dict[str, Any]:
        """Return what was given, under the names that the readers take."""
        return {name: value for name, value in vars(self).items() if value not in (None, ())}

    def as_arguments(self) -> list[str]:
        """Return what was given as it is written on a command line.

        >>> Columns(target_col=("north", "south"), tz="UTC").as_arguments()
        ['--target-col', 'north,south', '--tz', 'UTC']
        """
        words: list[str] = []
        for name, value in self.given().items():
            text = ",".join(value) if isinstance(value, tuple) else str(value)
            words += [f"--{name.replace('_', '-')}", text]
        return words

    def as_in(self, panel: "Panel") -> "Columns":
        """Return these columns with the choices that were made in reading `panel`."""
        return replace(
            self,
            id_col=panel.source.id_col,
            time_col=panel.source.time_col,
            target_col=panel.source.target_cols[0],
            freq=panel.freq,
        )


def _text(option: str, help_: str, **more: Any) -> Any:
    return Option(option, help=help_, rich_help_panel=_TITLE, show_default=False, **more)


_SEASON = {"parser": whole_number(1, MAX_CONTEXT_LENGTH), "metavar": "N"}


def column_options(
    id_col: Annotated[
        str | None, _text("--id-col", "Column or columns that name the series.")
    ] = None,
    time_col: Annotated[str | None, _text("--time-col", "Column of time stamps.")] = None,
    target_col: Annotated[
        str | None, _text("--target-col", "Column of values, or one for each series.")
    ] = None,
    freq: Annotated[str | None, _text("--freq", "Frequency: h, D, W, MS, ...")] = None,
    tz: Annotated[str | None, _text("--tz", "Time zone of the stamps: Europe/Berlin.")] = None,
    season_length: Annotated[
        int | None, _text("--season-length", "Steps in a season; 1 for none.", **_SEASON)
    ] = None,
    past_covariates: Annotated[
        str, _text("--past-covariates", "Columns known until now.", metavar="A,B")
    ] = "",
    future_covariates: Annotated[
        str, _text("--future-covariates", "Columns known for the horizon too.", metavar="A,B")
    ] = "",
    static_covariates: Annotated[
        str, _text("--static-covariates", "Columns constant for a series.", metavar="A,B")
    ] = "",
    future: Annotated[
        Path | None, _text("--future", "Second file: covariates of the horizon.")
    ] = None,
    time_format: Annotated[
        str | None, _text("--time-format", "How stamps are written: %d.%m.%Y.")
    ] = None,
    decimal: Annotated[
        str | None, _text("--decimal", "Decimal sign of a CSV file: . or ,", metavar="SIGN")
    ] = None,
    delimiter: Annotated[
        str | None, _text("--delimiter", "Sign between columns of a CSV file.", metavar="SIGN")
    ] = None,
    encoding: Annotated[
        str | None, _text("--encoding", "Of a CSV file that is not UTF-8: latin-1.")
    ] = None,
) -> Columns:
    """The options of every command that reads a file, and what they mean together."""
    return Columns(
        id_col=_one_or_several(id_col),
        time_col=time_col,
        target_col=_one_or_several(target_col),
        freq=freq,
        tz=tz,
        season_length=season_length,
        past_covariates=names(past_covariates),
        future_covariates=names(future_covariates),
        static_covariates=names(static_covariates),
        future=future,
        time_format=time_format,
        decimal=decimal,
        delimiter=delimiter,
        encoding=encoding,
    )


def as_options(sentence: str) -> str:
    """A message of the library with its arguments as the options they are here.

    >>> as_options("Pass freq=, such as 'D', or time_format='%d.%m.%y'.")
    "Pass --freq, such as 'D', or --time-format='%d.%m.%y'."
    """
    options = "|".join(each.name for each in fields(Columns))
    found = re.compile(rf"\b({options})=(?P<value>['\"])?")
    text = found.sub(
        lambda m: f"--{m[1].replace('_', '-')}" + (f"={m['value']}" if m["value"] else ""), sentence
    )
    return text.replace("start=None", "--start none")


def _one_or_several(text: str | None) -> str | tuple[str, ...] | None:
    columns = names(text or "")
    return columns if len(columns) > 1 else text


def with_columns(command: Callable[..., R]) -> Callable[..., R]:
    """Give `command`, which takes `columns`, the parameters of `column_options` instead."""
    shared = inspect.signature(column_options).parameters
    own = [p for p in inspect.signature(command).parameters.values() if p.name != "columns"]

    @wraps(command)
    def wrapper(**values: Any) -> R:
        columns = column_options(**{name: values.pop(name) for name in shared})
        return command(columns=columns, **values)

    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*own, *shared.values())]
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
    return wrapper

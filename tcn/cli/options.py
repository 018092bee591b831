"""The options that several commands share, written once, and how their text is read."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from typer import Argument, BadParameter, Option

from tcn.config import MAX_HORIZON, require_quantile_levels
from tcn.errors import ConfigError

MAX_BATCH_SIZE = 65_536
MAX_JOBS = 256


def whole_number(low: int, high: int) -> Callable[[str | int], int]:
    """Return a parser that reads a whole number in [low, high] and says what else it was given."""

    def parse(text: str | int) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise BadParameter(f"must be a whole number from {low} to {high:,}, got {text!r}.")
        return value

    return parse


def names(text: str) -> tuple[str, ...]:
    """Split names at commas; spaces around them do not count.

    >>> names("price, is_holiday")
    ('price', 'is_holiday')
    """
    return tuple(name.strip() for name in text.split(",") if name.strip())


def quantile_levels(text: str) -> tuple[float, ...]:
    """Read levels such as "0.1,0.5,0.9", in any order; errors name the option.

    >>> quantile_levels("0.9, 0.1")
    (0.1, 0.9)
    """
    try:
        levels = tuple(sorted(float(part) for part in names(text)))
    except ValueError:
        raise ConfigError(
            f"--quantiles must be numbers separated by commas, such as 0.1,0.5,0.9; got {text!r}."
        ) from None
    require_quantile_levels(levels)
    return levels


Data = Annotated[
    Path,
    Argument(
        help="CSV or parquet file, long or wide; - for CSV on stdin.",
        metavar="DATA",
        show_default=False,
    ),
]
Horizon = Annotated[
    int,
    Option(
        "--horizon",
        help="Steps to forecast.",
        parser=whole_number(1, MAX_HORIZON),
        metavar="N",
        show_default=False,
    ),
]
Model = Annotated[str, Option("--model", help="Bundled name or directory of a model.")]
Quantiles = Annotated[
    str, Option("--quantiles", help="Levels between 0 and 1, separated by commas.", metavar="A,B")
]
BatchSize = Annotated[
    int,
    Option(
        "--batch-size",
        help="Series computed together.",
        parser=whole_number(1, MAX_BATCH_SIZE),
        metavar="N",
    ),
]
Jobs = Annotated[
    int,
    Option(
        "--jobs",
        help="Processes that compute, one core each.",
        parser=whole_number(1, MAX_JOBS),
        metavar="N",
    ),
]
AsJson = Annotated[bool, Option("--json", help="Write the result as JSON to stdout.")]
Quiet = Annotated[bool, Option("--quiet", help="No messages and no progress on stderr.")]
Seed = Annotated[
    int | None,
    Option(
        "--seed",
        help="Of weights and batches.",
        parser=whole_number(0, 2**31 - 1),
        metavar="N",
    ),
]
Restart = Annotated[bool, Option("--restart", help="Begin anew where a stopped run would go on.")]

"""`tcn forecast`: read, predict piece by piece, write."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tcn
from tcn.cli.columns import Columns
from tcn.cli.console import progress, say
from tcn.cli.data import read_pieces, require_file, tell_unread
from tcn.cli.writers import forecast_writer, require_known_suffix
from tcn.forecaster import Forecaster
from tcn.notices import collected
from tcn.series import Forecast, Panel

SERIES_PER_CALL = 1024


def run(
    data: Path,
    columns: Columns,
    *,
    horizon: int,
    model: str,
    levels: tuple[float, ...],
    out: Path | None,
    plot: Path | None,
    batch_size: int,
    jobs: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """Forecast every series of `data` and write the result where the options say."""

    require_file(data)
    require_known_suffix(out)
    if plot is not None:
        from tcn.cli.plot import require_plotting

        require_plotting(plot)
    forecaster = tcn.load(model)
    n_series, panels = read_pieces(data, columns)
    shown = None
    with (
        forecast_writer(out, model, as_json=as_json) as writer,
        progress("Forecast", n_series, quiet=quiet) as advance,
    ):
        pieces = _in_calls(panels, forecaster, quiet=quiet)
        results = _forecasts(pieces, Request(model, horizon, levels, batch_size), forecaster, jobs)
        for piece, forecast in results:
            writer.write(forecast)
            shown = shown or (piece, forecast)
            advance(len(piece))
    if plot is not None and shown is not None:
        from tcn.cli.plot import save_plot

        save_plot(*shown, plot)
        say(f"Plot: {plot}", quiet=quiet)
    if out is not None:
        say(f"Forecasts: {out}", quiet=quiet)


@dataclass(frozen=True)
class Request:
    """What is asked of every panel."""

    model: str
    horizon: int
    levels: tuple[float, ...]
    batch_size: int

    def of(self, forecaster: Forecaster, panel: Panel) -> Forecast:
        """Forecast one panel."""
        with collected():  # what the forecaster leaves out was told with the first panel
            return forecaster.predict(panel, self.horizon, self.levels, batch_size=self.batch_size)


def _in_calls(panels: Iterator[Panel], forecaster: Forecaster, *, quiet: bool) -> Iterator[Panel]:
    """Cut panels into parts that give the progress display, or several processes, their work."""
    for number, panel in enumerate(panels):
        if number == 0:
            say(panel.source.describe(), quiet=quiet)
            tell_unread(panel, forecaster, quiet=quiet)
        if len(panel) <= SERIES_PER_CALL:
            yield panel
            continue
        for first in range(0, len(panel), SERIES_PER_CALL):
            yield panel.take(range(first, min(first + SERIES_PER_CALL, len(panel))))


def _forecasts(
    pieces: Iterator[Panel], request: Request, forecaster: Forecaster, jobs: int
) -> Iterator[tuple[Panel, Forecast]]:
    """Each piece with its forecast, in order; the pieces are the same for any number of jobs."""
    if jobs == 1:
        return ((piece, request.of(forecaster, piece)) for piece in pieces)
    from tcn.cli.jobs import in_order

    return in_order(request, pieces, jobs)

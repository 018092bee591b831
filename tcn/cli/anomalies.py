"""`tcn anomalies`: the points of a file that no forecast would have expected."""

from pathlib import Path
from typing import Any

import tcn
from tcn.cli.columns import Columns
from tcn.cli.console import counted, say, write_json
from tcn.cli.data import read_panel, require_file, tell_unread
from tcn.cli.writers import require_known_suffix, write_frame, write_rows
from tcn.evaluation import Anomalies
from tcn.notices import collected
from tcn.series.iso import iso_stamps
from tcn.series.source import listed


def run(
    data: Path,
    columns: Columns,
    *,
    model: str,
    level: float,
    horizon: int,
    length: int | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Judge the newest points of every series of `data`; the anomalies go to stdout."""
    require_file(data)
    require_known_suffix(out)
    forecaster = tcn.load(model)
    panel = read_panel(data, columns)
    say(panel.source.describe(), quiet=quiet)
    tell_unread(panel, forecaster, quiet=quiet)
    with collected(), counted("Forecasts", quiet=quiet) as progress:
        found = tcn.find_anomalies(
            forecaster.predict,
            panel,
            level=level,
            horizon=horizon,
            length=length,
            progress=progress,
        )
    n_found, n_points = int(found.is_anomaly.sum()), len(found.y)
    say(
        f"{n_found:,} of {n_points:,} points lie outside the interval that should hold "
        f"{100 * level:g} % of them.",
        quiet=quiet,
    )
    if len(found.left_out):
        say(f"Too short: {listed(tuple(found.left_out.tolist()))}.", quiet=quiet)
    if out is not None:
        write_frame(found.to_frame("pandas"), out)
        say(f"All points: {out}", quiet=quiet)
    if as_json:
        write_json({"model": model, **as_dict(found)})
        return
    frame = found.to_frame("pandas")
    write_rows(frame[found.is_anomaly].drop(columns="anomaly"))


def as_dict(found: Anomalies) -> dict[str, Any]:
    """JSON-ready, in the shape the HTTP service answers with."""
    pieces = zip(found.ids.tolist(), found.offsets[:-1], found.offsets[1:], strict=True)
    return {
        "level": found.level,
        "series": [_series(found, name, slice(*ends)) for name, *ends in pieces],
        "left_out": found.left_out.tolist(),
    }


def _series(found: Anomalies, name: str, part: slice) -> dict[str, Any]:
    columns = {"y": found.y, "mean": found.mean, "lo": found.lo, "hi": found.hi}
    return {
        "id": name,
        "ds": iso_stamps(found.times[part], found.tz, found.freq),
        **{key: column[part].tolist() for key, column in columns.items()},
        "anomaly": found.is_anomaly[part].tolist(),
        "score": found.score[part].tolist(),
    }

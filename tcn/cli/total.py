"""`tcn total`: what the sum over the horizon of every series may be."""

from pathlib import Path
from typing import Any

import numpy as np

import tcn
from tcn.cli.columns import Columns
from tcn.cli.console import counted, say, write_json
from tcn.cli.data import read_panel, require_file, tell_unread
from tcn.cli.writers import require_known_suffix, write_frame, write_rows
from tcn.evaluation import SamplePaths
from tcn.notices import collected
from tcn.series.iso import iso_stamps

MOST_PATHS, FEWEST_PATHS = 1000, 200
VALUES = 20_000_000  # of all paths together, 8 bytes each


def run(
    data: Path,
    columns: Columns,
    *,
    horizon: int,
    model: str,
    levels: tuple[float, ...],
    out: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write quantiles of the total of every series of `data`, one row each."""
    require_file(data)
    require_known_suffix(out)
    forecaster = tcn.load(model)
    panel = read_panel(data, columns)
    say(panel.source.describe(), quiet=quiet)
    tell_unread(panel, forecaster, quiet=quiet)
    n_paths = min(max(VALUES // (len(panel) * horizon), FEWEST_PATHS), MOST_PATHS)
    with collected(), counted("Forecasts", quiet=quiet) as progress:
        paths = tcn.sample_paths(
            forecaster.predict,
            panel,
            horizon,
            n_paths,
            progress=progress,
        )
    rows = as_columns(paths, levels)
    if as_json:
        totals = [dict(zip(rows, row, strict=True)) for row in zip(*rows.values(), strict=True)]
        write_json({"model": model, "horizon": horizon, "totals": totals})
        return
    import pandas as pd

    frame = pd.DataFrame(rows)
    if out is None:
        write_rows(frame)
    else:
        write_frame(frame, out)
        say(f"Totals: {out}", quiet=quiet)


def as_columns(paths: SamplePaths, levels: tuple[float, ...]) -> dict[str, list[Any]]:
    """unique_id, the first and last stamp, the mean and the quantiles of the total, by name."""
    ends = [iso_stamps(times[[0, -1]], paths.tz, paths.freq) for times in paths.times]
    means = paths.values.sum(axis=2).mean(axis=1)
    quantiles = np.atleast_2d(paths.total(levels))
    return {
        "unique_id": paths.ids.tolist(),
        "first": [first for first, _ in ends],
        "last": [last for _, last in ends],
        "mean": means.tolist(),
        **{f"q{level:g}": quantiles[:, q].tolist() for q, level in enumerate(levels)},
    }

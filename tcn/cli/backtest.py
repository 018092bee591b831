"""`tcn backtest`: a model beside the baselines, over windows of the past."""

import sys
from pathlib import Path

import tcn
from tcn.cli.columns import Columns
from tcn.cli.console import progress, say, write_json
from tcn.cli.data import read_panel, require_file
from tcn.cli.writers import require_known_suffix, whole_file


def run(
    data: Path,
    columns: Columns,
    *,
    horizon: int,
    model: str,
    n_windows: int,
    step_size: int | None,
    baselines: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure `model` on the last windows of every series of `data`."""
    require_file(data)
    require_known_suffix(out)
    forecaster = tcn.load(model)
    panel = read_panel(data, columns)
    say(panel.source.describe(), quiet=quiet)
    with progress("Backtest", n_windows, quiet=quiet) as advance:
        result = tcn.backtest(
            forecaster.predict,
            panel,
            horizon,
            n_windows=n_windows,
            step_size=step_size,
            baselines=baselines,
            progress=lambda _done, _total: advance(1),
        )
    if out is not None:
        frame = result.to_frame("pandas")
        with whole_file(out) as temporary:
            if out.suffix.lower() == ".parquet":
                frame.to_parquet(temporary, index=False)
            else:
                frame.to_csv(temporary, index=False)
        say(f"Forecasts: {out}", quiet=quiet)
    if as_json:
        write_json({"model": model, **result.to_dict()})
    else:
        sys.stdout.write(f"{result.to_text()}\n")

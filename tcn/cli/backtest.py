"""`tcn backtest`: models beside the baselines, over windows of the past."""

import sys
from pathlib import Path
from typing import Any

import tcn
from tcn.cli.columns import Columns
from tcn.cli.console import progress, say, write_json
from tcn.cli.data import read_panel, require_file, tell_unread
from tcn.cli.writers import require_known_suffix, write_frame
from tcn.notices import collected


def run(
    data: Path,
    columns: Columns,
    *,
    horizon: int,
    models: tuple[str, ...],
    n_windows: int,
    step_size: int | None,
    baselines: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure the models on the last windows of every series of `data`."""
    require_file(data)
    require_known_suffix(out)
    forecasters = {model: tcn.load(model) for model in models}
    panel = read_panel(data, columns)
    say(panel.source.describe(), quiet=quiet)
    for forecaster in forecasters.values():
        tell_unread(panel, forecaster, quiet=quiet)
    predicts = {model: forecaster.predict for model, forecaster in forecasters.items()}
    with collected(), progress("Backtest", n_windows, quiet=quiet) as advance:
        result = tcn.backtest(
            predicts if len(predicts) > 1 else predicts[models[0]],
            panel,
            horizon,
            n_windows=n_windows,
            step_size=step_size,
            baselines=baselines,
            progress=lambda _done, _total: advance(1),
        )
    if out is not None:
        write_frame(_forecasts(result), out)
        say(f"Forecasts: {out}", quiet=quiet)
    if as_json:
        write_json({"model": ",".join(models), **result.to_dict()})
    else:
        sys.stdout.write(f"{result.to_text()}\n")


def _forecasts(result: tcn.evaluation.BacktestResult) -> Any:
    """Every forecast as a pandas frame; several models one below the other, with their names."""
    import pandas as pd

    names = list(result.windows[0].forecasts)
    frames = [result.to_frame("pandas", method=name) for name in names]
    if len(frames) == 1:
        return frames[0]
    return pd.concat(
        [frame.assign(model=name) for name, frame in zip(names, frames, strict=True)],
        ignore_index=True,
    )

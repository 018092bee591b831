"""`tcn train`: read, fit, save; a run that was stopped goes on with the same command."""

import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tcn
from tcn.cli.columns import Columns
from tcn.cli.config_file import read_config
from tcn.cli.console import say, training_log, write_json
from tcn.cli.data import require_file, stored_panel
from tcn.config import TCNConfig, TrainConfig, WaveNetConfig
from tcn.errors import ConfigError
from tcn.evaluation import BacktestResult
from tcn.forecaster import Forecaster
from tcn.models import CONFIGS
from tcn.series import Panel

FROM_SCRATCH = "none"


@dataclass(frozen=True)
class Settings:
    """What --config holds: {"kind": "tcn", "network": {...}, "train": {...}}, each optional."""

    kind: str | None
    network: Mapping[str, Any]
    train: Mapping[str, Any]


def run(
    data: Path,
    columns: Columns,
    *,
    horizon: int,
    out: Path,
    start: str,
    config: Path | None,
    train_options: Mapping[str, Any],
    test: bool,
    restart: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train on `data` and save the model as the directory `out`."""
    require_file(data)
    require_place(out)
    settings = read_settings(config)
    train_config = TrainConfig.from_dict({**settings.train, **train_options})
    begin = None if start == FROM_SCRATCH else tcn.load(start)
    network_config = configure(settings, begin, horizon, columns.season_length)
    with stored_panel(data, columns, out.parent) as panel:
        say(panel.source.describe(), quiet=quiet)
        known = panel.split(horizon)[0] if test else panel
        with resumable(out, restart=restart, quiet=quiet) as state, training_log(quiet) as log:
            forecaster = tcn.fit(
                known,
                network_config,
                train_config,
                start=begin,
                directory=state,
                progress=log,
                name=out.name,
            )
        tcn.save(forecaster, out)
        shutil.rmtree(state, ignore_errors=True)
        result = _measure(forecaster, panel, horizon) if test else None
    _tell(
        forecaster, out, [str(data), *columns.as_arguments()], result, as_json=as_json, quiet=quiet
    )


def read_settings(path: Path | None) -> Settings:
    """Read the JSON file of --config; unknown keys are refused by name."""
    found = read_config(path, ("kind", "network", "train"), objects=("network", "train"))
    return Settings(found.get("kind"), found.get("network", {}), found.get("train", {}))


def configure(
    settings: Settings, begin: Forecaster | None, horizon: int, season_length: int | None
) -> TCNConfig | WaveNetConfig:
    """The config of the network: that of the start, or the defaults, with what was asked for."""
    base = begin.config.to_dict() if begin is not None else {}
    kind = type(begin.config) if begin is not None else TCNConfig
    if settings.kind is not None:
        if settings.kind not in CONFIGS:
            raise ConfigError(f"kind must be one of {', '.join(CONFIGS)}, got {settings.kind!r}.")
        kind = CONFIGS[settings.kind]
    chosen = {**base, **settings.network, "horizon": horizon}
    if season_length is not None:
        chosen["season_length"] = season_length
    return kind.from_dict(chosen)


def require_place(out: Path) -> None:
    """Raise `ConfigError` unless a model may be written to `out`; before any work is done."""
    if out.is_dir() and any(out.iterdir()) and not (out / "manifest.json").exists():
        raise ConfigError(f"'{out}' holds other files. Give --out a new directory for the model.")
    if out.exists() and not out.is_dir():
        raise ConfigError(f"'{out}' is a file. Give --out the name of a directory for the model.")


@contextmanager
def resumable(out: Path, *, restart: bool, quiet: bool) -> Iterator[Path]:
    """Yield the directory of the run's state; when it is interrupted, say how to go on."""
    state = out.with_name(f".{out.name}.training")
    if restart:
        shutil.rmtree(state, ignore_errors=True)
    elif state.exists():
        say(f"Going on from {state} (--restart begins anew).", quiet=quiet)
    try:
        yield state
    except KeyboardInterrupt:
        if state.exists():
            arguments = [argument for argument in sys.argv[1:] if argument != "--restart"]
            say(f"Stopped; the state is in {state}. To go on: {shlex.join(['tcn', *arguments])}")
        raise


def _measure(forecaster: Forecaster, panel: Panel, horizon: int) -> BacktestResult:
    return tcn.backtest(forecaster.predict, panel, horizon, n_windows=1)


def _tell(
    forecaster: Forecaster,
    out: Path,
    given: list[str],
    result: BacktestResult | None,
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    if as_json:
        facts = {"model": str(out), "manifest": forecaster.manifest}
        write_json(facts if result is None else {**facts, "test": result.to_dict()})
    elif result is not None:
        sys.stdout.write(f"{result.to_text()}\n")
    if left := forecaster.manifest.get("by_regression"):
        say(
            f"Known ahead, and left to a regression of each series: {', '.join(left)}.", quiet=quiet
        )
    horizon = forecaster.config.horizon
    command = shlex.join(
        ["tcn", "forecast", *given, "--horizon", str(horizon), "--model", str(out)]
    )
    say(f"Model: {out}. To forecast: {command}", quiet=quiet)

"""`tcn pretrain`: a zero-shot model from synthetic series alone."""

import json
import re
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tcn
from tcn.cli.console import say, training_log, write_json
from tcn.cli.train import FROM_SCRATCH, read_settings, require_place, resumable
from tcn.config import TCNConfig
from tcn.errors import ConfigError
from tcn.forecaster import Forecaster
from tcn.models import ForecastNetwork
from tcn.pretraining import PretrainConfig, pretrain

PLAN_FILE = "plan.json"
TIMED_STEPS = 24
_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Extent:
    """How long to pretrain: a number of steps, or a time that becomes one; None for the default."""

    steps: int | None = None
    budget: str | None = None


def run(
    *,
    out: Path,
    horizon: int,
    extent: Extent,
    start: str,
    config: Path | None,
    seed: int | None,
    restart: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Pretrain and save the model as the directory `out`."""
    require_place(out)
    budget_s = None if extent.budget is None else seconds(extent.budget)
    if budget_s is not None and extent.steps is not None:
        raise ConfigError("Give --budget or --steps, not both.")
    settings = read_settings(config)
    if settings.kind not in (None, "tcn"):
        raise ConfigError(f"tcn pretrain makes networks of kind tcn, got kind {settings.kind!r}.")
    begin = None if start == FROM_SCRATCH else tcn.load(start)
    base = {} if begin is None else begin.config.to_dict()
    network_config = TCNConfig.from_dict({**base, "horizon": horizon, **settings.network})
    given = {"steps": extent.steps, "seed": seed}
    pretrain_config = PretrainConfig.from_dict(
        {**settings.train, **{name: value for name, value in given.items() if value is not None}}
    )
    started = time.monotonic()
    with resumable(out, restart=restart, quiet=quiet) as state, training_log(quiet) as log:
        pretrain_config = _planned(state, pretrain_config, budget_s, network_config)
        network = pretrain(
            network_config,
            pretrain_config,
            state,
            report=log,
            initial=None if begin is None else begin.network,
        )
    manifest = {
        "made_by": "tcn pretrain",
        "data": "synthetic series only",
        "start": None if begin is None else begin.name,
        "pretrain": pretrain_config.to_dict(),
        "minutes_of_this_call": round((time.monotonic() - started) / 60.0, 1),
    }
    _save(network_config, network, manifest, out)
    shutil.rmtree(state, ignore_errors=True)
    if as_json:
        write_json({"model": str(out), "manifest": manifest})
    say(f"Model: {out}. To forecast: tcn forecast DATA --horizon N --model {out}", quiet=quiet)


def seconds(text: str) -> float:
    """Read a time such as "90s", "10m" or "1.5h".

    >>> seconds("10m")
    600.0
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if match is None or float(match[1]) <= 0.0:
        raise ConfigError(f"--budget must be a time such as 90s, 10m or 1.5h, got {text!r}.")
    return float(match[1]) * _UNITS_S[match[2]]


def _planned(
    state: Path, config: PretrainConfig, budget_s: float | None, network_config: TCNConfig
) -> PretrainConfig:
    """The config with the number of steps: as begun, or as many as the budget allows.

    The learning rate depends on the number of steps, so that a run keeps it to the end.
    """
    plan = state / PLAN_FILE
    if plan.exists():
        return replace(config, steps=int(json.loads(plan.read_text())["steps"]))
    if budget_s is not None:
        timed = replace(config, steps=TIMED_STEPS)
        began = time.monotonic()
        pretrain(network_config, timed, None, report=_silent)
        step_s = (time.monotonic() - began) / TIMED_STEPS
        config = replace(config, steps=max(1, int(budget_s / step_s) - TIMED_STEPS))
    state.mkdir(parents=True, exist_ok=True)
    plan.write_text(json.dumps({"steps": config.steps}))
    return config


def _save(config: TCNConfig, network: ForecastNetwork, manifest: dict[str, Any], out: Path) -> None:
    tcn.save(Forecaster(config=config, network=network, name=out.name, manifest=manifest), out)


def _silent(report: dict[str, Any]) -> None:
    """Show nothing of the steps that are only timed."""

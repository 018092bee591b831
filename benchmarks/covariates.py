"""How much do covariates known ahead help `zero`, which was trained without any?

    python -m benchmarks.covariates [--data FOLDER] [--out FILE]

Half-hourly demand of electricity in Victoria in 2014 with temperature and working days, as it is,
by the hour and by the day; American consumption, investment and unemployment by the quarter. The
covariates of the horizon are those that came: forecasts of a temperature would help less. 40
origins each over the later 60 % of the series. `arima` is statsforecast's AutoARIMA with the same
covariates as regressors, where it can be waited for; straight lines are all that it fits.

Then covariates that have nothing to do with the series, on collections of the M1, M3 and tourism
competitions: noise, random walks, a trend, another series of the collection. Figures are the ratio
of the weighted quantile loss (and mean absolute error) to that of `zero` without covariates.
"""

import argparse
import itertools
import json
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pyarrow import csv, parquet

import tcn
from benchmarks.development_data import data_folder, read_split
from tcn.series import Panel

Array = NDArray[np.float64]

LEVELS = tuple(round(0.1 * k, 1) for k in range(1, 10))
N_ORIGINS, LATEST = 40, 0.4
LONGEST = 4096
RESULT = Path(__file__).parent / "results" / "covariates.json"
COLLECTIONS = {"m1_monthly": 12, "m3_monthly": 12, "m3_quarterly": 4, "tourism_monthly": 12}
N_SERIES = 200


class Driven(NamedTuple):
    """A series and what is known ahead of it."""

    values: Array  # (T,)
    covariates: dict[str, Array]  # (T,) each
    season_length: int
    horizon: int
    has_arima: bool


def driven_series(folder: Path) -> Iterator[tuple[str, Driven]]:
    table = parquet.read_table(folder / "multivariate" / "elecdemand.parquet")
    columns = {name: table[name].to_numpy() for name in ("Demand", "WorkDay", "Temperature")}
    for name, parts, season in (("half hours", 1, 48), ("hours", 2, 24), ("days", 48, 7)):
        demand, work, warmth = (each.reshape(-1, parts) for each in columns.values())
        known = {"WorkDay": work.max(axis=1), "Temperature": warmth.mean(axis=1)}
        if name == "days":
            known["Hottest"] = warmth.max(axis=1)
        horizon = 14 if name == "days" else 48
        yield f"demand, {name}", Driven(demand.mean(axis=1), known, season, horizon, name == "days")
    macro = csv.read_csv(folder / "classic" / "macrodata_quarterly.csv")
    for target, known_names in (
        ("realcons", ("realdpi", "unemp")),
        ("realinv", ("realgdp", "unemp", "tbilrate")),
        ("unemp", ("realgdp", "infl")),
    ):
        known = {name: macro[name].to_numpy().astype(float) for name in known_names}
        values = macro[target].to_numpy().astype(float)
        yield f"quarters, {target}", Driven(values, known, 4, 8, has_arima=True)


def origins_of(series: Driven) -> tuple[Panel, Array]:
    """One series for each origin, with its covariates to the end of the horizon; what came."""
    last = len(series.values) - series.horizon
    ends = np.unique(np.linspace(int(LATEST * len(series.values)), last, N_ORIGINS).astype(int))
    begins = np.maximum(ends - LONGEST, 0)
    pairs = list(zip(begins, ends, strict=True))
    panel = Panel.from_arrays(
        [series.values[begin:end] for begin, end in pairs],
        season_length=series.season_length,
        future_covariates={
            name: [column[begin : end + series.horizon] for begin, end in pairs]
            for name, column in series.covariates.items()
        },
    )
    return panel, np.stack([series.values[end : end + series.horizon] for end in ends])


def errors_of(quantiles: Array, actual: Array) -> tuple[float, float, float]:
    """Weighted quantile loss, mean absolute error of the median, coverage of the 80 % interval."""
    levels = np.array(LEVELS)
    error = actual[..., None] - quantiles
    loss = 2.0 * np.maximum(levels * error, (levels - 1.0) * error).mean(axis=(0, 1)).sum()
    is_inside = (quantiles[..., 0] <= actual) & (actual <= quantiles[..., -1])
    size = np.abs(actual).mean()
    return loss / len(levels) / size, np.abs(error[..., 4]).mean() / size, is_inside.mean()


def zero_quantiles(panel: Panel, horizon: int) -> Array:
    quantiles: Array = tcn.load("zero").predict(panel, horizon, LEVELS).quantiles
    return quantiles


def arima_quantiles(panel: Panel, horizon: int) -> Array:
    """AutoARIMA with regressors, one fit for each origin."""
    from statsforecast.models import AutoARIMA

    known = panel.future_covariates
    answers = []
    for i, values in enumerate(panel):
        model = AutoARIMA(season_length=panel.season_length)
        columns = known[i].T
        found = model.forecast(
            values, horizon, columns[: len(values)], columns[len(values) :], level=[20, 40, 60, 80]
        )
        low = [found[f"lo-{level}"] for level in (80, 60, 40, 20)]
        high = [found[f"hi-{level}"] for level in (20, 40, 60, 80)]
        answers.append(np.stack([*low, found["mean"], *high], axis=1))
    return np.stack(answers)


def gains(series: Driven) -> dict[str, Any]:
    panel, actual = origins_of(series)
    before = errors_of(zero_quantiles(panel.without_covariates(), series.horizon), actual)
    begun = time.process_time()
    effects = tcn.load("zero").effects(panel, series.horizon)
    milliseconds = 1e3 * (time.process_time() - begun) / len(panel)
    found = {
        "n_origins": len(panel),
        "acts at": float(effects.past.any(axis=0)[panel.offsets[1:] - 1].mean()),
        "ms": milliseconds,
        "wql of zero": before[0],
        "coverage without": before[2],
        **_ratios("zero", errors_of(zero_quantiles(panel, series.horizon), actual), before),
    }
    if series.has_arima and find_spec("statsforecast"):
        quantiles = arima_quantiles(panel, series.horizon)
        found |= _ratios("arima", errors_of(quantiles, actual), before)
    return found


def _ratios(name: str, errors: tuple[float, ...], before: tuple[float, ...]) -> dict[str, float]:
    return {
        f"{name}, wql": errors[0] / before[0],
        f"{name}, mae": errors[1] / before[1],
        f"{name}, coverage": errors[2],
    }


def harmless(folder: Path) -> Iterator[tuple[str, dict[str, float]]]:
    """Ratios with covariates that have nothing to do with the series, by kind."""
    kinds: dict[str, Callable[[Any, int, Array], Array]] = {
        "noise": lambda rng, n, _: rng.normal(size=n),
        "random walk": lambda rng, n, _: rng.normal(size=n).cumsum(),
        "trend": lambda _, n, __: np.arange(n, dtype=float),
        "another series": lambda _, n, other: np.resize(other[::-1], n)[::-1],
    }
    for name, season_length in COLLECTIONS.items():
        split = read_split(folder, name, season_length)
        rng = np.random.default_rng(0)
        chosen = rng.permutation(len(split.history))[:N_SERIES]
        history, actual = split.history.take(chosen), split.actual[chosen]
        horizon = actual.shape[1]
        scale = np.array([np.abs(np.diff(each)).mean() + 1e-9 for each in history])[:, None]
        wholes = [np.concatenate(pair) for pair in zip(history, actual, strict=True)]
        figures = {}
        before = errors_of(zero_quantiles(history, horizon) / scale[..., None], actual / scale)
        for kind, made in kinds.items():
            columns = [made(rng, len(whole), wholes[i - 1]) for i, whole in enumerate(wholes)]
            panel = Panel.from_arrays(
                list(history), season_length=season_length, future_covariates={"x": columns}
            )
            quantiles = zero_quantiles(panel, horizon) / scale[..., None]
            figures[kind] = errors_of(quantiles, actual / scale)[0] / before[0]
        yield name, figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder with the series; by default that in TCN_DATA")
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    folder = data_folder(options.data)
    report: dict[str, Any] = {"date": datetime.now(UTC).date().isoformat()}
    tasks = ((name, gains(series)) for name, series in driven_series(folder))
    for name, figures in itertools.chain(tasks, harmless(folder)):
        report[name] = figures
        print(name, ", ".join(f"{key} {value:.3f}" for key, value in figures.items()), flush=True)
    options.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()

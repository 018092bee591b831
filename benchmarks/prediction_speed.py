"""How long does a forecast take from a data frame to a data frame?

    python -m benchmarks.prediction_speed [--rounds 15] [--threads 1]

Series of 500 hourly points, horizon 24, one series and 1,000, on one thread unless said. What a
user has in hand is a long pandas frame, and what comes back is one: conversions count. Each
contestant has 6 levels of 32 channels and a context of 168, and was trained for a moment; accuracy
is no matter here. Ours answers three quantiles too, the others points alone. `zero` is the bundled
model.

Needs darts==0.41.0 and neuralforecast==3.2.2; one that is not there is left out.
"""

import argparse
import io
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pandas as pd

import tcn
from benchmarks import plain_networks as nets
from benchmarks.side_by_side import (
    Times,
    gemm_peak,
    print_table,
    processor,
    race,
    ratio,
    threads,
    write_result,
)

POINTS = 500
LEVELS = (0.1, 0.5, 0.9)
SIZES = (1, 1000)
SMALL = tcn.TCNConfig(
    horizon=nets.HORIZON,
    context_length=nets.CONTEXT,
    quantile_levels=LEVELS,
    patch_length=1,
    channels=nets.CHANNELS,
    hidden_channels=nets.CHANNELS,
    head_channels=nets.CHANNELS,
    dilations=tuple(2**level for level in range(nets.LEVELS)),
)
Forecasting = Callable[[Any], Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    tables: dict[str, Any] = {}
    with nets.quiet_peers():
        contestants = _contestants()
        for n_series in SIZES:
            with threads(options.threads):
                frame = frame_from_csv(n_series)
                _require_answers(contestants, frame, n_series)
                rounds = options.rounds if n_series == 1 else 3
                found = race(_calls(contestants, frame), rounds=rounds, warm_up=1)
                tables[f"{n_series} series, {options.threads} thread(s)"] = _table(found)
                print_table(f"{n_series} series, {options.threads} thread(s)", found, "ours")
        report = {"gemm_gflops_float32": gemm_peak(), "tables": tables}
        print(processor())
        print(write_result("prediction_speed", report, packages=("darts", "neuralforecast")))


def frame_from_csv(n_series: int) -> Any:
    """A long frame as `pandas.read_csv` gives it."""
    text = nets.frame_of(nets.season_panel(n_series, POINTS, seed=1)).to_csv(index=False)
    return pd.read_csv(io.StringIO(text), parse_dates=["ds"])


def _contestants() -> dict[str, Forecasting]:
    panel = nets.season_panel(50, POINTS)
    frame = nets.frame_of(panel)
    brief = tcn.TrainConfig(max_epochs=1, steps_per_epoch=2)
    trained = tcn.fit(panel, SMALL, brief, start=None)

    def by(forecaster: tcn.Forecaster) -> Forecasting:
        def call(frame: Any) -> Any:
            found = tcn.Panel.from_frame(frame)
            return forecaster.predict(found, nets.HORIZON, LEVELS).to_frame()

        return call

    calls = {"ours": by(trained), "zero": by(tcn.load("zero"))}
    if find_spec("darts"):
        model = nets.darts_model(0.0, max_steps=2)
        model.fit(nets.darts_series(frame))

        def darts(frame: Any) -> Any:
            found = model.predict(nets.HORIZON, series=nets.darts_series(frame), verbose=False)
            return pd.concat([series.to_dataframe() for series in found])

        calls["darts"] = darts
    if find_spec("neuralforecast"):
        peer = nets.neuralforecast_model(steps=2)
        peer.fit(frame)
        calls["neuralforecast"] = peer.predict
    return calls


def _require_answers(calls: dict[str, Forecasting], frame: Any, n_series: int) -> None:
    for name, call in calls.items():
        answer = call(frame)
        values = answer.select_dtypes("number").to_numpy()
        if len(answer) != n_series * nets.HORIZON or not (abs(values) < 1e6).all():
            raise SystemExit(f"{name} does not forecast {n_series} series of {POINTS} points.")


def _calls(calls: dict[str, Forecasting], frame: Any) -> dict[str, Callable[[], object]]:
    return {name: lambda call=call: call(frame) for name, call in calls.items()}


def _table(found: dict[str, Times]) -> dict[str, Any]:
    peers = [name for name in found if name not in ("ours", "zero")]
    ratios = {
        peer: {"wall": ratio(found, peer, "ours"), "cpu": ratio(found, peer, "ours", "cpu_ms")}
        for peer in peers
    }
    return {"times": found, "ours_is_faster_by": ratios}


if __name__ == "__main__":
    main()

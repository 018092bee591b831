"""How long does a forecast take from a data frame to a data frame?

    python -m benchmarks.prediction_speed [--rounds 15] [--threads 1]

Series of 500 hourly points, horizon 24, one series and 1,000, on one thread unless said. What a
user has in hand is a long pandas frame, and what comes back is one: conversions count. Each
contestant has 6 levels of 32 channels and a context of 168, and was trained for a moment; accuracy
is no matter here. Ours answers three quantiles too, from features of season, level and scale, the
others points alone. `zero` is the bundled model. `plain` is the equal network: darts' blocks, twice
the convolutions of neuralforecast, made of `tcn.layers`, that reads standardised values and answers
points; the second one multiplies in half precision.

Needs darts==0.41.0 and neuralforecast==3.2.2; one that is not there is left out.
"""

import argparse
import io
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
import torch

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
from tcn.models.precision import autocast
from tcn.models.threads import even_batch_size, side_by_side
from tcn.series.batches import windows_ending_at

POINTS = 500
LEVELS = (0.1, 0.5, 0.9)
SIZES = (1, 1000)
BATCH = 512  # of the equal network; neuralforecast takes up to 1,024 windows together
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
    with nets.quiet_peers(), threads(options.threads):
        contestants = _contestants()
        for n_series in SIZES:
            title = f"{n_series} series, {options.threads} thread(s)"
            frame = frame_from_csv(n_series)
            _require_answers(contestants, frame, n_series)
            rounds = options.rounds if n_series == 1 else max(options.rounds // 4, 3)
            found = race(_calls(contestants, frame), rounds=rounds, warm_up=1)
            tables[title] = _table(found)
            print_table(title, found, "ours")
        report = {"gemm_gflops_float32": gemm_peak(), "tables": tables}
        print(processor())
        name = "prediction_speed" + ("" if options.threads == 1 else f"_{options.threads}_threads")
        print(write_result(name, report, packages=("darts", "neuralforecast")))


def frame_from_csv(n_series: int) -> Any:
    """A long frame as `pandas.read_csv` gives it."""
    text = nets.frame_of(nets.season_panel(n_series, POINTS, seed=1)).to_csv(index=False)
    return pd.read_csv(io.StringIO(text), parse_dates=["ds"])


def _contestants() -> dict[str, Forecasting]:
    panel = nets.season_panel(50, POINTS)
    frame = nets.frame_of(panel)
    brief = tcn.TrainConfig(max_epochs=1, steps_per_epoch=2, refit=False)
    trained = tcn.fit(panel, SMALL, brief, start=None)

    def by(forecaster: tcn.Forecaster) -> Forecasting:
        def call(frame: Any) -> Any:
            found = tcn.Panel.from_frame(frame)
            return forecaster.predict(found, nets.HORIZON, LEVELS).to_frame()

        return call

    calls = {
        "ours": by(trained),
        "zero": by(tcn.load("zero")),
        "plain": partial(_plain_forecast, dtype=torch.float32),
        "plain, bfloat16": partial(_plain_forecast, dtype=torch.bfloat16),
    }
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


PLAIN = nets.OnDemandTCN().eval()


def _plain_forecast(frame: Any, dtype: torch.dtype) -> Any:
    """Forecast by layers alone: windows standardised, the network, back to units, a frame."""
    panel = tcn.Panel.from_frame(frame)

    def answer(rows: Any) -> Any:
        values = windows_ending_at(panel, rows, panel.lengths[rows], nets.CONTEXT)
        centre, spread = values.mean(axis=1, keepdims=True), values.std(axis=1, keepdims=True)
        scaled = torch.from_numpy(((values - centre) / spread).astype(np.float32))[:, None]
        with torch.inference_mode(), autocast(torch.device("cpu"), dtype):
            found = PLAIN(scaled).double().numpy()
        return found * spread + centre

    size = even_batch_size(len(panel), BATCH)
    batches = [np.arange(len(panel))[first : first + size] for first in range(0, len(panel), size)]
    mean = np.concatenate(list(side_by_side(answer, batches)))
    times = panel.future_times(nets.HORIZON)
    nothing = np.empty((*mean.shape, 0))
    return tcn.Forecast(panel.ids, times, mean, nothing, (), panel.freq).to_frame()


def _require_answers(calls: dict[str, Forecasting], frame: Any, n_series: int) -> None:
    for name, call in calls.items():
        answer = call(frame)
        values = answer.select_dtypes("number").to_numpy()
        if len(answer) != n_series * nets.HORIZON or not (abs(values) < 1e6).all():
            raise SystemExit(f"{name} does not forecast {n_series} series of {POINTS} points.")


def _calls(calls: dict[str, Forecasting], frame: Any) -> dict[str, Callable[[], object]]:
    return {name: partial(call, frame) for name, call in calls.items()}


def _table(found: dict[str, Times]) -> dict[str, Any]:
    peers = [name for name in found if name in ("darts", "neuralforecast")]
    faster = {
        f"{own}_is_faster_by": {
            peer: {"wall": ratio(found, peer, own), "cpu": ratio(found, peer, own, "cpu_ms")}
            for peer in peers
        }
        for own in ("ours", "plain", "plain, bfloat16")
    }
    return {"times": found, **faster}


if __name__ == "__main__":
    main()

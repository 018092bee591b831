"""Measure the bundled model on the past of a file, beside simple baselines."""

from pathlib import Path

import tcn

DATA = Path(__file__).parents[1] / "data"

panel = tcn.read_csv(DATA / "retail_sales.csv")
forecaster = tcn.load("zero")
result = tcn.backtest(forecaster.predict, panel, horizon=12, n_windows=3)

print(result.to_text())
print(result.to_frame().tail(3).round(1).to_string(index=False))

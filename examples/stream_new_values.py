"""Follow a series as its values arrive: after each day, a forecast of the next week."""

from pathlib import Path

import tcn

DATA = Path(__file__).parents[1] / "data"

panel = tcn.read_csv(DATA / "peyton_manning.csv")
history, future = panel.split(5)

stream = tcn.ForecastStream(tcn.load("zero"), history)
for value in future[0]:
    forecast = stream.push([value], horizon=7, quantile_levels=(0.1, 0.9))
    low, high = forecast.quantiles[0, 0]
    day = forecast.times[0, 0].astype("datetime64[D]")
    print(f"saw {value:.2f}; {day} will be between {low:.2f} and {high:.2f}")

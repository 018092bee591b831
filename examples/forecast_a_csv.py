"""Forecast a CSV file with the bundled model, and compare with what came."""

from pathlib import Path

import numpy as np

import tcn
from tcn.evaluation import seasonal_naive

DATA = Path(__file__).parents[1] / "data"

panel = tcn.read_csv(DATA / "air_passengers.csv")
print(panel.source.describe())
history, future = panel.split(12)

forecaster = tcn.load("zero")
forecast = forecaster.predict(history, horizon=12, quantile_levels=(0.1, 0.5, 0.9))
naive = seasonal_naive(history, 12, (0.5,))

print(forecast.to_frame().round(1).to_string(index=False))
error = np.abs(forecast.mean - future[0]).mean()
naive_error = np.abs(naive.mean - future[0]).mean()
print(f"Mean absolute error {error:.1f}; seasonal naive {naive_error:.1f}.")

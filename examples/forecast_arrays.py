"""Many series as plain arrays, of unequal length and with gaps, in one call."""

import numpy as np

import tcn

rng = np.random.default_rng(0)
hours = np.arange(24 * 21)
load = 100 + 30 * np.sin(2 * np.pi * hours / 24) + rng.normal(0, 3, hours.size)
load[100:110] = np.nan  # missing values stay missing; nothing is invented for them

panel = tcn.Panel.from_arrays(
    [load, load[-200:] / 10],
    ids=["town", "street"],
    freq="h",
    starts=["2026-01-01", "2026-01-14 16:00"],
)
forecast = tcn.load("zero").predict(panel, horizon=48, quantile_levels=(0.05, 0.5, 0.95))

print(forecast.quantiles.shape)  # (N, H, Q): series, steps, levels
for name, low, high in zip(forecast.ids, *forecast.quantiles[:, 0, [0, 2]].T, strict=True):
    print(f"{name}: the next hour is between {low:.1f} and {high:.1f}")

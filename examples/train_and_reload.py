"""Train on a CSV file, save the model without pickle, load it and forecast."""

import tempfile
from pathlib import Path

import numpy as np

import tcn

DATA = Path(__file__).parents[1] / "data"

panel = tcn.read_csv(DATA / "aus_retail_wide.csv")
history, _ = panel.split(12)

forecaster = tcn.fit(
    history,
    tcn.TCNConfig(horizon=12, channels=32, hidden_channels=32, head_channels=64),
    tcn.TrainConfig(max_epochs=2, steps_per_epoch=10),
    start=None,
    progress=lambda report: print(f"step {report['step']}: loss {report['loss']:.3f}"),
)
with tempfile.TemporaryDirectory() as directory:
    tcn.save(forecaster, f"{directory}/retail")
    loaded = tcn.load(f"{directory}/retail")

before = forecaster.predict(history, 12)
after = loaded.predict(history, 12)
print("The loaded model forecasts the same:", np.array_equal(before.mean, after.mean))

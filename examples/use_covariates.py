"""Train with covariates that are known for the horizon too, here the days of games."""

from pathlib import Path

import tcn

DATA = Path(__file__).parents[1] / "data"

panel = tcn.read_csv(
    DATA / "peyton_manning.csv",
    future=DATA / "peyton_manning_future.csv",
    future_covariates=["playoff_game", "super_bowl"],
)
config = tcn.TCNConfig(horizon=30, channels=32, hidden_channels=32, head_channels=64)
train_config = tcn.TrainConfig(max_epochs=2, steps_per_epoch=10)
forecaster = tcn.fit(panel, config, train_config, start=None)

forecast = forecaster.predict(panel, quantile_levels=(0.1, 0.5, 0.9))
print("covariates used:", ", ".join(forecaster.config.future_covariates))
print(forecast.to_frame().head(5).round(2).to_string(index=False))

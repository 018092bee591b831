"""Time-series forecasting with temporal convolutional networks.

The names below are the public API, beside those of the packages (`tcn.layers`, `tcn.series`, ...).
They are loaded when first used, so that `import tcn` costs little more than `import torch`.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tcn import checkpoint as checkpoint
    from tcn import evaluation as evaluation
    from tcn import export as export
    from tcn import images as images
    from tcn import layers as layers
    from tcn import models as models
    from tcn import pretraining as pretraining
    from tcn import series as series
    from tcn import training as training
    from tcn.checkpoint import load, save
    from tcn.config import TCNConfig, TrainConfig, WaveNetConfig
    from tcn.errors import CheckpointError, ConfigError, DataError, TcnError, TcnWarning
    from tcn.evaluation import backtest, find_anomalies, sample_paths
    from tcn.forecaster import Forecaster
    from tcn.series import Forecast, Panel, read_csv, read_parquet
    from tcn.stream import ForecastStream
    from tcn.training import fit

__version__ = "0.1.0"

_HOMES = {
    "CheckpointError": "tcn.errors",
    "ConfigError": "tcn.errors",
    "DataError": "tcn.errors",
    "Forecast": "tcn.series",
    "ForecastStream": "tcn.stream",
    "Forecaster": "tcn.forecaster",
    "Panel": "tcn.series",
    "TCNConfig": "tcn.config",
    "TcnError": "tcn.errors",
    "TcnWarning": "tcn.errors",
    "TrainConfig": "tcn.config",
    "WaveNetConfig": "tcn.config",
    "backtest": "tcn.evaluation",
    "find_anomalies": "tcn.evaluation",
    "fit": "tcn.training",
    "load": "tcn.checkpoint",
    "read_csv": "tcn.series",
    "read_parquet": "tcn.series",
    "sample_paths": "tcn.evaluation",
    "save": "tcn.checkpoint",
}

_PACKAGES = (
    "checkpoint",
    "evaluation",
    "export",
    "images",
    "layers",
    "models",
    "pretraining",
    "series",
    "training",
)

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DataError",
    "Forecast",
    "ForecastStream",
    "Forecaster",
    "Panel",
    "TCNConfig",
    "TcnError",
    "TcnWarning",
    "TrainConfig",
    "WaveNetConfig",
    "__version__",
    "backtest",
    "find_anomalies",
    "fit",
    "load",
    "read_csv",
    "read_parquet",
    "sample_paths",
    "save",
]


if not TYPE_CHECKING:  # a type checker reads the imports above, and so finds misspelt names

    def __getattr__(name: str) -> Any:
        if name in _PACKAGES:
            return importlib.import_module(f"tcn.{name}")
        if name not in _HOMES:
            raise AttributeError(f"module 'tcn' has no attribute {name!r}")
        return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, *_PACKAGES]

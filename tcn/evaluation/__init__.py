"""Forecasts of the past beside what came: backtests, metrics, baselines and anomalies."""

from tcn.evaluation.anomalies import Anomalies, find_anomalies
from tcn.evaluation.backtest import backtest
from tcn.evaluation.baselines import drift, naive, seasonal_naive
from tcn.evaluation.measures import Measures
from tcn.evaluation.result import BacktestResult, Window
from tcn.evaluation.sampling import SamplePaths, sample_paths

__all__ = [
    "Anomalies",
    "BacktestResult",
    "Measures",
    "SamplePaths",
    "Window",
    "backtest",
    "drift",
    "find_anomalies",
    "naive",
    "sample_paths",
    "seasonal_naive",
]

"""Measuring forecasts: metrics, baselines and rolling-origin backtests."""

from tcn.evaluation.backtest import backtest
from tcn.evaluation.baselines import drift, naive, seasonal_naive
from tcn.evaluation.measures import Measures
from tcn.evaluation.result import BacktestResult, Window

__all__ = [
    "BacktestResult",
    "Measures",
    "Window",
    "backtest",
    "drift",
    "naive",
    "seasonal_naive",
]

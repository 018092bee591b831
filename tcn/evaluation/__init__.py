"""Measuring forecasts: metrics, baselines and rolling-origin backtests."""

from tcn.evaluation.backtest import BacktestResult, Window, backtest
from tcn.evaluation.baselines import drift, naive, seasonal_naive
from tcn.evaluation.measures import Measures

__all__ = [
    "BacktestResult",
    "Measures",
    "Window",
    "backtest",
    "drift",
    "naive",
    "seasonal_naive",
]

"""Measuring forecasts: metrics, baselines and rolling-origin backtests."""

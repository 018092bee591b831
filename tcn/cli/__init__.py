"""The command `tcn`: forecast, train, backtest, serve, info, export, pretrain.

Nothing here imports torch or pandas before a command runs, so that `tcn --help` answers at once.
"""

from tcn.cli.app import main

__all__ = ["main"]

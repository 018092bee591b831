"""The command `tcn`."""

"""The exceptions a user can cause, as a tree.

TcnError
    ConfigError       an option or a size that is not allowed
    DataError         a series, file or frame that cannot be read or forecast
    CheckpointError   a saved model that is missing, broken or not to be trusted

Each carries one or two sentences: what is wrong, with the value; what is allowed; what to do.
`TcnWarning` is no error: it says what a user might not expect, and what to do about it.
"""


class TcnError(Exception):
    """Base of all errors this library raises for a user's mistake."""


class ConfigError(TcnError):
    """An option has a value that is not allowed."""


class DataError(TcnError):
    """The data cannot be used as given."""


class CheckpointError(TcnError):
    """A saved model cannot be loaded or written."""


class TcnWarning(UserWarning):
    """Something is left out of account that a user may think is not."""

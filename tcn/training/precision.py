"""Which number format a processor trains fastest in; see `tcn.models.precision`."""

from tcn.models.precision import autocast
from tcn.models.precision import number_format as training_dtype

__all__ = ["autocast", "training_dtype"]

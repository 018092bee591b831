"""Which cycle a forecast assumes for each series of a panel."""

import numpy as np
from numpy.typing import NDArray

from tcn.errors import ConfigError
from tcn.series.frequency import season_length_of
from tcn.series.panel import Panel
from tcn.series.season import detect_seasons

MAX_SEASON_LENGTH = 65_536


def seasons_of(panel: Panel, given: int | None = None) -> NDArray[np.int64]:
    """Steps of a cycle for each series, (S,), 1 for none.

    In this order: the length given, the panel's own, that of its frequency, the detected one. A
    cycle that a series has not completed once is not used.
    """
    length = given if given is not None else panel.season_length
    if length is not None and not 1 <= length <= MAX_SEASON_LENGTH:
        raise ConfigError(
            f"season_length must be from 1 to {MAX_SEASON_LENGTH:,}, got {length}."
        )
    if length is None and panel.freq is not None:
        length = season_length_of(panel.freq)
    if length is None:
        return detect_seasons(panel)
    return np.where(panel.lengths > length, length, 1).astype(np.int64)

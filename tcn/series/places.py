"""Where series are among the ids of a panel or forecast."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tcn.errors import DataError


def place_of(ids: NDArray[np.str_], name: str) -> int:
    """Position of the series with this id; DataError where there is none."""
    found = np.flatnonzero(ids == name)
    if found.size == 0:
        shown = ", ".join(map(repr, ids[:5].tolist()))
        more = ", ..." if len(ids) > 5 else ""
        raise DataError(f"There is no series {name!r}; the ids are {shown}{more}.")
    return int(found[0])


def positions_of(ids: NDArray[np.str_], wanted: ArrayLike) -> NDArray[np.int64]:
    """Positions of the series wanted: whole numbers, a Boolean mask, or ids."""
    asked = np.asarray(wanted)
    if asked.dtype.kind == "U":
        asked = np.array([place_of(ids, name) for name in np.atleast_1d(asked).tolist()])
    index = asked.astype(np.bool_ if asked.dtype == np.bool_ else np.int64)
    positions: NDArray[np.int64] = np.arange(len(ids), dtype=np.int64)[index]
    return positions

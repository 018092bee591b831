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
    """Positions of the series wanted: whole numbers (negative from the end), a mask, or ids.

    One number or id gives one position. Raises DataError for a series that is not there.
    """
    asked = np.atleast_1d(np.asarray(wanted))
    if asked.dtype.kind == "U":
        return np.array([place_of(ids, name) for name in asked.tolist()], np.int64)
    if asked.dtype == np.bool_:
        if asked.shape != ids.shape:
            raise DataError(
                f"A mask has one entry for each of {len(ids)} series, got {asked.size}."
            )
        return np.flatnonzero(asked)
    if asked.size and asked.dtype.kind not in "iu":
        raise DataError(f"Series are taken by whole numbers, a mask or ids, got {wanted!r:.80}.")
    index = asked.astype(np.int64)
    missing = index[(index < -len(ids)) | (index >= len(ids))]
    if missing.size:
        raise DataError(f"There is no series at position {missing[0]}; there are {len(ids)}.")
    return np.where(index < 0, index + len(ids), index)

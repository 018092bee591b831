"""Covariates given as arrays by name, one for each series."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tcn.errors import DataError
from tcn.series.covariates import Covariates
from tcn.series.ragged import offsets_of

Given = Mapping[str, Sequence[ArrayLike] | Mapping[str, ArrayLike]]
GivenStatic = Mapping[str, Sequence[float | str] | Mapping[str, float | str]]


def covariates_over_time(given: Given | None, ids: NDArray[np.str_]) -> Covariates | None:
    """Past or future-known covariates: by name one 1-D array a series, in order or by id.

    Numbers, or texts for categories. The arrays of a series are of equal length; whether they are
    as long as the series is checked by `Panel`.
    """
    if not given or not len(ids):
        return None
    columns = {name: _in_order(name, arrays, ids) for name, arrays in given.items()}
    pieces = {name: [_array(each) for each in column] for name, column in columns.items()}
    lengths = _lengths(pieces, ids)
    read = [_numbers_or_codes(name, np.concatenate(pieces[name])) for name in pieces]
    return Covariates(
        names=tuple(pieces),
        values=np.stack([values for values, _ in read]),
        offsets=offsets_of(lengths),
        categories=tuple(categories for _, categories in read),
    )


def covariates_per_series(given: GivenStatic | None, ids: NDArray[np.str_]) -> Covariates | None:
    """Static covariates: by name one number or text a series, in order or by id."""
    if not given:
        return None
    read = [
        _numbers_or_codes(name, _array(_in_order(name, values, ids)))
        for name, values in given.items()
    ]
    return Covariates(
        names=tuple(given),
        values=np.stack([values for values, _ in read], axis=1),
        categories=tuple(categories for _, categories in read),
    )


def _in_order(name: str, given: Any, ids: NDArray[np.str_]) -> list[Any]:
    """One entry a series, in the order of the series."""
    if isinstance(given, Mapping):
        by_id = {str(key): value for key, value in given.items()}
        missing = [each for each in ids.tolist() if each not in by_id]
        if missing or len(by_id) > len(ids):
            wrong = missing or sorted(set(by_id) - set(ids.tolist()))
            raise DataError(
                f"Covariate {name!r} needs one entry for each of the {len(ids)} series and no "
                f"other, by id; see {wrong[0]!r}."
            )
        return [by_id[each] for each in ids.tolist()]
    entries = list(given)
    if len(entries) != len(ids):
        raise DataError(
            f"Covariate {name!r} needs one entry for each of the {len(ids)} series, got "
            f"{len(entries)}. Give a list with one entry a series, or a dictionary by id."
        )
    return entries


def _lengths(pieces: Mapping[str, list[NDArray[Any]]], ids: NDArray[np.str_]) -> NDArray[np.int64]:
    """Rows of each series, (S,), which all covariates share."""
    first = next(iter(pieces))
    for name, arrays in pieces.items():
        for i, array in enumerate(arrays):
            if array.ndim != 1:
                raise DataError(
                    f"Covariate {name!r} of {str(ids[i])!r} has shape {array.shape}; it needs one "
                    "value a step, in a 1-D array."
                )
            if len(array) != len(pieces[first][i]):
                raise DataError(
                    f"Covariate {name!r} of {str(ids[i])!r} has {len(array)} rows, {first!r} has "
                    f"{len(pieces[first][i])}. Give both the same steps, NaN where one is missing."
                )
    return np.array([len(array) for array in pieces[first]], np.int64)


def _numbers_or_codes(
    name: str, values: NDArray[Any]
) -> tuple[NDArray[np.float64], tuple[str, ...] | None]:
    """Numbers as they are; texts as codes into the sorted texts; None is missing."""
    try:
        numbers = values.astype(np.float64)
    except (TypeError, ValueError):
        is_missing = np.array([_is_missing(each) for each in values.tolist()], bool)
        texts = values[~is_missing].astype(np.str_)
        categories, codes = np.unique(texts, return_inverse=True)
        numbers = np.full(len(values), np.nan)
        numbers[~is_missing] = codes
        return numbers, tuple(categories.tolist())
    if np.isinf(numbers).any():
        raise DataError(f"Covariate {name!r} has an infinite value. Use NaN where one is missing.")
    return numbers, None


def _array(values: Any) -> NDArray[Any]:
    """An array; texts stay objects, so that None and NaN among them stay what they are.

    What a masked array masks is missing.
    """
    if isinstance(values, np.ma.MaskedArray):
        return np.ma.filled(values.astype(np.float64), np.nan)
    array = np.asarray(values)
    return np.asarray(values, object) if array.dtype.kind in "US" else array


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))

"""Lists of numbers in requests: checked strictly, and in one pass where they are plain."""

import re
from struct import error as StructError
from struct import pack
from types import NoneType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import Report, kind_of, pointer

FloatArray = NDArray[np.float64]

NUMBERS = frozenset({float, int})
NUMBERS_OR_NULL = frozenset({float, int, NoneType})
CONTROL = re.compile(r"[\x00-\x1f\x7f]")  # no name and no id has such characters


def parse_values(
    values: object, where: tuple[str | int, ...], report: Report, *, may_be_missing: bool = False
) -> FloatArray:
    """Return numbers as (L,) float64, null as NaN; wrong elements are noted by index."""
    if type(values) is not list:
        got = "nothing" if values is None else kind_of(values)
        hint = " Put all values of a series into one." if type(values) in NUMBERS else ""
        report.add(pointer(*where), f"must be a list of numbers, got {got}.{hint}")
        return np.empty(0)
    numbers = _plain_numbers(values)
    if numbers is not None:
        return numbers
    kinds = set(map(type, values))
    if not kinds <= NUMBERS_OR_NULL:
        _note_wrong_numbers(values, where, report)
        return np.empty(0)
    if not kinds:
        report.add(pointer(*where), "must hold at least one value, got an empty list.")
    elif kinds == {NoneType} and not may_be_missing:
        report.add(pointer(*where), "has only missing values; at least one number is needed.")
    return np.array(values, dtype=np.float64)


def _plain_numbers(values: list[Any]) -> FloatArray | None:
    """Return a list that holds numbers alone, in one pass; None if it may hold anything else.

    `pack` takes numbers and booleans. Those become 0 or 1, so a list without these has none.
    """
    try:
        numbers = np.frombuffer(pack(f"{len(values)}d", *values))
    except (StructError, OverflowError):
        return None
    has_bits = np.count_nonzero(numbers == numbers.astype(np.bool_))
    if has_bits and not set(map(type, values)) <= NUMBERS:
        return None
    return numbers if values else None


def _note_wrong_numbers(values: list[object], where: tuple[str | int, ...], report: Report) -> None:
    for index, value in enumerate(values):
        if type(value) not in NUMBERS_OR_NULL:
            hint = " Write it without quotes." if isinstance(value, str) else ""
            report.add(
                pointer(*where, index), f"must be a number or null, got {kind_of(value)}.{hint}"
            )
        if report.is_full:
            return

"""Numbers written as text: plain, with thousands separators, or with a decimal comma."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MISSING = (
    "", "NA", "N/A", "n/a", "na", "NaN", "nan", "NAN", "NULL", "null", "Null", "None", "none",
    "#N/A", "-", ".", "?", "<NA>", "NaT",
)  # fmt: skip

_PLAIN = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_INTEGER = r"^[+-]?[0-9]+$"
_THOUSANDS = r"^[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?$"
_SURELY_THOUSANDS = r"^[+-]?[0-9]{1,3}((,[0-9]{3}){2,}|(,[0-9]{3})+\.[0-9]+)$"
_DECIMAL_COMMA = r"^[+-]?([0-9]{1,3}([. '][0-9]{3})+|[0-9]*),[0-9]+([eE][+-]?[0-9]+)?$"
_DOTTED_THOUSANDS = r"^[+-]?[0-9]{1,3}([. '][0-9]{3})+$"
_SPACES, _MINUS = "[\u00a0\u202f\u2009]", "\u2212"  # as typesetters write 1 234 and -5


@dataclass(frozen=True)
class Parsed:
    """Values (NaN where missing or unreadable), the cells that are no number, and how it read."""

    values: NDArray[np.float64]
    is_bad: NDArray[np.bool_]
    note: str = ""
    is_ambiguous: bool = False

    @property
    def is_numeric(self) -> bool:
        """Whether every cell was a number or missing, and one at least a number."""
        return not self.is_bad.any() and not np.isnan(self.values).all()


def parse_numbers(text: Any, delimiter: str = ",", decimal: str | None = None) -> Parsed:
    """Read an arrow string array; `delimiter` of its file tells what a comma may mean.

    With `decimal` None: "1,234.5" and (in files separated by commas) "1,234" have thousands
    separators; "3,14" and "1.234,56" a decimal comma. In other files a column whose commas all
    stand before three digits is ambiguous and not read. One column is read in one way.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = pc.utf8_trim_whitespace(text)
    cells = pc.if_else(pc.is_in(cells, pa.array(MISSING, cells.type)), None, cells)
    is_odd = _not_matching(cells, _PLAIN)
    if is_odd.any():
        cells = pc.replace_substring_regex(cells, _SPACES, " ")
        cells = pc.replace_substring(cells, _MINUS, "-")
        is_odd = _not_matching(cells, _PLAIN)
    if decimal != ",":
        if not is_odd.any():
            return Parsed(_floats(cells), is_odd)
        if decimal is None:
            odd = cells.filter(pa.array(is_odd))
            return _parse_with_commas(cells, is_odd, odd, delimiter)
        return Parsed(_floats(_without(cells, is_odd)), is_odd)
    return _parse_decimal_comma(cells)


def _parse_with_commas(cells: Any, is_odd: NDArray[np.bool_], odd: Any, delimiter: str) -> Parsed:
    import pyarrow.compute as pc

    if not _not_matching(odd, _THOUSANDS).any():
        if delimiter == "," or not _not_matching(odd, _SURELY_THOUSANDS).all():
            values = _floats(pc.replace_substring(cells, ",", ""))
            return Parsed(
                values, np.zeros_like(is_odd), f"{odd[0].as_py()!r} has a thousands comma."
            )
        return Parsed(_floats(_without(cells, is_odd)), is_odd, is_ambiguous=True)
    parsed = _parse_decimal_comma(cells)
    if not parsed.is_bad.any():
        return parsed
    return Parsed(_floats(_without(cells, is_odd)), is_odd)


def _parse_decimal_comma(cells: Any) -> Parsed:
    import pyarrow.compute as pc

    is_bad = _not_matching(cells, f"{_DECIMAL_COMMA}|{_INTEGER}|{_DOTTED_THOUSANDS}")
    clean = pc.replace_substring_regex(_without(cells, is_bad), "[. ']", "")
    values = _floats(pc.replace_substring(clean, ",", "."))
    example = next((cell.as_py() for cell in cells if cell.is_valid and "," in cell.as_py()), "1,5")
    return Parsed(values, is_bad, f"{example!r} has a decimal comma.")


def _not_matching(cells: Any, pattern: str) -> NDArray[np.bool_]:
    import pyarrow.compute as pc

    matches = pc.fill_null(pc.match_substring_regex(cells, pattern), True)
    return ~np.asarray(matches.to_numpy(zero_copy_only=False), bool)


def _without(cells: Any, is_bad: NDArray[np.bool_]) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(pa.array(is_bad), None, cells)


def _floats(cells: Any) -> NDArray[np.float64]:
    import pyarrow as pa
    import pyarrow.compute as pc

    unsigned = pc.replace_substring_regex(cells, r"^\+", "")
    values = pc.cast(unsigned, pa.float64()).to_numpy(zero_copy_only=False)
    return np.asarray(values, np.float64)

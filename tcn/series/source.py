"""Where a panel came from: the columns a reader chose, so that it can be told to the user."""

from dataclasses import dataclass
from typing import Literal

Layout = Literal["arrays", "long", "wide", "values"]


@dataclass(frozen=True)
class Source:
    """The layout and columns a panel was read from; `ignored` names columns nobody asked for."""

    layout: Layout
    id_col: str | None = None
    time_col: str | None = None
    target_cols: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def describe(self) -> str:
        """One or more sentences for people.

        >>> Source("long", None, "month", ("passengers",)).describe()
        "One series: values from 'passengers', times from 'month'."
        """
        sentences = [self._layout_sentence()]
        if self.ignored:
            sentences.append(f"Not used: {listed(self.ignored)}.")
        return " ".join([*sentences, *self.notes])

    def _layout_sentence(self) -> str:
        times = (
            f"times from {self.time_col!r}" if self.time_col else "rows as steps (no time column)"
        )
        if self.layout == "arrays":
            return "Series given as arrays."
        if self.layout == "wide":
            return f"One series per column: {listed(self.target_cols)}; {times}."
        if self.layout == "long" and self.id_col:
            values = self.target_cols[0]
            return f"Series by {self.id_col!r}: values from {values!r}, {times}."
        return f"One series: values from {self.target_cols[0]!r}, {times}."


ARRAYS = Source("arrays")


def listed(names: tuple[str, ...], most: int = 8) -> str:
    """Names in quotes, with a count of those beyond `most`."""
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"

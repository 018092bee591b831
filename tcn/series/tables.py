"""Tables of any layout as panels: their columns are chosen, then read as long or wide."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tcn.errors import DataError
from tcn.series.columns import Table, id_name
from tcn.series.grid import Roles, Spacing
from tcn.series.long import read_long
from tcn.series.panel import Panel
from tcn.series.roles import ALL, Choice, Chooser
from tcn.series.wide import read_wide


@dataclass(frozen=True)
class Asked:
    """The columns a user named, before any is looked for; several may be ids, or targets."""

    id_col: str | Sequence[str] | None = None
    time_col: str | None = None
    target_col: str | Sequence[str] | None = None

    @property
    def targets(self) -> tuple[str, ...]:
        """The value columns named."""
        named = self.target_col
        return (named,) if isinstance(named, str) else tuple(named or ())

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, the ids under the name of their column once they are joined."""
        names = (id_name(self.id_col), self.time_col, *self.targets)
        return tuple(name for name in names if name is not None)

    def choose(self, table: Table, covariates: Sequence[str]) -> Choice:
        """What of the table takes each role; columns that nobody named are found."""
        id_col = id_name(self.id_col)
        return Chooser(table, id_col, self.time_col, self.targets, covariates).choose()


def panel_of_table(
    table: Table, asked: Asked, roles: Roles, spacing: Spacing, *, future: Table | None = None
) -> Panel:
    """Choose the columns of a table and build the panel.

    future: a second table with covariates known in advance, all of them where `roles` names none.
    """
    table = table.with_id(asked.id_col, keep=roles.names)
    named = [name for name in asked.names if name != ALL]
    _require_columns(table, [*named, *roles.names])
    choice = asked.choose(table, roles.names)
    if future is not None:
        future = future.with_id(asked.id_col, keep=roles.names)
        if not roles.future:
            roles = replace(roles, future=_shared_columns(table, future, asked, choice))
            choice = asked.choose(table, roles.names)
        _refuse_series_nobody_named(choice, asked)
    notes = _number_notes(table, choice)
    read = read_wide if choice.is_wide else read_long
    return read(table, choice, roles, spacing, beyond=future, notes=notes)


def _refuse_series_nobody_named(choice: Choice, asked: Asked) -> None:
    if choice.is_wide and not asked.targets:
        raise DataError(
            "future= has covariates of a wide table, in which every column is a series. Name the "
            f"series by target_col=, or {ALL!r} for every other column."
        )


def _require_columns(table: Table, asked: Sequence[str]) -> None:
    unknown = [name for name in asked if name not in table.names]
    if unknown:
        raise DataError(
            f"Columns missing: {unknown}; found: {table.names[:20]}. Check their names."
        )
    if table.n_rows == 0:
        raise DataError("The file has a header but no rows. Give at least one observation.")


def _shared_columns(table: Table, future: Table, asked: Asked, choice: Choice) -> tuple[str, ...]:
    """The columns of both tables that are neither ids nor times nor values."""
    targets = () if asked.targets == (ALL,) else choice.targets
    known = {*asked.names, choice.id_col, choice.time_col, *targets}
    return tuple(name for name in future.names if name in table.names and name not in known)


def _number_notes(table: Table, choice: Choice) -> tuple[str, ...]:
    notes = (table.parse(name).note for name in choice.targets)
    return tuple(dict.fromkeys(note for note in notes if note))

"""Covariates in requests: columns by name, of numbers or texts."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Any

from service.errors import Report, kind_of, pointer
from service.values import CONTROL, NUMBERS_OR_NULL, FloatArray, parse_values

Covariate = FloatArray | list[str | None]

_TEXTS_OR_NULL = frozenset({str, NoneType})


@dataclass(frozen=True, slots=True)
class CovariateReader:
    """Reads the covariates of one series."""

    where: tuple[str | int, ...]
    most: int
    report: Report

    def parse(self, item: Mapping[str, Any], length: int, reach: int) -> dict[str, Any]:
        """Return the covariates of `length` values; future ones go on for `reach` steps or more."""
        return {
            "past_covariates": self._columns(item, "past_covariates", length, length),
            "future_covariates": self._columns(item, "future_covariates", length + reach, None),
            "static_covariates": self._static(item.get("static_covariates")),
        }

    def _columns(
        self, item: Mapping[str, Any], kind: str, low: int, high: int | None
    ) -> dict[str, Covariate]:
        columns = self._mapping(item.get(kind), kind)
        return {
            name: self._column(values, (*self.where, kind, name), low, high)
            for name, values in columns.items()
        }

    def _mapping(self, value: object, kind: str) -> dict[str, Any]:
        place = pointer(*self.where, kind)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.report.add(place, f"must be an object of names, got {kind_of(value)}.")
            return {}
        if len(value) > self.most:
            self.report.add(place, f"may have {self.most} covariates, got {len(value):,}.")
            return {}
        for name in value:
            if not 1 <= len(name) <= 64 or CONTROL.search(name):
                self.report.add(place, "names must have 1 to 64 characters.")
                return {}
        return value

    def _column(
        self, values: object, where: tuple[str | int, ...], low: int, high: int | None
    ) -> Covariate:
        column: Covariate
        if type(values) is list and str in (kinds := set(map(type, values))):
            column = self._texts(values, kinds, where)
        else:
            column = parse_values(values, where, self.report, may_be_missing=True)
        if len(column) and (len(column) < low or (high is not None and len(column) > high)):
            need = f"at least {low:,}" if high is None else f"{low:,}"
            self.report.add(pointer(*where), f"has {len(column):,} values; {need} are needed.")
        return column

    def _texts(
        self, values: list[Any], kinds: set[type], where: tuple[str | int, ...]
    ) -> Covariate:
        if kinds <= _TEXTS_OR_NULL and all(v is None or len(v) <= 64 for v in values):
            return values
        self.report.add(
            pointer(*where), "must be all numbers, or all strings of at most 64 characters."
        )
        return []

    def _static(self, value: object) -> dict[str, float | str | None]:
        fields = self._mapping(value, "static_covariates")
        for name, item in fields.items():
            is_text = isinstance(item, str) and len(item) <= 64
            if not is_text and type(item) not in NUMBERS_OR_NULL:
                self.report.add(
                    pointer(*self.where, "static_covariates", name),
                    "must be a number, a string of at most 64 characters, or null.",
                )
        return fields

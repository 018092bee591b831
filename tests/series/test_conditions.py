"""Covariates as columns of numbers."""

import json

import numpy as np
import pytest
from covariate_panels import with_covariates

from tcn.errors import DataError
from tcn.series import Covariates, Panel
from tcn.series.conditions import MAX_CATEGORIES, Column, Conditions


def encoded(panel: Panel, length: int = 40, first: int = 1, last: int = 8):
    rows = np.arange(len(panel))
    return Conditions.fitted(panel).encode(panel, rows, length, first, last)


def test_numbers_are_standardised_and_categories_become_columns():
    conditions = Conditions.fitted(with_covariates())
    assert [column.label for column in conditions.past] == ["rain"]
    assert [column.label for column in conditions.static] == ["shop=A", "shop=B"]
    known = encoded(with_covariates())
    assert known.context.shape == (2, 4, 40)
    assert known.steps.shape == (2, 1, 8, 1)
    assert known.static.tolist() == [[1.0, 0.0], [0.0, 1.0]]
    rain = known.context[:, 0]
    assert abs(float(rain.mean())) < 1e-5
    assert float(rain.std(correction=0)) == pytest.approx(1.0, rel=1e-4)
    assert (known.context[:, 1::2] == 1.0).all()


def test_the_window_and_the_steps_are_the_right_rows():
    panel = with_covariates()
    price = panel.future_covariates
    column = Conditions.fitted(panel).future[0]
    known = encoded(panel, length=10, first=3, last=6)
    for row in range(2):
        standard = (price[row][0] - column.mean) / column.deviation
        np.testing.assert_allclose(known.steps[row, 0, :, 0], standard[42:46], rtol=1e-5)
        np.testing.assert_allclose(known.context[row, 2], standard[32:42], rtol=1e-5)


def test_what_is_not_known_is_zero_with_a_zero_in_the_mask():
    panel = with_covariates()
    panel.past_covariates.values[0, 35] = np.nan
    known = encoded(panel, length=44, first=3, last=4)
    assert known.context[0, 0, :2].tolist() == [0.0, 0.0]
    assert known.context[0, 1, :2].tolist() == [0.0, 0.0]
    hole = 44 - 42 + 35
    assert known.context[0, :2, hole].tolist() == [0.0, 0.0]
    assert known.context[0, :2, -2:].tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert known.context[0, 1, hole + 1] == 1.0


def test_a_covariate_that_never_changes_is_zero():
    panel = with_covariates()
    panel.past_covariates.values[:] = 1e6
    assert (encoded(panel).context[:, 0] == 0.0).all()


def test_only_so_many_categories_have_a_column():
    names = tuple(f"shop {index}" for index in range(MAX_CATEGORIES + 6))
    codes = np.arange(2.0)[:, None]
    panel = with_covariates()
    object.__setattr__(panel, "static_covariates", Covariates(("shop",), codes, None, (names,)))
    assert len(Conditions.fitted(panel).static) == MAX_CATEGORIES


def test_a_panel_without_covariates_has_no_columns():
    panel = Panel.from_arrays([[1.0, 2.0]])
    known = encoded(panel, length=2)
    assert Conditions.fitted(panel) == Conditions()
    assert known == (None, None, None)


def test_conditions_go_through_json_unchanged():
    conditions = Conditions.fitted(with_covariates())
    assert Conditions.from_dict(json.loads(json.dumps(conditions.to_dict()))) == conditions


def test_missing_covariates_are_named():
    conditions = Conditions(past=(Column("rain"), Column("sun")))
    with pytest.raises(DataError, match=r"reads the past covariates \['rain', 'sun'\]; missing: "):
        conditions.check(with_covariates(), 3)

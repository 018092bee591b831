"""Covariates given as arrays are those that the same table gives."""

import numpy as np
import pandas as pd
import pytest

from tcn.errors import DataError
from tcn.series import Panel

NAN = np.nan
DAYS = pd.date_range("2026-01-01", periods=4)
SERIES = {"a": [1.0, 2.0, 3.0], "b": [4.0, 5.0]}
PRICE = [[9.0, 9.0, 8.0, 8.0], [7.0, 7.0, 6.0, 6.0]]
RAIN = [["no", None, "yes"], ["yes", NAN]]


def panel_of(**covariates) -> Panel:
    return Panel.from_arrays(SERIES, freq="D", starts="2026-01-01", **covariates)


def test_arrays_and_a_table_give_the_same_panel():
    panel = panel_of(
        past_covariates={"rain": RAIN, "sold": SERIES},
        future_covariates={"price": PRICE},
        static_covariates={"region": ["north", "south"], "size": {"b": 2, "a": 1}},
    )
    table = pd.DataFrame(
        {
            "unique_id": ["a"] * 4 + ["b"] * 4,
            "ds": [*DAYS, *DAYS],
            "y": [1, 2, 3, NAN, 4, 5, NAN, NAN],
            "rain": ["no", None, "yes", None, "yes", None, None, None],
            "price": np.ravel(PRICE),
            "region": ["north"] * 4 + ["south"] * 4,
            "size": [1] * 4 + [2] * 4,
        }
    )
    same = Panel.from_frame(
        table.assign(sold=table["y"]),
        past_covariates=["rain", "sold"],
        future_covariates=["price"],
        static_covariates=["region", "size"],
    )
    assert panel.equals(same)


def test_no_covariates_are_none():
    assert panel_of(past_covariates={}, static_covariates={}).equals(panel_of())


@pytest.mark.parametrize(
    ("covariates", "message"),
    [
        ({"past_covariates": {"p": [[1.0, 2.0]]}}, r"'p' needs one entry .* 2 series, got 1\."),
        ({"static_covariates": {"s": {"a": 1}}}, r"'s' needs one entry .* by id; see 'b'\."),
        ({"static_covariates": {"s": {"a": 1, "b": 1, "c": 1}}}, r"see 'c'\."),
        ({"past_covariates": {"p": [[[1.0]], [1.0]]}}, r"'p' of 'a' has shape \(1, 1\); it needs"),
        (
            {"past_covariates": {"p": SERIES, "q": [[1.0, 2.0, 3.0], [1.0]]}},
            r"'q' of 'b' has 1 rows, 'p' has 2\.",
        ),
        ({"past_covariates": {"p": PRICE}}, r"^Past covariates of 'a' have 4 rows, the series has"),
        ({"future_covariates": {"f": [[1.0], [1.0]]}}, r"^Future covariates of 'a' have 1 rows"),
        ({"static_covariates": {"s": [np.inf, 1]}}, r"^Covariate 's' has an infinite value\."),
    ],
)
def test_what_is_wrong_with_covariates_is_said(covariates, message):
    with pytest.raises(DataError, match=message):
        panel_of(**covariates)


def test_covariates_are_shown_in_a_line():
    panel = panel_of(
        future_covariates={"price": PRICE}, static_covariates={"region": ["north", "south"]}
    )
    assert repr(panel.future_covariates) == "Covariates(price: 2 series, 8 rows)"
    assert repr(panel.static_covariates) == "Covariates(region: 2 series, static)"

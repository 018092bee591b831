"""Panels without some of their covariates."""

from dataclasses import replace

import pytest
from covariate_panels import with_covariates

from tcn.errors import DataError
from tcn.series import Panel


def test_covariates_are_left_out_by_name_or_all():
    panel = with_covariates()
    assert panel.without_covariates().equals(
        replace(panel, past_covariates=None, future_covariates=None, static_covariates=None)
    )
    assert panel.without_covariates([]).equals(panel)
    assert panel.without_covariates("price").equals(replace(panel, future_covariates=None))
    two = Panel.from_arrays(
        [[1.0, 2.0]],
        past_covariates={"a": [[1.0, 2.0]], "b": [["x", "y"]]},
        static_covariates={"c": [1.0], "d": ["z"]},
    )
    kept = two.without_covariates(["a", "c"])
    assert (kept.past_covariates.names, kept.past_covariates.categories) == (("b",), (("x", "y"),))
    assert kept.static_covariates.values.tolist() == [[0.0]]
    with pytest.raises(DataError, match=r"^There is no covariate 'e'; the panel has \['a', 'b', "):
        two.without_covariates(["e"])

"""A panel with a covariate of each kind."""

from dataclasses import replace

import numpy as np
from contract_forecasters import panel_of, seasonal

from tcn.series import Covariates, Panel


def with_covariates(n: int = 40, ahead: int = 8) -> Panel:
    """Two series of `n` points; the future covariate is known for `ahead` more."""
    panel = panel_of(seasonal(n), seasonal(n, 1))
    offsets = np.array([0, n + ahead, 2 * (n + ahead)])
    price = np.sin(np.arange(2.0 * (n + ahead)))[None]
    return replace(
        panel,
        past_covariates=Covariates(("rain",), np.cos(np.arange(2.0 * n))[None], panel.offsets),
        future_covariates=Covariates(("price",), price, offsets),
        static_covariates=Covariates(("shop",), np.array([[0.0], [1.0]]), None, (("A", "B"),)),
    )

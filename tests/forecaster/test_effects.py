"""Covariates known ahead act on forecasts of networks that were trained without them."""

import numpy as np
import pytest

import tcn
from tcn.series import Panel

N, HORIZON = 120, 12


@pytest.fixture(scope="module")
def zero():
    return tcn.load("zero")


def promoted(sign=1.0, seed=0):
    """Weekly sales, tripled by promotions that are known ahead; and what will be sold."""
    rng = np.random.default_rng(seed)
    days = np.arange(N + HORIZON)
    is_on = (rng.random(N + HORIZON) < 0.15).astype(float)
    sales = 20.0 + 5.0 * np.sin(2 * np.pi * days / 7) + sign * 15.0 * is_on
    sales += rng.normal(size=len(days))
    panel = Panel.from_arrays([sales[:N]], future_covariates={"promotion": [is_on]}, freq="D")
    return panel, sales[N:]


def test_a_forecast_follows_what_is_known_ahead(zero):
    panel, actual = promoted()
    error = np.abs(zero.predict(panel, HORIZON).mean[0] - actual).mean()
    without = np.abs(zero.predict(panel.without_covariates(), HORIZON).mean[0] - actual).mean()
    assert error < 0.5 * without


def test_a_forecast_is_that_of_what_the_effects_leave_and_the_effects(zero):
    panel, _ = promoted()
    effects = zero.effects(panel, HORIZON)
    assert effects.names == ("promotion",)
    rest = zero.predict(effects.taken_from(panel).without_covariates(), HORIZON)
    forecast = zero.predict(panel, HORIZON)
    added = effects.ahead.sum(axis=2)
    np.testing.assert_allclose(forecast.mean, rest.mean + added)
    np.testing.assert_allclose(forecast.quantiles, rest.quantiles + added[..., None])


def test_intervals_are_narrower_where_a_covariate_explains_what_seemed_chance(zero):
    panel, _ = promoted()
    wide = np.ptp(zero.predict(panel.without_covariates(), HORIZON).quantiles, axis=2)
    assert (np.ptp(zero.predict(panel, HORIZON).quantiles, axis=2) < 0.6 * wide).all()


def test_what_never_was_negative_is_not_forecast_to_be(zero):
    panel, _ = promoted(sign=-1.0)
    low = Panel.from_arrays(
        [np.maximum(panel[0] - 5.0, 0.0)],
        future_covariates={"promotion": [panel.future_covariates[0][0]]},
        freq="D",
    )
    forecast = zero.predict(low, HORIZON, (0.05, 0.5, 0.95))
    assert forecast.quantiles.min() >= 0.0
    assert forecast.mean.min() >= 0.0


def test_a_panel_without_such_covariates_has_no_effects(zero):
    panel, _ = promoted()
    assert zero.effects(panel.without_covariates(), HORIZON) is None


def test_covariates_that_do_not_reach_the_horizon_are_refused(zero):
    panel, _ = promoted()
    with pytest.raises(tcn.DataError, match="reach 12 steps beyond its last value"):
        zero.predict(panel, HORIZON + 1)


def test_a_backtest_takes_the_effects_into_account(zero):
    panel, _ = promoted()
    errors = [
        tcn.backtest(zero.predict, each, horizon=HORIZON, n_windows=3).relative().mae
        for each in (panel, panel.without_covariates())
    ]
    assert errors[0] < 0.7 * errors[1]

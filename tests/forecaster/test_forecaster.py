"""Forecasters: the contract, the bundled model, long horizons, covariates and streams."""

from dataclasses import replace

import numpy as np
import pytest
from contract_forecasters import check_forecaster, crossing, panel_of, seasonal
from contract_networks import random_network
from covariate_panels import with_covariates
from hypothesis import given, settings
from hypothesis import strategies as st

import tcn
from tcn.config import TCNConfig, WaveNetConfig
from tcn.errors import ConfigError, DataError
from tcn.forecaster import Forecaster
from tcn.models.calibration import Calibration
from tcn.series import Covariates, Panel
from tcn.series.conditions import Conditions

SMALL = {
    "horizon": 8,
    "context_length": 94,
    "channels": 8,
    "hidden_channels": 8,
    "head_channels": 8,
    "dilations": (1, 2, 4),
}


@pytest.fixture(scope="module")
def zero() -> Forecaster:
    return tcn.load("zero")


def small(kind=TCNConfig, **options) -> Forecaster:
    config = kind(**SMALL, **options)
    return Forecaster(config, random_network(config))


@pytest.mark.parametrize("head", ["quantile", "gaussian", "student_t"])
@pytest.mark.parametrize("kind", [TCNConfig, WaveNetConfig])
def test_a_forecaster_of_any_weights_keeps_its_contract(kind, head):
    check_forecaster(small(kind, head=head))


def test_a_calibrated_forecaster_keeps_its_contract():
    calibration = Calibration((0.1, 0.5, 0.9), (3,), ((-0.2, 0.1, 0.1), (-0.1, -0.1, 0.3)))
    check_forecaster(replace(small(), calibration=calibration))


def test_the_bundled_forecaster_keeps_its_contract(zero):
    check_forecaster(replace(zero, config=replace(zero.config, horizon=10)))


def test_the_bundled_forecaster_sees_a_season(zero):
    history, future = panel_of(seasonal(90)).split(14)
    forecast = zero.predict(history, 14)
    naive = np.tile(history[0][-7:], 2)
    assert np.abs(forecast.mean[0] - future[0]).mean() < np.abs(naive - future[0]).mean()
    low, high = forecast.quantiles[0, :, [0, 8]]
    assert ((low <= future[0]) & (future[0] <= high)).mean() >= 0.6


def test_intervals_widen_beyond_the_trained_horizon(zero):
    walks = np.random.default_rng(0).normal(size=(12, 120)).cumsum(axis=1)
    rolled = replace(zero, config=replace(zero.config, horizon=12))
    forecast = rolled.predict(panel_of(*walks, season_length=1), 48)
    width = (forecast.quantiles[:, :, 8] - forecast.quantiles[:, :, 0]).mean(axis=0)
    blocks = width.reshape(4, 12).mean(axis=1)
    assert (np.diff(blocks) > 0).all()
    direct = zero.predict(panel_of(*walks, season_length=1), 48)
    expected = (direct.quantiles[:, 36:, 8] - direct.quantiles[:, 36:, 0]).mean()
    assert 0.5 < blocks[3] / expected < 2.0


@settings(max_examples=15)
@given(
    st.lists(
        st.one_of(st.none(), st.floats(-1e6, 1e6), st.sampled_from([0.0, 1e-9, 1e300, -1e300])),
        min_size=1,
        max_size=40,
    ).filter(lambda values: any(value is not None for value in values)),
    st.integers(1, 20),
)
def test_any_finite_values_have_a_finite_forecast_that_ascends(values, season_length):
    panel = Panel.from_arrays([[np.nan if v is None else v for v in values]])
    forecast = FORECASTER.predict(panel, 10, season_length=season_length)
    assert np.isfinite(forecast.mean).all()
    assert np.isfinite(forecast.quantiles).all()
    assert (np.diff(forecast.quantiles, axis=-1) >= 0).all()


FORECASTER = small()


def test_progress_counts_the_series_done():
    seen = []
    panel = panel_of(*[seasonal(30, seed) for seed in range(5)])
    FORECASTER.predict(panel, 2, batch_size=2, progress=lambda *done: seen.append(done))
    assert seen == [(2, 5), (4, 5), (5, 5)]


def test_more_history_than_the_context_changes_nothing():
    long = seasonal(500)
    expected = FORECASTER.predict(panel_of(long[-94:]), 8)
    found = FORECASTER.predict(panel_of(long), 8)
    np.testing.assert_array_equal(found.quantiles, expected.quantiles)
    assert found.times.tolist() == [list(range(500, 508))]


def test_the_season_asked_for_comes_before_all_others():
    y = seasonal(60)
    given_to_panel = FORECASTER.predict(panel_of(y, season_length=5), 4)
    asked = FORECASTER.predict(panel_of(y, season_length=7), 4, season_length=5)
    np.testing.assert_array_equal(asked.mean, given_to_panel.mean)
    other = FORECASTER.predict(panel_of(y, season_length=7), 4)
    assert not np.array_equal(asked.mean, other.mean)
    with pytest.raises(DataError, match=r"^season_length must be 1 or more, got 0\.$"):
        FORECASTER.predict(panel_of(y), 4, season_length=0)


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ((), r"^quantile_levels must be 1 to 99 numbers, got \(\)\.$"),
        ((0.5, 0.1), r"^quantile_levels must ascend without repeats, got \(0\.5, 0\.1\)\.$"),
        (
            0.5,
            r"^quantile_levels must be several numbers, such as \(0\.1, 0\.5, 0\.9\), got 0\.5\.$",
        ),
        ((0.0, 0.5), r"^quantile_levels must lie strictly between 0 and 1, got 0\.0\.$"),
    ],
)
def test_quantile_levels_that_are_none_are_refused(levels, message):
    with pytest.raises(ConfigError, match=message):
        FORECASTER.predict(panel_of(seasonal(20)), 3, levels)


def test_an_unknown_key_in_a_config_is_named():
    with pytest.raises(
        ConfigError, match=r"^Unknown key 'kernel' in TCNConfig\. Known keys: .*ker"
    ):
        TCNConfig.from_dict({"kernel": 3})


@pytest.fixture(scope="module", params=[TCNConfig, WaveNetConfig])
def covariate_forecaster(request) -> Forecaster:
    conditions = Conditions.fitted(with_covariates())
    config = request.param(
        **SMALL,
        past_covariates=("rain",),
        future_covariates=("price",),
        static_covariates=("shop=A", "shop=B"),
    )
    return Forecaster(config, random_network(config), conditions=conditions)


def changed(covariates: Covariates, column: slice) -> Covariates:
    values = covariates.values.copy()
    values[..., column] += 1.0
    return replace(covariates, values=values)


def test_each_kind_of_covariate_moves_the_forecast(covariate_forecaster):
    panel = with_covariates()
    expected = covariate_forecaster.predict(panel, 8)
    for kind, column in (("past", slice(38, 39)), ("future", slice(42, 43)), ("static", slice(1))):
        name = f"{kind}_covariates"
        other = replace(panel, **{name: changed(getattr(panel, name), column)})
        found = covariate_forecaster.predict(other, 8)
        assert not np.allclose(found.mean[0], expected.mean[0], rtol=0, atol=1e-5)
    assert expected.mean.shape == (2, 8)


def test_a_future_covariate_moves_its_own_step_alone(covariate_forecaster):
    panel = with_covariates()
    expected = covariate_forecaster.predict(panel, 8)
    moved = replace(panel, future_covariates=changed(panel.future_covariates, slice(42, 43)))
    found = covariate_forecaster.predict(moved, 8)
    differs = np.abs(found.mean - expected.mean)[0] > 1e-6
    assert differs.tolist() == [False, False, True, False, False, False, False, False]
    np.testing.assert_array_equal(found.mean[1], expected.mean[1])


def test_rolled_horizons_read_covariates_all_the_way(covariate_forecaster):
    panel = with_covariates(ahead=20)
    expected = covariate_forecaster.predict(panel, 20)
    moved = replace(panel, future_covariates=changed(panel.future_covariates, slice(58, 59)))
    differs = np.abs(covariate_forecaster.predict(moved, 20).mean - expected.mean)[0] > 1e-6
    assert np.flatnonzero(differs).tolist() == [18]


def test_forecasts_with_covariates_do_not_depend_on_batch_mates(covariate_forecaster):
    panel = with_covariates()
    together = covariate_forecaster.predict(panel, 8)
    for index in range(2):
        alone = covariate_forecaster.predict(panel.take([index]), 8)
        np.testing.assert_allclose(alone.quantiles[0], together.quantiles[index], rtol=1e-5)


def test_missing_covariates_are_named(covariate_forecaster):
    panel = with_covariates()
    with pytest.raises(
        DataError, match=r"^This model reads the future covariates \['price'\]; mis"
    ):
        covariate_forecaster.predict(replace(panel, future_covariates=None), 4)
    renamed = replace(panel.static_covariates, names=("store",))
    with pytest.raises(DataError, match=r"missing: \['shop'\], found: \['store'\]"):
        covariate_forecaster.predict(replace(panel, static_covariates=renamed), 4)


def test_future_covariates_that_end_too_early_are_refused(covariate_forecaster):
    message = (
        r"^Future covariates of '0' reach 5 steps beyond its last value, but the horizon is 8\. "
        r"Give 3 more rows, or a horizon of 5 or less\.$"
    )
    with pytest.raises(DataError, match=message):
        covariate_forecaster.predict(with_covariates(ahead=5), 8)


def test_an_unknown_category_is_like_none(covariate_forecaster):
    panel = with_covariates()
    unknown = replace(panel.static_covariates, categories=(("C", "D"),))
    missing = replace(panel.static_covariates, values=np.full((2, 1), np.nan))
    first = covariate_forecaster.predict(replace(panel, static_covariates=unknown), 4)
    second = covariate_forecaster.predict(replace(panel, static_covariates=missing), 4)
    np.testing.assert_array_equal(first.mean, second.mean)


@pytest.mark.parametrize("season_length", [None, 7])
def test_a_stream_equals_a_forecast_from_scratch(season_length):
    y, x = seasonal(300), crossing(300, 1)
    panel = Panel.from_arrays([y[:90], x[:50]], season_length=season_length)
    stream = tcn.ForecastStream(FORECASTER, panel)
    for step in range(0, 60, 20):
        new = np.stack([y[90 + step : 110 + step], x[50 + step : 70 + step]])
        found = stream.push(new, horizon=8)
        whole = [y[: 110 + step], x[: 70 + step]]
        expected = FORECASTER.predict(
            Panel.from_arrays(whole, season_length=season_length), horizon=8
        )
        np.testing.assert_array_equal(found.times, expected.times)
        np.testing.assert_allclose(found.quantiles, expected.quantiles, rtol=1e-6)
    assert stream.panel.lengths.tolist() == [94, 94]


def test_a_stream_takes_one_value_a_series_and_keeps_its_state_as_a_value():
    panel = Panel.from_arrays([seasonal(20), seasonal(25, 1)], freq="D", starts=["2026-01-01"] * 2)
    stream = tcn.ForecastStream(FORECASTER, panel)
    stream.append([1.0, np.nan])
    copy = tcn.ForecastStream(FORECASTER, stream.panel)
    first, second = stream.push([2.0, 3.0]), copy.push([2.0, 3.0])
    np.testing.assert_array_equal(first.quantiles, second.quantiles)
    assert panel.lengths.tolist() == [20, 25]
    assert first.times[:, 0].astype("datetime64[D]").astype(str).tolist() == [
        "2026-01-23",
        "2026-01-28",
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            [1.0],
            r"^New values need the shape \(2,\) or \(2, k\), one row per series, got \(1,\)\.$",
        ),
        ([1.0, np.inf], r"^New value 0 of series '1' is infinite\. Give finite numbers, or NaN"),
    ],
)
def test_values_that_a_stream_cannot_take_are_refused_and_change_nothing(values, message):
    stream = tcn.ForecastStream(FORECASTER, panel_of(seasonal(20), seasonal(20)))
    with pytest.raises(DataError, match=message):
        stream.push(values)
    assert stream.panel.lengths.tolist() == [20, 20]


def test_a_forecaster_shows_its_name_and_size_and_not_its_weights(zero):
    assert repr(zero) == "Forecaster('zero', TCNConfig, horizon=192, 596,982 parameters)"

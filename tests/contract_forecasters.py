"""What each forecaster must pass: `check_forecaster(forecaster)`."""

import numpy as np
import pytest
import torch

from tcn.errors import ConfigError, DataError
from tcn.forecaster import Forecaster
from tcn.series import Panel

HORIZON = 6


def check_forecaster(forecaster: Forecaster) -> None:
    """Run all laws on a forecaster of 6 steps or more that reads no covariates."""
    check_shapes_ids_and_stamps(forecaster)
    check_scale_and_shift(forecaster)
    check_short_series(forecaster)
    check_constant_series(forecaster)
    check_missing_values(forecaster)
    check_batch_mates_do_not_matter(forecaster)
    check_horizons(forecaster)
    check_signs_are_kept(forecaster)
    check_all_missing_is_refused(forecaster)
    check_nothing_else_changes(forecaster)


def seasonal(n: int, seed: int = 0, level: float = 20.0) -> np.ndarray:
    """A weekly season with noise around `level`, (n,)."""
    noise = np.random.default_rng(seed).normal(size=n)
    return level + 3.0 * np.sin(2.0 * np.pi * np.arange(n) / 7.0) + 0.5 * noise


def crossing(n: int, seed: int = 0) -> np.ndarray:
    """A series that is negative from the start and now and then, without a trend."""
    values = seasonal(n, seed, level=0.0)
    values[0] = -2.0
    return values


def panel_of(*arrays: np.ndarray, season_length: int = 7) -> Panel:
    return Panel.from_arrays(list(arrays), season_length=season_length)


def check_shapes_ids_and_stamps(forecaster: Forecaster) -> None:
    panel = Panel.from_arrays(
        [seasonal(40), seasonal(23, 1)],
        freq="D",
        ids=["b", "a"],
        starts=["2026-01-01", "2026-03-05"],
    )
    forecast = forecaster.predict(panel, 3, (0.2, 0.5))
    assert forecast.ids.tolist() == ["b", "a"]
    assert forecast.quantile_levels == (0.2, 0.5)
    assert (forecast.mean.shape, forecast.quantiles.shape) == ((2, 3), (2, 3, 2))
    stamps = np.array([["2026-02-10"], ["2026-03-28"]], "datetime64[D]") + np.arange(3)
    assert (forecast.times == stamps).all()
    assert (forecast.freq, forecast.tz) == ("D", None)
    assert np.isfinite(forecast.mean).all()


def check_scale_and_shift(forecaster: Forecaster) -> None:
    """forecast(a y + b) = a forecast(y) + b, where values cross zero before and after."""
    y = crossing(60)
    expected = forecaster.predict(panel_of(y), HORIZON)
    for a, b in ((1.0, 1.5), (1000.0, -800.0), (1e-6, 5e-7), (1e12, 0.0)):
        found = forecaster.predict(panel_of(a * y + b), HORIZON)
        error = 1e-3 * a * np.std(y)
        np.testing.assert_allclose(found.mean, a * expected.mean + b, rtol=0, atol=error)
        np.testing.assert_allclose(found.quantiles, a * expected.quantiles + b, rtol=0, atol=error)
    y = seasonal(60)
    expected = forecaster.predict(panel_of(y), HORIZON)
    for a in (1e-9, 0.5, 1e15):
        found = forecaster.predict(panel_of(a * y), HORIZON)
        np.testing.assert_allclose(found.quantiles, a * expected.quantiles, rtol=1e-4)


def check_short_series(forecaster: Forecaster) -> None:
    for values in ([5.0], [5.0, 7.0], [5.0, 7.0, 6.0], [np.nan, 5.0], [-1.0, np.nan, np.nan]):
        forecast = forecaster.predict(panel_of(np.array(values)), HORIZON)
        assert np.isfinite(forecast.quantiles).all()
        seen = np.array(values)[~np.isnan(values)]
        assert (np.abs(forecast.mean - seen[-1]) < 5.0 * (np.ptp(seen) + np.abs(seen).max())).all()


def check_constant_series(forecaster: Forecaster) -> None:
    """What never moved is forecast to stay, without an interval."""
    for value in (0.0, 7.0, -3.5, 1e-300, 1e200):
        forecast = forecaster.predict(panel_of(np.full(30, value)), HORIZON)
        np.testing.assert_allclose(forecast.mean, value, rtol=1e-12)
        np.testing.assert_allclose(forecast.quantiles, value, rtol=1e-12)


def check_missing_values(forecaster: Forecaster) -> None:
    y = seasonal(80)
    expected = forecaster.predict(panel_of(y), HORIZON)
    for hole in (slice(0, 30), slice(20, 40), slice(70, 80), slice(0, 79), slice(1, 80, 2)):
        holed = y.copy()
        holed[hole] = np.nan
        forecast = forecaster.predict(panel_of(holed), HORIZON)
        assert np.isfinite(forecast.mean).all()
        assert np.isfinite(forecast.quantiles).all()
    late = np.concatenate([np.full(33, np.nan), y])
    found = forecaster.predict(panel_of(late), HORIZON)
    np.testing.assert_allclose(found.quantiles, expected.quantiles, rtol=1e-5)


def check_batch_mates_do_not_matter(forecaster: Forecaster) -> None:
    lengths = (1, 2, 3, 9, 40, 41, 43, 90, 91, 300)
    arrays = [seasonal(n, seed) for seed, n in enumerate(lengths)]
    arrays[4][5:9] = np.nan
    together = forecaster.predict(panel_of(*arrays), HORIZON)
    small = forecaster.predict(panel_of(*arrays), HORIZON, batch_size=2)
    np.testing.assert_allclose(small.quantiles, together.quantiles, rtol=1e-5)
    for index, values in enumerate(arrays):
        alone = forecaster.predict(panel_of(values), HORIZON)
        np.testing.assert_allclose(alone.mean[0], together.mean[index], rtol=1e-5)
        np.testing.assert_allclose(alone.quantiles[0], together.quantiles[index], rtol=1e-5)


def check_horizons(forecaster: Forecaster) -> None:
    panel = panel_of(seasonal(60), crossing(31, 1))
    trained = forecaster.config.horizon
    whole = forecaster.predict(panel)
    assert whole.mean.shape == (2, trained)
    for horizon in (1, trained - 1, trained + 1, 2 * trained + 3):
        forecast = forecaster.predict(panel, horizon)
        assert forecast.quantiles.shape == (2, horizon, 9)
        assert np.isfinite(forecast.mean).all()
        assert (np.diff(forecast.quantiles, axis=-1) >= 0).all()
        shared = min(horizon, trained)
        near, expected = forecast.quantiles[:, :shared], whole.quantiles[:, :shared]
        np.testing.assert_allclose(near, expected, rtol=1e-4, atol=1e-4)
    for horizon in (0, -1, 10**9):
        with pytest.raises(ConfigError, match=rf"^horizon must be from 1 to 10,000, got {horizon}"):
            forecaster.predict(panel, horizon)
    with pytest.raises(ConfigError, match=r"^horizon must be a whole number, got 2\.5\.$"):
        forecaster.predict(panel, 2.5)


def check_signs_are_kept(forecaster: Forecaster) -> None:
    """What never was negative is not forecast to be."""
    counts = np.random.default_rng(0).poisson(0.4, 90).astype(float)
    falling = np.linspace(10.0, 0.1, 40)
    forecast = forecaster.predict(panel_of(counts, falling), 2 * forecaster.config.horizon)
    assert (forecast.quantiles >= 0.0).all()
    assert (forecast.mean >= 0.0).all()


def check_all_missing_is_refused(forecaster: Forecaster) -> None:
    empty = np.full(5, np.nan)
    panel = Panel.from_arrays([seasonal(9), empty], ids=["sold", "unsold"])
    with pytest.raises(DataError, match=r"^Series 'unsold' has no observed value\. Give at least"):
        forecaster.predict(panel, 2)
    with pytest.raises(DataError, match=r"^Series '0' has no observed value\."):
        forecaster.predict(Panel.from_arrays([[]]), 2)
    with pytest.raises(DataError, match=r"^The panel has no series\."):
        forecaster.predict(Panel.from_arrays([]), 2)
    read = forecaster.config.context_length
    ended = np.concatenate([seasonal(9), np.full(read, np.nan)])
    with pytest.raises(DataError, match=rf"no observed value in its newest {read:,} points, all"):
        forecaster.predict(panel_of(ended), 2)


def check_nothing_else_changes(forecaster: Forecaster) -> None:
    """Weights, threads, random state and the panel are what they were."""
    panel = panel_of(seasonal(40))
    values, threads = panel.values.copy(), torch.get_num_threads()
    state = torch.random.get_rng_state()
    weights = [weight.clone() for weight in forecaster.network.parameters()]
    first = forecaster.predict(panel, HORIZON)
    second = forecaster.predict(panel, HORIZON)
    assert np.array_equal(first.quantiles, second.quantiles)
    assert np.array_equal(panel.values, values)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), state)
    kept = zip(weights, forecaster.network.parameters(), strict=True)
    assert all(torch.equal(before, after) for before, after in kept)

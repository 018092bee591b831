"""Metrics agree with a plain loop and with utilsforecast, and treat missing values as stated."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcn.errors import DataError
from tcn.evaluation import metrics
from tcn.series import Panel

LEVELS = (0.1, 0.5, 0.9)


def example(seed: int = 0, n: int = 5, h: int = 7, missing: float = 0.2):
    random = np.random.default_rng(seed)
    actual = random.normal(10, 5, (n, h))
    actual[random.random((n, h)) < missing] = np.nan
    mean = random.normal(10, 5, (n, h))
    quantiles = np.sort(random.normal(10, 5, (n, h, len(LEVELS))), axis=2)
    history = Panel.from_arrays([random.normal(0, 3, k + 10) for k in range(n)], season_length=3)
    return actual, mean, quantiles, history


def loop_seasonal_error(values, m):
    changes = [
        abs(values[t] - values[t - m])
        for t in range(m, len(values))
        if not math.isnan(values[t]) and not math.isnan(values[t - m])
    ]
    scale = sum(changes) / len(changes) if changes else math.nan
    return scale if scale > 0 else math.nan


def loop_mase(actual, mean, scale):
    rows = []
    for i in range(len(actual)):
        errors = [
            abs(actual[i, j] - mean[i, j])
            for j in range(actual.shape[1])
            if not math.isnan(actual[i, j])
        ]
        if errors and not math.isnan(scale[i]):
            rows.append(sum(errors) / len(errors) / scale[i])
    return sum(rows) / len(rows)


def loop_wql(actual, quantiles, levels):
    total, size = 0.0, 0.0
    for i, j in zip(*np.nonzero(~np.isnan(actual)), strict=True):
        y = actual[i, j]
        size += abs(y)
        for k, level in enumerate(levels):
            q = quantiles[i, j, k]
            total += 2 * abs((y - q) * ((y <= q) - level))
    return total / size / len(levels)


@settings(derandomize=True, max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), season=st.integers(1, 5), missing=st.sampled_from([0.0, 0.4]))
def test_scaled_and_weighted_measures_equal_a_plain_loop(seed, season, missing):
    actual, mean, quantiles, history = example(seed, missing=missing)
    scale = metrics.seasonal_error(history, season)
    expected = [loop_seasonal_error(history[i], season) for i in range(len(history))]
    np.testing.assert_allclose(scale, expected, rtol=1e-12)
    assert metrics.mase(actual=actual, mean=mean, scale=scale) == pytest.approx(
        loop_mase(actual, mean, scale)
    )
    found = metrics.wql(actual=actual, quantiles=quantiles, quantile_levels=LEVELS)
    assert found == pytest.approx(loop_wql(actual, quantiles, LEVELS))


def test_measures_equal_those_of_utilsforecast():
    losses = pytest.importorskip("utilsforecast.losses")
    import pandas as pd

    actual, mean, quantiles, history = example(missing=0.0)
    h = actual.shape[1]
    ids = np.repeat(history.ids.astype(object), h)
    frame = pd.DataFrame({"unique_id": ids, "y": actual.ravel(), "f": mean.ravel()})
    for k, level in enumerate(LEVELS):
        frame[f"q{level}"] = quantiles[:, :, k].ravel()
    train = pd.DataFrame(
        {
            "unique_id": np.repeat(history.ids.astype(object), history.lengths),
            "y": history.values,
        }
    )

    def theirs(name, *args, column="f", **options):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = getattr(losses, name)(frame, *args, **options)
        return float(result[column].mean())

    scale = metrics.seasonal_error(history, 3)
    ours = {"actual": actual, "mean": mean}
    assert metrics.mae(**ours) == pytest.approx(theirs("mae", ["f"]))
    assert metrics.mse(**ours) == pytest.approx(theirs("mse", ["f"]))
    assert metrics.smape(**ours) == pytest.approx(2 * theirs("smape", ["f"]))
    assert metrics.mase(**ours, scale=scale) == pytest.approx(
        theirs("mase", ["f"], seasonality=3, train_df=train)
    )
    for k, level in enumerate(LEVELS):
        single = metrics.pinball(
            actual=actual, quantiles=quantiles[:, :, k : k + 1], quantile_levels=(level,)
        )
        expected = theirs("quantile_loss", {"f": f"q{level}"}, q=level)
        assert single == pytest.approx(expected)
    assert metrics.coverage(
        actual=actual, lower=quantiles[:, :, 0], upper=quantiles[:, :, 2]
    ) == pytest.approx(
        float(np.mean((actual >= quantiles[:, :, 0]) & (actual <= quantiles[:, :, 2])))
    )


def test_interval_score_by_hand():
    score = metrics.msis(
        actual=np.array([[0.0, 5.0, 12.0]]),
        lower=np.array([[1.0, 1.0, 1.0]]),
        upper=np.array([[10.0, 10.0, 10.0]]),
        level=0.8,
        scale=np.array([2.0]),
    )
    assert score == pytest.approx((9 + 10 * 1 + 9 + 9 + 10 * 2) / 3 / 2)


def test_scaled_quantile_loss_is_that_of_each_series_by_its_scale():
    actual, _, quantiles, history = example()
    scale = metrics.seasonal_error(history, 1)
    found = metrics.sql(actual=actual, quantiles=quantiles, quantile_levels=LEVELS, scale=scale)
    rows = [
        np.nanmean(
            metrics.quantile_loss(
                actual=actual[i : i + 1], quantiles=quantiles[i : i + 1], quantile_levels=LEVELS
            )
        )
        / scale[i]
        for i in range(len(actual))
    ]
    assert found == pytest.approx(float(np.mean(rows)))


def test_series_without_a_scale_are_left_out():
    history = Panel.from_arrays([[1.0, 1.0, 1.0], [5.0], [1.0, 2.0, 3.0], [np.nan, 2.0, np.nan]])
    scale = metrics.seasonal_error(history, 1)
    np.testing.assert_array_equal(scale, [np.nan, np.nan, 1.0, np.nan])
    actual, mean = np.zeros((4, 2)), np.full((4, 2), 3.0)
    assert metrics.mase(actual=actual, mean=mean, scale=scale) == 3.0
    assert math.isnan(metrics.mase(actual=actual[:2], mean=mean[:2], scale=scale[:2]))


def test_seasons_may_differ_between_series():
    random = np.random.default_rng(0)
    history = Panel.from_arrays([random.normal(size=20) for _ in range(4)])
    scale = metrics.seasonal_error(history, [1, 7, 30, 7])
    expected = [loop_seasonal_error(history[i], m) for i, m in enumerate([1, 7, 30, 7])]
    np.testing.assert_allclose(scale, expected)


def test_missing_actuals_count_for_nothing_and_missing_forecasts_for_everything():
    actual = np.array([[1.0, np.nan], [np.nan, np.nan]])
    mean = np.array([[3.0, np.nan], [9.0, 9.0]])
    assert metrics.mae(actual=actual, mean=mean) == 2.0
    assert metrics.rmse(actual=actual, mean=mean) == 2.0
    assert metrics.coverage(actual=actual, lower=mean - 3, upper=mean) == 1.0
    assert math.isnan(metrics.mae(actual=actual[1:], mean=mean[1:]))
    assert math.isnan(metrics.mae(actual=actual, mean=np.full_like(mean, np.nan)))
    scale = np.ones(2)
    assert math.isnan(metrics.mase(actual=actual, mean=np.full_like(mean, np.nan), scale=scale))
    assert math.isnan(metrics.coverage(actual=actual, lower=mean * np.nan, upper=mean))
    assert math.isnan(metrics.coverage(actual=actual, lower=mean, upper=mean * np.nan))


def test_percentage_error_of_zero_and_zero_is_none():
    zero = np.zeros((1, 2))
    assert metrics.smape(actual=zero, mean=zero) == 0.0
    assert metrics.smape(actual=zero, mean=zero + 1.0) == 2.0


def test_wql_of_equal_quantiles_is_the_relative_point_error():
    actual, mean, _, _ = example()
    equal = np.repeat(mean[:, :, None], 9, axis=2)
    levels = tuple(k / 10 for k in range(1, 10))
    found = metrics.wql(actual=actual, quantiles=equal, quantile_levels=levels)
    size = np.nanmean(np.abs(actual))
    assert found == pytest.approx(metrics.mae(actual=actual, mean=mean) / size)


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(DataError, match=r"\(2, 3\) and forecasts \(2, 4\) differ in shape\."):
        metrics.mae(actual=np.zeros((2, 3)), mean=np.zeros((2, 4)))
    with pytest.raises(DataError, match=r"need quantiles \(2, 3, 1\), got \(2, 3, 2\)\."):
        metrics.wql(actual=np.zeros((2, 3)), quantiles=np.zeros((2, 3, 2)), quantile_levels=(0.5,))
    with pytest.raises(DataError, match=r"season_length must be 1 or more, got 0\."):
        metrics.seasonal_error(Panel.from_arrays([[1.0]]), 0)

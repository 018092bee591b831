"""Points that no forecast would have expected."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tcn
from tcn.errors import ConfigError, DataError
from tcn.evaluation import find_anomalies, naive
from tcn.series import Panel

NAN = float("nan")


def weekly(n: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=n)
    return 20.0 + 5.0 * np.sin(2.0 * np.pi * np.arange(n) / 7.0) + 0.5 * noise


def test_a_point_far_from_its_season_is_found_and_nothing_else():
    values = weekly(120)
    values[100] += 9.0
    panel = Panel.from_arrays({"shop": values}, freq="D", starts="2026-01-01")
    found = find_anomalies(tcn.load("zero").predict, panel, level=0.999, length=30)
    frame = found.to_frame()
    assert list(frame) == ["unique_id", "ds", "y", "mean", "lo", "hi", "anomaly", "score"]
    assert frame["ds"][frame["anomaly"]].astype(str).tolist() == ["2026-04-11"]
    assert len(frame) == 30
    assert repr(found) == "Anomalies(1 of 30 points of 1 series, level=0.999)"
    assert frame["score"].idxmax() == 10
    assert frame["score"].max() > 2.0


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=5),
    st.integers(1, 20),
    st.integers(1, 4),
)
def test_each_point_is_judged_as_a_loop_over_series_and_origins_would(lengths, length, horizon):
    rng = np.random.default_rng(sum(lengths))
    arrays = {f"s{9 - i}": rng.normal(size=n).cumsum() for i, n in enumerate(lengths)}
    panel = Panel.from_arrays(arrays)
    longest = max(lengths)
    if longest < horizon + 2 or length > longest - 2:
        with pytest.raises((DataError, ConfigError)):
            find_anomalies(naive, panel, level=0.8, horizon=horizon, length=length)
        return
    found = find_anomalies(naive, panel, level=0.8, horizon=horizon, length=length)
    expected = {name: by_loop(array, length, horizon) for name, array in arrays.items()}
    assert found.ids.tolist() == [name for name, rows in expected.items() if rows]
    assert found.left_out.tolist() == [name for name, rows in expected.items() if not rows]
    for i, name in enumerate(found.ids):
        part = slice(found.offsets[i], found.offsets[i + 1])
        rows = expected[name]
        assert found.times[part].tolist() == [row[0] for row in rows]
        assert found.y[part].tolist() == [row[1] for row in rows]
        np.testing.assert_allclose(found.lo[part], [row[2] for row in rows])
        np.testing.assert_allclose(found.hi[part], [row[3] for row in rows])
        assert found.is_anomaly[part].tolist() == [not lo <= y <= hi for _, y, lo, hi in rows]


def by_loop(array, length, horizon):
    rows = []
    n_windows = -(-length // horizon)
    for window in range(n_windows, 0, -1):
        end = len(array) - window * horizon
        if end < 2:
            continue
        forecast = naive(Panel.from_arrays([array[:end]]), horizon, (0.1, 0.5, 0.9))
        for step in range(horizon):
            if end + step >= len(array) - length:
                low, high = forecast.quantiles[0, step, [0, 2]]
                rows.append((end + step, array[end + step], low, high))
    return rows


def test_missing_points_are_no_anomalies_and_change_no_other_flag():
    values = weekly(60)
    values[50] = NAN
    found = find_anomalies(naive, Panel.from_arrays([values]), horizon=5, length=20)
    frame = found.to_frame()
    assert frame["ds"].tolist() == list(range(40, 60))
    assert np.isnan(frame["y"][10])
    assert not frame["anomaly"][10]


def test_what_comes_later_changes_no_judgement():
    values = weekly(80)
    before = find_anomalies(naive, Panel.from_arrays([values]), length=20).to_frame()
    values[75:] = 1e6
    after = find_anomalies(naive, Panel.from_arrays([values]), length=20).to_frame()
    assert before[:15].equals(after[:15])
    assert after["anomaly"][15]


def test_about_as_many_points_are_flagged_as_the_level_says():
    rng = np.random.default_rng(3)
    panel = Panel.from_arrays(list(rng.normal(size=(40, 120))), season_length=1)
    found = find_anomalies(tcn.load("zero").predict, panel, level=0.9, horizon=10, length=60)
    assert 0.05 < found.is_anomaly.mean() < 0.16


def test_intervals_measured_on_the_series_flag_as_many_points_as_the_level_says():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(24, 300)) + 3.0 * np.sin(2.0 * np.pi * np.arange(300) / 7.0)
    panel = Panel.from_arrays(list(values), season_length=7)
    zero = tcn.load("zero")
    unchanged = tcn.TrainConfig(max_epochs=0)
    settled = tcn.fit(panel.split(28)[0], horizon=14, train_config=unchanged, start=zero)
    medians = [each.predict(panel, 14, (0.5,)).quantiles for each in (zero, settled)]
    np.testing.assert_allclose(medians[0], medians[1], rtol=1e-4, atol=1e-4)
    options = {"level": 0.9, "horizon": 14, "length": 28}
    found = [find_anomalies(each.predict, panel, **options) for each in (zero, settled)]
    shares = [each.is_anomaly.mean() for each in found]
    assert shares[0] > 0.14
    assert 0.06 < shares[1] < 0.13


def test_half_of_the_longest_series_is_judged_unless_said_otherwise():
    done = []
    panel = Panel.from_arrays({"long": weekly(50), "short": [1.0, 2.0]})
    found = find_anomalies(naive, panel, progress=lambda *numbers: done.append(numbers))
    assert np.diff(found.offsets).tolist() == [25]
    assert found.left_out.tolist() == ["short"]
    assert done[-1] == (25, 25)
    with_kind = found.to_frame("polars")
    assert with_kind.columns == ["unique_id", "ds", "y", "mean", "lo", "hi", "anomaly", "score"]


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        (
            {"level": 1.0},
            ConfigError,
            r"^level must be between 0 and 1, such as 0\.99, got 1\.0\.$",
        ),
        ({"level": True}, ConfigError, r"^level must be between"),
        ({"length": 0}, ConfigError, r"^length must be from 1 to 1998, two less .*, got 0\.$"),
        ({"length": 1999}, ConfigError, r"got 1999\.$"),
        ({"length": 1500}, ConfigError, r"needs 1,500 forecasts, at most 1,000 .* Raise the h"),
        ({"horizon": 1999}, DataError, r"has 2000 points, and a forecast of horizon 1999 needs 2"),
    ],
)
def test_a_wrong_request_is_refused_with_a_sentence(options, error, sentence):
    panel = Panel.from_arrays([np.arange(2000.0)])
    with pytest.raises(error, match=sentence):
        find_anomalies(naive, panel, **options)

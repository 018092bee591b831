"""Calendar features of stamps."""

import numpy as np
import pandas as pd
import pytest

from tcn.errors import DataError
from tcn.series import Panel, calendar_features, calendar_names
from tcn.series.calendar_features import NAMES


def test_every_feature_is_what_pandas_says():
    stamps = pd.date_range("2019-12-25 03:04:05", periods=500, freq="40h")
    features = dict(zip(NAMES, calendar_features(stamps.to_numpy(), NAMES), strict=True))
    expected = {
        "second_of_minute": stamps.second / 59,
        "minute_of_hour": stamps.minute / 59,
        "hour_of_day": stamps.hour / 23,
        "day_of_week": stamps.day_of_week / 6,
        "day_of_month": (stamps.day - 1) / 30,
        "day_of_year": (stamps.day_of_year - 1) / 365,
        "week_of_year": (stamps.day_of_year - 1) // 7 / 52,
        "month_of_year": (stamps.month - 1) / 11,
        "quarter_of_year": (stamps.quarter - 1) / 3,
    }
    for name, values in expected.items():
        np.testing.assert_allclose(features[name], values - 0.5, atol=1e-6, err_msg=name)
        assert np.abs(features[name]).max() <= 0.5


def test_a_grid_of_stamps_keeps_its_shape():
    panel = Panel.from_arrays([np.ones(3)] * 2, freq="h", starts=["2024-01-01"] * 2)
    assert calendar_features(panel.future_times(5), ["hour_of_day"]).shape == (1, 2, 5)


def test_the_hour_of_day_is_that_of_the_local_clock_over_a_change():
    panel = Panel.from_arrays(
        [np.ones(30)], freq="h", starts=["2024-03-30 22:00"], tz="Europe/Berlin"
    )
    hours = np.round((calendar_features(panel.times(), ["hour_of_day"], panel.tz)[0] + 0.5) * 23)
    assert hours[:8].tolist() == [22, 23, 0, 1, 3, 4, 5, 6]


def test_whole_numbers_have_no_calendar():
    assert calendar_features(np.arange(4), ["day_of_week"]).tolist() == [[0.0] * 4]


@pytest.mark.parametrize(
    ("freq", "names"),
    [
        (None, ()),
        ("5", ()),
        ("YS", ()),
        ("QS", ("quarter_of_year",)),
        ("MS", ("month_of_year",)),
        ("W", ("week_of_year", "month_of_year")),
        ("B", ("day_of_week", "day_of_month", "day_of_year")),
        ("15min", ("minute_of_hour", "hour_of_day", "day_of_week", "day_of_month", "day_of_year")),
    ],
)
def test_a_frequency_has_the_features_that_vary_in_it(freq, names):
    assert calendar_names(freq) == names


def test_an_unknown_feature_is_named():
    with pytest.raises(DataError, match=r"^Unknown calendar feature 'moon'\. Known: second_of"):
        calendar_features(np.arange(3), ["moon"])

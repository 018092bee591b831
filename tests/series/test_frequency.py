"""Frequencies: spellings, steps, seasons, and finding them in stamps."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcn.errors import DataError
from tcn.series import Panel, parse_frequency, season_length_of
from tcn.series.inference import infer_frequency
from tcn.series.zones import to_utc, to_wall

PANDAS_NAMES = [
    "s", "30s", "min", "5min", "15min", "30min", "h", "2h", "6h", "D", "2D", "10D", "B", "W-SUN",
    "W-WED", "2W-MON", "MS", "ME", "2MS", "QS-JAN", "QS-FEB", "QE-DEC", "QE-NOV", "YS-JAN",
    "YS-JUL", "YE-DEC", "YE-JUN", "2YS-JAN", "BMS", "BME", "2BME", "BQS-FEB", "BQE-DEC", "BYS-JAN",
    "BYE-JUN", "SMS-15", "SMS-16", "SME-15", "SME-10", "2SMS-15",
]  # fmt: skip


@pytest.mark.parametrize(
    ("spelling", "canonical"),
    [
        ("H", "h"), ("T", "min"), ("15T", "15min"), ("S", "s"), ("L", "ms"), ("U", "us"),
        ("N", "ns"), ("M", "ME"), ("3M", "3ME"), ("Q", "QE-DEC"), ("Q-NOV", "QE-NOV"),
        ("A", "YE-DEC"), ("Y", "YE-DEC"), ("AS", "YS-JAN"), ("YS-APR", "YS-APR"), ("BM", "BME"),
        ("w", "W-SUN"), ("W-mon", "W-MON"), ("d", "D"), ("1D", "D"), ("min", "min"),
        ("1mo", "MS"), ("1q", "QS-JAN"), ("1y", "YS-JAN"), ("ms", "ms"), ("MS", "MS"),
        ("monthly", "MS"), ("daily", "D"), ("Quarterly", "QS-JAN"), ("hours", "h"),
        ("minutes", "min"),
        ("years", "YS-JAN"), ("SMS", "SMS-15"), ("sme-10", "SME-10"), ("SM", "SME-15"),
        ("10", "10"), ("1", "1"), (" h ", "h"), ("B", "B"),
    ],
)  # fmt: skip
def test_every_spelling_has_one_canonical_form(spelling, canonical):
    assert parse_frequency(spelling).name == canonical
    assert parse_frequency(canonical).name == canonical


@pytest.mark.parametrize("name", PANDAS_NAMES)
def test_canonical_names_are_those_of_pandas(name):
    assert parse_frequency(name).name == name
    assert pd.tseries.frequencies.to_offset(name).freqstr == name


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "x",
        "-1D",
        "0D",
        "0",
        "D-MON",
        "W-JAN",
        "h-MON",
        "SMS-1",
        "SME-28",
        "MS-15",
        "SMS-JAN",
        "1.5h",
        "99999999D",
        "D D",
    ],
)
def test_what_is_no_frequency_is_refused_by_name(bad):
    with pytest.raises(DataError, match=rf"^Unknown frequency '{bad}'.*'15min'"):
        parse_frequency(bad)


def test_a_small_m_is_refused_because_it_means_two_things():
    with pytest.raises(DataError, match=r"^Unknown frequency 'm'\. 'm' could be minutes"):
        parse_frequency("m")


@settings(derandomize=True)
@given(
    st.sampled_from(PANDAS_NAMES),
    st.dates(pd.Timestamp("1900-01-01").date(), pd.Timestamp("2050-01-01").date()),
)
def test_steps_are_those_of_pandas(name, day):
    expected = pd.date_range(day, periods=25, freq=name).to_numpy().astype("datetime64[ns]")
    frequency = parse_frequency(name)
    steps = np.arange(25)
    assert frequency.shift(expected[:1], steps).tolist() == expected.tolist()
    assert frequency.steps_between(expected[:1], expected).tolist() == steps.tolist()


@pytest.mark.parametrize("name", PANDAS_NAMES)
@pytest.mark.parametrize("start", ["2019-02-28", "2020-03-01", "2021-12-31"])
def test_a_regular_grid_with_gaps_is_found_again(name, start):
    stamps = pd.date_range(start, periods=60, freq=name).to_numpy().astype("datetime64[ns]")
    kept = np.r_[0, 1, 2, 3, 5, 6, 9:40, 45:60]
    found = infer_frequency(np.zeros(len(kept), int), stamps[kept], np.array(["a"]))
    grid = parse_frequency(found).shift(stamps[:1], np.arange(60))
    assert grid.tolist() == stamps.tolist()


@pytest.mark.parametrize(
    ("stamps", "freq"),
    [
        (["2020-01-31", "2020-02-29", "2020-03-31"], "ME"),
        (["2020-01-15", "2020-02-15", "2020-03-15"], "MS"),
        (["2020-02-01", "2020-05-01", "2020-08-01"], "QS-FEB"),
        (["2020-03-31", "2020-06-30", "2020-09-30"], "QE-DEC"),
        (["2019-12-31", "2020-12-31", "2021-12-31"], "YE-DEC"),
        (["2016-02-29", "2020-02-29", "2024-02-29"], "4YE-FEB"),
        (["2020-01-31", "2020-02-28", "2020-03-31"], "BME"),
        (["2020-01-01", "2020-02-03", "2020-03-02"], "BMS"),
        (["2020-03-31", "2020-06-30", "2020-09-30", "2020-12-31", "2021-03-31"], "QE-DEC"),
        (["2022-09-30", "2022-12-30", "2023-03-31"], "BQE-DEC"),
        (["2020-01-06", "2020-01-13", "2020-01-27"], "W-MON"),
        (["2020-01-01", "2020-01-15", "2020-02-01", "2020-03-01", "2020-03-15"], "SMS-15"),
        (["2020-01-16", "2020-02-01", "2020-02-16", "2020-03-01"], "SMS-16"),
        (["2020-01-15", "2020-01-31", "2020-02-15", "2020-02-29", "2020-03-31"], "SME-15"),
        (["2020-01-01", "2020-01-15", "2020-01-29"], "2W-WED"),
        (["2020-01-01", "2020-01-07", "2020-01-13"], "6D"),
        (["2020-01-01 00:30", "2020-01-01 01:30", "2020-01-01 04:30"], "h"),
        (["2020-01-01", "2020-01-29", "2020-02-26", "2020-03-25"], "4W-WED"),
    ],
)
def test_calendars_are_recognised(stamps, freq):
    times = np.array(stamps, "datetime64[ns]")
    assert infer_frequency(np.zeros(len(times), int), times, np.array(["a"])) == freq


def test_two_days_a_month_are_read_forecast_and_written():
    stamps = pd.date_range("2024-01-01", periods=60, freq="SMS")
    frame = pd.DataFrame({"ds": stamps, "y": np.arange(60.0)}).drop(index=[7, 20])
    panel = Panel.from_frame(frame)
    assert (panel.freq, panel.lengths.tolist()) == ("SMS-15", [60])
    assert panel.to_frame("pandas")["ds"].tolist() == stamps.tolist()
    after = panel.future_times(3)[0].astype("datetime64[D]").astype(str).tolist()
    assert after == ["2026-07-01", "2026-07-15", "2026-08-01"]


def test_monday_to_friday_is_business_days_only_over_a_weekend():
    days = np.arange("2024-01-01", "2024-01-13", dtype="datetime64[D]")
    weekdays = days[np.is_busday(days)].astype("datetime64[ns]")
    ids = np.array(["a"])
    assert infer_frequency(np.zeros(10, int), weekdays, ids) == "B"
    assert infer_frequency(np.zeros(5, int), weekdays[:5], ids) == "D"


def test_whole_numbers_step_by_their_common_divisor():
    ids = np.array(["a"])
    assert infer_frequency(np.zeros(3, int), np.array([0, 10, 30]), ids) == "10"
    assert infer_frequency(np.zeros(3, int), np.array([4, 5, 9]), ids) is None


def test_steps_beyond_what_dates_can_hold_are_refused():
    panel = Panel.from_arrays([[1.0]], freq="YS", starts=["2200-01-01"])
    with pytest.raises(DataError, match=r"^Steps of 'YS-JAN' lead out of the years 1678 to 2261"):
        panel.future_times(100)
    hours = Panel.from_arrays([[1.0]], freq="h", starts=["2261-01-01"])
    with pytest.raises(DataError, match=r"^Steps of 'h' lead out of the years"):
        hours.future_times(10_000_000)


@pytest.mark.parametrize(
    ("freq", "start", "reason"),
    [
        ("MS", "2024-01-31", "not every month"),
        ("2MS", "2024-12-29", "not every month"),
        ("QS", "2024-11-29", "not every month"),
        ("YS", "2024-02-29", "not every month"),
        ("B", "2024-01-06", "it is no business day"),
        ("SMS", "2024-01-16", "begin on the 1st or day 15 of a month"),
        ("SME", "2024-01-30", "begin on the last day or day 15 of a month"),
    ],
)
def test_steps_from_a_day_that_has_no_next_are_refused(freq, start, reason):
    with pytest.raises(DataError, match=rf"^Steps of .* cannot begin on {start}: {reason}"):
        Panel.from_arrays([[1.0]], freq=freq, starts=start)


@pytest.mark.parametrize(
    ("freq", "start"), [("QS", "2024-03-30"), ("YS", "2024-01-31"), ("MS", "2024-01-28")]
)
def test_steps_from_a_late_day_keep_to_it_where_every_month_they_reach_has_it(freq, start):
    panel = Panel.from_arrays([np.ones(60)], freq=freq, starts=start)
    days = pd.DatetimeIndex(panel.times()).day
    assert set(days) == {int(start[-2:])}
    assert panel.last(20).times().tolist() == panel.times()[-20:].tolist()


def test_dates_cannot_step_by_whole_numbers():
    panel = Panel.from_arrays([[1.0]], freq="10", starts=["2020-01-01"])
    with pytest.raises(DataError, match=r"^freq='10' is for whole-number times"):
        panel.future_times(1)


@pytest.mark.parametrize(
    ("freq", "season"),
    [("h", 24), ("30min", 48), ("15min", 96), ("5min", 288), ("min", 1440), ("s", 3600),
     ("10s", 360), ("2h", 12), ("5h", 1), ("D", 7), ("2D", 1), ("W", 52), ("2W", 1), ("B", 5),
     ("MS", 12), ("2MS", 6), ("SMS", 24), ("2SME", 12), ("5SMS", 1),
     ("Q", 4), ("Y", 1), ("ms", 1), ("10", 1), (None, 1)],
)  # fmt: skip
def test_frequencies_suggest_a_season(freq, season):
    assert season_length_of(freq) == season


def test_local_midnights_stay_midnights_over_a_clock_change():
    panel = Panel.from_arrays([np.ones(3)], freq="D", starts=["2024-03-30"], tz="Europe/Berlin")
    wall = to_wall(panel.times(), "Europe/Berlin")
    assert wall.astype("datetime64[m]").astype(str).tolist() == [
        "2024-03-30T00:00", "2024-03-31T00:00", "2024-04-01T00:00",
    ]  # fmt: skip
    assert np.diff(panel.times()).astype("timedelta64[h]").astype(int).tolist() == [24, 23]


def test_hours_are_counted_through_a_clock_change():
    panel = Panel.from_arrays([np.ones(5)], freq="h", starts=["2024-10-27"], tz="Europe/Berlin")
    assert (
        to_wall(panel.times(), "Europe/Berlin").astype("datetime64[h]").astype(object)[1].hour == 1
    )
    hours = [
        stamp.hour
        for stamp in to_wall(panel.times(), "Europe/Berlin").astype("datetime64[s]").tolist()
    ]
    assert hours == [0, 1, 2, 2, 3]


def test_an_hour_that_does_not_exist_becomes_the_next_instant():
    wall = np.array(["2024-03-31T02:30"], "datetime64[ns]")
    assert (
        to_utc(wall, "Europe/Berlin").tolist()
        == np.array(["2024-03-31T01:00"], "datetime64[ns]").tolist()
    )


def test_an_hour_that_comes_twice_is_either_pass():
    wall = np.array(["2024-10-27T02:30"] * 2, "datetime64[ns]")
    first, second = to_utc(wall, "Europe/Berlin", np.array([False, True]))
    assert (second - first).astype("timedelta64[h]").astype(int) == 1


def test_a_fixed_offset_is_a_zone():
    noon = np.array(["2024-01-01T12:00"], "datetime64[ns]")
    assert to_wall(noon, "+02:00").astype("datetime64[h]").astype(str).tolist() == ["2024-01-01T14"]

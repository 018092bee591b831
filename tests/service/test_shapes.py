"""What the API's description promises of texts is what the server reads."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service import shapes
from service.errors import Report
from service.times import parse_freq, parse_start, parse_tz

GERMAN = "Europe/Berlin"


def pattern(shape):
    return st.from_regex(re.compile(shape["pattern"], re.ASCII), fullmatch=True)


@given(pattern(shapes.CLOCK))
@settings(derandomize=True)
def test_every_promised_frequency_is_read(freq):
    report = Report()
    assert parse_freq(freq, ("freq",), report) is not None, freq


@given(pattern(shapes.DATE), st.sampled_from([None, GERMAN]))
@settings(derandomize=True)
def test_every_promised_date_is_read(text, tz):
    report = Report()
    assert parse_start(text, "D", tz, ("start",), report).is_dated
    assert not report.places, text


def test_every_promised_zone_is_read():
    report = Report()
    assert [parse_tz(zone, (), report) for zone in shapes.ZONE["enum"]] == shapes.ZONE["enum"]


@pytest.mark.parametrize("name", ["localtime", "Factory", "Europe/Nowhere", "", "../UTC"])
def test_a_name_of_no_zone_is_refused(name):
    report = Report()
    assert parse_tz(name, ("tz",), report) is None
    assert "must be the name of a time zone" in report.places[0].detail


@pytest.mark.parametrize("text", ["2023-02-29", "1900-02-29", "2024-04-31", "2024-13-01", "24-1-1"])
def test_a_day_that_does_not_exist_is_not_promised(text):
    assert not re.search(shapes.DATE["pattern"], text)


@pytest.mark.parametrize("text", ["2024-02-29", "2000-02-29", "1999-12-31T23:59:59+05:30"])
def test_days_that_exist_are_promised(text):
    assert re.search(shapes.DATE["pattern"], text)

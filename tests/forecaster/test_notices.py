"""Covariates that nobody reads are told of: once, where the user called, or where it is shown."""

import threading
import warnings

import pytest
from covariate_panels import with_covariates

import tcn
from tcn.notices import collected, notify
from tcn.series import Panel
from tcn.series.conditions import Conditions

SENTENCE = (
    r"^The forecaster 'zero' does not read 'rain', 'shop': it was trained without\. "
    r"tcn\.fit \(tcn train\) makes one that reads the covariates of its panel; "
    r"panel\.without_covariates\(\) leaves them out\.$"
)


@pytest.fixture(scope="module")
def zero():
    return tcn.load("zero")


def test_covariates_that_are_not_read_are_told_of_at_the_line_of_the_call(zero):
    with pytest.warns(tcn.TcnWarning, match=SENTENCE) as told:
        zero.predict(with_covariates(), 2)
    assert [warning.filename for warning in told] == [__file__]


@pytest.mark.parametrize("judge", [tcn.backtest, tcn.sample_paths, tcn.find_anomalies])
def test_forecasts_of_the_past_tell_of_them_once_at_the_line_of_the_call(zero, judge):
    with pytest.warns(tcn.TcnWarning, match=SENTENCE) as told:
        judge(zero.predict, with_covariates(), horizon=2)
    assert [warning.filename for warning in told] == [__file__]


def test_a_stream_tells_of_them_at_the_line_of_the_push(zero):
    stream = tcn.ForecastStream(zero, with_covariates())
    with pytest.warns(tcn.TcnWarning, match=SENTENCE) as told:
        stream.push([1.0, 2.0], horizon=2)
    assert [warning.filename for warning in told] == [__file__]


def test_nothing_is_told_of_a_panel_without_them(zero):
    panel = with_covariates()
    with collected() as notices:
        forecast = zero.predict(panel.without_covariates(), 2)
    assert notices == []
    with collected() as notices:
        assert (zero.predict(panel, 2).mean == forecast.mean).all()
    assert len(notices) == 1


def test_only_the_names_that_are_not_read_are_told():
    panel = with_covariates()
    kinds = ("past", "future", "static")
    assert Conditions.fitted(panel).unread(panel, *kinds) == ()
    known = Conditions.fitted(panel.without_covariates(["price"]))
    assert known.unread(panel, *kinds) == known.unread(panel, "future") == ("price",)
    assert Conditions().unread(Panel.from_arrays([[1.0]]), *kinds) == ()


def test_notices_are_kept_once_and_by_their_own_thread_alone():
    told = []

    def other():
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            notify("from elsewhere")
        told.extend(found)

    with collected() as outer:
        with collected() as inner:
            notify("a")
            notify("a")
        notify("b")
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert (inner, outer) == (["a"], ["b"])
    assert [str(each.message) for each in told] == ["from elsewhere"]


def test_an_error_ends_the_collecting():
    with pytest.raises(ZeroDivisionError), collected():
        1 / 0  # noqa: B018
    with pytest.warns(tcn.TcnWarning, match=r"^again$"):
        notify("again")

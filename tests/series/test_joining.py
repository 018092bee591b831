"""Panels joined, cut by time, and described."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from covariate_panels import with_covariates
from hypothesis import given
from hypothesis import strategies as st

from tcn.errors import DataError
from tcn.series import Panel

NAN = float("nan")
FREQUENCIES = ("h", "D", "B", "W-MON", "MS", "ME", "QS-JAN", "15min")


def panel_of(freq: str, lengths: list[int], tz: str | None = None) -> Panel:
    """Series of counting values with covariates of each kind, two steps ahead."""
    numbers = [np.arange(1.0, n + 1.0) + 100.0 * i for i, n in enumerate(lengths)]
    starts = pd.date_range("2026-03-20", periods=len(lengths), freq=freq).to_numpy()
    return Panel.from_arrays(
        {f"s{9 - i}": values for i, values in enumerate(numbers)},
        freq=freq,
        starts=starts,
        tz=tz,
        past_covariates={"rain": [-values for values in numbers]},
        future_covariates={
            "promo": [["yes", "no"] * ((n + 2) // 2) + ["odd"] * (n % 2) for n in lengths]
        },
        static_covariates={"size": [float(n) for n in lengths], "kind": ["x"] * len(lengths)},
    )


def known(panel: Panel) -> pd.DataFrame:
    """Rows of the panel, without covariates of the future."""
    return panel.to_frame("pandas").dropna(subset="y").reset_index(drop=True)


@given(
    st.sampled_from(FREQUENCIES),
    st.lists(st.integers(2, 30), min_size=1, max_size=4),
    st.integers(1, 40),
    st.sampled_from([None, "Europe/Berlin"]),
)
def test_the_parts_before_and_since_a_time_are_the_whole(freq, lengths, step, tz):
    panel = panel_of(freq, lengths, tz)
    at = panel.frequency.shift(panel.starts[:1], np.array([step]), tz)[0]
    given = at if tz is None else pd.Timestamp(at, tz="UTC")
    early, late = panel.before(given), panel.since(given)
    assert (early.times() < at).all()
    assert (late.times() >= at).all()
    assert len(early.values) + len(late.values) == len(panel.values)
    parts = [part for part in (late, early) if len(part)]
    joined = Panel.concat(parts).take([str(name) for name in panel.ids])
    assert joined.equals(panel)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_series_of_several_panels_stand_side_by_side(sizes, random):
    numbers = iter(range(100))
    panels = [
        Panel.from_arrays({f"s{next(numbers)}": [random.random()] * 3 for _ in range(size)})
        for size in sizes
    ]
    joined = Panel.concat(panels)
    assert joined.ids.tolist() == [name for panel in panels for name in panel.ids.tolist()]
    for panel in panels:
        assert joined.take(panel.ids).equals(panel)


def test_between_two_parts_values_are_missing():
    january = Panel.from_arrays({"a": [1.0, 2.0], "b": [7.0]}, freq="D", starts="2026-01-01")
    later = Panel.from_arrays({"c": [5.0], "a": [3.0]}, freq="D", starts="2026-01-05")
    joined = Panel.concat([later, january])
    assert joined.ids.tolist() == ["c", "a", "b"]
    np.testing.assert_array_equal(joined["a"], [1.0, 2.0, NAN, NAN, 3.0])
    assert joined.starts.astype("datetime64[D]").astype(str).tolist() == [
        "2026-01-05",
        "2026-01-01",
        "2026-01-01",
    ]


def test_what_the_later_part_knows_of_the_future_is_taken():
    panel = Panel.from_arrays(
        [[1.0, 2.0]], future_covariates={"price": [[1.0, 1.0, 1.0, 1.0]]}, starts=0
    )
    later = Panel.from_arrays([[3.0]], future_covariates={"price": [[9.0, NAN, 9.0]]}, starts=2)
    for panels in ([panel, later], [later, panel]):
        joined = Panel.concat(panels)
        assert joined[0].tolist() == [1.0, 2.0, 3.0]
        assert joined.future_covariates.values.tolist() == [[1.0, 1.0, 9.0, 1.0, 9.0]]


def test_texts_of_covariates_are_told_apart_by_name_and_not_by_number():
    first = Panel.from_arrays({"a": [1.0]}, static_covariates={"shop": ["north"], "rank": [1.0]})
    second = Panel.from_arrays({"b": [1.0]}, static_covariates={"rank": [2.0], "shop": ["east"]})
    frame = Panel.concat([first, second]).to_frame("pandas")
    assert frame["shop"].tolist() == ["north", "east"]
    assert frame["rank"].tolist() == [1.0, 2.0]


def test_the_season_length_is_kept_where_all_have_it():
    panels = [Panel.from_arrays({name: [1.0]}, season_length=7) for name in "ab"]
    assert Panel.concat(panels).season_length == 7
    assert Panel.concat([panels[0], replace(panels[1], season_length=1)]).season_length is None


DAILY = Panel.from_arrays({"a": [1.0, 2.0, 3.0]}, freq="D", starts="2026-01-01")
MONTHLY = Panel.from_arrays({"b": [1.0, 2.0]}, freq="MS", starts="2026-01-01")


@pytest.mark.parametrize(
    ("panels", "sentence"),
    [
        ([], r"^There is no panel to join\."),
        ([DAILY, [1.0]], r"^A Panel is needed, got a list\."),
        ([DAILY, MONTHLY], r"^Panels of freq='D' and freq='MS' cannot be one\.$"),
        ([DAILY, replace(DAILY, tz="UTC")], r"^Panels of tz=None and tz='UTC' cannot be one\.$"),
        ([DAILY, DAILY.last(1)], r"^Series 'a' is in two of the panels at the same times\."),
        (
            [MONTHLY, Panel.from_arrays({"b": [1.0]}, freq="MS", starts="2026-05-02")],
            r"^The parts of series 'b' are not on one grid of freq='MS'\.",
        ),
        (
            [with_covariates(), with_covariates().without_covariates("price")],
            r"^Panels with the future_covariates \['price'\] and \[\] cannot be one: .* leaves ",
        ),
        (
            [
                Panel.from_arrays({"a": [1.0]}, static_covariates={"x": [1.0]}),
                Panel.from_arrays({"a": [2.0]}, static_covariates={"x": [2.0]}, starts=1),
            ],
            r"^Static covariate 'x' of series 'a' differs from panel to panel\.$",
        ),
        (
            [
                Panel.from_arrays({"a": [1.0]}),
                Panel.from_arrays({"a": [2.0]}, starts=10**12),
            ],
            r"^The series would have 1,000,000,000,001 points, nearly all of them missing\.",
        ),
    ],
)
def test_panels_that_cannot_be_one_are_refused(panels, sentence):
    with pytest.raises(DataError, match=sentence):
        Panel.concat(panels)


def test_a_time_of_another_kind_is_refused():
    with pytest.raises(DataError, match=r"take a date, such as '2026-01-31', got 3\.$"):
        DAILY.since(3)
    with pytest.raises(DataError, match=r"take a date, such as '2026-01-31', got None\.$"):
        DAILY.split(None)
    with pytest.raises(DataError, match=r"take a whole number, got '2026-01-01'\.$"):
        Panel.from_arrays([[1.0]]).before("2026-01-01")
    assert Panel.from_arrays([[1.0, 2.0, 3.0]]).since(1).starts.tolist() == [1]


def test_series_without_a_point_there_are_left_out():
    panel = Panel.from_arrays({"old": [1.0], "new": [2.0] * 9}, freq="D", starts="2026-01-01")
    assert panel.since("2026-01-03").ids.tolist() == ["new"]
    assert len(panel.before("2026-01-01")) == 0
    assert panel.first(3).lengths.tolist() == [1, 3]


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_a_panel_is_described_a_row_a_series(kind):
    arrays = {"a": [1.0, NAN, 0.0, 5.0], "b": [NAN, NAN], "c": []}
    panel = Panel.from_arrays(arrays, freq="MS", starts="2026-01-01")
    frame = panel.describe(kind)
    columns = getattr(frame, "column_names", None) or list(frame.columns)
    numbers = ["length", "missing", "zeros", "mean", "min", "max"]
    assert columns == ["unique_id", "first", "last", *numbers]
    found = pd.DataFrame({name: np.asarray(frame[name]) for name in columns})
    assert found["last"].astype(str).tolist() == ["2026-04-01", "2026-02-01", "2026-01-01"]
    assert found[["length", "missing", "zeros"]].to_numpy().tolist() == [
        [4, 1, 1],
        [2, 2, 0],
        [0, 0, 0],
    ]
    np.testing.assert_array_equal(found[["mean", "min", "max"]].iloc[0], [2.0, 0.0, 5.0])
    assert found[["mean", "min", "max"]].iloc[1:].isna().all(axis=None)

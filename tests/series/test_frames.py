"""Frames into panels and back: any kind, any row order, gaps, covariates, time zones."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcn.errors import DataError
from tcn.series import Forecast, Panel, read_frame

KINDS = ("pandas", "polars", "pyarrow")


def long_frame(n: int = 6, ids: tuple[str, ...] = ("b", "a"), freq: str = "D") -> pd.DataFrame:
    stamps = pd.date_range("2024-01-01", periods=n, freq=freq)
    return pd.DataFrame(
        {
            "unique_id": np.repeat(ids, n),
            "ds": np.tile(stamps, len(ids)),
            "y": np.arange(n * len(ids), dtype=float),
            "price": np.arange(n * len(ids), dtype=float) / 2,
            "promo": np.resize(["no", "yes", "big"], n * len(ids)),
            "region": np.repeat([f"r{name}" for name in ids], n),
        }
    )


def as_kind(frame: pd.DataFrame, kind: str):
    if kind == "pandas":
        return frame
    return pl.from_pandas(frame) if kind == "polars" else pa.Table.from_pandas(frame)


ROLES = {
    "past_covariates": ["price"],
    "static_covariates": ["region"],
    "future_covariates": ["promo"],
}


@settings(derandomize=True, max_examples=30)
@given(st.permutations(range(12)))
def test_any_order_of_rows_makes_the_same_panel(order):
    frame = long_frame()
    assert read_frame(frame.iloc[order], **ROLES).equals(read_frame(frame, **ROLES))


series_of_values = st.lists(st.one_of(st.none(), st.floats(-1e9, 1e9)), min_size=3, max_size=6)


@settings(derandomize=True, max_examples=30)
@given(
    st.lists(series_of_values, min_size=1, max_size=4),
    st.sampled_from(["h", "D", "B", "W-TUE", "MS", "ME", "QE-DEC", None]),
    st.sampled_from(KINDS),
    st.sampled_from([None, "UTC", "Europe/Berlin"]),
)  # fmt: skip
def test_to_a_frame_and_back_is_the_same_panel(arrays, freq, kind, tz):
    starts = None
    if freq is not None:
        stamp = pd.date_range("2024-03-01", periods=1, freq=freq)[0]
        starts = [stamp.to_datetime64()] * len(arrays)
    panel = Panel.from_arrays(arrays, freq=freq, starts=starts, tz=None if freq is None else tz)
    back = Panel.from_frame(panel.to_frame(kind), freq=freq)
    assert back.equals(panel)
    assert back.frame_kind == kind


@pytest.mark.parametrize("kind", KINDS)
def test_covariates_come_back_through_every_kind(kind):
    panel = read_frame(as_kind(long_frame(), kind), **ROLES)
    assert panel.frame_kind == kind
    assert panel.future_covariates.categories == (("big", "no", "yes"),)
    assert read_frame(panel.to_frame(), **ROLES).equals(panel)


def test_every_kind_gives_the_same_panel():
    panels = [read_frame(as_kind(long_frame(), kind), **ROLES) for kind in KINDS]
    assert panels[0].equals(panels[1])
    assert panels[0].equals(panels[2])


def test_a_lazy_frame_is_collected():
    assert read_frame(pl.from_pandas(long_frame()).lazy()).equals(read_frame(long_frame()))


def test_a_categorical_id_and_integers_with_missing_values_are_read():
    frame = long_frame()
    frame["unique_id"] = frame["unique_id"].astype("category")
    frame["y"] = pd.array([None, *range(11)], dtype="Int64")
    panel = read_frame(frame)
    assert panel.ids.tolist() == ["a", "b"]
    assert np.isnan(panel[1][0])


def test_numbers_as_ids_sort_by_value():
    frame = pd.DataFrame({"unique_id": [10, 9, 10, 9], "ds": [1, 1, 2, 2], "y": [1.0, 2, 3, 4]})
    assert read_frame(frame).ids.tolist() == ["9", "10"]
    assert read_frame(frame.astype({"unique_id": float})).ids.tolist() == ["9", "10"]


def test_a_frame_without_ids_is_one_series():
    panel = read_frame(long_frame(ids=("a",)).drop(columns="unique_id"))
    assert (panel.ids.tolist(), panel.lengths.tolist()) == (["y"], [6])


def test_a_gap_is_filled_with_missing_values():
    panel = read_frame(long_frame(ids=("a",)).drop(index=[2, 3]))
    assert np.isnan(panel.values).tolist() == [False, False, True, True, False, False]


def test_each_series_has_a_start_of_its_own():
    frame = long_frame().drop(index=[0, 1, 11])
    panel = read_frame(frame)
    assert panel.lengths.tolist() == [5, 4]
    assert panel.starts.astype("datetime64[D]").astype(str).tolist() == ["2024-01-01", "2024-01-03"]


def test_columns_nobody_named_are_told_and_not_used():
    panel = read_frame(long_frame())
    assert panel.past_covariates is None
    assert panel.source.ignored == ("price", "promo", "region")


def test_trailing_rows_without_a_target_are_the_known_future():
    frame = long_frame(ids=("a",))
    frame.loc[4:, "y"] = np.nan
    panel = read_frame(frame, future_covariates=["price"])
    assert (panel.lengths.tolist(), panel.future_covariates.lengths.tolist()) == ([4], [6])
    second = read_frame(frame[:4], future_covariates=["price"], future=frame[4:].drop(columns="y"))
    assert second.equals(panel)


def test_without_future_covariates_trailing_missing_values_stay():
    frame = long_frame(ids=("a",))
    frame.loc[4:, "y"] = np.nan
    assert read_frame(frame).lengths.tolist() == [6]


def test_categories_of_both_frames_are_joined():
    frame = long_frame(ids=("a",))
    beyond = frame[4:].drop(columns=["y", "price", "region"]).assign(promo=["new", "no"])
    panel = read_frame(frame[:4], future=beyond)
    assert panel.future_covariates.categories == (("big", "new", "no", "yes"),)
    assert panel.future_covariates.values.tolist() == [[2, 3, 0, 2, 1, 2]]


def test_a_zone_is_kept_and_its_clock_change_survives():
    stamps = pd.date_range("2024-10-26 22:00", periods=8, freq="h", tz="Europe/Berlin")
    frame = pd.DataFrame({"ds": stamps, "y": np.arange(8.0)})
    panel = read_frame(frame)
    assert (panel.tz, panel.freq, panel.lengths.tolist()) == ("Europe/Berlin", "h", [8])
    assert panel.to_frame()["ds"].tolist() == stamps.tolist()


def test_a_repeated_hour_without_a_zone_is_read_in_the_zone_given():
    stamps = pd.date_range("2024-10-26 22:00", periods=8, freq="h", tz="Europe/Berlin")
    frame = pd.DataFrame({"ds": stamps.tz_localize(None), "y": np.arange(8.0)})
    panel = read_frame(frame, tz="Europe/Berlin")
    assert panel.values.tolist() == list(range(8))
    with pytest.raises(DataError, match=r"has 2024-10-27T02:00:00 twice .* pass tz=\.$"):
        read_frame(frame)


def test_days_of_a_zone_step_from_midnight_to_midnight():
    stamps = pd.date_range("2024-03-29", periods=5, freq="D", tz="Europe/Berlin")
    panel = read_frame(pd.DataFrame({"ds": stamps, "y": 1.0}))
    assert panel.freq == "D"
    future = pd.DatetimeIndex(panel.future_times(2)[0], tz="UTC").tz_convert("Europe/Berlin")
    assert future.tolist() == pd.date_range("2024-04-03", periods=2, tz="Europe/Berlin").tolist()


def test_dates_as_text_are_read():
    frame = long_frame().assign(ds=lambda frame: frame["ds"].astype(str))
    assert read_frame(frame).equals(read_frame(long_frame()))


def test_a_given_frequency_may_be_finer_than_the_stamps():
    panel = read_frame(long_frame(n=3, ids=("a",), freq="2D"), freq="D")
    assert np.isnan(panel.values).tolist() == [False, True, False, True, False]


@pytest.mark.parametrize("kind", KINDS)
def test_a_forecast_becomes_a_frame_of_the_same_kind(kind):
    panel = read_frame(as_kind(long_frame(), kind))
    forecast = Forecast(
        panel.ids, panel.future_times(2), np.arange(4.0).reshape(2, 2), np.zeros((2, 2, 2)),
        (0.1, 0.95), panel.freq, panel.tz, panel.frame_kind,
    )  # fmt: skip
    frame = forecast.to_frame()
    columns = list(frame.column_names if kind == "pyarrow" else frame.columns)
    assert columns == ["unique_id", "ds", "mean", "q0.1", "q0.95"]
    table = frame.to_pandas() if kind != "pandas" else frame
    assert table["unique_id"].tolist() == ["a", "a", "b", "b"]
    assert table["ds"].astype(str).tolist() == ["2024-01-07", "2024-01-08"] * 2
    assert table["mean"].tolist() == [0, 1, 2, 3]


def repeated(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame, frame.iloc[[2]]])


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda f: f.rename(columns={"y": "value", "ds": "date"}), {},
         r"^Columns missing: \['ds', 'y'\]; found: \['date', 'price', .*pass id_col="),
        (lambda f: f[:0], {}, r"^The table has no rows"),
        (repeated, {},
         r"^Series 'b' has 2024-01-03 twice \(row 2 and row 12\)\. Keep one row a time"),
        (lambda f: f.assign(y=np.r_[[1.0] * 5, np.inf, [1.0] * 6]), {},
         r"^Column 'y', row 5: inf is not a finite number"),
        (lambda f: f.assign(y=["x"] * 12), {}, r"^Column 'y', row 0: 'x' is not a number"),
        (lambda f: f.assign(y=[1, "x"] * 6), {}, r"^Column 'y' mixes kinds of values"),
        (lambda f: f.assign(unique_id=[None, *"abcdefghijk"]), {},
         r"^Column 'unique_id', row 0: the series id is"),
        (lambda f: f.assign(ds=[pd.NaT, *f["ds"][1:]]), {},
         r"^Column 'ds', row 0: the time is missing"),
        (lambda f: f.assign(ds=np.arange(12) + 0.5), {},
         r"^Column 'ds', row 0: 0\.5 is not a date or a whole"),
        (lambda f: f.iloc[[0, 6]], {}, r"^No series has two different stamps.*Pass freq="),
        (lambda f: f, {"freq": "W"},
         r"^Series 'b' has 2024-01-02 \(row 1\), which is not on the grid of 'W-SUN'"),
        (lambda f: f, {"static_covariates": ["price"]},
         r"^Static covariate 'price' changes within series 'b' \(row 0\)\. It must be one value"),
        (lambda f: f, {"static_covariates": ["y"]}, r"^Column 'y' has two roles"),
        (lambda f: f, {"past_covariates": ["nope"]}, r"^Columns missing: \['nope'\]"),
        (lambda f: f, {"tz": "Nowhere"}, r"^Unknown time zone 'Nowhere'"),
        (lambda f: f, {"future": long_frame()[["unique_id", "ds", "price"]]},
         r"in its history and again in row 0 of the future"),
        (lambda f: f, {"future": long_frame(ids=("z",))[["unique_id", "ds", "price"]]},
         r"^The future frame has series 'z', which the history has not"),
        (lambda f: f, {"future": long_frame().assign(ds=np.tile(np.arange(6), 2))},
         r"^The times of the future frame are of another kind"),
        (lambda f: f.drop(index=[2]),
         {"future": long_frame().iloc[[2]][["unique_id", "ds", "price"]]},
         r"^The future frame has a row for 'b' that lies before the end of its history"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_frame_is_said(change, options, message):
    with pytest.raises(DataError, match=message):
        read_frame(change(long_frame()), **options)


def test_what_is_no_frame_is_refused():
    with pytest.raises(DataError, match=r"^A dict is not a data frame\. Give a pandas, polars"):
        read_frame({"y": [1.0]})
    with pytest.raises(DataError, match=r"^Unknown kind of frame 'excel'\. Use one of pandas"):
        read_frame(long_frame()).to_frame("excel")


def test_two_frequencies_in_one_series_are_refused():
    days = np.arange("2020-01-01", "2020-02-01", dtype="datetime64[D]")
    months = np.arange("2020-02", "2021-01", dtype="datetime64[M]").astype("datetime64[D]")
    frame = pd.DataFrame({"ds": np.r_[days, months].astype("datetime64[ns]"), "y": 1.0})
    with pytest.raises(
        DataError, match=r"^Series 'y' has two frequencies.*Split it, or pass freq="
    ):
        read_frame(frame)
    assert np.isnan(read_frame(frame, freq="D").values).sum() == 294


def test_a_series_of_another_frequency_than_the_rest_is_refused():
    daily = long_frame(n=100, ids=("a",))
    weekly = long_frame(n=14, ids=("b",), freq="7D")
    with pytest.raises(DataError, match=r"^Series 'b' has two frequencies, or another one than"):
        read_frame(pd.concat([daily, weekly]))


def test_scattered_gaps_are_not_a_second_frequency():
    kept = np.random.default_rng(0).random(400) < 0.6
    panel = read_frame(long_frame(n=400, ids=("a",))[kept])
    assert panel.freq == "D"


def test_a_grid_of_nearly_nothing_but_gaps_is_refused():
    stamps = pd.to_datetime(["2020-01-01 00:00:00", "2020-01-01 00:00:01", "2024-01-01 00:00:00"])
    with pytest.raises(DataError, match=r"^Series 'y' would span 126,230,401 steps of 's', nearly"):
        read_frame(pd.DataFrame({"ds": stamps, "y": 1.0}))


def test_ids_read_alike_whether_rows_share_their_text_or_not():
    """A CSV reader repeats one object for equal cells; a dictionary may name more than is used."""
    shared = long_frame_of(["b"] * 4 + ["a"] * 4)
    copied = shared.assign(unique_id=["".join(list(name)) for name in shared["unique_id"]])
    scattered = shared.assign(unique_id=["b", "a"] * 4)
    categories = shared.assign(
        unique_id=pd.Categorical(shared["unique_id"], categories=["z", "b", "a"])
    )
    twice = pa.DictionaryArray.from_arrays(
        pa.array([0, 0, 1, 1, 2, 2, 2, 2]), pa.array(["b", "b", "a"])
    )
    arrow = pa.table({"unique_id": twice, "ds": shared["ds"], "y": shared["y"]})
    for frame in (shared, copied, categories, arrow):
        panel = Panel.from_frame(frame)
        assert panel.ids.tolist() == ["a", "b"]
        assert panel.values.tolist() == [4.0, 5.0, 6.0, 7.0, 0.0, 1.0, 2.0, 3.0]
    assert Panel.from_frame(scattered).lengths.tolist() == [4, 4]


def test_a_missing_id_among_shared_texts_is_refused():
    frame = long_frame_of(["b", "b", None, None, "a", "a", "a", "a"])
    with pytest.raises(DataError, match=r"Column 'unique_id', row 2: the series id is missing\."):
        Panel.from_frame(frame)


def long_frame_of(ids):
    days = pd.date_range("2026-01-01", periods=len(ids))
    return pd.DataFrame({"unique_id": ids, "ds": days, "y": np.arange(float(len(ids)))})


def one_series(index) -> pd.DataFrame:
    return pd.DataFrame({"y": [1.0, 2.0, 4.0]}, index=index)


@pytest.mark.parametrize(
    "frame",
    [
        one_series(pd.date_range("2024-01-01", periods=3, freq="MS")),
        one_series(pd.date_range("2024-01-01", periods=3, freq="MS", name="Month")),
        one_series(pd.period_range("2024-01", periods=3, freq="M")),
        one_series(pd.Index(["2024-01", "2024-02", "2024-03"], name="ds")),
        one_series(pd.period_range("2024-01", periods=3, freq="M", name="ds")).reset_index(),
        one_series(pd.date_range("2024-01-01", periods=3, freq="MS"))["y"].rename("sales"),
    ],
    ids=["dates", "named dates", "periods", "texts", "column of periods", "series"],
)
def test_times_may_be_in_the_index(frame):
    panel = Panel.from_frame(frame)
    assert (panel.ids.tolist(), panel.freq) == (["y"], "MS")
    assert panel.values.tolist() == [1.0, 2.0, 4.0]
    assert panel.starts.astype("datetime64[D]").astype(str).tolist() == ["2024-01-01"]


def test_an_index_of_ids_and_times_is_read():
    frame = long_frame()
    indexed = frame.set_index(["unique_id", "ds"])
    assert Panel.from_frame(indexed).equals(Panel.from_frame(frame))


def test_a_series_without_dates_counts_its_steps():
    panel = Panel.from_frame(pd.Series([1.0, 2.0, 4.0]))
    assert panel.times().tolist() == [0, 1, 2]


def wide_frame(kind="pandas"):
    days = pd.date_range("2024-01-01", periods=4)
    return as_kind(
        pd.DataFrame({"ds": days, "b": [1.0, 2, 3, 4], "a": [np.nan, 5, np.nan, 6]}), kind
    )


def hours_of(name: str, start: str, tz: str | None, size: int = 4) -> pd.DataFrame:
    """Hours of one series with a covariate that counts on from zero at 2024-03-31 00:00 UTC."""
    hours = pd.date_range(start, periods=size, freq="h", tz="UTC")
    counted = (hours - pd.Timestamp("2024-03-31", tz="UTC")) // pd.Timedelta("1h")
    stamps = hours if tz is None else hours.tz_convert(tz)
    frame = {"unique_id": name, "ds": stamps, "y": 1.0, "x": np.asarray(counted, float)}
    return pd.DataFrame(frame)


def test_a_column_name_that_is_there_twice_is_told():
    frame = pd.DataFrame([[1, 2.0, 3.0]], columns=["ds", "y", "y"])
    with pytest.raises(DataError, match=r"^The frame has the column 'y' twice\."):
        read_frame(frame)


def test_the_future_of_another_series_is_refused_where_there_is_one_alone():
    history = hours_of("a", "2024-03-31 00:00", "UTC")
    future = hours_of("b", "2024-03-31 04:00", "UTC").drop(columns="y")
    with pytest.raises(DataError, match=r"^The future frame has series 'b', which the history has"):
        read_frame(history, future=future)


@pytest.mark.parametrize(("has_offset", "tz"), [("history", None), ("future", "Europe/Berlin")])
def test_a_future_without_offsets_is_on_the_clock_of_its_history(has_offset, tz):
    zone = "Europe/Berlin"
    history = hours_of("a", "2024-03-30 22:00", zone)
    future = hours_of("a", "2024-03-31 02:00", zone).drop(columns="y")
    bare = future if has_offset == "history" else history
    bare["ds"] = bare["ds"].dt.tz_localize(None)
    panel = read_frame(history, future=future, tz=tz)
    assert (panel.freq, panel.tz) == ("h", zone)
    assert panel.future_covariates[0].tolist() == [[-2, -1, 0, 1, 2, 3, 4, 5]]


def test_offsets_in_the_future_alone_need_a_zone():
    history = hours_of("a", "2024-03-30 22:00", None)
    history["ds"] = history["ds"].dt.tz_localize(None)
    future = hours_of("a", "2024-03-31 02:00", "Europe/Berlin").drop(columns="y")
    with pytest.raises(DataError, match=r"differ in having an offset from UTC\. .* pass tz=\.$"):
        read_frame(history, future=future)
    same = future.assign(ds=future["ds"].dt.tz_convert("UTC"))
    assert len(read_frame(history, future=same).future_covariates[0][0]) == 8


@pytest.mark.parametrize("kind", KINDS)
def test_a_wide_frame_has_one_series_a_column(kind):
    panel = Panel.from_wide(wide_frame(kind))
    assert panel.ids.tolist() == ["b", "a"]
    assert panel.lengths.tolist() == [4, 3]
    assert panel.starts.astype("datetime64[D]").astype(str).tolist() == ["2024-01-01", "2024-01-02"]
    assert (panel.freq, panel.frame_kind) == ("D", kind)


def test_a_wide_frame_may_have_its_times_in_the_index_or_none():
    frame = wide_frame()
    dated = Panel.from_wide(frame)
    assert Panel.from_wide(frame.set_index("ds").rename_axis(None)).equals(dated)
    assert Panel.from_wide(frame.rename(columns={"ds": "day"}), time_col="day").equals(dated)
    assert Panel.from_wide(frame[["b", "a"]], time_col=None).starts.tolist() == [0, 1]


def test_covariates_of_a_wide_frame_hold_for_every_series():
    frame = wide_frame().assign(holiday=[0, 1, 0, 1], rain=["no", "yes", None, "no"])
    panel = Panel.from_wide(frame, past_covariates=["rain"], future_covariates=["holiday"])
    long = frame.melt(["ds", "holiday", "rain"], var_name="unique_id", value_name="y")
    long = long.drop(index=4)  # the missing value before the first of series a
    same = read_frame(long, past_covariates=["rain"], future_covariates=["holiday"])
    assert panel.take(["a", "b"]).equals(same)
    assert panel.future_covariates[1].tolist() == [[1.0, 0.0, 1.0]]


def test_a_wide_frame_goes_on_where_only_its_covariates_do():
    frame = wide_frame().assign(holiday=[0, 1, 0, 1])
    frame.loc[2:, "b"] = np.nan
    frame.loc[3, "a"] = np.nan
    panel = Panel.from_wide(frame, future_covariates=["holiday"])
    assert panel.lengths.tolist() == [2, 1]
    assert panel.future_covariates.lengths.tolist() == [4, 3]
    future = pd.DataFrame({"ds": pd.date_range("2024-01-05", periods=2), "holiday": [1, 1]})
    longer = Panel.from_wide(frame, future_covariates=["holiday"], future=future)
    assert longer.lengths.tolist() == [2, 1]
    assert longer.future_covariates.lengths.tolist() == [6, 5]
    assert longer.future_covariates[0].tolist() == [[0, 1, 0, 1, 1, 1]]
    assert longer.equals(Panel.from_wide(frame, future=future.set_index("ds")))


def test_a_column_without_values_is_an_empty_series_beside_covariates_too():
    frame = wide_frame().assign(holiday=0, c=np.nan)
    future = pd.DataFrame({"ds": pd.date_range("2024-01-05", periods=2), "holiday": [1, 1]})
    assert Panel.from_wide(frame, future=future).lengths.tolist() == [4, 3, 0]


def test_a_column_without_values_is_an_empty_series_wherever_it_stands():
    for names in (["ds", "c", "a"], ["ds", "a", "c"], ["ds", "a", "c", "b"]):
        panel = Panel.from_wide(wide_frame().assign(c=np.nan)[names])
        assert len(panel["c"]) == 0
        assert len(panel["a"]) == 3


def test_what_is_wrong_with_covariates_of_a_wide_frame_is_said():
    frame = wide_frame().assign(holiday=0)
    future = frame[["ds", "holiday"]]
    with pytest.raises(DataError, match=r"^Columns missing: \['rain'\]; found: \['ds', 'b', "):
        Panel.from_wide(frame, past_covariates=["rain"])
    with pytest.raises(DataError, match=r"^Column 'holiday' has two roles\."):
        Panel.from_wide(frame, past_covariates=["holiday"], future_covariates=["holiday"])
    with pytest.raises(DataError, match=r"'b' has 2024-01-01 in its history and again in row 0"):
        Panel.from_wide(frame, future=future)
    late = frame.assign(b=[np.nan, np.nan, 3, 4], a=[np.nan, 5, 6, np.nan])
    beyond = future[1:2]
    with pytest.raises(DataError, match=r"'a' has 2024-01-02 in its history and again in row 0 of"):
        Panel.from_wide(late, future=beyond)
    with pytest.raises(DataError, match=r"^Columns missing: \['ds'\]"):
        Panel.from_wide(frame, future=future[["holiday"]])
    with pytest.raises(DataError, match=r"^future= needs times"):
        Panel.from_wide(frame[["a", "holiday"]], time_col=None, future=future[["holiday"]])


def test_what_is_wrong_with_a_wide_frame_is_said():
    frame = wide_frame()
    with pytest.raises(DataError, match=r"^No column 'ds'; found: 'b', 'a'\. Pass time_col=, or "):
        Panel.from_wide(frame[["b", "a"]])
    with pytest.raises(DataError, match=r"one column for each series; found none\.$"):
        Panel.from_wide(frame[["ds"]])
    with pytest.raises(DataError, match=r"^Column 'a', row 0: 'x' is not a number"):
        Panel.from_wide(frame.assign(a=["x"] * 4))


def test_short_series_within_one_week_are_daily_and_not_of_business_days():
    frame = long_frame(n=4, ids=("a", "b", "c"))  # Monday to Thursday
    assert Panel.from_frame(frame).freq == "D"
    longer = long_frame(n=6, ids=("a", "b", "c"), freq="B")
    assert Panel.from_frame(longer).freq == "B"


def test_several_columns_may_name_the_series():
    frame = long_frame(n=4).assign(store=2)
    panel = Panel.from_frame(frame, id_col=["store", "unique_id"], static_covariates=["store"])
    assert panel.ids.tolist() == ["2/a", "2/b"]
    assert panel.values.tolist() == Panel.from_frame(frame).values.tolist()
    assert panel.source.id_col == "store/unique_id"
    assert panel.static_covariates.values.tolist() == [[2.0], [2.0]]
    with pytest.raises(DataError, match=r"^Columns missing for id_col=: \['shop'\]; found"):
        Panel.from_frame(frame, id_col=["shop", "unique_id"])


@pytest.mark.parametrize("freq", ["h", "D"])
def test_what_is_read_and_written_shares_no_memory_with_the_frame(freq):
    times = pd.date_range("2024-01-01", periods=10, freq=freq)
    frame = pd.DataFrame({"unique_id": "a", "ds": times, "y": np.arange(10.0)})
    panel = Panel.from_frame(frame)
    frame.loc[3, "y"] = -1.0
    assert panel.freq == freq
    assert panel[0].tolist() == list(range(10))
    written = panel.to_frame("pandas")
    written.loc[:, "y"] = 7.0
    written.loc[:, "ds"] = pd.Timestamp("2030-01-01")
    assert panel[0].tolist() == list(range(10))
    assert panel.times()[0] == np.datetime64("2024-01-01")

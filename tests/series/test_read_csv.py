"""CSV and parquet files: what is found in them, and what each bad file is told."""

import contextlib
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcn.errors import DataError
from tcn.series import read_csv, read_frame, read_parquet

LONG = "unique_id,ds,y\nb,2024-01-01,1\nb,2024-01-02,2\na,2024-01-01,3\na,2024-01-02,4\n"
MONTHS = "".join(f"2020-{month:02d}-01,{month}\n" for month in range(1, 11))


def days(cells: list[str], header: str = "ds,y", mark: str = ",") -> bytes:
    """A table of days from 2024-01-01 on with these cells."""
    rows = [f"2024-01-{day + 1:02d}{mark}{cell}" for day, cell in enumerate(cells)]
    return "\n".join([header.replace(",", mark), *rows, ""]).encode()


def values_of(content: bytes, **options) -> list[float]:
    return read_csv(content, **options).values.tolist()


@pytest.mark.parametrize(
    "make", [str, Path, lambda path: path.open("rb"), lambda path: path.open()]
)
def test_a_path_and_an_open_file_are_read(tmp_path, make):
    path = tmp_path / "file.csv"
    path.write_text(LONG)
    file = make(path)
    assert read_csv(file).ids.tolist() == ["a", "b"]
    if isinstance(file, io.IOBase):
        file.close()


@pytest.mark.parametrize(
    ("header", "id_col", "time_col", "target"),
    [
        ("unique_id,ds,y", "unique_id", "ds", "y"),
        ("Store,Date,Sales", "Store", "Date", "Sales"),
        ("item_id,timestamp,target", "item_id", "timestamp", "target"),
        ("SKU, month ,units", "SKU", "month", "units"),
        ("shop,when,turnover", "shop", "when", "turnover"),
    ],
)
def test_columns_are_found_by_name_or_content_and_named(header, id_col, time_col, target):
    source = read_csv(LONG.replace("unique_id,ds,y", header).encode()).source
    assert (source.id_col, source.time_col, source.target_cols) == (id_col, time_col, (target,))
    assert source.describe() == (
        f"Series by {id_col!r}: values from {target!r}, times from {time_col!r}."
    )


def test_columns_that_are_named_are_taken():
    content = b"when,a,b\n2024-01-01,1,2\n2024-01-02,3,4\n"
    panel = read_csv(content, target_col="b", past_covariates=["a"])
    assert (panel.values.tolist(), panel.past_covariates.values.tolist()) == ([2, 4], [[1, 3]])


def test_a_blank_cell_of_a_categorical_covariate_is_missing():
    content = b"ds,y,promo\n2024-01-01,1,none\n2024-01-02,2,\n2024-01-03,3,big\n"
    promo = read_csv(content, past_covariates=["promo"]).past_covariates
    assert promo.categories == (("big", "none"),)
    assert np.array_equal(promo.values, [[1, np.nan, 0]], equal_nan=True)


def test_other_numbers_of_a_long_table_are_told_and_not_used():
    panel = read_csv(b"id,ds,y,price\na,2024-01-01,1,9\na,2024-01-02,2,9\n")
    assert panel.source.ignored == ("price",)
    assert panel.source.describe().endswith("Not used: 'price'.")


four_values = st.lists(st.one_of(st.none(), st.integers(-99, 99)), min_size=4, max_size=4)
csv_like_text = st.text(alphabet='0123456789-,;\t"\n.ay:T/', max_size=60)


@settings(derandomize=True, max_examples=40)
@given(st.lists(four_values, min_size=2, max_size=4))
def test_a_wide_table_is_the_long_one(columns):
    columns = [[1, *column, 2] for column in columns]  # begins and ends with a value
    frame = pd.DataFrame({f"s{i}": column for i, column in enumerate(columns)}, dtype="Int64")
    frame.insert(0, "day", pd.date_range("2024-01-01", periods=6))
    long = frame.melt("day", var_name="unique_id", value_name="y").rename(columns={"day": "ds"})
    wide_panel = read_csv(frame.to_csv(index=False).encode())
    assert wide_panel.equals(read_frame(long))
    assert wide_panel.equals(read_csv(long.to_csv(index=False).encode()))


def test_a_wide_series_runs_from_its_first_to_its_last_value():
    panel = read_csv(b"ds,a,b\n2024-01-01,,1\n2024-01-02,2,\n2024-01-03,,3\n2024-01-04,4,\n")
    assert panel.lengths.tolist() == [3, 3]
    assert panel.starts.astype("datetime64[D]").astype(str).tolist() == ["2024-01-02", "2024-01-01"]


def test_rows_of_numbers_alone_are_steps():
    assert values_of(b"112\n118\n\n132\n") == pytest.approx([112, 118, np.nan, 132], nan_ok=True)
    panel = read_csv(b"a,b\n1,2\n3,4\n")
    assert (panel.ids.tolist(), panel.freq, panel.starts.tolist()) == (["a", "b"], None, [0, 0])
    assert panel.source.describe().endswith("rows as steps (no time column).")


def test_a_file_without_a_header_is_read():
    panel = read_csv(b"2024-01-01,5\n2024-01-02,6\n")
    assert (panel.values.tolist(), panel.freq) == ([5, 6], "D")


def test_a_column_of_row_numbers_is_no_series():
    assert read_csv(b",ds,y\n0,2024-01-01,5\n1,2024-01-02,6\n").source.target_cols == ("y",)
    assert read_csv(b"rownames,time,v\n1,1,5\n2,2,6\n").source.target_cols == ("v",)


def test_rows_in_any_order_are_sorted():
    assert values_of(b"ds,y\n2024-01-03,3\n2024-01-01,1\n2024-01-02,2\n") == [1, 2, 3]


@pytest.mark.parametrize(
    ("cells", "freq", "first"),
    [
        (["1959Q1", "1959Q2", "1959Q3"], "QS-JAN", "1959-01-01"),
        (["Q1 1959", "Q2 1959"], "QS-JAN", "1959-01-01"),
        (["2020-01", "2020-02"], "MS", "2020-01-01"),
        (["202001", "202002"], "MS", "2020-01-01"),
        (["2020M01", "2020M02"], "MS", "2020-01-01"),
        (["Jan 2020", "Feb 2020"], "MS", "2020-01-01"),
        (["Jan-1-2020", "Feb-1-2020"], "MS", "2020-01-01"),
        (["1 January 2020", "2 January 2020"], "D", "2020-01-01"),
        (["20200101", "20200102"], "D", "2020-01-01"),
        (["2020/01/01", "2020/01/02"], "D", "2020-01-01"),
        (["01.02.2020", "02.02.2020"], "D", "2020-02-01"),
        (["12/02/2020", "13/02/2020"], "D", "2020-02-12"),
        (["02/12/2020", "02/13/2020"], "D", "2020-02-12"),
        (["2020-W01", "2020-W02"], "W-MON", "2019-12-30"),
        (["2020-01-01 10:00", "2020-01-01 11:00"], "h", "2020-01-01T10"),
        (["2020-01-01 1:30 PM", "2020-01-01 1:45 PM"], "15min", "2020-01-01T13:30"),
        (["2020-01-01T00:00:00Z", "2020-01-01T06:00:00Z"], "6h", "2020-01-01"),
        (["2020-01-01T00:00:00+02:00", "2020-01-02T00:00:00+02:00"], "D", "2019-12-31T22"),
        (["1821", "1822"], None, "1821"),
    ],
)
def test_times_are_read_in_many_formats(cells, freq, first):
    content = "ds,y\n" + "".join(f"{cell},1\n" for cell in cells)
    panel = read_csv(content.encode())
    assert panel.freq == freq
    start = panel.starts[0]
    assert str(start) == first if freq is None else start == np.datetime64(first)


def test_a_format_of_ones_own_is_taken():
    panel = read_csv(b"ds,y\n01/02/2024,1\n01/03/2024,2\n", time_format="%d/%m/%Y")
    assert panel.freq == "MS"
    with pytest.raises(DataError, match=r"^Column 'ds', row 2: '01/02/2024' is not a time"):
        read_csv(b"ds,y\n01/02/2024,1\n01/03/2024,2\n", time_format="%Y")


def test_a_format_of_ones_own_holds_for_the_file_of_the_future_too(tmp_path):
    frame = pd.DataFrame({"ds": ["01|02|24", "02|02|24", "03|02|24"], "x": [1.0, 2.0, 3.0]})
    frame[:2].assign(y=1.0).to_parquet(tmp_path / "history.parquet")
    frame[2:].to_parquet(tmp_path / "future.parquet")
    options = {"future": tmp_path / "future.parquet", "time_format": "%d|%m|%y", "target_col": "y"}
    panel = read_parquet(tmp_path / "history.parquet", **options)
    assert panel.future_covariates[0].tolist() == [[1.0, 2.0, 3.0]]


def test_offsets_that_change_over_the_year_need_a_zone():
    content = (
        b"ds,y\n2024-03-30T00:00:00+01:00,1\n2024-03-31T00:00:00+01:00,2\n"
        b"2024-04-01T00:00:00+02:00,3\n2024-04-02T00:00:00+02:00,4\n"
    )
    with pytest.raises(DataError, match=r"pass tz=, such as 'Europe/Berlin'\.$"):
        read_csv(content)
    panel = read_csv(content, tz="Europe/Berlin")
    assert (panel.freq, panel.lengths.tolist()) == ("D", [4])


@pytest.mark.parametrize(
    ("content", "values"),
    [
        (days(["1", "2"], mark=";"), [1, 2]),
        (days(["1", "2"], mark="\t"), [1, 2]),
        (days(["1", "2"], mark="|"), [1, 2]),
        (days(["1,5", "2,25"], mark=";"), [1.5, 2.25]),
        (days(["1.000,5", "2"], mark=";"), [1000.5, 2]),
        (days(['"1,000"', '"2,500.5"', "7"]), [1000, 2500.5, 7]),
        (days(['"3,14"', '"2,7"']), [3.14, 2.7]),
        (days(["1e3", "-2.5E-1", "+4", ".5"]), [1000, -0.25, 4, 0.5]),
        (days([" 1 ", '"2"']), [1, 2]),
        ("ds;y\n2024-01-01;1\u202f234,5\n2024-01-02;\u22122\n".encode(), [1234.5, -2]),
        ("ds;y\n2024-01-01;1\u00a0234\n2024-01-02;2\n".encode(), [1234, 2]),
        (days(["1", "2"]).replace(b"\n", b"\r\n"), [1, 2]),
        (b"\xef\xbb\xbf" + days(["1", "2"]), [1, 2]),
        (days(["1", "2"]).decode().encode("utf-16"), [1, 2]),
        (days(['1,"a\nb"', '2,"c, ""d"""'], header='ds,y,"no\nte"'), [1, 2]),
    ],
)
def test_dialects_are_read(content, values):
    assert values_of(content) == values


@pytest.mark.parametrize("cell", ["", "NA", "NaN", "null", "None", "-", ".", "#N/A", " "])
def test_a_missing_value_may_be_written_in_many_ways(cell):
    assert np.isnan(values_of(days(["1", cell, "3"]))).tolist() == [False, True, False]


def test_how_commas_were_read_is_told():
    assert "'1,000' has a thousands comma." in read_csv(days(['"1,000"', "2"])).source.describe()
    assert "'1,5' has a decimal comma." in read_csv(days(["1,5", "2"], mark=";")).source.describe()


def test_an_ambiguous_comma_is_settled_by_the_user():
    content = days(["1,000", "2,500"], mark=";")
    assert values_of(content, decimal=",") == [1, 2.5]
    with pytest.raises(DataError, match=r"^Column 'y', row 2: '1,000' may have a decimal comma or"):
        read_csv(content)


def test_another_encoding_is_read_when_named():
    content = "ds,größe\n2024-01-01,1\n2024-01-02,2\n".encode("latin-1")
    assert read_csv(content, encoding="latin-1").ids.tolist() == ["größe"]
    with pytest.raises(DataError, match=r"^Unknown encoding 'klingon'\. Use one such as 'latin-1'"):
        read_csv(content, encoding="klingon")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"^The file is empty\. Give a header"),
        (b" \n\n", r"^The file is empty"),
        (b"ds,y\n", r"^The file has a header but no rows"),
        (
            b"ds,city,town\n1,a,b\n2,c,d\n",
            r"^No numeric column.*: found .*pass target_col=",
        ),
        (days(["", ""]), r"^Column 'y' has no values"),
        (
            days(["1"] * 20 + ["twelve"]),
            r"^Column 'y', row 22: 'twelve' is not a number\. Give a finite",
        ),
        (days(["x" * 99, "1"]), r"^Column 'y', row 2: 'x{37}\.\.\.' is not a number"),
        (days(["5%", "6%"]), r"^Column 'y', row 2: '5%' is not a number"),
        (days(["True", "False"]), r"^Column 'y', row 2: 'True' is not a number"),
        (days(["=1+1", "2"]), r"^Column 'y', row 2: '=1\+1' is not a number"),
        (
            days(["1", "2", "inf"]),
            r"^Column 'y', row 4: 'inf' is not a number\. Give a finite number",
        ),
        (days(["1", "1e999"]), r"^Column 'y', row 3: inf is not a finite number\. Leave the cell"),
        (
            f"ds,y\n{MONTHS}2020-03-01,7\n".encode(),
            r"^Series 'y' has 2020-03-01 twice \(row 4 and row 12\)\. Keep one row a time",
        ),
        (
            f"ds,y\n{MONTHS}2020-11-13,7\n".encode(),
            r"^Series 'y' has no regular frequency: most stamps step by 'MS', but 2020-11-13",
        ),
        (b"ds,y\n2024-01-01,1\n", r"^No series has two different stamps.*Pass freq="),
        (b"ds,a,a\n2024-01-01,1,2\n", r"^The header has 'a' twice\. Give every column"),
        (
            "ds,y\n2024-01-01,1\n2024-01-02,é\n".encode("latin-1"),
            r"^Row 3 is not UTF-8 \(byte 0xe9\)\. Save the file as UTF-8, or pass encoding=",
        ),
        (b"ds,y\n2024-01-01,1\n2024-\x00,2\n", r"^Row 3 has a NUL byte"),
        (
            b'ds,y\n2024-01-01,"1\n2024-01-02,2\n',
            r"^A quote is never closed; the last one is in row 2\.",
        ),
        (b"ds,y\n2024-01-01,1\n2024-01-02,2,3\n", r"^Row 3 has 3 cells, the header has 2"),
        (
            b"ds,y\n2024-01-01,1\n02/01/2024,2\n",
            r"^Column 'ds', row 3: '02/01/2024' is not a date like",
        ),
        (
            b"ds,y\n31/12/2020,1\n12/31/2020,2\n",
            r"row 3: '12/31/2020' mixes day first and month first",
        ),
        (
            b"ds,y\n01/02/2020,1\n01/03/2020,2\n",
            r"row 2: '01/02/2020' may have the day or the month",
        ),
        (
            b"ds,y\n0001-01-01,1\n0002-01-01,2\n",
            r"'0001-01-01' is outside the years 1678 to 2261\. Use",
        ),
        (
            b"ds,y\n9998-12-31,1\n9999-12-31,2\n",
            r"'9998-12-31' is outside the years 1678 to 2261\.",
        ),
        (
            b"ds,y\n99999-01-01,1\n99999-01-02,2\n",
            r"^Column 'ds', row 2: '99999-01-01' is not a time",
        ),
        (b"ds,y\n2019-02-28,1\n2019-02-29,2\n", r"^Column 'ds', row 3: '2019-02-29' is not a time"),
        (b"ds,y\n2024-01-01,1\n,2\n", r"^Column 'ds', row 3: the time is missing\. Fill it in"),
        (
            b"ds,y\n2024-01-01T00:00Z,1\n2024-01-02T00:00,2\n",
            r"row 3: .* differ in having an offset",
        ),
        (
            b"unique_id,ds,y\na,2024-01-01,1\n,2024-01-02,2\n",
            r"^Column 'unique_id', row 3: the series id is",
        ),
        (
            b"id,ds,y\n" + b"a" * 300 + b",2024-01-01,1\n",
            r"a series id of 300 characters, at most 256",
        ),
        (
            b"id,ds,a,b\nx,1,2,3\nx,2,3,4\n",
            r"^Several columns could hold the values: 'a', 'b'\. Pass",
        ),
        (
            b"shop,city,ds,y\na,x,1,1\na,x,2,2\nb,x,1,1\nb,x,2,2\n",
            r"^Several columns could name the series: 'shop', 'city'\. Pass id_col=",
        ),
        (
            b"land,1990,1991\nA,1,2\nB,3,4\n",
            r"^The columns '1990', '1991' look like times.*transpose",
        ),
        (
            b"year,quarter,y\n1959,1,2\n1959,2,3\n",
            r"^The time is split over the columns 'year', 'quarter'",
        ),
        (b",".join([b"1"] * 20_000), r"^The first row has 20,000 cells, at most 10,000 columns"),
        (b"PK\x03\x04....", r"^This is a zip archive or an Excel file, not a CSV file\. Unpack it"),
        (b"\x1f\x8b....", r"^This is a gzip archive"),
        (b"PAR1....", r"^This is a parquet file, not a CSV file\. Read it with read_parquet"),
    ],
)
def test_every_bad_file_is_told_what_is_wrong_and_where(content, message):
    with pytest.raises(DataError, match=message):
        read_csv(content)


def test_a_missing_file_and_a_folder_are_told(tmp_path):
    with pytest.raises(DataError, match=r"^There is no file '.*none\.csv'\. Check the path"):
        read_csv(tmp_path / "none.csv")
    with pytest.raises(DataError, match=r"cannot be read: Is a directory"):
        read_csv(tmp_path)
    with pytest.raises(DataError, match=r"^There is no file '.*none\.parquet'"):
        read_parquet(tmp_path / "none.parquet")


def test_a_compressed_file_is_not_unpacked_by_its_name(tmp_path):
    path = tmp_path / "data.csv.gz"
    path.write_text(LONG)
    assert len(read_csv(path)) == 2


def test_bad_options_are_told():
    with pytest.raises(DataError, match=r"^decimal must be '\.' or ',', got '_'\.$"):
        read_csv(LONG.encode(), decimal="_")
    with pytest.raises(DataError, match=r"^Columns missing: \['nope'\]; found: \['unique_id', "):
        read_csv(LONG.encode(), target_col="nope")


@pytest.mark.parametrize("delimiter", ["ab", "é", "\0"])
def test_a_separator_that_is_no_character_of_ascii_is_refused(delimiter):
    with pytest.raises(DataError, match=r"^delimiter must be one character of ASCII, got "):
        read_csv(b"ds,y\n2024-01-01,1\n", delimiter=delimiter)


def test_a_directive_that_is_there_twice_is_refused():
    with pytest.raises(DataError, match=r"^time_format='%d%d' is not a strptime format"):
        read_csv(b"ds,y\n2024-01-01,1\n2024-01-02,2\n", time_format="%d%d")


def test_a_million_quoted_line_breaks_are_read_quickly():
    content = b'note,y\n"' + b"\n" * 1_000_000 + b'",1\nx,2\n'
    assert values_of(content) == [1, 2]


@settings(derandomize=True, max_examples=150)
@given(st.binary(max_size=60) | csv_like_text.map(str.encode))
def test_any_bytes_give_a_panel_or_a_data_error(content):
    with contextlib.suppress(DataError):
        panel = read_csv(content)
        assert len(panel) > 0
        assert np.isfinite(panel.values[~np.isnan(panel.values)]).all()


def test_parquet_is_read_like_csv(tmp_path):
    frame = pd.read_csv(io.StringIO(LONG)).rename(columns={"unique_id": "store", "y": "sales"})
    frame["ds"] = pd.to_datetime(frame["ds"])
    frame.to_parquet(tmp_path / "sales.parquet")
    panel = read_parquet(tmp_path / "sales.parquet")
    assert panel.source.describe() == "Series by 'store': values from 'sales', times from 'ds'."
    assert panel.equals(read_csv(LONG.encode()))


def test_what_is_no_parquet_is_told(tmp_path):
    path = tmp_path / "fake.parquet"
    path.write_text(LONG)
    with pytest.raises(DataError, match=r"fake\.parquet' cannot be read as parquet: "):
        read_parquet(path)


STORES = b"""date,region,product,sales
2024-01-01,north,milk,1
2024-01-02,north,milk,2
2024-01-01,north,bread,3
2024-01-02,north,bread,4
2024-01-01,south,milk,5
2024-01-02,south,milk,6
"""


def test_several_columns_of_a_file_may_name_the_series():
    panel = read_csv(STORES, id_col=["region", "product"])
    assert panel.ids.tolist() == ["north/bread", "north/milk", "south/milk"]
    assert panel["south/milk"].tolist() == [5.0, 6.0]
    assert panel.source.ignored == ()


def test_a_table_of_more_series_than_the_id_tells_apart_is_refused_with_the_columns_left():
    with pytest.raises(
        DataError,
        match=r"^Series 'milk' has 2024-01-01 twice \(row 2 and row 6\).*one or several columns; "
        r"not used so far: 'region'\)",
    ):
        read_csv(STORES)


def test_a_future_file_is_joined_by_several_columns_too():
    future = b"date,region,product,price\n" + b"".join(
        f"2024-01-0{day},{ids},{day}\n".encode()
        for ids in ("north,milk", "north,bread", "south,milk")
        for day in (3, 4)
    )
    rows = STORES.decode().splitlines()
    past = "\n".join([rows[0] + ",price", *(row + ",9" for row in rows[1:])]).encode()
    panel = read_csv(past, id_col=("region", "product"), future=future)
    assert panel.future_covariates.names == ("price",)
    assert panel.future_covariates.lengths.tolist() == [4, 4, 4]


@pytest.mark.parametrize("scale", [1, 10**3, 10**6, 10**9])
def test_counts_of_a_clock_are_times(scale):
    rows = "".join(f"{(1_704_067_200 + 3600 * i) * scale},{i}\n" for i in range(4))
    panel = read_csv(f"timestamp,value\n{rows}".encode())
    assert (panel.freq, panel.tz) == ("h", "UTC")
    assert str(panel.starts[0].astype("datetime64[s]")) == "2024-01-01T00:00:00"
    assert "seconds since 1970, in UTC." in panel.source.describe()


def test_a_number_for_every_row_is_no_id_of_series():
    panel = read_csv(b"id,date,sales,price\n1,2024-01-01,5,2\n2,2024-01-02,6,2\n3,2024-01-03,7,2\n")
    assert (panel.source.id_col, panel.source.target_cols) == (None, ("sales",))
    assert read_csv(b"id,date,sales\n1,2024-01-01,5\n2,2024-01-01,6\n", freq="D").ids.size == 2
    panel = read_csv(b"id,date,price\n1,2024-01-01,5\n2,2024-01-02,6\n")
    assert panel.source.target_cols == ("price",)


def test_the_line_in_which_a_spreadsheet_names_its_separator_is_read():
    panel = read_csv(b"sep=;\nds;y\n2024-01-01;1,5\n2024-01-02;2,5\n")
    assert panel.values.tolist() == [1.5, 2.5]
    with pytest.raises(DataError, match=r"row 4: 'x' is not a number"):
        read_csv(b"sep=;\nds;y\n2024-01-01;1\n2024-01-02;x\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"ds,y\n01.02.24,1\n", r"row 2: '01\.02\.24' has a year of two digits \(pass time_format="
         r"'%d\.%m\.%y'\)\. One format holds"),
        (b"day,y\n1/31/24,1\n", r"'1/31/24' has a year of two digits \(pass .*'%m/%d/%y'"),
        (b"ds,y\n2020-W53,1\n2021-W53,1\n", r"^Column 'ds', row 3: '2021-W53' is not a time"),
        (b"ds,y\n9999999999999999999,1\n", r"'9999999999999999999' is beyond the whole numbers of"),
        (b"Month,n\nJan-49,1\n", r"'Jan-49' has a year of two digits \(pass time_format='%b-%y'"),
        (b'{"y": 1}', r"^This looks like JSON, not a CSV file\."),
        (b"ds,y", r"^The file has a header but no rows\."),
        (b"Report of May\nds,y\n2024-01-01,1\n", r"^Row 2 has 2 cells, the header has 1.* "
         r"Take away lines above the header, quote cells"),
        (b"Date;Time;kW\n2024-01-01;00:00;1\n2024-01-01;01:00;2\n",
         r"^The time is split over the columns 'Date', 'Time'\. Make one column of them"),
        (b"date,hour,load\n2024-01-01,0,1\n2024-01-01,1,2\n", r"split over the columns"),
        (b"product,2024-01,2024-02\na,1,2\nb,3,4\n", r"look like times\. A table has one row"),
    ],
)  # fmt: skip
def test_what_a_spreadsheet_may_hold_is_refused_with_what_to_do(content, message):
    with pytest.raises(DataError, match=message):
        read_csv(content)


def test_what_is_no_file_is_told(tmp_path):
    with pytest.raises(DataError, match=r"^A DataFrame is not a file\. Give a path, .*from_frame"):
        read_csv(pd.DataFrame({"y": [1.0]}))
    with pytest.raises(DataError, match=r"^'https://host/data\.csv' is not on this disk\."):
        read_csv("https://host/data.csv")


def test_an_hour_beside_whole_stamps_is_a_column_like_others():
    rows = "".join(f"2024-01-01 0{h}:00,{h},{i}\n" for h in range(3) for i in (1, 1))
    with pytest.raises(DataError, match="twice"):
        read_csv(f"ds,hour,y\n{rows}".encode())


WIDE = b"ds,a,b,promo\n2024-01-01,1,2,0\n2024-01-02,3,4,1\n"


def test_several_target_columns_are_a_wide_table_with_covariates_for_all():
    future = b"ds,promo\n2024-01-03,1\n2024-01-04,0\n"
    panel = read_csv(WIDE, target_col=["a", "b"], future=future)
    assert (panel.ids.tolist(), panel.values.tolist()) == (["a", "b"], [1, 3, 2, 4])
    assert panel.future_covariates.names == ("promo",)
    assert panel.future_covariates[1].tolist() == [[0, 1, 1, 0]]
    assert read_csv(WIDE, target_col=["a", "b"]).source.ignored == ("promo",)
    assert read_csv(WIDE, target_col=["a"]).source.target_cols == ("a",)


def test_a_star_takes_every_column_of_numbers_that_is_nothing_else():
    text = "ds,north,south,note,temp\n2026-01-01,1,5,a,9\n2026-01-02,2,6,b,8\n"
    future = "ds,temp\n2026-01-03,7\n"
    options = {"future": future.encode(), "freq": "D"}
    named = read_csv(text.encode(), target_col=["north", "south"], **options)
    starred = read_csv(text.encode(), target_col="*", **options)
    assert starred.equals(named)
    assert starred.ids.tolist() == ["north", "south"]
    assert starred.future_covariates.names == ("temp",)
    past = read_csv(text.encode(), target_col="*", past_covariates=["temp"])
    assert (past.ids.tolist(), past.past_covariates.names) == (["north", "south"], ("temp",))
    literal = read_csv(b"ds,*,b\n2026-01-01,1,5\n2026-01-02,2,6\n", target_col="*")
    assert literal[0].tolist() == [1.0, 2.0]
    with pytest.raises(DataError, match=r"id_col='south' is of no use"):
        read_csv(text.encode(), target_col="*", id_col="south")


def test_what_is_wrong_with_covariates_of_a_wide_file_is_said():
    with pytest.raises(DataError, match=r"^future= has covariates of a wide table, .* target_col="):
        read_csv(WIDE, future=b"ds,price\n2024-01-03,9\n")
    with pytest.raises(DataError, match=r"'a', 'b'\. Pass target_col= with one of them, or with s"):
        read_csv(WIDE, future_covariates=["promo"])
    with pytest.raises(DataError, match=r"a series each, so that id_col='promo' is of no use"):
        read_csv(WIDE, id_col="promo", target_col=["a", "b"])
    with pytest.raises(DataError, match=r"^Static covariates 'promo' differ between series"):
        read_csv(WIDE, target_col=["a", "b"], static_covariates=["promo"])
    with pytest.raises(DataError, match=r"^Columns missing: \['c'\]"):
        read_csv(WIDE, target_col=["a", "c"])

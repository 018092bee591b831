"""POST /v1/series: a CSV file in, series out."""

import pytest

CSV = b"""store,item,day,sold,price
north,milk,2024-01-01,3,1.5
north,milk,2024-01-02,4,1.5
north,rice,2024-01-01,7,2.0
north,rice,2024-01-02,8,2.0
"""


def read(client, query, content=CSV):
    headers = {"content-type": "text/csv"}
    return client.post(f"/v1/series{query}", content, headers=headers)


def test_a_file_becomes_series_that_say_where_they_are_from(client):
    answer = read(client, "?id_col=item&target_col=sold").json()
    assert answer["freq"] == "D"
    assert answer["season_length"] == 7
    assert answer["series"][1] == {
        "id": "rice",
        "start": "2024-01-01",
        "y": [7.0, 8.0],
        "ds": ["2024-01-01", "2024-01-02"],
    }


def test_several_columns_name_a_series_as_in_the_library(client):
    answer = read(client, "?id_col=store, item&target_col=sold").json()
    assert [item["id"] for item in answer["series"]] == ["north/milk", "north/rice"]


def test_several_columns_of_values_are_a_series_each(client):
    wide = b"day,a,b,c\n2024-01-01,1,2,3\n2024-01-02,4,5,6\n"
    answer = read(client, "?target_col=a,c", wide).json()
    assert [(item["id"], item["y"]) for item in answer["series"]] == [
        ("a", [1.0, 4.0]),
        ("c", [3.0, 6.0]),
    ]


def test_a_job_trains_on_series_that_several_columns_name(client):
    query = "/v1/train?name=sales&horizon=1&id_col=store,item&target_col=sold"
    job = client.post(query, CSV, headers={"content-type": "text/csv"})
    assert job.status_code == 202, job.text


def test_a_file_may_say_how_it_is_written(client):
    text = "Tag|Wert\n01.02.24|1,5\n02.02.24|2,5\n".encode("cp1252")
    query = "?delimiter=%7C&decimal=,&encoding=cp1252&time_format=%25d.%25m.%25y"
    answer = read(client, query, text).json()
    assert answer["series"][0]["y"] == [1.5, 2.5]
    assert answer["series"][0]["start"] == "2024-02-01"


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("?encoding=idna", "#/encoding: must be one such as utf-8, utf-16, latin-1 or cp1252."),
        ("?delimiter=ab", "delimiter must be one character of ASCII, got 'ab'."),
        ("?target_col=sold&time_format=%25d%25d", "is not a strptime format"),
        ("?horizon=3", "unknown field 'horizon'. Known fields: decimal, "),
        ("?id_col=item&id_col=store", "A field of the query is there twice."),
        ("?id_col=store,shelf", "Columns missing"),
        ("?target_col=sold&freq=fortnight", "Unknown frequency"),
    ],
)
def test_a_query_that_cannot_be_followed_is_refused(client, problem, query, sentence):
    assert sentence in problem(read(client, query), 422)["detail"]


def test_covariates_come_back_as_other_routes_take_them(client):
    rows = "".join(
        f"2024-01-{day:02d},{day if day < 5 else ''},{day * 2},{'sun' if day % 2 else ''},1\n"
        for day in range(1, 8)
    )
    content = f"day,sold,price,sky,shop\n{rows}".encode()
    found = read(client, "?target_col=sold", content).json()["columns"]
    unused = ["price", "sky", "shop"]
    assert found == {"id": None, "time": "day", "values": ["sold"], "unused": unused}
    answer = read(client, "?future_covariates=price,sky&static_covariates=shop", content).json()
    assert answer["columns"]["unused"] == []
    (one,) = answer["series"]
    assert one["y"] == [1.0, 2.0, 3.0, 4.0]
    assert one["future_covariates"]["price"] == [2.0 * day for day in range(1, 8)]
    assert one["future_covariates"]["sky"] == ["sun", None, "sun", None, "sun", None, "sun"]
    assert one["static_covariates"] == {"shop": 1.0}
    del one["ds"]
    body = {"series": [one | {"freq": answer["freq"]}], "horizon": 3}
    assert client.post("/v1/forecast", body).json()["forecasts"][0]["ds"][-1] == "2024-01-07"

"""What is refused, how, and that a refusal never repeats the input."""

import gzip
import time

import orjson
import pytest
import zstandard

PATH = "/v1/forecast"

BODY = orjson.dumps({"series": [1, 2], "horizon": 1})
SQUEEZED = gzip.compress(BODY, mtime=0)


def post(client, text: bytes, **headers):
    return client.post(PATH, text, headers={k.replace("_", "-"): v for k, v in headers.items()})


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999"])
@pytest.mark.parametrize(
    "form",
    [
        b'{"series": [1, %b], "horizon": 2}',
        b'{"series": [1], "horizon": %b}',
        b'{"series": [1], "horizon": 2, "quantile_levels": [%b]}',
        b'{"series": [{"y": [1], "past_covariates": {"a": [%b]}}], "horizon": 2}',
        b'{"series": [1], "horizon": 2, "unknown": %b}',
        b'{"z": %b}',
        b"%b",
    ],
)
def test_numbers_that_are_not_finite_are_refused(client, problem, number, form):
    problem(post(client, form % number), 400)


@pytest.mark.parametrize("digits", [400, 5000])
def test_endless_integers_are_refused_at_once(client, problem, digits):
    began = time.perf_counter()
    problem(post(client, b'{"series": [%b], "horizon": 1}' % (b"9" * digits)), 400)
    assert time.perf_counter() - began < 1


def test_extreme_numbers_give_finite_forecasts_or_a_refusal(client, problem):
    response = client.post(PATH, {"series": [1e308, -1e308, 5e-324, 3.4028235e38], "horizon": 2})
    assert response.status_code == 200
    refused = problem(client.post(PATH, {"series": [1.0, 1.5e308], "horizon": 2}), 422)
    assert refused["errors"][0]["pointer"] == "#/series/0"


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, "a boolean"),
        ("1.5", "a string. Write it without quotes"),
        ([], "a list"),
        ({}, "an object"),
    ],
)
def test_a_value_that_is_no_number_is_named_by_index(client, problem, value, kind):
    refused = problem(client.post(PATH, {"series": [1, 2, value, 3], "horizon": 1}), 422)
    expected = {"pointer": "#/series/2", "detail": f"must be a number or null, got {kind}."}
    assert refused["errors"] == [expected]
    nested = {"series": [{"y": [1]}, {"y": [1, value]}], "horizon": 1}
    assert problem(client.post(PATH, nested), 422)["errors"][0]["pointer"] == "#/series/1/y/1"


@pytest.mark.parametrize(
    ("fields", "where", "sentence"),
    [
        ({"horizon": 0}, "#/horizon", "from 1 to 10,000, got a smaller number"),
        ({"horizon": -1}, "#/horizon", "from 1 to 10,000"),
        ({"horizon": 10**9}, "#/horizon", "from 1 to 10,000, got a larger number"),
        ({"horizon": 2**63}, "#/horizon", "from 1 to 10,000"),
        ({"horizon": None}, "#/horizon", "got nothing"),
        ({"series": []}, "#/series", "got an empty list"),
        ({"series": None}, "#/series", "got nothing"),
        ({"series": "abc"}, "#/series", "got a string"),
        ({"series": [{"y": []}]}, "#/series/0/y", "at least one value"),
        ({"series": [{}]}, "#/series/0/y", "got nothing"),
        ({"series": [None, None]}, "#/series", "only missing values"),
        ({"series": [[1], 2]}, "#/series/1", "got a whole number"),
        ({"series": [{"y": [1], "id": 7}]}, "#/series/0/id", "must be a string"),
        ({"series": [{"y": [1], "id": "a\0b"}]}, "#/series/0/id", "no control characters"),
        ({"series": [{"y": [1], "id": "x" * 2**20}]}, "#/series/0/id", "1 to 256 characters"),
        (
            {"series": [{"id": "a", "y": [1]}, {"id": "a", "y": [1]}]},
            "#/series/1/id",
            "earlier series",
        ),
        ({"series": [{"y": [1], "why": 1}]}, "#/series/0", "unknown field 'why'"),
        ({"freq": "5m", "start": "2024-01-01"}, "#/freq", "must be a frequency"),
        ({"h": 3}, "#", "unknown field 'h'. Say 'horizon'. Known fields: freq, horizon"),
        ({"series": {"y": [1]}}, "#/series", "got an object. Put it into a list."),
        ({"why": 1}, "#", "unknown field 'why'. Known fields: freq, horizon"),
        ({"quantile_levels": []}, "#/quantile_levels", "1 to 99"),
        ({"quantile_levels": [0.5, 0.5]}, "#/quantile_levels", "twice"),
        ({"quantile_levels": [0.1, 1.0]}, "#/quantile_levels/1", "strictly between"),
        ({"quantile_levels": [0]}, "#/quantile_levels/0", "strictly between"),
        ({"season_length": 0}, "#/season_length", "from 1 to 10,000"),
        ({"start": "2024-02-30"}, "#/start", "ISO 8601"),
        ({"start": "01/02/2024", "freq": "D"}, "#/start", "such as 2026-01-31"),
        ({"horizon": "24"}, "#/horizon", "got a string. Write it without quotes."),
        ({"horizon": 2.5}, "#/horizon", "got a fraction."),
        ({"quantile_levels": [10, 90]}, "#/quantile_levels/0", "Divide percentages by 100."),
        ({"level": [80]}, "#", "Say 'quantile_levels'."),
        ({"series": {"a": [1], "b": [2]}}, "#/series", "Send [{'id': name, 'y': values}, ...]."),
        ({"series": [{"id": 7, "y": [1]}]}, "#/series/0/id", "Write it in quotes."),
        ({"series": [{"y": 1}, {"y": 2}]}, "#/series/0/y", "Put all values of a series into one."),
        ({"start": "0001-01-01"}, "#/start", "years 1678 to 2261"),
        ({"start": "2024-01-01"}, "#/start", "'freq' is needed"),
        ({"freq": "fortnight"}, "#/freq", "must be a frequency"),
        ({"freq": "-1D"}, "#/freq", "must be a frequency"),
        ({"freq": "0D"}, "#/freq", "must be a frequency"),
        ({"tz": "Mars/Olympus"}, "#/tz", "time zone"),
        ({"model": "../../etc/passwd"}, "#/model", "GET /v1/models"),
        (
            {"series": [{"y": [1], "past_covariates": {"a": [1, 2]}}]},
            "#/series/0/past_covariates/a",
            "has 2 values; 1 are needed",
        ),
        (
            {"series": [{"y": [1], "future_covariates": {"a": [1, 2]}}], "horizon": 2},
            "#/series/0/future_covariates/a",
            "has 2 values; at least 3 are needed",
        ),
        (
            {"series": [{"y": [1], "past_covariates": {"a": ["x", 1]}}]},
            "#/series/0/past_covariates/a",
            "all numbers, or all strings",
        ),
        (
            {"series": [{"y": [1], "static_covariates": {"a": []}}]},
            "#/series/0/static_covariates/a",
            "must be a number",
        ),
    ],
)
def test_a_refusal_names_the_place_and_what_is_allowed(client, problem, fields, where, sentence):
    refused = problem(client.post(PATH, {"series": [1, 2], "horizon": 1, **fields}), 422)
    assert refused["errors"][0]["pointer"] == where
    assert sentence in refused["errors"][0]["detail"]


def test_limits_are_named(make_client, problem):
    client = make_client(max_series=2, max_points=10, max_forecast_values=6)
    many = problem(client.post(PATH, {"series": [[1]] * 3, "horizon": 1}), 422)
    assert "may hold 2 series, got 3" in many["detail"]
    long = problem(client.post(PATH, {"series": [1] * 11, "horizon": 1}), 422)
    assert "may hold 10 values" in long["detail"]
    wide = problem(client.post(PATH, {"series": [[1], [2]], "horizon": 4}), 422)
    assert "Series times horizon may be 6, got 8" in wide["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"series=1",
        b'{"series": [1], "horizon": 1} trailing',
        b'\xef\xbb\xbf{"series": [1], "horizon": 1}',
        '{"series": [1], "horizon": 1}'.encode("utf-16"),
        b'{"series": [{"id": "\\ud800", "y": [1]}], "horizon": 1}',
        b'{"series": [{"id": "\xff", "y": [1]}], "horizon": 1}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"series": [1], "horizon": 1, "horizon": 2}',
        b'{"series": [1], "horizon": 1, "\\u0068orizon": 2}',
        b'{"series": [{"id": "a:b", "y": [1], "y": [2]}], "horizon": 1}',
    ],
)
def test_what_is_not_one_json_text_is_refused(client, problem, body):
    problem(post(client, body), 400)


def test_an_object_of_a_million_keys_is_refused_quickly(client, problem):
    body = b"{" + b",".join(b'"%d":0' % n for n in range(10**6)) + b"}"
    began = time.process_time()
    problem(post(client, body), 422)
    assert time.process_time() - began < 2


def test_colons_in_strings_are_no_duplicate_keys(client):
    for text in ("a:b::c", 'quote":"x', "\\u003a"):
        body = {"series": [{"id": text, "y": [1]}], "horizon": 1}
        assert client.post(PATH, body).status_code == 200
    assert post(client, b'{"series":[{"id":"\\u003a","y":[1]}],"horizon":1}').status_code == 200


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "multipart/form-data", "application/json; charset=utf-16", "text/csv", ""],
)
def test_another_content_type_is_refused(client, problem, content_type):
    response = post(client, BODY, content_type=content_type)
    detail = problem(response, 415)["detail"]
    assert "Content-Type: application/json" in detail
    assert ("/v1/series" in detail) == (content_type == "text/csv")


def test_the_type_that_curl_sends_by_itself_is_read_unless_a_page_may_have_sent_it(client, problem):
    form = {"content_type": "application/x-www-form-urlencoded"}
    assert post(client, BODY, **form).json() == post(client, BODY).json()
    assert "not valid JSON" in problem(post(client, b"series=1&horizon=2", **form), 400)["detail"]
    problem(post(client, BODY, **form, origin="http://127.0.0.1:8000"), 415)
    problem(post(client, BODY, **form, origin="null"), 415)


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (b'{"series": [1, NaN], "horizon": 1}', "Write null for a missing value"),
        (b'{"series": [-Infinity], "horizon": 1}', "numbers are finite"),
        (b"{'series': [1], 'horizon': 1}", "double quotes"),
        (b'{"series": [1, 2,], "horizon": 1}', "No comma may stand before"),
        (gzip.compress(b"{}", mtime=0), "Content-Encoding: gzip"),
        ('{"series": [1]}'.encode("utf-16"), "UTF-8 without a byte order mark"),
        (b"ds,y\n2026-01-01,1\n", "POST /v1/series makes series of CSV"),
        (b'{"series": }', "Names and strings"),
    ],
)
def test_a_text_that_is_no_json_is_told_what_is_wrong_with_it(client, problem, body, hint):
    detail = problem(post(client, body), 400)["detail"]
    assert "not valid JSON (line " in detail
    assert hint in detail


def test_a_refusal_is_small_and_does_not_repeat_the_input(client, problem):
    secret = "hunter2" * 100
    bodies = [
        {"series": [secret] * 10_000, "horizon": 1},
        {"series": [{"y": [secret], "id": secret}] * 10, "horizon": secret},
        {secret: 1, "series": [1], "horizon": 1},
        {"series": [1], "horizon": 1, "model": secret, "freq": secret, "start": secret},
    ]
    for body in bodies:
        response = client.post(PATH, body)
        problem(response, 422)
        assert "hunter2" not in response.text


def test_compressed_bodies_are_read(client):
    plain = post(client, BODY).json()
    assert post(client, gzip.compress(BODY), content_encoding="gzip").json() == plain
    zstd = zstandard.ZstdCompressor().compress(BODY)
    assert post(client, zstd, content_encoding="zstd").json() == plain


def zstd_frames() -> dict[str, bytes]:
    compress = zstandard.ZstdCompressor().compress
    unsized = zstandard.ZstdCompressor(write_content_size=False).compress(BODY)
    parameters = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=True)
    huge = zstandard.ZstdCompressor(compression_params=parameters)
    writer = huge.compressobj(size=len(BODY) + 2**27)
    window = writer.compress(BODY) + writer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    return {
        "plain JSON": BODY,
        "garbage": b"\x28\xb5\x2f\xfd" + b"\xff" * 50,
        "truncated": compress(BODY)[:-3],
        "two frames": compress(BODY) + compress(BODY),
        "trailing": compress(BODY) + b"x",
        "without size": unsized,
        "huge window": window,
        "nested": compress(compress(BODY)),
        "empty": b"",
    }


@pytest.mark.parametrize("name", list(zstd_frames()))
def test_a_zstd_body_must_be_one_whole_frame(client, problem, name):
    problem(
        post(client, zstd_frames()[name], content_encoding="zstd"),
        400 if name != "huge window" else 413,
    )


@pytest.mark.parametrize(
    "body",
    [BODY, SQUEEZED[:-3], SQUEEZED * 2, SQUEEZED + b"x"],
    ids=["plain", "cut", "twice", "followed"],  # compressed bytes hold the time
)
def test_a_gzip_body_must_be_one_whole_member(client, problem, body):
    problem(post(client, body, content_encoding="gzip"), 400)


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, zstd", "zstd, zstd"])
def test_other_content_encodings_are_refused(client, problem, encoding):
    response = post(client, BODY, content_encoding=encoding)
    problem(response, 415)
    assert response.headers["accept-encoding"] == "gzip, zstd"


def test_bombs_are_refused_before_they_inflate(client, problem):
    zeros = b"0" * 2**20
    compressor = zstandard.ZstdCompressor().compressobj(size=200 * 2**20)
    bomb = b"".join(compressor.compress(zeros) for _ in range(200)) + compressor.flush()
    began = time.perf_counter()
    problem(post(client, bomb, content_encoding="zstd"), 413)
    assert time.perf_counter() - began < 1


def test_a_body_may_not_inflate_beyond_the_cap(make_client, problem):
    client = make_client(max_decoded_bytes=2**20)
    larger = b" " * (2**20 + 1)
    for body, encoding in ((gzip.compress(larger), "gzip"), (zstandard.compress(larger), "zstd")):
        refused = problem(post(client, body, content_encoding=encoding), 413)
        assert "inflates to more than 1,048,576 bytes" in refused["detail"]


def test_bodies_over_the_cap_are_refused(make_client, problem):
    client = make_client(max_body_bytes=100)
    refused = problem(post(client, b" " * 101), 413)
    assert "larger than 100 bytes" in refused["detail"]


def test_held_bodies_are_bounded(make_client, problem):
    client = make_client(max_held_bytes=100)
    response = post(client, b" " * 101)
    problem(response, 503)
    assert response.headers["retry-after"] == "1"
    assert client.app.service.bodies.budget.held == 0


def test_an_unknown_path_and_method_are_problems(client, problem):
    assert "GET /docs" in problem(client.get("/v1/forecasts"), 404)["detail"]
    slashed = problem(client.post(f"{PATH}/", {"series": [1], "horizon": 1}), 404)
    assert slashed["detail"] == "There is no such path. Leave out the slash at the end."
    response = client.get(PATH)
    assert problem(response, 405)["detail"].endswith("It takes POST.")
    assert response.headers["allow"] == "POST"

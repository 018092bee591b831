"""Streams: equal to a forecast from scratch, durable, batched, private."""

import asyncio
import time

import numpy as np
import pytest

from service.schemas import ForecastRequest, SeriesInput
from service.streams import StreamState
from service.testing import LastValue
from service.times import Start


class Short(LastValue):
    """A forecaster whose mean is that of the whole history it gets; it reads ten values."""

    class config:  # noqa: N801
        context_length = 10

    def predict(self, panel, horizon=None, quantile_levels=(0.5,), *, season_length=None):
        answer = super().predict(panel, horizon, quantile_levels, season_length=season_length)
        for row, values in enumerate(panel):
            answer.mean[row] = np.nanmean(values[-10:])
        return answer


SERIES = [
    {"id": "a", "start": "2024-01-31", "freq": "ME", "y": [1, 2, 3, None, 5]},
    {"id": "b", "start": "2024-01-01T00:00", "freq": "h", "y": list(range(30))},
]
BODY = {"series": SERIES, "horizon": 2, "quantile_levels": [0.5]}


def open_stream(client, body=None, **fields):
    answer = client.post("/v1/streams", {**(body or BODY), **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_stream_says_what_a_forecast_from_scratch_says(make_client):
    client = make_client(lambda _: Short())
    stream = open_stream(client)
    assert stream["forecasts"] == client.post("/v1/forecast", BODY).json()["forecasts"]
    grown = [dict(item) for item in SERIES]
    for step in range(25):
        new = [[10.0 + step], [None if step % 5 == 0 else 7.0 - step]]
        answer = client.post(f"/v1/streams/{stream['id']}/push", {"values": new}).json()
        for item, values in zip(grown, new, strict=True):
            item["y"] = item["y"] + values
        scratch = client.post("/v1/forecast", BODY | {"series": grown}).json()
        assert answer["forecasts"] == scratch["forecasts"]
    looked = client.get(f"/v1/streams/{stream['id']}").json()
    assert [item["kept"] for item in looked["series"]] == [10, 10]


def test_a_stream_survives_a_restart(make_client):
    stream = open_stream(make_client(), {"series": [1, 2], "horizon": 1})
    answer = make_client().post(f"/v1/streams/{stream['id']}/push", {"values": [3, 4]}).json()
    assert answer["forecasts"][0]["ds"] == [4]
    assert answer["forecasts"][0]["mean"] == [4.0]


def test_horizon_and_levels_of_a_push_win(client):
    stream = open_stream(client)
    push = {"values": [1, 2], "horizon": 5, "quantile_levels": [0.1, 0.9]}
    answer = client.post(f"/v1/streams/{stream['id']}/push", push).json()
    assert len(answer["forecasts"][0]["mean"]) == 5
    assert list(answer["forecasts"][0]["quantiles"]) == ["0.1", "0.9"]
    silent = client.post(f"/v1/streams/{stream['id']}/push", {"values": [1, 2], "horizon": 0})
    assert silent.json()["forecasts"] == []


def test_pushes_to_one_stream_keep_their_order(client):
    stream = open_stream(client, {"series": [0], "horizon": 1})
    path = f"/v1/streams/{stream['id']}/push"
    answers = client.post_all(path, [{"values": [n]} for n in range(1, 30)])
    assert [answer.json()["forecasts"][0]["mean"] for answer in answers] == [
        [float(n)] for n in range(1, 30)
    ]
    assert client.get(f"/v1/streams/{stream['id']}").json()["series"][0]["kept"] == 30


def test_many_streams_are_pushed_to_at_once(client):
    ids = [open_stream(client, {"series": [n], "horizon": 1})["id"] for n in range(20)]
    pushes = [{"id": key, "values": [100 + n]} for n, key in enumerate(ids)]
    pushes[3]["values"] = ["x"]
    pushes[4]["values"] = [666]
    pushes[5]["id"] = "0" * 32
    results = client.post("/v1/pushes", {"pushes": pushes}).json()["results"]
    assert "numbers or null" in results[3]["problem"]
    assert "cannot be forecast" in results[4]["problem"]
    assert "no stream" in results[5]["problem"]
    for n in (0, 1, 2, *range(6, 20)):
        assert results[n]["id"] == ids[n]
        assert results[n]["forecasts"][0]["mean"] == [100.0 + n]


def test_a_deleted_stream_is_gone(client, problem):
    stream = open_stream(client)
    path = f"/v1/streams/{stream['id']}"
    assert client.request("DELETE", path).status_code == 204
    problem(client.request("DELETE", path), 404)
    problem(client.get(path), 404)
    problem(client.post(f"{path}/push", {"values": [1, 2]}), 404)


@pytest.mark.parametrize(
    ("push", "sentence"),
    [
        ({"values": [1]}, "one entry per series, 2 here, got 1"),
        ({"values": [[1], [1, 2]]}, "same number of values"),
        ({"values": [[], []]}, "same number of values"),
        ({"values": [True, 1]}, "#/values/0: must be numbers or null"),
        ({"values": [{}, 1]}, "#/values/0"),
        ({"values": "x"}, "#/values"),
        ({}, "#/values"),
        ({"values": [1, 2], "horizon": -1}, "#/horizon"),
        ({"values": [1, 2], "extra": 1}, "unknown field 'extra'"),
    ],
)
def test_a_wrong_push_is_refused_and_changes_nothing(client, problem, push, sentence):
    stream = open_stream(client)
    path = f"/v1/streams/{stream['id']}"
    before = client.get(path).json()
    assert sentence in problem(client.post(f"{path}/push", push), 422)["detail"]
    assert client.get(path).json() == before


def test_covariates_and_too_many_streams_are_refused(make_client, problem):
    client = make_client(max_streams=1)
    series = [{"y": [1], "past_covariates": {"a": [1]}}]
    problem(client.post("/v1/streams", {"series": series, "horizon": 1}), 422)
    open_stream(client)
    assert "may be 1 streams" in problem(client.post("/v1/streams", BODY), 429)["detail"]


def test_the_streams_of_another_key_are_not_there(make_client, problem):
    client = make_client(auth="required")
    keys = client.app.service.access.keys
    a, b = ({"authorization": f"Bearer {keys.create(n, 'read')[1]}"} for n in "ab")
    stream = client.post("/v1/streams", BODY, headers=a).json()["id"]
    problem(client.get(f"/v1/streams/{stream}", headers=b), 404)
    problem(client.post(f"/v1/streams/{stream}/push", {"values": [1, 2]}, headers=b), 404)
    problem(client.request("DELETE", f"/v1/streams/{stream}", headers=b), 404)
    assert client.get(f"/v1/streams/{stream}", headers=a).status_code == 200


def test_streams_nobody_uses_are_forgotten(client):
    stream = open_stream(client)
    table = client.app.service.streams
    assert table.forget(3600) == 0
    assert table.forget(-1) == 1
    assert client.get(f"/v1/streams/{stream['id']}").status_code == 404


def test_thousands_of_pushes_a_second_are_stored(client):
    table = client.app.service.streams
    series = [SeriesInput("a", np.arange(512.0), Start(), None)]
    state = StreamState(ForecastRequest("zero", series, 1, (0.5,), None), 512)
    ids = [table.create("", state) for _ in range(300)]

    async def push_all():
        await asyncio.gather(*(table.push(key, None, [1.0]) for key in ids))

    began = time.process_time()
    client.run(push_all())
    assert time.process_time() - began < 0.3  # a thousand a second of processor time, at least

"""Micro-batches: equal answers, culprits alone, a bounded queue."""

import asyncio
import logging
import threading

import numpy as np
import pytest

from service.engine import Engine
from service.errors import Problem
from service.schemas import ForecastRequest, SeriesInput
from service.state import bundled_models, load_forecaster
from service.testing import POISON, LastValue
from service.times import Start
from tcn.series import Panel

PATH = "/v1/forecast"


def request(*series: list[float], horizon: int = 2) -> ForecastRequest:
    parsed = [
        SeriesInput(str(i), np.array(values, float), Start(), None)
        for i, values in enumerate(series)
    ]
    return ForecastRequest("zero", parsed, horizon, (0.1, 0.5), None)


class Gated(LastValue):
    """Waits for a signal inside every batch, and notes the sizes of the batches."""

    def __init__(self) -> None:
        super().__init__()
        object.__setattr__(self, "open", threading.Event())
        object.__setattr__(self, "entered", threading.Event())
        object.__setattr__(self, "sizes", [])

    def predict(self, panel, *args, **kwargs):
        self.sizes.append(len(panel))
        self.entered.set()
        assert self.open.wait(10)
        return super().predict(panel, *args, **kwargs)


@pytest.fixture
def engine():
    made = Engine(queue_size=50, batch_size=8)
    yield made
    made.close()


async def gathered_batch(engine, predictor, requests):
    """Let requests pile up behind a first one, then let them all run."""
    first = asyncio.create_task(engine.forecast(predictor, request([0.0])))
    await asyncio.to_thread(predictor.entered.wait, 10)
    tasks = [asyncio.create_task(engine.forecast(predictor, item)) for item in requests]
    await asyncio.sleep(0)
    predictor.open.set()
    await first
    return await asyncio.gather(*tasks, return_exceptions=True)


def test_waiting_requests_share_a_batch(engine):
    predictor = Gated()
    requests = [request([float(n)]) for n in range(20)]
    answers = asyncio.run(gathered_batch(engine, predictor, requests))
    assert [answer[0].mean[0] for answer in answers] == list(range(20))
    assert predictor.sizes == [1, 8, 8, 4]
    assert engine.in_flight == 0


def test_what_comes_in_the_next_turn_of_the_loop_joins_the_batch(engine, monkeypatch):
    handed = []
    hand_over = engine._hand_over

    def noting():
        handed.append(len(engine._collected))
        hand_over()

    async def straggling():
        some = [asyncio.create_task(engine.forecast(LastValue(), request([1.0]))) for _ in "abc"]
        await asyncio.sleep(0)
        await asyncio.gather(*some, engine.forecast(LastValue(), request([2.0])))

    monkeypatch.setattr(engine, "_hand_over", noting)
    asyncio.run(straggling())
    assert handed == [4]


def test_different_horizons_and_lengths_do_not_mix(engine):
    predictor = Gated()
    requests = [request([1.0] * (1 + 30 * (n % 2)), horizon=1 + n % 3) for n in range(12)]
    answers = asyncio.run(gathered_batch(engine, predictor, requests))
    assert [len(answer[0].mean) for answer in answers] == [1 + n % 3 for n in range(12)]
    assert predictor.sizes == [1] + [2] * 6


def test_a_poisoned_series_fails_alone(engine):
    predictor = Gated()
    requests = [request([float(n) if n != 3 else POISON]) for n in range(6)]
    answers = asyncio.run(gathered_batch(engine, predictor, requests))
    assert isinstance(answers[3], Problem)
    assert answers[3].status == 422
    assert answers[3].errors[0].pointer == "#/series/0"
    good = [answer for n, answer in enumerate(answers) if n != 3]
    assert [answer[0].mean[0] for answer in good] == [0, 1, 2, 4, 5]


def test_a_model_that_breaks_gives_500_to_the_culprit_only(engine, caplog):
    class Breaking(Gated):
        def predict(self, panel, *args, **kwargs):
            if (panel.values == 13.0).any():
                raise ZeroDivisionError("inside")
            return super().predict(panel, *args, **kwargs)

    answers = asyncio.run(
        gathered_batch(engine, Breaking(), [request([1.0]), request([13.0]), request([2.0])])
    )
    assert answers[1].status == 500
    assert "inside" not in answers[1].detail
    assert [answers[0][0].mean[0], answers[2][0].mean[0]] == [1.0, 2.0]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_one_who_leaves_does_not_disturb_the_batch(engine):
    predictor = Gated()

    async def leaving():
        first = asyncio.create_task(engine.forecast(predictor, request([0.0])))
        await asyncio.to_thread(predictor.entered.wait, 10)
        tasks = [
            asyncio.create_task(engine.forecast(predictor, request([float(n)]))) for n in range(5)
        ]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.sleep(0)
        predictor.open.set()
        await first
        return await asyncio.gather(*tasks, return_exceptions=True)

    answers = asyncio.run(leaving())
    assert isinstance(answers[1], asyncio.CancelledError)
    assert [answers[n][0].mean[0] for n in (0, 2, 3, 4)] == [0, 2, 3, 4]
    assert predictor.sizes == [1, 4]
    assert engine.in_flight == 0


def test_a_full_queue_is_refused_at_once():
    engine = Engine(queue_size=2)
    predictor = Gated()

    async def crowd():
        tasks = [asyncio.create_task(engine.forecast(predictor, request([1.0]))) for _ in range(5)]
        await asyncio.sleep(0.05)
        refused = [task for task in tasks if task.done()]
        predictor.open.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        return [task.exception() for task in refused]

    refused = asyncio.run(crowd())
    assert [problem.status for problem in refused] == [503] * 3
    assert refused[0].headers == {"retry-after": "1"}
    engine.close()


def test_a_large_request_lets_small_ones_in_between(engine):
    predictor = Gated()
    order = []

    async def racing():
        large = asyncio.create_task(engine.forecast(predictor, request(*[[1.0]] * 80)))
        large.add_done_callback(lambda _: order.append("large"))
        await asyncio.to_thread(predictor.entered.wait, 10)
        small = asyncio.create_task(engine.forecast(predictor, request([2.0], horizon=9)))
        small.add_done_callback(lambda _: order.append("small"))
        await asyncio.sleep(0)
        predictor.open.set()
        return await asyncio.gather(large, small)

    large, _ = asyncio.run(racing())
    assert len(large) == 80
    assert order == ["small", "large"]


def test_a_closed_engine_refuses(engine):
    engine.close()
    with pytest.raises(Problem, match="shutting down"):
        asyncio.run(engine.forecast(LastValue(), request([1.0])))


def test_parallel_answers_equal_serial_ones(client):
    rng = np.random.default_rng(0)
    bodies = [
        {
            "series": rng.normal(size=rng.integers(1, 200)).tolist(),
            "horizon": int(rng.integers(1, 30)),
        }
        for _ in range(64)
    ]
    serial = [client.post(PATH, body).json() for body in bodies]
    parallel = client.post_all(PATH, bodies)
    for alone, together in zip(serial, parallel, strict=True):
        np.testing.assert_allclose(
            together.json()["forecasts"][0]["mean"], alone["forecasts"][0]["mean"], rtol=1e-6
        )


def test_one_bad_series_among_many_is_named(client, problem):
    series = [{"id": f"s{n}", "y": [POISON if n in (3, 5) else 1.0]} for n in range(8)]
    refused = problem(client.post(PATH, {"series": series, "horizon": 1}), 422)
    assert [place["pointer"] for place in refused["errors"]] == ["#/series/3", "#/series/5"]


def test_ready_waits_for_the_first_forecast(make_client):
    gated = Gated()
    client = make_client(lambda _: gated)
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert "first forecast" in answer.json()["reason"]
    assert client.get("/health/live").status_code == 200
    gated.open.set()
    for _ in range(100):
        answer = client.get("/health/ready")
        if answer.status_code == 200:
            break
        client.run(asyncio.sleep(0.01))
    assert answer.json() == {"status": "ready"}


def test_a_broken_default_model_keeps_the_server_alive_and_not_ready(make_client):
    from tcn.errors import CheckpointError

    def load(_):
        raise CheckpointError("Its weights are cut short.")

    client = make_client(load)
    client.run(asyncio.sleep(0.05))
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert "cut short" in answer.json()["reason"]
    assert client.get("/health/live").status_code == 200
    (listed,) = client.get("/v1/models").json()["models"]
    assert listed["status"] == "broken"


@pytest.mark.skipif(not bundled_models(), reason="no model is bundled")
def test_the_service_answers_what_the_library_answers_whatever_the_batch(make_client):
    rng = np.random.default_rng(1)
    lengths = rng.integers(3, 700, size=40)
    values = [rng.normal(size=n).cumsum() * 10.0 ** rng.integers(-3, 6) for n in lengths]
    client = make_client(load_forecaster)
    forecaster = load_forecaster("zero")
    bodies = [{"series": item.tolist(), "horizon": 12} for item in values]
    together = client.post(PATH, {"series": [item.tolist() for item in values], "horizon": 12})
    for index, (alone, answer) in enumerate(
        zip(values, client.post_all(PATH, bodies), strict=True)
    ):
        expected = forecaster.predict(Panel.from_arrays([alone]), 12)
        scale = np.abs(alone).max()
        for found in (answer.json()["forecasts"][0], together.json()["forecasts"][index]):
            np.testing.assert_allclose(found["mean"], expected.mean[0], atol=1e-6 * scale)
            quantiles = np.array(list(found["quantiles"].values())).T
            np.testing.assert_allclose(quantiles, expected.quantiles[0], atol=1e-6 * scale)


@pytest.mark.skipif(not bundled_models(), reason="no model is bundled")
def test_plain_series_get_plain_forecasts(make_client, problem):
    """Constants go on; one value, or missing ones around it, are enough; none is refused."""
    client = make_client(load_forecaster)
    for y, level in (([7.0] * 50, 7.0), ([0] * 50, 0.0), ([3], 3.0), ([None, 3, None], 3.0)):
        (found,) = client.post(PATH, {"series": y, "horizon": 5}).json()["forecasts"]
        np.testing.assert_allclose(found["mean"], level, atol=0.2 * max(level, 1.0))
    for y in ([], [None], [None] * 20):
        assert "#/series" in problem(client.post(PATH, {"series": y, "horizon": 5}), 422)["detail"]


def test_series_with_covariates_known_ahead_let_others_in_between():
    sizes: list[int] = []
    engine = Engine(observe=lambda n_series, _seconds: sizes.append(n_series))
    known = {"price": np.zeros(6)}
    series = [
        SeriesInput(f"s{n}", np.arange(4.0), Start(), None, future_covariates=known)
        for n in range(40)
    ]
    wanted = ForecastRequest("", series, 2, (0.5,), None)
    pieces = asyncio.run(engine.forecast(LastValue(), wanted))
    engine.close()
    assert len(pieces) == sum(sizes) == 40
    assert max(sizes) <= 32

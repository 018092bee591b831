"""The NixtlaClient protocol on the wire; the client itself where an environment has it."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import orjson
import pytest
import zstandard

import tcn

Y = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0]
SIZES = [8, 6]


def body(**fields):
    series = {"y": Y, "sizes": SIZES, "X": None, "X_future": None, **fields.pop("series", {})}
    return {"series": series, "model": "timegpt-2.1", "freq": "MS", "h": 2, **fields}


def ask(client, task, **fields):
    answer = client.post(f"/v2/{task}", body(**fields))
    assert answer.status_code == 200, answer.text
    return answer.json()


def refuse(client, task, status=422, **fields):
    answer = client.post(f"/v2/{task}", body(**fields))
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["detail"]
    return answer.json()["detail"]


def test_a_forecast_is_flat_and_in_order(client):
    answer = ask(client, "forecast", level=[80, 0, 95.5, 80])
    assert answer["mean"] == [8.0, 8.0, 60.0, 60.0]
    assert sorted(answer["intervals"]) == sorted(
        ["lo-80", "hi-80", "lo-0", "hi-0", "lo-95.5", "hi-95.5"]
    )
    assert answer["intervals"]["lo-0"] == answer["intervals"]["hi-0"] == answer["mean"]
    assert answer["weights_x"] is None
    assert (answer["input_tokens"], answer["output_tokens"]) == (14, 4)


def test_the_numbers_are_those_of_the_native_route(client):
    answer = ask(client, "forecast", level=[80])
    series = [{"y": Y[:8], "freq": "MS"}, {"y": Y[8:], "freq": "MS"}]
    native = client.post(
        "/v1/forecast", {"series": series, "horizon": 2, "quantile_levels": [0.1, 0.5, 0.9]}
    ).json()["forecasts"]
    assert answer["mean"] == [value for item in native for value in item["mean"]]
    assert answer["intervals"]["lo-80"] == [v for item in native for v in item["quantiles"]["0.1"]]


def test_null_and_what_was_infinite_are_missing(client):
    y = [*Y[:13], 3.4028235e38]
    assert ask(client, "forecast", series={"y": y})["mean"][2] == 50.0
    assert ask(client, "forecast", series={"y": [*Y[:13], None]})["mean"][2] == 50.0


def test_a_compressed_body_is_the_same_as_a_plain_one(client):
    compressed = zstandard.ZstdCompressor(level=1).compress(orjson.dumps(body()))
    headers = {"content-type": "application/json", "content-encoding": "zstd"}
    answer = client.request("POST", "/v2/forecast", content=compressed, headers=headers)
    assert answer.json() == ask(client, "forecast")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"series": {"sizes": [8, 5]}}, "sum to 14"),
        ({"series": {"sizes": [14, 0]}}, "1 or more each"),
        ({"series": {"sizes": [15, -1]}}, "1 or more each"),
        ({"series": {"sizes": [8.0, 6.0]}}, "whole numbers"),
        ({"series": {"sizes": []}}, "whole numbers"),
        ({"series": {"y": [*Y[:13], True]}}, "#/series/y/13"),
        ({"series": {"y": "x"}}, "#/series/y"),
        ({"series": {"X": [[1.0] * 13]}}, r"series.X[0] must have 14 values"),
        ({"series": {"X": [[1.0] * 14], "X_future": [[1.0] * 3]}}, "X_future[0] must have 4"),
        ({"series": {"X": None, "X_future": [[1.0] * 4]}}, "X_future no more"),
        ({"series": {"start_datetime": ["2024-01-01"]}}, "one stamp per series"),
        ({"series": {"start_datetime": ["x", "y"]}}, "ISO 8601"),
        ({"h": 0}, "h must be a whole number from 1"),
        ({"h": 10**9}, "h must be"),
        ({"level": [100]}, "from 0 to below 100"),
        ({"level": []}, "1 to 99 numbers"),
        ({"freq": "0D"}, "freq must be"),
        ({"freq": "-1D"}, "freq must be"),
        ({"freq": "x" * 33}, "freq must be"),
        ({"model": "../x"}, "GET /v2/models"),
        ({"finetune_steps": 5}, "finetune() once"),
    ],
)
def test_a_refusal_has_the_clients_shape_and_a_sentence(client, fields, sentence):
    assert sentence in refuse(client, "forecast", **fields)


def test_unknown_things_are_404_and_never_409(client):
    refuse(client, "forecast", 404, model="nothing")
    refuse(client, "forecast", 404, finetuned_model_id="nothing")
    refuse(client, "unheard_of", 404)
    refuse(client, "explain/async", 501)
    assert client.get("/v2/forecast/jobs/nothing").status_code == 404


@pytest.mark.parametrize("freq", ["M", "cbh", "1MS", "QE-DEC", "15min", "1D12h", "W-SUN"])
def test_any_spelling_of_a_frequency_is_answered(client, freq):
    ask(client, "forecast", freq=freq)


def test_exogenous_columns_are_taken_and_have_no_weight(client):
    columns = [[1.0] * 14, ["a"] * 14]
    series = {"X": columns, "X_future": [[1.0] * 4], "categorical_exog": [1]}
    answer = ask(client, "forecast", series=series, feature_contributions=True)
    assert answer["weights_x"] == [0.0, 0.0]
    assert [len(row) for row in answer["feature_contributions"]] == [4, 4, 4]
    assert answer["feature_contributions"][-1] == answer["mean"]


def promoted(n, h, seed=0):
    """Sales of two series that a promotion raises, and a column that has nothing to do with it."""
    rng = np.random.default_rng(seed)
    is_on = (rng.random((2, n + h)) < 0.2).astype(float)
    sales = 50.0 + 20.0 * is_on + rng.normal(size=is_on.shape)
    noise = rng.normal(size=is_on.shape)
    series = {
        "y": sales[:, :n].ravel().tolist(),
        "sizes": [n, n],
        "X": [is_on[:, :n].ravel().tolist(), noise[:, :n].ravel().tolist()],
        "X_future": [is_on[:, n:].ravel().tolist(), noise[:, n:].ravel().tolist()],
    }
    return series, sales[:, n:].ravel()


def test_columns_known_ahead_act_on_a_forecast_and_their_shares_add_up(make_client):
    client = make_client(lambda _: tcn.load("zero"))
    series, actual = promoted(90, 6)
    answer = ask(client, "forecast", series=series, h=6, freq="D", feature_contributions=True)
    assert np.abs(np.array(answer["mean"]) - actual).mean() < 3.0
    parts = np.array(answer["feature_contributions"])
    np.testing.assert_allclose(parts.sum(axis=0), answer["mean"])
    assert np.ptp(parts[0]) > 15.0
    assert answer["weights_x"][0] > 0.9
    assert sum(answer["weights_x"]) == pytest.approx(1.0)


def test_columns_of_the_past_alone_do_not_act(make_client):
    client = make_client(lambda _: tcn.load("zero"))
    series, _ = promoted(90, 6)
    plain = ask(client, "forecast", series={**series, "X": None, "X_future": None}, h=6, freq="D")
    answer = ask(client, "forecast", series={**series, "X_future": None}, h=6, freq="D")
    assert answer["mean"] == plain["mean"]
    assert answer["weights_x"] == [0.0, 0.0]


def test_columns_act_on_windows_of_the_past_unless_they_are_known_late(make_client):
    client = make_client(lambda _: tcn.load("zero"))
    series, _ = promoted(90, 6)
    series["X_future"] = None
    y = np.array(series["y"]).reshape(2, -1)[:, -6:].ravel()
    errors = [
        np.abs(
            ask(client, "cross_validation", series=series, h=6, freq="D", n_windows=1, **late)[
                "mean"
            ]
            - y
        )
        for late in ({}, {"hist_exog": [0, 1]})
    ]
    assert errors[0].mean() < 0.5 * errors[1].mean()


def test_a_column_of_texts_acts_by_its_categories(make_client):
    client = make_client(lambda _: tcn.load("zero"))
    series, actual = promoted(90, 6)
    for name in ("X", "X_future"):
        series[name][0] = ["on" if each else "off" for each in series[name][0]]
    answer = ask(client, "forecast", series=series | {"categorical_exog": [0]}, h=6, freq="D")
    assert np.abs(np.array(answer["mean"]) - actual).mean() < 3.0


def test_columns_known_ahead_act_on_the_forecasts_of_their_own_series(make_client):
    client = make_client(lambda name: tcn.load("zero"))
    rng = np.random.default_rng(3)
    promo = (rng.random(220) < 0.3).astype(float)
    values = 50 + 20 * promo + rng.normal(0, 1, 220)
    ahead = [1.0, 0.0, 1.0, 0.0]
    series = {
        "y": values.tolist(),
        "sizes": [120, 100],
        "X": [promo.tolist(), rng.normal(size=220).tolist()],
        "X_future": [[*ahead, *ahead[::-1]]],
    }
    request = {"series": series, "freq": "D", "h": 4, "level": [80]}
    mean = np.array(client.post("/v2/forecast", request).json()["mean"]).reshape(2, 4)
    assert np.all(mean[0, [0, 2]] > mean[0, [1, 3]] + 12)
    assert np.all(mean[1, [1, 3]] > mean[1, [0, 2]] + 12)
    del series["X_future"]
    request |= {"n_windows": 2, "step_size": 4}
    known = client.post("/v2/cross_validation", request).json()
    hidden = client.post("/v2/cross_validation", request | {"hist_exog": [0, 1]}).json()
    actual = np.array(series["y"])[known["idxs"]]
    error = [np.abs(np.array(answer["mean"]) - actual).mean() for answer in (known, hidden)]
    assert error[0] < 0.5 * error[1]
    assert client.post("/v2/historic_forecast", request).status_code == 200
    request["hist_exog"] = "all"
    assert client.post("/v2/cross_validation", request).json() == known


def test_windows_of_a_cross_validation(client):
    answer = ask(client, "cross_validation", n_windows=2, step_size=1, level=[80])
    assert answer["sizes"] == [4, 4]
    assert answer["idxs"] == [5, 6, 6, 7, 11, 12, 12, 13]
    assert answer["mean"] == [5.0, 5.0, 6.0, 6.0, 30.0, 30.0, 40.0, 40.0]
    assert len(answer["intervals"]["lo-80"]) == 8
    changed = ask(client, "cross_validation", n_windows=2, step_size=1, series={"y": [*Y[:13], 0]})
    assert changed["mean"] == answer["mean"]
    assert "Series 1 has 6 values" in refuse(client, "cross_validation", n_windows=3, h=2)


@pytest.mark.parametrize("task", ["historic_forecast", "cross_validation"])
def test_the_past_is_forecast_up_to_its_end(client, task):
    answer = ask(client, task, full_history=True, level=[80])
    assert answer["sizes"] == [4, 2]
    assert answer["idxs"] == [4, 5, 6, 7, 12, 13]
    assert answer["mean"] == [4.0, 5.0, 6.0, 7.0, 40.0, 50.0]


def test_anomalies_of_the_whole_history(client):
    y = [10.0] * 30
    y[20] = 100.0
    answer = ask(client, "anomaly_detection", series={"y": y, "sizes": [30]}, level=50)
    assert answer["sizes"] == [26]
    assert [n + 4 for n, flag in enumerate(answer["anomaly"]) if flag] == [20]
    assert list(answer["intervals"]) == ["lo-50", "hi-50"]


@pytest.mark.parametrize("task", ["online_anomaly_detection", "anomaly_detection"])
def test_anomalies_of_the_newest_points(client, task):
    y = (10 + np.sin(np.arange(60))).tolist()
    y[55] = 100.0
    fields = {"h": 1, "detection_size": 8, "level": 99}
    answer = ask(client, task, series={"y": y, "sizes": [60]}, **fields)
    assert answer["sizes"] == [8]
    assert answer["idxs"] == list(range(52, 60))
    assert answer["anomaly"][3]
    assert not any(answer["anomaly"][:3])
    pair = {"y": y + y, "sizes": [60, 60]}
    joint = ask(client, task, series=pair, threshold_method="multivariate", **fields)
    assert len(joint["accumulated_anomaly_score"]) == 16
    unequal = {"y": y + y[1:], "sizes": [60, 59]}
    assert "equal length" in refuse(
        client, task, series=unequal, threshold_method="multivariate", **fields
    )


def wait_for(client, task, job_id):
    for _ in range(200):
        status = client.get(f"/v2/{task}/jobs/{job_id}").json()
        if status["status"] not in ("pending", "running"):
            return status
        time.sleep(0.01)
    raise AssertionError(status)


def test_a_job_gives_what_the_call_gives(client):
    answer = client.post("/v2/forecast/async", body())
    assert answer.status_code == 202
    status = wait_for(client, "forecast", answer.json()["job_id"])
    assert status["status"] == "succeeded"
    assert status["result"] == ask(client, "forecast")
    assert client.post(f"/v2/async/jobs/{status['job_id']}/cancel").status_code == 409


def test_a_job_that_is_refused_fails_with_the_sentence(client):
    answer = client.post("/v2/forecast/async", body(h=0))
    status = wait_for(client, "forecast", answer.json()["job_id"])
    assert status["status"] == "failed"
    assert "h must be" in status["error"]
    assert "timeout_seconds" in refuse(
        client, "forecast/async", job_options={"timeout_seconds": 10**9}
    )


def test_simulated_paths_are_repeatable_and_around_the_forecast(client):
    def simulate(seed):
        answer = client.post("/v2/simulate/async", body(n_paths=200, seed=seed))
        return wait_for(client, "simulate", answer.json()["job_id"])["result"]

    first = simulate(2**64 - 1)
    assert (first["n_paths"], first["h"], first["sizes"]) == (200, 2, [2, 2])
    samples = np.array(first["samples"]).reshape(200, 2, 2)
    np.testing.assert_allclose(np.median(samples, axis=0), [[8, 8], [60, 60]], rtol=0.1)
    assert np.corrcoef(samples[:, 0].T)[0, 1] > 0.7
    assert simulate(2**64 - 1) == first
    assert simulate(1) != first


def test_finetuning_makes_one_job_however_often_it_is_sent(client):
    made = [client.post("/v2/finetune/async", body(output_model_id="mine")) for _ in range(2)]
    ids = {answer.json()["job_id"] for answer in made}
    assert len(ids) == 1
    (job,) = client.get("/v1/jobs").json()["jobs"]
    assert (job["kind"], job["model"]) == ("train", "mine")
    other = client.post("/v2/finetune/async", body(output_model_id="mine", finetune_steps=3))
    assert other.status_code == 422
    assert client.get("/v2/finetuned_models").json() == {"finetuned_models": []}
    assert client.get("/v2/finetuned_models/mine").status_code == 404
    assert client.request("DELETE", "/v2/finetuned_models/mine").status_code == 404


def test_small_routes(client):
    assert "detail" in client.get("/validate_api_key").json()
    assert set(client.get("/usage").json()) == {"minute", "month"}
    assert client.get("/v2/models").json() == {"models": [{"name": "zero"}]}
    params = client.get("/model_params?model=timegpt-1&freq=weird").json()
    assert params["detail"]["input_size"] >= 1


def test_a_wrong_key_is_401_in_the_clients_shape(make_client):
    client = make_client(auth="required")
    answer = client.get("/validate_api_key", headers={"authorization": "Bearer x"})
    assert answer.status_code == 401
    assert list(answer.json()) == ["detail"]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_every_method_of_the_unmodified_client(own_server):
    """NIXTLA_PYTHON is the python of an environment that has nixtla 0.9."""
    python = os.environ.get("NIXTLA_PYTHON")
    if python is None or shutil.which(python) is None:
        pytest.skip("NIXTLA_PYTHON names no environment with the client")
    server = own_server(module="service", runner="embedded")
    script = Path(__file__).parent / "nixtla_calls.py"
    command = [python, str(script), server.url, "--train"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in server.log_text()

"""Keys, scopes, rates and metrics."""

import multiprocessing
import re
import time

import orjson
import pytest

from service.__main__ import main
from service.access import KeyTable, digest_of
from service.database import Database
from service.rates import RateLimiter

BODY = {"series": [1, 2], "horizon": 1}
PATH = "/v1/forecast"


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.fixture
def guarded(make_client, monkeypatch):
    monkeypatch.setattr("service.access.CACHE_S", 0.05)
    return make_client(auth="required")


@pytest.fixture
def keys(guarded):
    return guarded.app.service.access.keys


def test_no_key_is_needed_on_this_machine_and_one_is_elsewhere(make_client):
    assert not make_client().app.service.access.is_required
    assert make_client(host="0.0.0.0").app.service.access.is_required
    assert not make_client(host="0.0.0.0", auth="off").app.service.access.is_required


def test_a_key_opens_what_its_scope_allows(guarded, keys, problem):
    made = {scope: keys.create(scope, scope)[1] for scope in ("read", "train", "admin")}
    train = {"name": "x", "horizon": 1, "start": None, "series": [1, 2, 3]}
    for scope, key in made.items():
        assert guarded.post(PATH, BODY, headers=bearer(key)).status_code == 200
        may_train = guarded.post("/v1/train", train, headers=bearer(key)).status_code == 202
        assert may_train == (scope != "read")
        deleted = guarded.request("DELETE", "/v1/aliases/none", headers=bearer(key))
        problem(deleted, 404 if scope == "admin" else 403)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": "Basic dXNlcjpwYXNz"},
        {"authorization": "tcn_x"},
        {"x-api-key": "tcn_x"},
        [("authorization", "Bearer tcn_x"), ("authorization", "Bearer tcn_y")],
    ],
)
def test_without_a_key_there_is_401(guarded, problem, headers):
    headers = [*(headers.items() if isinstance(headers, dict) else headers)]
    headers += [("content-type", "application/json")]
    answer = guarded.request("POST", PATH, content=orjson.dumps(BODY), headers=headers)
    problem(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"


def test_unknown_wrong_revoked_and_expired_keys_look_the_same(guarded, keys, problem):
    revoked_id, revoked = keys.create("a", "admin")
    keys.revoke(revoked_id)
    _, expired = keys.create("b", "admin", days=1e-9)
    _, valid = keys.create("c", "admin")
    time.sleep(0.01)
    answers = []
    for key in ("tcn_unknown", valid[:-1] + "!", revoked, expired, "é\udcff"):
        answer = guarded.post(
            PATH,
            BODY,
            headers={"authorization": f"Bearer {key}".encode("utf-8", "surrogateescape")},
        )
        refused = problem(answer, 401)
        refused.pop("request_id")
        answers.append(refused)
    assert all(refused == answers[0] for refused in answers)
    assert guarded.post(PATH, BODY, headers={"authorization": f"bEARER {valid}"}).status_code == 200


def test_a_revoked_key_ends_soon(guarded, keys, problem):
    key_id, key = keys.create("a", "read")
    assert guarded.post(PATH, BODY, headers=bearer(key)).status_code == 200
    keys.revoke(key_id)
    time.sleep(0.06)
    problem(guarded.post(PATH, BODY, headers=bearer(key)), 401)


def test_the_digest_is_compared_in_constant_time(guarded, keys, monkeypatch):
    compared = []

    def compare(a, b):
        compared.append((a, b))
        return a == b

    monkeypatch.setattr("service.access.hmac.compare_digest", compare)
    _, key = keys.create("a", "read")
    for sent in (key, "tcn_wrong"):
        guarded.post(PATH, BODY, headers=bearer(sent))
    assert compared == [(digest_of(key), digest_of(key)), (digest_of(""), digest_of("tcn_wrong"))]


def test_health_is_open_and_metrics_are_not(guarded, keys, problem):
    assert guarded.get("/health/live").status_code == 200
    assert guarded.get("/docs").status_code == 200
    problem(guarded.get("/metrics"), 401)
    _, key = keys.create("a", "read")
    assert guarded.get("/metrics", headers=bearer(key)).status_code == 200


def test_the_jobs_of_another_key_are_not_there(guarded, keys, problem):
    (_, a), (_, b), (_, admin) = (
        keys.create("a", "train"),
        keys.create("b", "train"),
        keys.create("c", "admin"),
    )
    train = {"name": "x", "horizon": 1, "start": None, "series": [1, 2, 3]}
    job = guarded.post("/v1/train", train, headers=bearer(a)).json()["id"]
    for path in (f"/v1/jobs/{job}", f"/v1/jobs/{job}/events"):
        problem(guarded.get(path, headers=bearer(b)), 404)
    problem(guarded.post(f"/v1/jobs/{job}/cancel", headers=bearer(b)), 404)
    assert guarded.get("/v1/jobs", headers=bearer(b)).json() == {"jobs": []}
    for key in (a, admin):
        assert guarded.get(f"/v1/jobs/{job}", headers=bearer(key)).status_code == 200


def test_keys_are_stored_as_hashes_and_never_logged(guarded, keys, caplog, tmp_path):
    _, key = keys.create("a", "read")
    with caplog.at_level("DEBUG"):
        guarded.post(PATH, BODY, headers=bearer(key))
        guarded.post(PATH, BODY, headers=bearer(key + "x"))
    assert key not in caplog.text
    keys.database.close()
    for path in (tmp_path / "models" / ".state").iterdir():
        if path.is_file():
            assert key.encode() not in path.read_bytes()
    assert key not in guarded.get("/openapi.json").text


def test_the_command_makes_lists_and_revokes_keys(tmp_path, capsys):
    def run(*arguments):
        code = main(["keys", "--store", str(tmp_path), "--json", *arguments])
        out = capsys.readouterr().out
        return code, orjson.loads(out) if out else None

    code, made = run("create", "--name", "grafana", "--scope", "read", "--days", "90")
    assert code == 0
    table = KeyTable(Database(f"sqlite:///{tmp_path}/.state/service.db"))
    assert table.find(digest_of(made["key"])).is_valid
    _, listed = run("list")
    assert [(row["id"], row["status"]) for row in listed] == [(made["id"], "valid")]
    assert made["key"] not in str(listed)
    assert run("revoke", made["id"])[0] == 0
    assert run("list")[1][0]["status"] == "revoked"
    table.database.close()
    assert main(["keys", "--store", str(tmp_path), "revoke", "nothing"]) == 2
    assert "no key 'nothing'" in capsys.readouterr().err
    assert main(["keys", "--store", str(tmp_path), "create", "--name", "x", "--days", "-1"]) == 2


# Rates


def test_the_call_after_the_last_is_refused_with_the_time_to_wait(make_client, problem):
    client = make_client(rate_per_minute=5)
    for _ in range(5):
        assert client.post(PATH, BODY).status_code == 200
    answer = client.post(PATH, BODY)
    assert "More than 5 requests a minute" in problem(answer, 429)["detail"]
    assert 1 <= int(answer.headers["retry-after"]) <= 12
    assert client.get("/health/live").status_code == 200


def test_allowance_comes_back_evenly(tmp_path):
    now = [1000.0]
    limiter = RateLimiter(tmp_path / "rates", 60, lambda: now[0])
    assert [limiter.take("a") for _ in range(60)] == [0.0] * 60
    assert limiter.take("a") == pytest.approx(1.0)
    assert limiter.take("b") == 0.0
    now[0] += 2.0
    assert [limiter.take("a") == 0.0 for _ in range(3)] == [True, True, False]
    now[0] = 5.0
    assert limiter.take("a") == 0.0
    limiter.close()


def count_allowed(path, results):
    limiter = RateLimiter(path, 100)
    results.put(sum(limiter.take("a") == 0.0 for _ in range(100)))


def test_processes_share_one_allowance(tmp_path):
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    workers = [
        context.Process(target=count_allowed, args=(tmp_path / "rates", results)) for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert 100 <= results.get() + results.get() <= 104
    results.close()


def test_many_callers_stay_within_the_file(tmp_path):
    limiter = RateLimiter(tmp_path / "rates", 1000)
    size = (tmp_path / "rates").stat().st_size
    for n in range(20_000):
        limiter.take(f"caller {n}")
    assert (tmp_path / "rates").stat().st_size == size
    limiter.close()


# Metrics


def test_metrics_equal_the_clients_own_counts(client):
    for n in range(7):
        client.post(PATH, BODY if n % 2 else {"series": []})
    for n in range(50):
        client.get(f"/random/{n}")
    text = client.get("/metrics").text
    assert 'tcn_requests_total{method="POST",route="/v1/forecast",status="200"} 3.0' in text
    assert 'tcn_requests_total{method="POST",route="/v1/forecast",status="422"} 4.0' in text
    assert 'tcn_requests_total{method="GET",route="unmatched",status="404"} 50.0' in text
    assert 'tcn_jobs{status="pending"} 0' in text
    assert "random" not in text
    assert 'tcn_request_seconds_count{route="/v1/forecast"} 7.0' in text
    assert re.search(r"tcn_requests_in_flight 1\.0", text)

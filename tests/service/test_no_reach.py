"""No field of a request makes the server open a URL or a path: every opening is watched."""

import sys
from pathlib import Path

import pytest

import tcn

CALLS = ("socket.connect", "socket.getaddrinfo", "socket.gethostby", "socket.sendto")
CALLS += ("urllib.", "http.client.", "ftplib.", "subprocess.", "os.system", "os.exec", "os.spawn")
FILES = ("open", "os.", "shutil.", "glob.", "sqlite3.connect", "ctypes.dlopen", "import")
WATCHED: list[tuple[str, str]] = []
IS_WATCHING = [False]
SIGN = "canary"


def watch(event: str, arguments: tuple[object, ...]) -> None:
    """Note what is opened or called; such a hook cannot be removed, so it can be switched off."""
    if IS_WATCHING[0] and event.startswith((*CALLS, *FILES)):
        WATCHED.append((event, " ".join(map(str, arguments))))


@pytest.fixture(scope="module", autouse=True)
def hook():
    sys.addaudithook(watch)


@pytest.fixture
def watched():
    WATCHED.clear()
    IS_WATCHING[0] = True
    yield WATCHED
    IS_WATCHING[0] = False


def temptations(folder: Path) -> list[str]:
    """Return texts that a careless server would follow; the file is really there."""
    (folder / f"{SIGN}.csv").write_text("ds,y\n2024-01-01,1\n")
    (folder / SIGN).mkdir()
    (folder / SIGN / "manifest.json").write_text("{}")
    return [
        f"http://127.0.0.1:9/{SIGN}",
        f"https://{SIGN}.invalid/x.csv",
        f"s3://{SIGN}/x",
        f"file://{folder}/{SIGN}.csv",
        f"{folder}/{SIGN}.csv",
        f"{folder}/{SIGN}",
        f"../{SIGN}",
        f"../../{SIGN}.csv",
        f"\\\\{SIGN}\\share",
        f"~/{SIGN}",
        f"|touch {SIGN}",
        f"${{jndi:ldap://{SIGN}}}",
    ]


def forecast_bodies(text: str) -> list[dict[str, object]]:
    series = {"id": "a", "y": [1, 2, 3], "start": "2024-01-01", "freq": "D"}
    base = {"series": [series], "horizon": 1}
    inside = [{key: text} for key in (*series, "tz", "past_covariates", "future_covariates")]
    inside += [{"static_covariates": {text: text}}, {"past_covariates": {text: [1, 2, 3]}}]
    bodies = [{**base, "series": [{**series, **change}]} for change in inside]
    keys = (*base, "model", "freq", "tz", "quantile_levels", "season_length", "url", "callback")
    return [*bodies, *({**base, key: text} for key in keys), {**base, "series": [text]}]


def train_bodies(text: str) -> list[dict[str, object]]:
    base = {"name": "sales", "horizon": 1, "series": [[1.0] * 60], "start": None}
    keys = (*base, "version", "kind", "freq", "tz", "season_length", "network", "train")
    bodies = [{**base, key: text} for key in keys]
    bodies += [{**base, "network": {"norm": text}}, {**base, "train": {"loss": text}}]
    return [*bodies, {**base, "train": {"directory": text}}, {**base, "network": {text: text}}]


def tempt(client, text: str) -> list[int]:
    """Put a text into every field of every route that takes one; return the statuses."""
    answers = [client.post("/v1/forecast", body) for body in forecast_bodies(text)]
    answers += [client.post("/v1/streams", body) for body in forecast_bodies(text)]
    answers += [client.post("/v1/train", body) for body in train_bodies(text)]
    pushes = {"pushes": [{"id": text, "values": [1]}]}
    answers += [client.post("/v1/pushes", pushes), client.post(f"/v1/streams/{text}/push", pushes)]
    answers += [client.request("PUT", "/v1/aliases/live", json={"model": text})]
    for path in ("models", "jobs", "streams", "aliases"):
        answers += [client.request(verb, f"/v1/{path}/{text}") for verb in ("GET", "DELETE")]
    csv = f"id,ds,y\n{text},2024-01-01,1\n{text},2024-01-02,2\n{text},{text},{text}\n"
    columns = ("start", "freq", "tz", "id_col", "time_col", "target_col", "time_format", "name")
    for key in (*columns, "past_covariates", "static_covariates", "network"):
        query = {"name": "sales", "horizon": "1", "start": "none"} | {key: text}
        headers = {"content-type": "text/csv"}
        answers.append(
            client.request("POST", "/v1/train", params=query, content=csv, headers=headers)
        )
        file = {"file": (text, csv, "text/csv")}
        answers.append(client.request("POST", "/v1/train", data=query, files=file))
    headers = {"idempotency-key": text, "x-request-id": text, "x-forwarded-host": text}
    answers.append(client.post("/v1/train", train_bodies("x")[0], headers=headers))
    return [answer.status_code for answer in answers]


def test_no_field_is_followed(make_client, tmp_path, watched):
    client = make_client(max_jobs=10_000, store=tmp_path / "store")
    texts = temptations(tmp_path)
    watched.clear()
    statuses = [status for text in texts for status in tempt(client, text)]
    IS_WATCHING[0] = False
    assert len(statuses) > 1000
    assert {status for status in statuses if status >= 500} == set()
    called = [found for found in watched if found[0].startswith(CALLS)]
    assert called == []
    assert [found for found in watched if SIGN in found[1]] == []
    assert any(event == "open" for event, _ in watched), "The hook sees nothing."


def test_the_watch_would_see_it(tmp_path, watched):
    """The test above can fail: what it looks for is noticed where it happens."""
    (path,) = [text for text in temptations(tmp_path) if text == f"{tmp_path}/{SIGN}.csv"]
    tcn.read_csv(path, freq="D")
    assert any(SIGN in arguments for event, arguments in watched if event == "open")

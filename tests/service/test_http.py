"""HTTP itself, against a real server process: deadlines, sizes, odd requests, draining."""

import contextlib
import re
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

BODY = b'{"series": [1, 2, 3], "horizon": 2}'
HEAD = (
    b"POST /v1/forecast HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n"
)


def connect(server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def exchange(server, data: bytes) -> bytes:
    """Send bytes and read until the server closes or one second passes."""
    with connect(server) as connection:
        connection.sendall(data)
        connection.settimeout(1.0)
        received = b""
        with contextlib.suppress(TimeoutError):
            while piece := connection.recv(65536):
                received += piece
        return received


def seconds_until_closed(connection: socket.socket) -> float:
    began = time.monotonic()
    while True:
        try:
            if not connection.recv(65536):
                break
        except ConnectionError:
            break
    return time.monotonic() - began


def rss_bytes(server) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024


@pytest.mark.parametrize(
    "sent", [b"", b"POST /v1/forecast HT", HEAD[:-2] % 10, HEAD % 10 + b'{"se', b"\r\n"]
)
def test_a_connection_that_says_nothing_more_is_closed(server, sent):
    with connect(server) as connection:
        connection.sendall(sent)
        assert seconds_until_closed(connection) < 4


def test_a_body_that_does_not_come_gets_408(server):
    with connect(server) as connection:
        connection.sendall(HEAD % 10 + b'{"se')
        connection.settimeout(5)
        assert connection.recv(65536).startswith(b"HTTP/1.1 408")


def test_hundreds_of_idle_connections_do_not_stop_an_honest_client(server):
    with contextlib.ExitStack() as stack:
        for _ in range(500):
            connection = stack.enter_context(connect(server))
            connection.sendall(b"POST /v1/fore")
        slowest = 0.0
        for _ in range(20):
            began = time.monotonic()
            answer = httpx.post(f"{server.url}/v1/forecast", json={"series": [1], "horizon": 1})
            slowest = max(slowest, time.monotonic() - began)
            assert answer.status_code == 200
        assert slowest < 1


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 200_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-A: b\r\n" * 10_000 + b"\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_a_huge_head_is_refused(server, head):
    with connect(server) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(head)
        connection.settimeout(5)
        try:
            answer = connection.recv(65536)
        except ConnectionError:
            answer = b""
        assert answer == b"" or answer.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400"))


def test_length_and_chunks_together_are_refused(server):
    head = (
        b"POST /v1/forecast HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    )
    assert exchange(server, head).startswith(b"HTTP/1.1 400")


def test_a_bad_chunk_is_refused(server):
    head = (
        b"POST /v1/forecast HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nZZ\r\nabc\r\n"
    )
    assert b" 400 " in exchange(server, head).split(b"\r\n")[0]


def test_a_thousand_pipelined_requests_are_all_answered(server):
    request = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    received = exchange(server, request * 1000)
    assert received.count(b"HTTP/1.1 200") == 1000


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET /health/live HTTP/1.0", b"200"),
        (b"GET http://x/health/live HTTP/1.1", b"200"),
        (b"CONNECT x:80 HTTP/1.1", b"40"),
        (b"TRACE / HTTP/1.1", b"40"),
        (b"HEAD /health/live HTTP/1.1", b"200"),
        (b"HEAD /v1/forecast HTTP/1.1", b"405"),
        (b"OPTIONS /v1/forecast HTTP/1.1", b"405"),
        (b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1", b"404"),
        (b"GARBAGE", b"400"),
    ],
)
def test_odd_requests_get_sane_answers(server, line, status):
    answer = exchange(server, line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.split(b" ", 1)[1].startswith(status)


@pytest.mark.parametrize("path", ["/", "/health/ready", "/v1/models", "/openapi.json"])
def test_head_answers_as_get_without_the_body(server, path):
    asked, got = httpx.head(f"{server.url}{path}"), httpx.get(f"{server.url}{path}")
    assert asked.status_code == got.status_code == 200
    assert asked.content == b""
    assert asked.headers["content-length"] == got.headers["content-length"]
    assert asked.headers["content-type"] == got.headers["content-type"]
    assert httpx.put(f"{server.url}/health/ready").headers["allow"] == "GET, HEAD"
    endless = httpx.head(f"{server.url}/v1/jobs/{'0' * 32}/events")
    assert (endless.status_code, endless.headers["allow"]) == (405, "GET")


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/forecast", "Do you mean /v1/forecast?"),
        ("/api/v1/forecast", "Do you mean /v1/forecast?"),
        ("/health", "Do you mean /health/"),
        ("/v1/forecast/", "Leave out the slash at the end."),
        ("/" + "x" * 5000, "There is no such path. GET /docs lists the routes."),
    ],
)
def test_an_unknown_path_is_told_the_one_that_is_meant(server, path, hint):
    answer = httpx.post(f"{server.url}{path}")
    assert answer.status_code == 404
    assert hint in answer.json()["detail"]


def test_other_origins_get_no_permission(server):
    answer = httpx.post(
        f"{server.url}/v1/forecast",
        content=BODY,
        headers={"Origin": "http://evil.test", "Content-Type": "application/json"},
    )
    assert not [name for name in answer.headers if name.startswith("access-control")]
    asking = {"Origin": "http://evil.test", "Access-Control-Request-Method": "POST"}
    answer = httpx.options(f"{server.url}/v1/forecast", headers=asking)
    assert answer.status_code == 405
    assert "TCN_ALLOW_ORIGINS" in answer.json()["detail"]
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_origins_that_the_operator_allows_get_permission(own_server):
    server = own_server(allow_origins="https://app.test, http://localhost:3000")
    url = f"{server.url}/v1/forecast"
    asking = {
        "Origin": "https://app.test",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,authorization",
    }
    allowed = httpx.options(url, headers=asking)
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "https://app.test"
    headers = {"Origin": "http://localhost:3000", "Content-Type": "application/json"}
    for body, status in ((BODY, 200), (b"{}", 422)):
        answer = httpx.post(url, content=body, headers=headers)
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
        assert answer.headers["x-request-id"]
    headers["Origin"] = "http://evil.test"
    answer = httpx.post(url, content=BODY, headers=headers)
    assert "access-control-allow-origin" not in answer.headers


def chunks(total: int):
    for _ in range(total // 65536 + 1):
        yield b" " * 65536


@pytest.mark.parametrize("form", ["declared", "chunked"])
def test_a_body_over_the_cap_is_refused_and_memory_stays_flat(server, form):
    before = rss_bytes(server)
    size = 2**20 + 1
    content = b" " * size if form == "declared" else chunks(200 * 2**20)
    with contextlib.suppress(httpx.WriteError, httpx.RemoteProtocolError):
        answer = httpx.post(
            f"{server.url}/v1/forecast",
            content=content,
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code == 413
        assert answer.headers["connection"] == "close"
    assert rss_bytes(server) - before < 20 * 2**20


def test_a_length_that_lies_is_refused(server):
    assert exchange(server, HEAD % 3 + b'{"series": [1], "horizon": 1}').startswith(b"HTTP/1.1 400")
    assert exchange(server, HEAD.replace(b"%d", b"-5") + BODY).startswith(b"HTTP/1.1 400")


def test_a_client_that_leaves_frees_its_place_and_disturbs_nobody(own_server):
    server = own_server()
    for _ in range(20):
        with connect(server) as connection:
            connection.sendall(HEAD % len(BODY) + BODY)
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda n: httpx.post(
                    f"{server.url}/v1/forecast", json={"series": [n], "horizon": 1}
                ),
                range(32),
            )
        )
    assert [answer.json()["forecasts"][0]["mean"] for answer in answers] == [
        [float(n)] for n in range(32)
    ]
    assert "tcn_requests_in_flight 1.0" in httpx.get(f"{server.url}/metrics").text
    assert "Traceback" not in server.log_text()
    assert server.stop() == 0


def test_sigterm_finishes_what_runs_and_ends_with_zero(own_server):
    """Twenty requests are half sent when the signal comes; their other halves come after it."""
    server = own_server(drain_delay_s=2.0)
    answers: list[int] = []
    go_on = threading.Event()

    def halves(n: int):
        yield b'{"series": [1, 2, 3], '
        go_on.wait(30)
        yield b'"horizon": %d}' % (n + 1)

    def ask(n: int) -> None:
        headers = {"Content-Type": "application/json"}
        answer = httpx.post(
            f"{server.url}/v1/forecast", content=halves(n), headers=headers, timeout=30
        )
        answers.append(answer.status_code)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(20)]
    with httpx.Client(timeout=30) as client:
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 30
        while "tcn_requests_in_flight 21.0" not in client.get(f"{server.url}/metrics").text:
            assert time.monotonic() < deadline
        server.process.send_signal(signal.SIGTERM)
        while client.get(f"{server.url}/health/ready").status_code != 503:
            assert time.monotonic() < deadline
    go_on.set()
    assert server.process.wait(timeout=30) == 0
    for thread in threads:
        thread.join()
    assert answers == [200] * 20
    assert "Traceback" not in server.log_text()


def test_a_second_sigterm_ends_at_once(own_server):
    server = own_server(drain_delay_s=30)
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert server.process.poll() is None
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=5) == 0
    assert time.monotonic() - began < 3

"""The connection itself, without a socket: what a request leaves behind, what proxies say."""

import asyncio
import gc

import pytest
import uvicorn
from uvicorn.server import ServerState

from service.protocol import deadline_protocol
from service.settings import Settings
from service.testing import make_double_app

BODY = b'{"series": [1, 2, 3], "horizon": 2}'
HEAD = b"POST /v1/forecast HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
REQUEST = HEAD + b"content-length: %d\r\n%b\r\n" + BODY


class Peer(asyncio.Transport):
    """The other end of a connection: gets what is written."""

    def __init__(self):
        super().__init__({"peername": ("127.0.0.1", 5000), "sockname": ("127.0.0.1", 8000)})
        self.answers = asyncio.Queue()

    def write(self, data):
        self.answers.put_nowait(data)

    def is_closing(self):
        return False

    def pause_reading(self): ...

    def resume_reading(self): ...

    def close(self): ...


@pytest.fixture
def make_app(tmp_path):
    made = []

    def make(**settings):
        made.append(make_double_app(Settings(store=tmp_path, **settings)))
        return made[-1]

    yield make
    for app in made:
        app.service.close()


async def ask(app, requests):
    """Send requests one after the other on one connection; return the answers."""
    config = uvicorn.Config(app, http=deadline_protocol(5.0, 65_536), log_config=None)
    config.load()
    protocol = config.http_protocol_class(config, ServerState(), {})
    peer = Peer()
    protocol.connection_made(peer)
    answers = []
    for request in requests:
        protocol.data_received(request)
        answers.append(await asyncio.wait_for(peer.answers.get(), 10))
    protocol.connection_lost(None)
    return answers


def test_a_request_leaves_nothing_to_collect(make_app):
    app = make_app()

    async def counting():
        await ask(app, [REQUEST % (len(BODY), b"")])
        gc.collect()
        answers = await ask(app, [REQUEST % (len(BODY), b"")] * 200)
        assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
        return gc.collect()

    gc.disable()
    try:
        assert asyncio.run(counting()) < 200
    finally:
        gc.enable()


def test_rates_count_the_address_that_a_proxy_names(make_app):
    fields = [b"x-forwarded-for: 10.0.0.%d\r\n" % number for number in (1, 2, 1)] + [b""] * 2
    requests = [REQUEST % (len(BODY), field) for field in fields]
    answers = asyncio.run(ask(make_app(rate_per_minute=1), requests))
    statuses = [answer.split()[1] for answer in answers]
    assert statuses == [b"200", b"200", b"429", b"200", b"429"]

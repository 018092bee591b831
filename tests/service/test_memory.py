"""What bounds the memory of bodies: large ones are weighed, and refused, before they are parsed."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import zstandard

from service.weighing import parsed_bytes

MILLION = 10**6
NIXTLA_HEAD = b'{"model": "timegpt-1", "freq": "D", "h": 1, "series": '


def million(item: bytes) -> bytes:
    return b"[" + b",".join([item] * MILLION) + b"]"


def sizes(each: bytes) -> tuple[str, bytes]:
    text = b'{"y": ' + million(b"1") + b', "sizes": ' + million(each) + b"}}"
    return "/v2/forecast", NIXTLA_HEAD + text


def series(each: bytes) -> tuple[str, bytes]:
    return "/v1/forecast", b'{"horizon": 1, "series": ' + million(each) + b"}"


def test_a_million_series_are_refused_in_bounded_time_and_memory(own_server):
    server = own_server()
    sent = [sizes(b"1"), sizes(b"-1"), series(b"[1]"), series(b'{"y":[1]}'), series(b"[]")]
    for path, body in sent:
        growth, answer = growth_of(server, path, body)
        assert answer.status_code == 422
        assert "10,000 series" in answer.json()["detail"]
        assert growth < 5 * len(body), (growth, len(body))
    assert server.stop() == 0


def test_a_text_that_grows_when_it_is_parsed_is_refused_before_it_does(own_server):
    server = own_server(max_parsed_bytes=2**26)
    packed = zstandard.compress(b'{"horizon":1,"series":[' + million(b"[[]]") + b"]}")
    growth, answer = growth_of(server, "/v1/forecast", packed, **{"content-encoding": "zstd"})
    assert answer.status_code == 422  # of lists alone: too many
    growth, answer = growth_of(server, "/v1/pushes", packed, **{"content-encoding": "zstd"})
    assert answer.status_code == 413
    assert "more than 67,108,864 bytes once parsed" in answer.json()["detail"]
    assert growth < 2**26
    values = b'{"horizon":1,"series":' + million(b"7.5") + b"}"
    growth, answer = growth_of(server, "/v1/forecast", values)
    assert answer.status_code == 200, answer.text
    assert growth < 2**27
    assert server.stop() == 0


@pytest.mark.parametrize("says", ["so", "less"])
def test_a_small_body_that_inflates_to_much_takes_no_memory(own_server, says):
    """A frame of 200 MB of zeros in some kilobytes, whose head says so or says 1 MB."""
    server = own_server(max_decoded_bytes=2**24)
    size = 200 * 2**20
    compressor = zstandard.ZstdCompressor().compressobj(size=size)
    zeros = b"0" * 2**20
    body = b"".join(compressor.compress(zeros) for _ in range(200)) + compressor.flush()
    assert len(body) < 32_000
    if says == "less":
        told = size.to_bytes(4, "little")
        assert body.count(told, 0, 18) == 1
        body = body.replace(told, (2**20).to_bytes(4, "little"), 1)
    began = time.monotonic()
    growth, answer = growth_of(server, "/v1/forecast", body, **{"content-encoding": "zstd"})
    assert time.monotonic() - began < 5  # a busy machine takes most of it to connect
    assert answer.status_code == (413 if says == "so" else 400)
    assert growth < 50 * 2**20
    assert server.stop() == 0


def growth_of(server, path: str, body: bytes, **headers: str) -> tuple[int, httpx.Response]:
    """Return by how much the most resident memory grew while a body was answered."""
    process = Path(f"/proc/{server.process.pid}")
    (process / "clear_refs").write_text("5")  # the peak is counted from here
    before = resident_peak(process)
    began = time.process_time()
    headers = {"content-type": "application/json", **headers}
    answer = httpx.post(f"{server.url}{path}", content=body, headers=headers, timeout=60)
    assert len(answer.content) < 16 * 1024
    assert time.process_time() - began < 2
    return resident_peak(process) - before, answer


def resident_peak(process: Path) -> int:
    """Return the most bytes that were resident."""
    status = (process / "status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024


ITEMS = {
    "digits": b"1",
    "numbers": b"-7",
    "fractions": b"1.5",
    "texts": b'"ab"',
    "nothing": b"null",
    "lists": b"[]",
    "lists in lists": b"[[[]]]",
    "lists of one": b"[1]",
    "objects": b"{}",
    "objects of one": b'{"a":1}',
}
PARSE = """
import orjson, pathlib, re, sys
text = sys.stdin.buffer.read()
process = pathlib.Path("/proc/self")
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", (process / "status").read_text())[1]) * 1024
(process / "clear_refs").write_text("5")
before = peak()
kept = orjson.loads(text)
print(peak() - before)
"""


@pytest.mark.parametrize("name", [*ITEMS, "different keys", "wide letters"])
def test_no_text_takes_more_than_was_told_from_its_bytes(name):
    count = MILLION // 4
    if name == "different keys":
        text = b"{" + b",".join(b'"%06d":1' % n for n in range(count)) + b"}"
    elif name == "wide letters":
        text = ('["' + "a" * 8 * count + '\U0001f600"]').encode()
    else:
        text = b"[" + b",".join([ITEMS[name]] * count) + b"]"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    command = [sys.executable, "-c", PARSE]
    ran = subprocess.run(command, input=text, capture_output=True, check=True, env=environment)
    assert 0 < int(ran.stdout) <= parsed_bytes(text) + 2**20

"""Request bodies: read under a cap and a deadline, decompressed under a budget, parsed strictly.

What gets through is a JSON value without NaN, infinities, lone surrogates, duplicate keys, a byte
order mark or text behind it. Everything else is a `Problem` that names the limit.
"""

import asyncio
import json
import re
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

import orjson
import zstandard
from starlette.requests import ClientDisconnect, Request

from service.errors import Problem
from service.weighing import parsed_bytes

T = TypeVar("T")

INLINE_BYTES = 128 * 1024  # larger bodies are parsed in a thread, so that the loop never waits
MAX_ZSTD_WINDOW = 8 * 2**20
MAX_UNRATIOED = 32 * 2**20  # inflated bodies up to this size may have any compression ratio
MAX_RATIO = 1000
CAME_WHOLE = "service.body"  # key of a scope with a small body that came with the head
CURLS_TYPE = "application/x-www-form-urlencoded"  # of `curl -d` without a header
CSV_TYPES = ("text/csv", "text/tab-separated-values", "application/csv")
ZSTD_FEED = 256  # compressed bytes at a time: at most 85 blocks of 128 KiB come out of them


class ByteBudget:
    """Counts the bytes that running requests hold; refuses with 503 when they are too many."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0

    def take(self, count: int) -> None:
        """Count `count` more bytes, or refuse."""
        if self.held + count > self.limit:
            raise Problem(
                503,
                f"The server holds {self.limit:,} bytes of other requests. Try again shortly.",
                headers={"retry-after": "1"},
                close=True,
            )
        self.held += count

    def give_back(self, count: int) -> None:
        """Count `count` fewer bytes."""
        self.held -= count


class BodyReader:
    """Reads the bodies of one application, within its limits."""

    def __init__(
        self,
        max_bytes: int,
        max_decoded_bytes: int,
        max_parsed_bytes: int,
        timeout_s: float,
        budget: ByteBudget,
    ) -> None:
        self.max_bytes = max_bytes
        self.max_decoded_bytes = max_decoded_bytes
        self.max_parsed_bytes = min(max_parsed_bytes, budget.limit)
        self.timeout_s = timeout_s
        self.budget = budget
        self._small_bytes = min(INLINE_BYTES, max_bytes, budget.limit)

    @asynccontextmanager
    async def read(self, request: Request, max_bytes: int | None = None) -> AsyncIterator[bytes]:
        """Give the body, decompressed; its bytes count against the budget while it is used."""
        limit = self.max_bytes if max_bytes is None else max_bytes
        encoding = content_encoding(request)
        taken = 0
        try:
            body = bytearray()
            async for piece in self.pieces(request, limit):
                self.budget.take(len(piece))
                taken += len(piece)
                body += piece
            if encoding == "identity":
                whole = bytes(body)
                del body  # one copy is enough
                yield whole
                return
            plain = await self._decode(encoding, bytes(body))
            self.budget.take(len(plain))
            taken += len(plain)
            yield plain
        finally:
            self.budget.give_back(taken)

    def _small_json_size(self, headers: list[tuple[bytes, bytes]]) -> int:
        """Return the bytes of a plain JSON body that is too small to be worth counting, or 0."""
        fields = dict(headers)
        size = fields.get(b"content-length", b"")
        if (
            fields.get(b"content-type") == b"application/json"
            and b"content-encoding" not in fields
            and len(fields) == len(headers)  # no header comes twice
            and size.isdigit()
            and len(size) < 10
            and int(size) <= self._small_bytes
        ):
            return int(size)
        return 0

    async def pieces(self, request: Request, limit: int) -> AsyncIterator[bytes]:
        """Give the body as sent, piece by piece, under a cap and the deadline."""
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared[:20]) > limit:
            raise _too_large(limit)
        size = 0
        try:
            async with asyncio.timeout(self.timeout_s):
                async for piece in request.stream():
                    size += len(piece)
                    if size > limit:
                        raise _too_large(limit)
                    yield piece
        except TimeoutError:
            raise Problem(
                408,
                f"The body did not arrive within {self.timeout_s:g} s. Send it faster or smaller.",
                close=True,
            ) from None
        except ClientDisconnect:
            raise Problem(400, "The connection ended inside the body.", close=True) from None

    async def _read_small(self, request: Request, size: int) -> bytes:
        """Give a small body; one that has come needs no deadline, which is dear."""
        body = request.scope.get(CAME_WHOLE, b"")
        if len(body) == size:  # nothing was received before
            return cast("bytes", body)
        return b"".join([piece async for piece in self.pieces(request, INLINE_BYTES)])

    async def _decode(self, encoding: str, body: bytes) -> bytes:
        decode = decode_zstd if encoding == "zstd" else decode_gzip
        return await asyncio.to_thread(decode, body, self.max_decoded_bytes)

    @asynccontextmanager
    async def read_json_bytes(self, request: Request) -> AsyncIterator[bytes]:
        """Give the text of a JSON body, not parsed yet."""
        require_json(request)
        async with self.read(request) as body:
            yield body

    async def read_json(self, request: Request) -> Any:
        """Return the body as a JSON value."""
        return await self.read_json_as(request, _as_it_is)

    async def read_json_as(
        self,
        request: Request,
        parse: Callable[[Any], T],
        refuse: Callable[[bytes], None] | None = None,
    ) -> T:
        """Return what `parse` makes of the body's JSON value; see `parse_text` for `refuse`."""
        if size := self._small_json_size(request.scope["headers"]):
            return parse(loads(await self._read_small(request, size)))
        async with self.read_json_bytes(request) as text:
            return await self.parse_text(text, parse, refuse)

    async def parse_text(
        self,
        text: bytes,
        parse: Callable[[Any], T],
        refuse: Callable[[bytes], None] | None = None,
    ) -> T:
        """Return what `parse` makes of a JSON text; large ones are parsed in a thread.

        `refuse` may look at a large text before it is parsed, which takes many times its memory.
        What is taken counts against the budget until `parse` returns.
        """
        if len(text) <= INLINE_BYTES:
            return parse(loads(text))
        if refuse is not None:
            await asyncio.to_thread(refuse, text)
        weight = await asyncio.to_thread(parsed_bytes, text)
        if weight > self.max_parsed_bytes:
            raise Problem(
                413,
                f"The body would take more than {self.max_parsed_bytes:,} bytes once parsed. Send"
                " fewer values per request.",
            )
        self.budget.take(weight)
        try:
            return await asyncio.to_thread(lambda: parse(loads(text)))
        finally:
            self.budget.give_back(weight)


def _as_it_is(value: Any) -> Any:
    return value


def _too_large(limit: int) -> Problem:
    return Problem(
        413, f"The body is larger than {limit:,} bytes. Send fewer series per request.", close=True
    )


def content_encoding(request: Request) -> str:
    """Return 'identity', 'gzip' or 'zstd'; anything else is refused with 415."""
    values = request.headers.getlist("content-encoding")
    encoding = values[0].strip().lower() if values else "identity"
    encoding = {"": "identity", "x-gzip": "gzip"}.get(encoding, encoding)
    if len(values) > 1 or encoding not in ("identity", "gzip", "zstd"):
        raise Problem(
            415,
            "Content-Encoding must be gzip, zstd or absent.",
            headers={"accept-encoding": "gzip, zstd"},
            close=True,
        )
    return encoding


def require_json(request: Request) -> None:
    """Refuse a body that is not declared as JSON in UTF-8.

    The type that curl sends unless told otherwise passes where no browser can have sent it: a page
    of another origin could make a browser send that type unasked, but not without its origin.
    """
    media, _, parameters = request.headers.get("content-type", "").partition(";")
    media = media.strip().lower()
    charset = parameters.strip().lower().replace('"', "").replace(" ", "")
    is_from_curl = media == CURLS_TYPE and "origin" not in request.headers
    if (media == "application/json" or is_from_curl) and charset in ("", "charset=utf-8"):
        return
    hint = " POST /v1/series makes it of CSV." if media in CSV_TYPES else ""
    raise Problem(
        415,
        f"This route reads JSON in UTF-8. Send the header 'Content-Type: application/json'.{hint}",
        close=True,
    )


def decode_gzip(body: bytes, limit: int) -> bytes:
    """Decompress one gzip member of at most `limit` bytes."""
    decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        plain = decoder.decompress(body, limit + 1)
    except zlib.error:
        raise Problem(400, "The body is not valid gzip, as Content-Encoding says.") from None
    if len(plain) > limit:
        raise _inflates(limit)
    if not decoder.eof or decoder.unused_data:
        raise Problem(400, "The gzip body must be one whole member with nothing behind it.")
    return plain


def decode_zstd(body: bytes, limit: int) -> bytes:
    """Decompress one zstd frame that states its size, of at most `limit` bytes."""
    try:
        frame = zstandard.get_frame_parameters(body)
    except zstandard.ZstdError:
        raise Problem(400, "The body is not valid zstd, as Content-Encoding says.") from None
    if frame.content_size in (zstandard.CONTENTSIZE_UNKNOWN, zstandard.CONTENTSIZE_ERROR):
        raise Problem(400, "The zstd frame must state its content size.")
    if frame.content_size > limit:
        raise _inflates(limit)
    if frame.content_size > max(MAX_UNRATIOED, MAX_RATIO * len(body)):
        raise Problem(413, f"The body inflates more than {MAX_RATIO} times. Send it plain.")
    if frame.window_size > max(MAX_ZSTD_WINDOW, frame.content_size):
        raise Problem(400, f"The zstd window must be at most {MAX_ZSTD_WINDOW:,} bytes.")
    return _inflate(body, frame.content_size)


def _inflate(body: bytes, size: int) -> bytes:
    decoder = zstandard.ZstdDecompressor(max_window_size=2**27).decompressobj()
    plain = bytearray()
    fed = 0
    try:
        for start in range(0, len(body), ZSTD_FEED):
            if decoder.eof or len(plain) > size:
                break
            fed = min(start + ZSTD_FEED, len(body))
            plain += decoder.decompress(body[start:fed])
    except zstandard.ZstdError:
        raise Problem(400, "The body is not valid zstd, as Content-Encoding says.") from None
    is_whole = decoder.eof and not decoder.unused_data and fed == len(body)
    if not is_whole or len(plain) != size:
        raise Problem(400, "The zstd body must be one whole frame with nothing behind it.")
    return bytes(plain)


def _inflates(limit: int) -> Problem:
    return Problem(413, f"The body inflates to more than {limit:,} bytes. Send fewer series.")


def loads(body: bytes) -> Any:
    """Parse strict JSON; duplicate keys, NaN, huge numbers and trailing text are refused."""
    if not body:
        raise Problem(400, "The body is empty. Send a JSON object.")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem(
            400,
            f"The body is not valid JSON (line {error.lineno}, column {error.colno})."
            f" {_json_hint(body, error.pos)}",
        ) from None
    n_colons = body.count(b":")
    if type(value) is dict and n_colons == len(value):
        return value  # each key has a colon of its own, so none comes twice
    if b"\\u003" in body or n_colons != _colons(value):
        _refuse_duplicate_keys(body)
    return value


def _json_hint(body: bytes, place: int) -> str:
    """Say what is wrong at a character of a text that is no JSON, as far as it can be told."""
    if body.startswith(b"\x1f\x8b"):
        return "It is gzip: say so by the header 'Content-Encoding: gzip'."
    if body.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        return "Send it as UTF-8 without a byte order mark."
    if not body.lstrip().startswith((b"{", b"[")):
        return "A JSON object begins with '{'. POST /v1/series makes series of CSV."
    text = body.decode(errors="replace") if len(body) <= INLINE_BYTES else ""
    rest = text[place : place + 10]
    if rest.lower().lstrip("-").startswith(("nan", "inf")):
        return "Write null for a missing value; numbers are finite."
    if rest.startswith("'"):
        return "Names and strings stand in double quotes."
    if re.match(r",\s*[\]}]", rest):
        return "No comma may stand before a closing bracket."
    return (
        "Names and strings stand in double quotes and are UTF-8, numbers are finite (null for a"
        " missing value), nesting stays below 1024."
    )


def _colons(value: object) -> int:
    """Count the colons that a text of `value` without duplicate keys has."""
    count = 0
    pending = [value]
    while pending:
        item = pending.pop()
        if type(item) is dict:
            count += len(item) + sum(key.count(":") for key in item)
            pending.extend(item.values())
        elif type(item) is list:
            if item and type(item[0]) not in (float, int):
                pending.extend(item)
        elif type(item) is str:
            count += item.count(":")
    return count


def _refuse_duplicate_keys(body: bytes) -> None:
    try:
        json.loads(body, object_pairs_hook=_distinct, parse_float=_ignore, parse_int=_ignore)
    except RecursionError:
        raise Problem(400, "The body is nested too deeply.") from None


def _ignore(text: str) -> None:
    """Stand for a number whose value is not of interest."""


def _distinct(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs):
        raise Problem(400, "The body has an object with the same key twice. Keep one of them.")

"""Refusals as RFC 9457 problem documents: one shape for every error of the native routes.

A problem says what is wrong, where (a JSON pointer, a row, a limit), what is allowed and what to
do. It never repeats the input, lists at most `MAX_ERRORS` places and stays under 16 KiB.
"""

import http
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import orjson
from starlette.responses import Response

MAX_ERRORS = 10
MAX_DETAIL = 1000
MEDIA_TYPE = "application/problem+json"

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,39}")
_KINDS = {
    "bool": "a boolean",
    "str": "a string",
    "list": "a list",
    "dict": "an object",
    "NoneType": "null",
    "int": "a whole number",
    "float": "a number",
}


@dataclass(frozen=True, slots=True)
class Place:
    """One place in the request that is wrong: `pointer` as in RFC 6901, `detail` a sentence."""

    pointer: str
    detail: str


class Problem(Exception):  # noqa: N818  the name of RFC 9457
    """A refusal: an HTTP status, a sentence, and the places that caused it."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Iterable[Place] = (),
        headers: Mapping[str, str] | None = None,
        *,
        close: bool = False,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail[:MAX_DETAIL]
        self.errors = tuple(errors)[:MAX_ERRORS]
        self.headers = dict(headers or {})
        if close:
            self.headers["connection"] = "close"

    def to_dict(self, request_id: str) -> dict[str, object]:
        """Return the members of the problem document."""
        content: dict[str, object] = {
            "type": "about:blank",
            "title": title_of(self.status),
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            content["errors"] = [
                {"pointer": place.pointer[:200], "detail": place.detail[:MAX_DETAIL]}
                for place in self.errors
            ]
        content["request_id"] = request_id
        return content


def problem_response(problem: Problem, request_id: str) -> Response:
    """Return the problem as an HTTP response."""
    body = orjson.dumps(problem.to_dict(request_id))
    return Response(body, problem.status, headers=problem.headers, media_type=MEDIA_TYPE)


def title_of(status: int) -> str:
    """Return the standard phrase of an HTTP status."""
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def kind_of(value: object) -> str:
    """Name the JSON kind of a value, for sentences that must not repeat the value."""
    name = type(value).__name__
    return _KINDS.get(name, name)


def safe_key(key: object) -> str:
    """Return a key of the input for a sentence: as it is when harmless, else described."""
    if isinstance(key, str) and _PLAIN_KEY.fullmatch(key):
        return repr(key)
    return "of another form"


def pointer(*parts: str | int) -> str:
    """Join the parts of a JSON pointer in its URI fragment form."""
    return "#/" + "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in parts)


class Report:
    """Collects wrong places until the list is full; then `raise_if_any` refuses the request."""

    def __init__(self) -> None:
        self.places: list[Place] = []

    @property
    def is_full(self) -> bool:
        """Whether more places would not be shown."""
        return len(self.places) >= MAX_ERRORS

    def add(self, where: str, detail: str) -> None:
        """Note one wrong place."""
        if not self.is_full:
            self.places.append(Place(where, detail))

    def raise_if_any(self) -> None:
        """Raise a 422 that lists the places, if there are any."""
        if not self.places:
            return
        first = self.places[0]
        more = len(self.places) - 1
        tail = f" ({more} more in 'errors'.)" if more else ""
        raise Problem(422, f"{first.pointer}: {first.detail}{tail}", self.places)

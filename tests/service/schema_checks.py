"""Checks that schemathesis adds to its own; it loads this file by the name in its environment."""

import re

import schemathesis
from schemathesis.specs.openapi.checks import skips_on_unexpected_http_status

# What no schema of ours can say. A refusal of a request that fits the schema needs one of these.
BEYOND_THE_SCHEMA = (
    r"/id: is the id of an earlier series too",  # uniqueItems compares whole series
    r"has [\d,]+ values; (at least )?[\d,]+ are needed",  # lengths told by another field
    r"#/detection_length: must be a whole number from 1 to",
    r"#/values",  # as many as the stream has series
    r"the images must all have the same size",
    r"The series must have the same freq",
    r"No series is long enough",
    r"Series times horizon may be",  # products
    r"needs [\d,]+ forecasts, at most",
    r"values too large or too small to forecast",  # what the model makes of them
    r"classifies images|forecasts series",
    r"Another job is making this version",
    r"^[a-z_]+ must ",  # ranges of settings in the library's configs, which hang together
)
READ_ELSEWHERE = ("text/csv", "multipart/form-data", "image/png", "image/jpeg")


@schemathesis.check
@skips_on_unexpected_http_status
def valid_requests_are_refused_for_listed_reasons(ctx, response, case):
    """A request that fits the schema is answered, or refused for what a schema cannot say."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    status = response.status_code
    if status < 400 or status in (401, 403, 404, 409, 429) or status >= 500:
        return
    detail = response.json().get("detail", "")
    is_file = (case.media_type or "") in READ_ELSEWHERE  # of which a schema says nothing
    is_listed = any(re.search(reason, detail) for reason in BEYOND_THE_SCHEMA)
    assert status == 422, f"{status}: {detail}"
    assert is_file or is_listed, f"refused although it fits the schema: {detail}"

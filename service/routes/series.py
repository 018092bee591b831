"""POST /v1/series: a CSV file in, the series that the other routes take out."""

import asyncio
from typing import Any

import numpy as np
from fastapi import Request
from numpy.typing import NDArray
from starlette.responses import Response

import tcn
from service.errors import Problem
from service.routing import describe, json_response, new_router
from service.state import state_of
from service.training_data import (
    COLUMN_KEYS,
    LIST_KEYS,
    MAX_OPTION,
    options_of_text,
    query_of,
    refuse_compressed,
)
from tcn.errors import TcnError
from tcn.series import Covariates, Panel, season_length_of
from tcn.series.iso import iso_stamps

router = new_router("read")

READ_KEYS = (*COLUMN_KEYS, *LIST_KEYS)
ANY = {"type": "string", "maxLength": MAX_OPTION}
QUERY = {
    "delimiter": {"type": "string", "enum": [",", ";", "|", "\t"]},
    "decimal": {"type": "string", "enum": [".", ","]},
}


@router.post(
    "/v1/series",
    **describe(
        "Read a CSV file into series",
        body={"type": "string"},
        body_types=("text/csv",),
        answer={"type": "object", "properties": {"series": {"type": "array"}}},
        parameters={key: ("query", QUERY.get(key, ANY)) for key in READ_KEYS},
    ),
)
async def read(request: Request) -> Response:
    """Find the columns, say which, and return the series with their stamps.

    The query names columns that cannot be found: `id_col` and `target_col` one or, with commas
    between them, several; and the covariates, which nobody can find. `columns` tells what each is.
    """
    state = state_of(request)
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "text/csv":
        raise Problem(
            415,
            "Send the file as it is, with the header 'Content-Type: text/csv' (curl:"
            " --data-binary @file.csv).",
        )
    columns = options_of_text(query_of(request), frozenset(READ_KEYS))
    async with state.bodies.read(request, state.settings.max_body_bytes) as data:
        content = await asyncio.to_thread(_read, data, columns)
    return await asyncio.to_thread(json_response, content)


def _read(data: bytes, columns: dict[str, Any]) -> dict[str, Any]:
    try:
        refuse_compressed(data[:8])
        panel = tcn.read_csv(data, **columns)
    except TcnError as error:
        raise Problem(422, str(error)) from None
    source = panel.source
    return {
        "source": source.describe(),
        "freq": panel.freq,
        "season_length": season_length_of(panel.freq),
        "columns": {
            "id": source.id_col,
            "time": source.time_col,
            "values": source.target_cols,
            "unused": source.ignored,
        },
        "series": [_one(panel, index) for index in range(len(panel))],
    }


def _one(panel: Panel, index: int) -> dict[str, Any]:
    y = panel[index]
    steps = np.arange(len(y), dtype=np.int64)
    times = panel.frequency.shift(panel.starts[index : index + 1], steps, panel.tz)
    ds = iso_stamps(times, panel.tz, panel.freq)
    one = {"id": str(panel.ids[index]), "start": ds[0] if ds else 0, "y": y, "ds": ds}
    return one | {
        f"{kind}_covariates": _columns_of(covariates, index)
        for kind in ("past", "future", "static")
        if (covariates := getattr(panel, f"{kind}_covariates")) is not None
    }


def _columns_of(covariates: Covariates, index: int) -> dict[str, Any]:
    """Return the columns of one series by name, as requests have them: texts where they were."""
    columns: dict[str, Any] = {}
    for name, values, table in zip(
        covariates.names, covariates[index], covariates.categories, strict=True
    ):
        texts = values if table is None else _texts(np.atleast_1d(values), table)
        columns[name] = texts[0] if covariates.is_static and table is not None else texts
    return columns


def _texts(codes: NDArray[np.float64], table: tuple[str, ...]) -> list[str | None]:
    return [None if np.isnan(code) else table[int(code)] for code in codes]

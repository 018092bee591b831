"""What a request to train must say, and how its data is read, in the API and in the job."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from starlette.requests import Request

import tcn
from service.errors import Problem, Report, kind_of, pointer
from service.panels import one_panel
from service.schemas import MODEL_NAME, parse_int, parse_series_list, refuse_unknown
from service.settings import NAME_PATTERN, Settings
from service.trainer import DATA, SERIES
from tcn.config import TCNConfig, TrainConfig, WaveNetConfig
from tcn.errors import DataError, TcnError
from tcn.forecaster import Forecaster
from tcn.series import Panel

Network = TCNConfig | WaveNetConfig

KINDS: Mapping[str, type[TCNConfig] | type[WaveNetConfig]] = {
    "tcn": TCNConfig,
    "wavenet": WaveNetConfig,
}
SHARED_KEYS = frozenset(
    {"name", "version", "horizon", "start", "kind", "network", "train", "season_length", "freq"}
)
JSON_KEYS = SHARED_KEYS | {"series", "tz"}
COLUMN_KEYS = (
    "id_col",
    "time_col",
    "target_col",
    "freq",
    "tz",
    "time_format",
    "delimiter",
    "decimal",
    "encoding",
)
SEVERAL_KEYS = ("id_col", "target_col")  # one column or some
LIST_KEYS = ("past_covariates", "future_covariates", "static_covariates")
CSV_KEYS = SHARED_KEYS | {*COLUMN_KEYS, *LIST_KEYS, "max_epochs"}
MAX_OPTION = 1000

_NAME = re.compile(NAME_PATTERN)
_ENCODING = re.compile(  # of text; others Python knows are slow, or are no encodings of files
    r"utf-?(8|16)|latin-?1|iso-?8859-\d{1,2}|(windows-|cp)125\d|cp(437|85\d)|shift-?jis|gb18030|gbk"
    r"|big5|euc-?(jp|kr)|koi8-?[ru]|mac-?roman",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Order:
    """A checked request to train: the model to make, and what the job needs to know."""

    model: str
    version: str | None
    params: dict[str, Any]


def query_of(request: Request) -> dict[str, str]:
    """Return the fields of a query, each of which may be there once."""
    items = request.query_params.multi_items()
    if len({key for key, _ in items}) != len(items):
        raise Problem(422, "A field of the query is there twice. Keep one of them.")
    return dict(items)


def options_of_text(fields: Mapping[str, str], known: frozenset[str] = CSV_KEYS) -> dict[str, Any]:
    """Turn query or form fields into the values that JSON would have.

    Names of columns are split at commas, as on the command line.
    """
    options: dict[str, Any] = {}
    report = Report()
    refuse_unknown(fields, known, (), report)
    report.raise_if_any()
    for key, text in fields.items():
        if len(text) > MAX_OPTION:
            raise Problem(422, f"{pointer(key)}: may have {MAX_OPTION:,} characters.")
        if key in ("horizon", "season_length", "max_epochs"):
            options[key] = int(text) if re.fullmatch(r"\d{1,9}", text) else text
        elif key in LIST_KEYS:
            options[key] = _names(text)
        elif key in SEVERAL_KEYS and len(several := _names(text)) > 1:
            options[key] = several
        elif key in ("network", "train"):
            options[key] = _object(text, key)
        elif key == "encoding" and not _ENCODING.fullmatch(text):
            raise Problem(422, "#/encoding: must be one such as utf-8, utf-16, latin-1 or cp1252.")
        elif text:
            options[key] = text
    if "max_epochs" in options:
        epochs = {"max_epochs": options.pop("max_epochs")}
        train = options.get("train", {})
        options["train"] = train | epochs if isinstance(train, dict) else train
    return options


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _object(text: str, key: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Problem(422, f"{pointer(key)}: must be a JSON object.") from None


def parse_order(options: Mapping[str, Any], settings: Settings) -> Order:
    """Check everything but the data. Raises `Problem` 422 that names the places."""
    report = Report()
    name = options.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        report.add("#/name", "must be 1 to 64 letters, digits, dots, dashes and underscores.")
    version = options.get("version")
    if version is not None and not (isinstance(version, str) and _NAME.fullmatch(version)):
        report.add("#/version", "must be 1 to 64 letters, digits, dots, dashes and underscores.")
    horizon = parse_int(options.get("horizon"), "horizon", 1, settings.max_horizon, report)
    start = options.get("start", "zero")
    if start is not None and not (isinstance(start, str) and MODEL_NAME.fullmatch(start)):
        report.add("#/start", "must be the name of a model, 'none' for random weights, or null.")
    kind = options.get("kind")
    if kind is not None and not (isinstance(kind, str) and kind in KINDS):
        report.add("#/kind", f"must be one of {', '.join(KINDS)}.")
    for key in ("network", "train"):
        if not isinstance(options.get(key, {}), dict):
            report.add(pointer(key), f"must be an object, got {kind_of(options[key])}.")
    report.raise_if_any()
    params = {key: options[key] for key in options if key not in ("series", "name", "version")}
    params |= {"horizon": horizon, "start": None if start == "none" else start}
    check_configs(params)
    return Order(str(name), version, params)


def check_configs(params: Mapping[str, Any]) -> None:
    """Refuse unknown or impossible settings now and not in the job."""
    try:
        train_config(params)
        _build(params, {}, KINDS[params.get("kind") or "tcn"])
    except (TcnError, TypeError) as error:
        raise Problem(422, _config_sentence(error)) from None


def _config_sentence(error: Exception) -> str:
    if isinstance(error, TcnError):
        return str(error)
    return "A setting of 'network' or 'train' has a value of a wrong kind."


def train_config(params: Mapping[str, Any]) -> TrainConfig:
    """Return how to train."""
    return TrainConfig.from_dict(params.get("train", {}))


def network_config(params: Mapping[str, Any], begin: Forecaster | None) -> Network:
    """Return the network's config: that of the start or the default, with what was asked for."""
    kind = KINDS[params.get("kind") or "tcn"]
    if begin is None:
        return _build(params, {}, kind)
    if params.get("kind") is None:
        kind = type(begin.config)
    return _build(params, begin.config.to_dict(), kind)


def _build(
    params: Mapping[str, Any],
    base: Mapping[str, Any],
    kind: type[TCNConfig] | type[WaveNetConfig],
) -> Network:
    chosen = {**base, **params.get("network", {}), "horizon": params["horizon"]}
    if params.get("season_length") is not None:
        chosen["season_length"] = params["season_length"]
    return kind.from_dict(chosen)


def panel_of_series(body: Mapping[str, Any], settings: Settings) -> Panel:
    """Return the panel of a JSON body. Raises `Problem` 422 that names the places."""
    report = Report()
    fields = {key: body[key] for key in ("series", "freq", "tz") if key in body}
    series = parse_series_list(fields, 0, settings, report)
    report.raise_if_any()
    return one_panel(series)


def panel_of_csv(path: Path, params: Mapping[str, Any]) -> Panel:
    """Read an uploaded file. Raises `DataError` with the row and column."""
    options = {key: params[key] for key in (*COLUMN_KEYS, *LIST_KEYS) if params.get(key)}
    with path.open("rb") as file:
        refuse_compressed(file.read(8))
    return tcn.read_csv(path, **options)


def refuse_compressed(head: bytes) -> None:
    """Raise `DataError` when a file's first bytes are not those of a text."""
    if head.startswith((b"PK\x03\x04", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ")):
        raise DataError("This is a compressed file or a workbook. Send it as plain CSV text.")


def read_training_panel(directory: Path, params: Mapping[str, Any]) -> Panel:
    """Read the data of a job, which was checked when the job was added."""
    if (directory / DATA).exists():
        return panel_of_csv(directory / DATA, params)
    body = orjson.loads((directory / SERIES).read_bytes())
    return panel_of_series(body, Settings.from_environment())

"""The text of a CSV file as a table: its encoding, separator and header, all cells as text."""

import codecs
import io
import os
import re
from collections import Counter
from pathlib import Path
from typing import IO, Any

from tcn.errors import DataError
from tcn.series.columns import Table

File = str | os.PathLike[str] | bytes | IO[str] | IO[bytes]

DELIMITERS = (",", ";", "\t", "|")
MAX_COLUMNS = 10_000
_ARCHIVES = {
    b"PK\x03\x04": "a zip archive or an Excel file",
    b"\x1f\x8b": "a gzip archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"%PDF": "a PDF",
}
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DELIMITER_LINE = re.compile(rb"\s*\"?sep=([,;\t|])\"?\r?\n(?=.)", re.DOTALL)  # Excel's
_NUMBER = re.compile(r"\s*[+-]?(\d+[\d.,]*|[.,]\d+)([eE][+-]?\d+)?\s*")
_DATE = re.compile(r"\s*(\d{4}[-/.]\d{1,2}([-/.]\d{1,2})?|\d{1,2}[-/.]\d{1,2}[-/.]\d{4})([ T].*)?")


def read_text_table(
    file: File,
    delimiter: str | None,
    decimal: str | None,
    encoding: str | None,
    time_format: str | None,
) -> Table:
    """A CSV file as a table of texts; what `read_csv` says of the options holds."""
    _check_options(delimiter, decimal)
    raw = _utf8(_content(file), encoding)
    if not raw.strip():
        raise DataError("The file is empty. Give a header and at least one row.")
    if raw[:64].lstrip()[:1] in (b"{", b"["):
        raise DataError(
            "This looks like JSON, not a CSV file. Give its numbers to Panel.from_arrays."
        )
    _check_quotes(raw)
    mark = _DELIMITER_LINE.match(raw)
    if mark is not None:
        delimiter, raw = delimiter or mark[1].decode(), raw[mark.end() :]
    first, second = _first_lines(raw)
    delimiter = delimiter or _delimiter(first, second)
    _check_width(first, delimiter)
    header = _split(first, delimiter)
    if not header:
        raise DataError("The first row has no cells. Give a header and at least one row.")
    has_header = not all(_is_data(cell) for cell in header)
    if has_header and not second:
        raise DataError("The file has a header but no rows. Give at least one observation.")
    names = _names(header) if has_header else _invented_names(header)
    arrow = _parse(raw, names, delimiter, has_header)
    first_row = 1 + has_header + (mark is not None)
    return Table(arrow, first_row, delimiter, decimal, time_format)


def _check_options(delimiter: str | None, decimal: str | None) -> None:
    if decimal not in (None, ".", ","):
        raise DataError(f"decimal must be '.' or ',', got {decimal!r}.")
    if delimiter and not (len(delimiter) == 1 and "\0" < delimiter < "\x7f"):
        raise DataError(f"delimiter must be one character of ASCII, got {delimiter[:20]!r}.")


def _content(file: File) -> bytes:
    if isinstance(file, bytes):
        return file
    if not isinstance(file, str | os.PathLike):
        if not hasattr(file, "read"):
            raise DataError(
                f"A {type(file).__name__} is not a file. Give a path, bytes or an open file, or "
                f"use Panel.from_frame for frames and Panel.from_arrays for numbers."
            )
        content = file.read()
        return content.encode() if isinstance(content, str) else content
    try:
        return Path(file).read_bytes()
    except FileNotFoundError as error:
        if str(file).startswith(("http://", "https://", "s3://")):
            raise DataError(f"{str(file)!r} is not on this disk. Download it first.") from error
        raise DataError(f"There is no file {str(file)!r}. Check the path.") from error
    except OSError as error:
        raise DataError(f"{str(file)!r} cannot be read: {error.strerror}.") from error


def _utf8(raw: bytes, encoding: str | None) -> bytes:
    """The content in UTF-8 without a byte order mark; refuses what is no text."""
    for magic, what in _ARCHIVES.items():
        if raw.startswith(magic):
            raise DataError(f"This is {what}, not a CSV file. Unpack it, or export it as CSV.")
    if raw.startswith(b"PAR1"):
        raise DataError("This is a parquet file, not a CSV file. Read it with read_parquet.")
    for mark, its_encoding in _BYTE_ORDER_MARKS:
        if raw.startswith(mark):
            encoding = its_encoding
    if encoding is None or encoding.lower() in ("utf-8", "utf8"):
        _check_utf8(raw)
    else:
        raw = _recoded(raw, encoding)
    if b"\0" in raw:
        raise DataError(
            f"Row {_row_at(raw, raw.index(0))} has a NUL byte, so this is no CSV text file. "
            f"Export it as CSV in UTF-8."
        )
    return raw


def _check_utf8(raw: bytes) -> None:
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"Row {_row_at(raw, error.start)} is not UTF-8 (byte 0x{raw[error.start]:02x}). "
            f"Save the file as UTF-8, or pass encoding=, such as 'latin-1'."
        ) from None


def _recoded(raw: bytes, encoding: str) -> bytes:
    try:
        return raw.decode(encoding).encode()
    except LookupError:
        raise DataError(f"Unknown encoding {encoding!r}. Use one such as 'latin-1'.") from None
    except UnicodeError as error:
        raise DataError(f"The file is not text in {encoding!r}: {error}.") from None


def _check_quotes(raw: bytes) -> None:
    if raw.count(b'"') % 2:
        row = _row_at(raw, raw.rindex(b'"'))
        raise DataError(
            f"A quote is never closed; the last one is in row {row}. "
            f"Write a quote inside a quoted cell twice."
        )


def _row_at(raw: bytes, position: int) -> int:
    return raw.count(b"\n", 0, position) + 1


def _first_lines(raw: bytes) -> tuple[str, str]:
    """The header, which may have quoted line breaks, and the line after it."""
    lines: list[str] = []
    parts: list[bytes] = []
    n_quotes = 0
    for part in io.BytesIO(raw):
        parts.append(part)
        n_quotes += part.count(b'"')
        if n_quotes % 2 == 0 and b"".join(parts).strip():
            lines.append(b"".join(parts).decode().strip("\r\n"))
            parts = []
        if len(lines) == 2:
            break
    return lines[0], lines[1] if len(lines) > 1 else ""


def _delimiter(first: str, second: str) -> str:
    """The separator the first two lines agree on; a comma where there is one column."""
    unquoted = [re.sub(r'"[^"]*"', "", line) for line in (first, second) if line]
    counts = {mark: [line.count(mark) for line in unquoted] for mark in DELIMITERS}
    agreed = {mark: n[0] for mark, n in counts.items() if n[0] and len(set(n)) == 1}
    if ";" in agreed or "\t" in agreed:  # then commas may be decimal
        agreed.pop(",", None)
    some = agreed or {mark: n[0] for mark, n in counts.items() if n[0]}
    return max(some, key=lambda mark: some[mark]) if some else ","


def _check_width(header: str, delimiter: str) -> None:
    n_columns = header.count(delimiter) + 1
    if n_columns > MAX_COLUMNS:
        raise DataError(
            f"The first row has {n_columns:,} cells, at most {MAX_COLUMNS:,} columns can be read. "
            f"Use a long table with the columns unique_id, ds, y and one row a value."
        )


def _split(line: str, delimiter: str) -> list[str]:
    import csv

    return next(csv.reader(io.StringIO(line, newline=""), delimiter=delimiter), [])


def _is_data(cell: str) -> bool:
    return bool(_NUMBER.fullmatch(cell) or _DATE.fullmatch(cell))


def _names(header: list[str]) -> list[str]:
    names = [name.strip() for name in header]
    twice = [name for name, count in Counter(names).items() if count > 1 and name]
    if twice:
        raise DataError(f"The header has {twice[0]!r} twice. Give every column its own name.")
    return [name or f"unnamed_{i + 1}" for i, name in enumerate(names)]


def _invented_names(header: list[str]) -> list[str]:
    """Names for a file without a header: ds where the first column holds dates, then y."""
    if len(header) == 1:
        return ["y"]
    first = ["ds"] if _DATE.fullmatch(header[0]) else ["column_1"]
    if len(header) == 2 and first == ["ds"]:
        return ["ds", "y"]
    return first + [f"column_{i + 1}" for i in range(1, len(header))]


def _parse(raw: bytes, names: list[str], delimiter: str, has_header: bool) -> Any:
    """All cells as text, by arrow's CSV reader."""
    import pyarrow as pa
    from pyarrow import csv

    is_single = len(names) == 1
    if is_single:  # an empty line is a missing value there, but not at the end
        raw = raw.rstrip()
    try:
        return csv.read_csv(
            pa.BufferReader(raw),
            read_options=csv.ReadOptions(
                use_threads=False,
                block_size=max(1 << 24, min(len(raw), 1 << 26)),
                column_names=names,
                skip_rows_after_names=int(has_header),
            ),
            parse_options=csv.ParseOptions(
                delimiter=delimiter,
                newlines_in_values=True,
                ignore_empty_lines=not is_single,
                invalid_row_handler=None,
            ),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        raise _unreadable(str(error)) from None


def _unreadable(reason: str) -> DataError:
    match = re.search(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)(?:: (.*))?", reason)
    if match:
        row = f"Row {match[1]}" if match[1] else "A row"
        start = (match[4] or "")[:60]
        title = "Take away lines above the header, quote" if match[2] == "1" else "Quote"
        return DataError(
            f"{row} has {match[3]} cells, the header has {match[2]} ({start!r}). "
            f"{title} cells that contain the separator, or pass delimiter=."
        )
    if "straddling" in reason:
        return DataError("A row is longer than 16 MB. Is this a CSV file with line breaks?")
    return DataError(f"The file cannot be read as CSV: {reason.splitlines()[0]}")

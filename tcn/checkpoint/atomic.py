"""Files and directories that appear whole or not at all.

Everything is written beside its place under a temporary name, flushed to the disk, and then renamed
over it. A crash or a full disk leaves what was there before; what a killed process left behind is
swept by the next write to the same place, or by `sweep_directory`.
"""

import ctypes
import os
import shutil
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

from tcn.errors import CheckpointError

LEFTOVER_AGE_S = 600.0

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def write_file(path: Path, data: bytes) -> None:
    """Write `data` to `path`, replacing a file that is there only when all of it is on the disk."""
    _require_parent(path)
    _sweep(path)
    temporary = _temporary(path)
    try:
        _write_and_flush(temporary, data)
        temporary.replace(path)
        flush_directory(path.parent)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_directory(path: Path, files: Mapping[str, bytes]) -> None:
    """Make the directory `path` hold exactly `files`; one that is there is replaced in one step."""
    _require_parent(path)
    _sweep(path)
    temporary = _temporary(path)
    try:
        temporary.mkdir()
        for name, data in files.items():
            _write_and_flush(temporary / name, data)
        flush_directory(temporary)
        _put_in_place(temporary, path)
        flush_directory(path.parent)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _require_parent(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(path, error) from error


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")


def sweep_directory(directory: Path) -> None:
    """Remove what killed writers left inside `directory`, as far as it is too old to be in use."""
    for leftover in directory.glob(f".?*.{'[0-9a-f]' * 32}.tmp"):
        _remove_if_old(leftover)


def _sweep(path: Path) -> None:
    """Remove what a killed writer left beside `path`, once it is too old to be in use."""
    for leftover in path.parent.glob(f".{_escaped(path.name)}.{'?' * 32}.tmp"):
        _remove_if_old(leftover)


def _remove_if_old(leftover: Path) -> None:
    try:
        is_old = time.time() - leftover.lstat().st_mtime > LEFTOVER_AGE_S
    except OSError:
        return
    if not is_old:
        return
    if leftover.is_dir() and not leftover.is_symlink():
        shutil.rmtree(leftover, ignore_errors=True)
    else:
        leftover.unlink(missing_ok=True)


def _escaped(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _write_and_flush(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def flush_directory(path: Path) -> None:
    """Make renames inside `path` survive a power cut, where the system lets one ask for it."""
    if os.name == "posix":
        _flush(path)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_tree(directory: Path) -> None:
    """Make the files inside `directory`, which something else wrote, survive a power cut."""
    for path in directory.rglob("*"):
        flush_directory(path) if path.is_dir() else _flush(path)
    flush_directory(directory)


def _put_in_place(temporary: Path, path: Path) -> None:
    """Rename `temporary` to `path`; afterwards `temporary` is gone or holds what `path` held."""
    if not path.exists():
        temporary.rename(path)
        return
    if _swap(temporary, path):
        return
    retired = _temporary(path)
    path.rename(retired)
    try:
        temporary.rename(path)
    except OSError:
        retired.rename(path)
        raise
    shutil.rmtree(retired, ignore_errors=True)


def _swap(first: Path, second: Path) -> bool:
    """Exchange two directories in one step where the kernel can (Linux); False where it cannot."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    paths = (os.fsencode(first), os.fsencode(second))
    result = rename(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE)
    return bool(result == 0)


def _cannot_write(path: Path, error: OSError) -> CheckpointError:
    reason = error.strerror or str(error)
    return CheckpointError(
        f"Cannot write '{path}': {reason}. Anything that was there before is unchanged; "
        "free some space or choose another place, and save again."
    )

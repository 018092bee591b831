"""The directory of models: what is there under which name, and how that changes.

    models/
      sales/                 a model: config.json, weights.safetensors, manifest.json
      energy/1/, energy/2/   versions of one; `energy` means the newest, `energy/1` the first
      .aliases.json          {"live": "energy/1"}; an alias of a model's own name pins a version

A name is looked up as an alias, then in the directory, then among the models of the package.
Names follow one pattern, links are refused, so no name leads out of the directory. Changes are made
under a lock that holds over all processes, and by renaming, so nothing half made is ever seen.
"""

import contextlib
import fcntl
import os
import re
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from service.errors import Problem
from service.settings import NAME_PATTERN
from tcn.checkpoint import read_checkpoint
from tcn.checkpoint.atomic import flush_directory, flush_tree, sweep_directory, write_file
from tcn.errors import CheckpointError

MANIFEST = "manifest.json"
ALIASES = ".aliases.json"
MAX_ALIASES = 1000
SETTLED_NS = 100_000_000  # a directory that changed just now may change again unseen

_NAME = re.compile(NAME_PATTERN)

Stamp = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model that exists: its full name (`sales`, `energy/2`), place and state on the disk.

    `path` is None for a model of the package.
    """

    name: str
    path: Path | None
    stamp: Stamp


class ModelShelf:
    """The models of one directory, looked at afresh each time, and of the package."""

    def __init__(self, root: Path, bundled: tuple[str, ...] = ()) -> None:
        self.root = root
        self.bundled = bundled
        self._root = str(root)  # pathlib is slow, and every request comes here
        self._aliases: tuple[Stamp, dict[str, str]] = ((), {})
        self._versions: dict[str, tuple[Stamp, list[str]]] = {}

    def resolve(self, name: str) -> ModelRef:
        """Find a model by name. Raises `Problem` 404."""
        target = self.aliases().get(name, name)
        ref = self.find(target)
        if ref is None:
            raise unknown_model()
        return ref

    def find(self, name: str) -> ModelRef | None:
        """Find a model by its own name; None if there is none."""
        head, _, version = name.partition("/")
        if not _NAME.fullmatch(head) or (version and not _NAME.fullmatch(version)):
            return None
        place = f"{self._root}/{head}"
        if not _is_own_directory(place):
            is_bundled = not version and head in self.bundled
            return ModelRef(head, None, ()) if is_bundled else None
        if not version:
            stamp = _stamp(f"{place}/{MANIFEST}")
            if stamp:
                return ModelRef(head, self.root / head, stamp)
            versions = self.versions(head)
            if not versions:
                return ModelRef(head, None, ()) if head in self.bundled else None
            version = versions[-1]
        stamp = _stamp(f"{place}/{version}/{MANIFEST}")
        if not stamp or not _is_own_directory(f"{place}/{version}"):
            return None
        return ModelRef(f"{head}/{version}", self.root / head / version, stamp)

    def versions(self, name: str) -> list[str]:
        """Return the versions of a model, the newest last; empty if it has none."""
        path = f"{self._root}/{name}"
        stamp = _stamp(path)
        if not stamp or not _is_own_directory(path):
            return []
        known = self._versions.get(name)
        if known is not None and known[0] == stamp:
            return known[1]
        found = [
            entry.name
            for entry in _entries(path)
            if _NAME.fullmatch(entry.name) and (Path(entry.path) / MANIFEST).is_file()
        ]
        found.sort(key=_natural)
        if time.time_ns() - stamp[0] > SETTLED_NS:
            self._versions[name] = (stamp, found)
        return found

    def names(self) -> list[str]:
        """Return the full names of all models, versions apart, without loading any."""
        found = []
        for entry in sorted(_entries(self.root), key=lambda entry: entry.name):
            if not _NAME.fullmatch(entry.name):
                continue
            if (Path(entry.path) / MANIFEST).is_file():
                found.append(entry.name)
            else:
                found += [f"{entry.name}/{version}" for version in self.versions(entry.name)]
        return found + [name for name in self.bundled if name not in found]

    def aliases(self) -> dict[str, str]:
        """Return all aliases and the models they stand for."""
        stamp = _stamp(f"{self._root}/{ALIASES}")
        if stamp != self._aliases[0]:
            self._aliases = (stamp, _read_aliases(self.root / ALIASES) if stamp else {})
        return self._aliases[1]

    def set_alias(self, alias: str, target: str) -> None:
        """Let `alias` stand for the model `target` from now on, in every process."""
        if not _NAME.fullmatch(alias):
            raise Problem(
                422, "An alias has at most 64 letters, digits, dots, dashes, underscores."
            )
        with self.changing():
            ref = self.find(target)
            if ref is None:
                raise unknown_model()
            aliases = dict(self.aliases())
            if self.find(alias) is not None and ref.name.partition("/")[0] != alias:
                raise Problem(422, "A model has this name already. Choose another alias.")
            aliases[alias] = ref.name
            if len(aliases) > MAX_ALIASES:
                raise Problem(422, f"There may be {MAX_ALIASES:,} aliases. Delete one first.")
            write_file(self.root / ALIASES, orjson.dumps(aliases))

    def delete_alias(self, alias: str) -> None:
        """Forget an alias. Raises `Problem` 404."""
        with self.changing():
            aliases = dict(self.aliases())
            if aliases.pop(alias, None) is None:
                raise Problem(404, "There is no alias of this name.")
            write_file(self.root / ALIASES, orjson.dumps(aliases))

    def delete(self, name: str) -> None:
        """Remove a model, or all versions of one. Raises `Problem` 404, 409 or 422."""
        with self.changing():
            path = self._deletable(name)
            users = [
                alias
                for alias, target in self.aliases().items()
                if target == name or target.startswith(f"{name}/")
            ]
            if users:
                raise Problem(409, f"Aliases stand for this model: {', '.join(users[:5])}.")
            trash = self.root / f".trash-{uuid.uuid4().hex}"
            path.rename(trash)
        shutil.rmtree(trash, ignore_errors=True)

    def _deletable(self, name: str) -> Path:
        head, _, version = name.partition("/")
        if not _NAME.fullmatch(head) or (version and not _NAME.fullmatch(version)):
            raise unknown_model()
        path = self.root / head / version if version else self.root / head
        exists = _is_own_directory(path) and (
            _stamp(path / MANIFEST) or (not version and self.versions(head))
        )
        if not exists and name in self.bundled:
            raise Problem(409, "This model is part of the installation and cannot be deleted.")
        if not exists or not _is_own_directory(self.root / head):
            raise unknown_model()
        return path

    def publish(self, made: Path, name: str, version: str | None = None) -> str:
        """Move a whole model directory into the store as a version of `name`; return its name.

        Without `version` it becomes the next number. Raises `Problem` 422 when it is taken.
        """
        with self.changing():
            parent = self.root / name
            if _stamp(parent / MANIFEST):
                raise Problem(422, "A model without versions has this name. Choose another one.")
            if not parent.exists():
                parent.mkdir()
                flush_directory(self.root)
            taken = self.versions(name)
            if version is None:
                numbers = [int(item) for item in taken if item.isdecimal()]
                version = str(max(numbers, default=0) + 1)
            if (parent / version).exists():
                raise Problem(422, f"The model has a version {version!r} already.")
            self._move_in(made, parent / version)
        return f"{name}/{version}"

    def _move_in(self, made: Path, place: Path) -> None:
        """Rename a directory into its place, by way of a copy from another file system."""
        if os.stat(made).st_dev == os.stat(self.root).st_dev:  # noqa: PTH116
            made.rename(place)
            flush_directory(place.parent)
            return
        copy = self.root / f".trash-{uuid.uuid4().hex}"
        try:
            shutil.copytree(made, copy)
            flush_tree(copy)
            copy.rename(place)
            flush_directory(place.parent)
        finally:
            shutil.rmtree(copy, ignore_errors=True)

    def find_made_by(self, name: str, job: str) -> str | None:
        """Return the version of `name` that a job has published already."""
        for version in self.versions(name):
            try:
                facts = facts_of(self.root / name / version)
            except CheckpointError:
                continue
            if facts["info"].get("job") == job:
                return f"{name}/{version}"
        return None

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the store's lock, over all processes, while something is changed."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise Problem(507, f"The store cannot be written: {error.strerror}.") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        except (OSError, CheckpointError) as error:
            reason = getattr(error, "strerror", None) or "the disk refuses it"
            raise Problem(507, f"The store cannot be written: {reason}.") from error
        finally:
            os.close(descriptor)

    def sweep(self) -> None:
        """Remove what killed processes left half deleted, half copied or half written.

        It waits for the lock, so that no copy that is being made is taken for a leftover.
        """
        with contextlib.suppress(Problem), self.changing():
            for entry in _entries(self.root):
                if entry.name.startswith(".trash-"):
                    shutil.rmtree(entry.path, ignore_errors=True)
            sweep_directory(self.root)
            for entry in _entries(self.root):
                if _NAME.fullmatch(entry.name):
                    sweep_directory(Path(entry.path))


def unknown_model() -> Problem:
    """Return the refusal of a model name that is not there."""
    return Problem(404, "There is no model of this name. GET /v1/models lists them.")


def facts_of(path: Path) -> dict[str, Any]:
    """Say what a model is, from its files: nothing is loaded. Raises `CheckpointError`."""
    checkpoint = read_checkpoint(path)
    config = checkpoint.config
    return {
        "kind": checkpoint.kind,
        "parameters": checkpoint.n_parameters,
        "created": checkpoint.manifest.get("created"),
        "horizon": config.get("horizon"),
        "context_length": config.get("context_length"),
        "info": dict(checkpoint.info),
    }


def _stamp(path: str | Path) -> Stamp:
    """Return what changes when a file does; empty if there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116  pathlib is slow, and every request comes here
    except (OSError, ValueError):
        return ()
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def _is_own_directory(path: str | Path) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return False


def _entries(path: str | Path) -> list["os.DirEntry[str]"]:
    """Return the real directories inside `path`."""
    try:
        with os.scandir(path) as entries:
            return [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _natural(name: str) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", name)
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts]


def _read_aliases(path: Path) -> dict[str, str]:
    try:
        values = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    if not isinstance(values, dict):
        return {}
    return {key: value for key, value in values.items() if isinstance(value, str)}

"""Models that are loaded, and what can be told of all of them.

A changed manifest is a changed model: it is loaded again, in every process, without a restart.
"""

import asyncio
import contextlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.engine import Predictor
from service.errors import Problem
from service.shelf import ModelRef, ModelShelf, Stamp, facts_of
from tcn.classifier import ImageClassifier
from tcn.errors import CheckpointError, TcnError

CHECKS_PER_LISTING = 32

Model = Predictor | ImageClassifier
Loader = Callable[[str | Path], Model]


@dataclass(frozen=True, slots=True)
class _Loaded:
    stamp: Stamp
    predictor: Model
    size: int


class ModelStore:
    """The models of one directory and of the package; at most `memory_bytes` stay loaded."""

    def __init__(
        self, root: Path, load: Loader, bundled: tuple[str, ...] = (), memory_bytes: int = 2**31
    ) -> None:
        self.shelf = ModelShelf(root, bundled)
        self.memory_bytes = memory_bytes
        self._load = load
        self._loaded: OrderedDict[str, _Loaded] = OrderedDict()
        self._broken: dict[str, tuple[Stamp, str]] = {}
        self._seen: dict[str, ModelRef] = {}  # in this turn of the event loop
        self._lock = threading.Lock()

    def resolve_at_once(self, name: str) -> ModelRef:
        """Find a model by name, looking once for all requests of one turn of the event loop.

        All of them were sent before the look, so none gets an answer older than itself.
        """
        ref = self._seen.get(name)
        if ref is None:
            asyncio.get_running_loop().call_soon(self._seen.clear)
            ref = self._seen[name] = self.shelf.resolve(name)
        return ref

    async def get(self, name: str) -> tuple[ModelRef, Predictor]:
        """Return a model ready to forecast; it is loaded in a thread when it is not yet.

        Raises `Problem`: 404 for an unknown name, 422 for a model that is broken or of images.
        """
        ref, model = await self._get(name)
        if isinstance(model, ImageClassifier):
            raise Problem(
                422, f"The model {ref.name!r} classifies images. POST them to /v1/classify."
            )
        return ref, model

    async def get_classifier(self, name: str) -> tuple[ModelRef, ImageClassifier]:
        """Return a model ready to classify images; otherwise as `get`."""
        ref, model = await self._get(name)
        if not isinstance(model, ImageClassifier):
            raise Problem(
                422, f"The model {ref.name!r} forecasts series. POST them to /v1/forecast."
            )
        return ref, model

    async def _get(self, name: str) -> tuple[ModelRef, Model]:
        ref = self.resolve_at_once(name)
        loaded = self._loaded.get(ref.name)
        if loaded is not None and loaded.stamp == ref.stamp:
            return ref, loaded.predictor
        return ref, await asyncio.to_thread(self.load, ref)

    def load(self, ref: ModelRef) -> Model:
        """Load a model now, or return it if it is loaded. Raises `Problem` 422 when broken."""
        with self._lock:
            loaded = self._loaded.get(ref.name)
            if loaded is not None and loaded.stamp == ref.stamp:
                self._loaded.move_to_end(ref.name)
                return loaded.predictor
            self._refuse_broken(ref)
            try:
                predictor = self._load(ref.name if ref.path is None else ref.path)
            except TcnError as error:
                self._broken[ref.name] = (ref.stamp, self._sentence(error))
                self._loaded.pop(ref.name, None)
                self._refuse_broken(ref)
                raise
            self._keep(ref, predictor)
            return predictor

    def _refuse_broken(self, ref: ModelRef) -> None:
        reason = self.broken_reason(ref)
        if reason is not None:
            raise Problem(422, f"The model {ref.name!r} is broken. {reason}")

    def broken_reason(self, ref: ModelRef) -> str | None:
        """Say why a model could not be loaded; None if it could or was not tried."""
        stamp, reason = self._broken.get(ref.name, ((), ""))
        return reason if reason and stamp == ref.stamp else None

    def _sentence(self, error: TcnError) -> str:
        """Return the error's text without the directory that the store is in."""
        root = str(self.shelf.root)
        return str(error).replace(f"{root}{os.sep}", "").replace(root, "the store")

    def _keep(self, ref: ModelRef, predictor: Model) -> None:
        self._loaded[ref.name] = _Loaded(ref.stamp, predictor, _size_of(predictor))
        self._loaded.move_to_end(ref.name)
        while len(self._loaded) > 1 and self.loaded_bytes > self.memory_bytes:
            self._loaded.popitem(last=False)

    @property
    def loaded_bytes(self) -> int:
        """Weights in memory."""
        return sum(item.size for item in list(self._loaded.values()))

    def listing(self) -> list[dict[str, Any]]:
        """Describe all models; those that are new are loaded once, to see whether they work."""
        described = []
        checks = CHECKS_PER_LISTING
        for name in self.shelf.names():
            ref = self.shelf.find(name)
            if ref is None:
                continue
            if self._is_unchecked(ref) and checks > 0:
                checks -= 1
                with contextlib.suppress(Problem):
                    self.load(ref)
            described.append(self.describe(ref))
        return described

    def _is_unchecked(self, ref: ModelRef) -> bool:
        loaded = self._loaded.get(ref.name)
        is_loaded = loaded is not None and loaded.stamp == ref.stamp
        return not is_loaded and self.broken_reason(ref) is None

    def describe(self, ref: ModelRef) -> dict[str, Any]:
        """Say what a model is, from its files: nothing is loaded."""
        pointing = sorted(
            alias for alias, target in self.shelf.aliases().items() if target == ref.name
        )
        described: dict[str, Any] = {"name": ref.name, "status": "ready", "aliases": pointing}
        reason = self.broken_reason(ref)
        if reason is None and ref.path is not None:
            try:
                return described | facts_of(ref.path)
            except CheckpointError as error:
                reason = self._sentence(error)
        if reason is not None:
            return described | {"status": "broken", "reason": reason}
        return described | _manifest_of(self._loaded.get(ref.name))

    def delete(self, name: str) -> None:
        """Remove a model, or all versions of one. Raises `Problem` 404, 409 or 422."""
        self.shelf.delete(name)
        for loaded in list(self._loaded):
            if loaded == name or loaded.startswith(f"{name}/"):
                self._loaded.pop(loaded, None)


def _manifest_of(loaded: _Loaded | None) -> dict[str, Any]:
    manifest = getattr(loaded.predictor, "manifest", None) if loaded is not None else None
    if not isinstance(manifest, Mapping):
        return {}
    keys = ("created", "parameters", "version")
    return {key: manifest[key] for key in keys if key in manifest}


def _size_of(predictor: Model) -> int:
    network = getattr(predictor, "network", None)
    if network is None:
        return 0
    tensors = network.state_dict().values()
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

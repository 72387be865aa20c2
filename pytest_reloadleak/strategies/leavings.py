"""What ended workers left on the machine: temporary files and shared memory, known by the worker that made them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from pytest_reloadleak.effects.base import Effect, Identity, Probe, Scope
from pytest_reloadleak.heap.sweep import Cause

_SEGMENTS = Path("/dev/shm")  # noqa: S108 - where Linux lists them


class Leavings(Probe):
    """Files that outlived the worker that made them."""

    name = "leavings"
    kinds = ("registration",)

    def __init__(self) -> None:
        self._found: dict[Path, tuple[str, int]] = {}

    def begin(self, scope: Scope) -> None:
        """Nothing to prepare: the strategy says what there may be."""
        super().begin(scope)

    def note(self, folder: Path, segments: Iterable[str]) -> None:
        """Note what one worker may have left.

        Args:
            folder: where its temporary files went.
            segments: names of the shared memory segments that it made.
        """
        generation = self.scope.generation() if hasattr(self, "scope") else 0
        for path in sorted(folder.iterdir()):
            self._found[path] = ("temporary files", generation)
        for name in segments:
            path = _SEGMENTS / name.lstrip("/")
            self._found[path] = ("shared memory", generation)

    def identities(self) -> Iterable[Identity]:
        """The files that are there."""
        return [(str(path),) for path in self._found if os.path.lexists(path)]

    def effects(self) -> list[Effect]:
        """The files that are there, each with the generation of its worker."""
        return [
            _effect(path, registry, generation)
            for path, (registry, generation) in self._found.items()
            if os.path.lexists(path)
        ]

    def remove(self) -> None:
        """Remove all of it: the workers were the check's."""
        for path in self._found:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        self._found.clear()


def _effect(path: Path, registry: str, generation: int) -> Effect:
    is_directory = path.is_dir()
    what = "directory" if is_directory else "file"
    name = f"{registry}: {what} {path.suffix}".strip() if registry == "temporary files" else registry
    kind = "directory" if is_directory else "file"
    return Effect(
        (str(path),),
        Cause("registration", registry, name, kind, registry),
        generation=generation,
        is_certain=True,
        bars=False,
        details=(f"{path.name}: outlived its process",),
        advice=f"remove the {what} before the worker ends, in an exit hook or in __reload_dispose__",
    )

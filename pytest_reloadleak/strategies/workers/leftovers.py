"""Find what ended workers left on the machine: temporary files and shared memory, by the worker that made them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from pytest_reloadleak.effects.probe import Effect, Identity, Probe
from pytest_reloadleak.holders.sweep import Cause

_SEGMENTS = Path("/dev/shm")  # noqa: S108 - where Linux lists them
_FILES, _MEMORY = "temporary files", "shared memory"


class WorkerLeftovers(Probe):
    """Files that outlived the worker that made them."""

    name = "leftovers"
    kinds = ("registration",)

    def __init__(self) -> None:
        self._found: dict[Path, tuple[str, int]] = {}
        """Registry and generation by path."""

    def generation(self) -> int:
        """The generation whose worker is ending."""
        return self.scope.generation()

    def note(self, folder: Path, segments: Iterable[str]) -> None:
        """Note what one worker may have left.

        Args:
            folder: the folder for temporary files, which has those of earlier workers too.
            segments: names of the shared memory segments that it made.
        """
        generation = self.generation()
        for path in [path for path in files(folder, self._found) if path not in self._found]:
            self._found[path] = (_FILES, generation)
        for name in segments:
            self._found[_segment(name)] = (_MEMORY, generation)

    def identities(self) -> Iterable[Identity]:
        """The files that still exist."""
        return [(str(path),) for path in self._found if os.path.lexists(path)]

    def effects(self) -> list[Effect]:
        """The files that still exist, if several workers left some: a cache or lock of a fixed name is made once."""
        effects = [
            _effect(path, registry, generation)
            for path, (registry, generation) in self._found.items()
            if os.path.lexists(path)
        ]
        makers: dict[Cause, set[int | None]] = {}
        for effect in effects:
            makers.setdefault(effect.cause, set()).add(effect.generation)
        return [effect for effect in effects if len(makers[effect.cause]) > 1]

    def remove(self) -> None:
        """Remove the shared memory, since the check started the workers. The files are removed with their folder."""
        for path, (registry, _) in self._found.items():
            if registry == _MEMORY:
                path.unlink(missing_ok=True)
        self._found.clear()


def files(folder: Path, known: Collection[Path]) -> Iterator[Path]:
    """The entries of a folder and of its known directories. A new directory counts as one entry."""
    try:
        found = sorted(folder.iterdir())
    except OSError:  # the target may do anything to it
        return
    for path in found:
        yield path
        if path in known and path.is_dir() and not path.is_symlink():
            yield from files(path, known)


def identities(folder: Path, known: Collection[Path], segments: Iterable[str]) -> list[Identity]:
    """The identities, as those of the probe, of what a worker has made so far.

    Args:
        folder: the folder for its temporary files.
        known: the entries that earlier workers left there.
        segments: names of the shared memory segments that it made.
    """
    return [(str(path),) for path in (*files(folder, known), *map(_segment, segments))]


def _segment(name: str) -> Path:
    return _SEGMENTS / name.lstrip("/")


def _effect(path: Path, registry: str, generation: int) -> Effect:
    if registry == _MEMORY:
        kind, name = "segment", registry
        advice = "close the segment and unlink it before the worker ends"
    else:
        kind = "directory" if path.is_dir() else "file"
        name = f"{registry}: {kind} {path.suffix}".strip()
        advice = f"remove the {kind} before the worker ends"
    return Effect(
        (str(path),),
        Cause("registration", registry, name, kind, registry),
        generation=generation,
        is_certain=True,
        bars=False,
        details=(f"{path.name}: outlived its process",),
        advice=f"{advice}, in __reload_dispose__ or an exit hook (atexit); nothing else does",
    )

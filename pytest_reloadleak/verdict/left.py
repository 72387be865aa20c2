"""Turn what the target leaves on the machine into findings. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pytest_reloadleak.growth.makers import NamesLeft
from pytest_reloadleak.holders.retention import Stack
from pytest_reloadleak.model import Finding, Held, Holder, Site
from pytest_reloadleak.verdict.signature import signature

_REGISTRIES = {
    "segment": ("shared_memory", "close and unlink the segment"),
    "semaphore": ("semaphores", "close and unlink the semaphore"),
    "socket": ("sockets", "remove the socket's file, as closing the socket does not"),
    "fifo": ("fifos", "remove the FIFO"),
    "directory": ("files", "remove the directory"),
    "file": ("files", "remove the file"),
    "link": ("files", "remove the link"),
}
"""By kind of name: the registry of the finding, and what to do on unload."""
REGISTRIES = frozenset({*(registry for registry, _ in _REGISTRIES.values()), "tempfile"})
"""The registries of what all programs on the machine share."""
_SHOWN = 5


def findings(
    target: str, left: Iterable[NamesLeft], site_of: Callable[[Stack], Site | None]
) -> list[Finding]:
    """Findings on what is left on the machine.

    Args:
        target: the target's name, part of each signature.
        left: what each line of the target leaves.
        site_of: picks the line to report.
    """
    return [_finding(target, one, site_of(one.stack)) for one in left]


def _finding(target: str, one: NamesLeft, site: Site | None) -> Finding:
    registry, undo = _REGISTRIES[one.kind]
    if registry == "files" and one.is_temporary:
        registry = "tempfile"
    path = f"{one.kind} {one.path}"
    maker = next((place for place in one.stack if place.rank == 0), None)
    function = maker.function if maker is not None and maker.function != "<module>" else ""
    held = Held(
        type="function" if function else "module",
        name=f"{target}.{function}" if function else target,
        file=maker.file if maker is not None else None,
        line=None,
    )
    return Finding(
        kind="registration",
        signature=signature("registration", target, (path, one.kind)),
        growth="growing",
        per_round=one.per_round,
        registry=registry,
        holder=Holder(root=registry, path=path, type=one.kind),
        held=held,
        trace=(path, f"{held.type} {held.name}"),
        site=site,
        details=one.paths[:_SHOWN],
        advice=f"{undo} on unload, or make it under the same name each time; nothing else removes it",
        cure=one.cure,
    )

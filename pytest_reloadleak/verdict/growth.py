"""Turn growth of the process into findings: objects that pile up but belong to no generation. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from itertools import groupby

from pytest_reloadleak.effects.system.meter import NATIVE_FLOOR_BYTES, OBJECTS_FLOOR, Grown
from pytest_reloadleak.holders.container_growth import Accumulation, Frames
from pytest_reloadleak.model import Finding, Kind, Site
from pytest_reloadleak.run.observations import Observations
from pytest_reloadleak.verdict.signature import signature

_RECORDS = 50
"""Objects per round below which a container is taken for a host's own records, such as what was loaded or which threads
have ended: no leak worth failing a build. Objects in no container are never taken for records."""


def findings(
    target: str, seen: Observations, site_of: Callable[[Frames, Collection[str]], Site | None]
) -> tuple[list[Finding], list[str]]:
    """Findings on what accumulated, if each settled round left more.

    Args:
        target: the target's name, part of each signature.
        seen: what a run observed: the numbers, the containers, and whether no other thread ran. While another thread
            runs, growth is the target's only if the target's code is seen to add it.
        site_of: picks the line to report from the frames of an allocation, given the target's source files.

    Returns:
        Findings of the kinds `object-growth` and `memory-growth`, and notes on what grew within a bound.
    """
    grown, accumulations, is_alone = seen.grown, seen.accumulations, seen.is_alone
    if not grown:
        return [], []
    merged = _merged(accumulations)
    notes = [
        f"{a.holder.path} grew, but it holds at most {a.bound} items: not a leak"
        for a in merged
        if a.bound is not None
    ]
    open_ones = [
        a for a in merged if a.bound is None and (is_alone or any(file in seen.files for file, _ in a.frames))
    ]
    kinds = ((a, _kind(a, grown)) for a in open_ones)
    out = [_finding(target, kind, a, site_of(a.frames, seen.files)) for a, kind in kinds if kind is not None]
    # So few objects are a host's records, except for those that no container explains.
    if grown.objects < _RECORDS and grown.objects - seen.explained < OBJECTS_FLOOR:
        grown = grown._replace(objects=0)
    if grown and not out and not notes:
        if not is_alone:
            return [], [f"{_amount(grown)}, but other threads ran and may have caused it"]
        out = [_unexplained(target, grown)]
    return out, notes


def _kind(a: Accumulation, grown: Grown) -> Kind | None:
    """Objects if the process gained enough of them, else memory if that is enough; `None` for less than both."""
    if a.is_tracked and grown.objects >= _RECORDS:
        return "object-growth"
    return "memory-growth" if a.bytes_per_round >= NATIVE_FLOOR_BYTES else None


def _amount(grown: Grown) -> str:
    """How much each round left, in words."""
    parts = []
    if grown.objects:
        parts.append(f"{grown.objects} more {'object' if grown.objects == 1 else 'objects'}")
    if grown.blocks:
        parts.append(f"{grown.blocks} more small memory blocks")
    if grown.native_bytes:
        parts.append(f"{grown.native_bytes} more bytes allocated by C code (malloc)")
    return f"each round left at least {', '.join(parts)}"


def _merged(accumulations: Iterable[Accumulation]) -> list[Accumulation]:
    """The accumulations, with those that differ only in a key, such as the lists of one dict, merged into one."""
    out = []
    ordered = sorted(accumulations, key=lambda a: (_without_key(a.trace), a.trace))
    for trace, members in groupby(ordered, key=lambda a: _without_key(a.trace)):
        first, *others = members
        if not others:
            out.append(first)
            continue
        group = [first, *others]
        path = first.holder.path.removesuffix("".join(first.trace[-2:])) + "[*][*]"
        together = first._replace(
            holder=replace(first.holder, path=path),
            trace=trace,
            per_round=round(sum(a.per_round for a in group), 2),
            is_tracked=any(a.is_tracked for a in group),
            bytes_per_round=round(sum(a.bytes_per_round for a in group), 1),
        )
        out.append(together)
    return out


def _without_key(trace: tuple[str, ...]) -> tuple[str, ...]:
    is_item = len(trace) > 2 and trace[-2].startswith("[")
    return (*trace[:-2], "[*]", "[*]") if is_item else trace


def _finding(target: str, kind: Kind, a: Accumulation, site: Site | None) -> Finding:
    what = "items" if a.per_round != 1 else "item"
    return Finding(
        kind=kind,
        signature=signature(kind, target, (*a.trace, a.holder.type)),
        growth="growing",
        per_round=a.per_round,
        holder=a.holder,
        trace=a.trace,
        site=site,
        sites=(site,) if site is not None else (),
        details=(f"{a.per_round:g} more {what} per round, which retain {a.bytes_per_round:g} bytes",),
        advice=(
            f"limit {a.holder.path.removesuffix('[*]')} (deque maxlen, lru_cache maxsize), let each reload replace "
            "its previous items, or remove them on unload"
        ),
    )


def _unexplained(target: str, grown: Grown) -> Finding:
    """Growth that no known container explains: a chain of objects, or memory allocated by C code."""
    kind: Kind = "object-growth" if grown.objects else "memory-growth"
    lines = [
        _amount(grown),
        "no known container explains it: look for a chain of objects, or memory allocated by C code",
    ]
    return Finding(
        kind=kind,
        signature=signature(kind, target, ("",)),
        growth="growing",
        per_round=float(grown.objects or grown.blocks or grown.native_bytes),
        details=tuple(lines),
        advice="on unload, free what the module body allocated, or allocate it once, outside the reloaded code",
    )

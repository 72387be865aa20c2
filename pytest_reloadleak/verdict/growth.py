"""From the process's numbers to findings: what accumulates that is of no generation. Pure functions of values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from itertools import groupby

from pytest_reloadleak.effects.system.meter import NATIVE_FLOOR_BYTES, OBJECTS_FLOOR, Grown
from pytest_reloadleak.holders.container_growth import Accumulation, Frames
from pytest_reloadleak.model import Finding, Kind, Site
from pytest_reloadleak.run.observations import Observations
from pytest_reloadleak.verdict.signature import signature

_NOTES = 50
"""Objects a round below which what has them is taken for a host's notes: that something was loaded, or a thread that is
over. That is no leak worth a build. What nobody has is no note of anybody's."""


def findings(
    target: str, seen: Observations, site_of: Callable[[Frames, Collection[str]], Site | None]
) -> tuple[list[Finding], list[str]]:
    """What accumulated, where each settled round left more.

    Args:
        target: the target's name, part of each signature.
        seen: what a run observed: the numbers, the containers, and whether no other thread ran. What grows beside
            another thread is the target's only if its code is seen to add it.
        site_of: picks the line to report from the frames of an allocation, given the target's source files.

    Returns:
        Findings of the kinds `object-growth` and `memory-growth`, and notes on what grew within a bound.
    """
    grown, accumulations, is_alone = seen.grown, seen.accumulations, seen.is_alone
    if not grown:
        return [], []
    told = _together(accumulations)
    notes = [
        f"{a.holder.path} takes at most {a.bound} items: that it grew is no leak"
        for a in told
        if a.bound is not None
    ]
    open_ones = [
        a for a in told if a.bound is None and (is_alone or any(file in seen.files for file, _ in a.frames))
    ]
    kinds = ((a, _kind(a, grown)) for a in open_ones)
    out = [_finding(target, kind, a, site_of(a.frames, seen.files)) for a, kind in kinds if kind is not None]
    # So few are somebody's notes, but for those that no container explains.
    if grown.objects < _NOTES and grown.objects - sum(a.objects_per_round for a in told) < OBJECTS_FLOOR:
        grown = grown._replace(objects=0)
    if grown and not out and not notes:
        if not is_alone:
            return [], [f"while other threads ran, {_amount(grown)}: whose that is cannot be told"]
        out = [_of_nobody(target, grown)]
    return out, notes


def _kind(a: Accumulation, grown: Grown) -> Kind | None:
    """Of objects if the process has more of them each round, else of memory if it is enough; `None` if it is noise."""
    if a.is_tracked and grown.objects >= _NOTES:
        return "object-growth"
    return "memory-growth" if a.bytes_per_round >= NATIVE_FLOOR_BYTES else None


def _amount(grown: Grown) -> str:
    """How much each round left, in words."""
    parts = []
    if grown.objects:
        parts.append(f"{grown.objects} more {'object' if grown.objects == 1 else 'objects'}")
    if grown.blocks:
        parts.append(f"{grown.blocks} more small blocks of memory")
    if grown.native_bytes:
        parts.append(f"{grown.native_bytes} more bytes in the heap of C (malloc)")
    return f"each round left at least {', '.join(parts)}"


def _together(accumulations: Iterable[Accumulation]) -> list[Accumulation]:
    """Those that only differ in a key, as the lists of one table do, as one."""
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
            objects_per_round=round(sum(a.objects_per_round for a in group), 1),
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
        details=(
            f"{a.per_round:g} {what} more a round, {a.bytes_per_round:g} bytes with what only they have",
        ),
        advice=(
            f"give {a.holder.path.removesuffix('[*]')} a bound (a maxlen, an lru_cache with a maxsize), let each "
            "reload overwrite what the one before put there, or remove it when the code is unloaded"
        ),
    )


def _of_nobody(target: str, grown: Grown) -> Finding:
    """Growth of which no container is known that has it: a chain of objects, or memory of C code's."""
    kind: Kind = "object-growth" if grown.objects else "memory-growth"
    lines = [
        _amount(grown),
        "no list, dict, set or deque is known that explains it: look for a chain of objects, or memory of C code's",
    ]
    return Finding(
        kind=kind,
        signature=signature(kind, target, ("",)),
        growth="growing",
        per_round=float(grown.objects or grown.blocks or grown.native_bytes),
        details=tuple(lines),
        advice=(
            "free what the module's body allocates when the code is unloaded, or allocate it once and outside of it"
        ),
    )

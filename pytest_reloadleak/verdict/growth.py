"""Turn growth of the process into findings: objects that pile up but belong to no generation. Pure functions."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from itertools import groupby

from pytest_reloadleak.effects.system.meter import Grown
from pytest_reloadleak.growth.survivors import Survivors
from pytest_reloadleak.holders.container_growth import Accumulation, Frames
from pytest_reloadleak.model import Finding, Kind, Site
from pytest_reloadleak.run.observations import UNEXPLAINED, Observations, is_explained
from pytest_reloadleak.verdict.amounts import amount, counted, size
from pytest_reloadleak.verdict.signature import signature

_RECORDS = 50
"""Below this many objects per round, a container counts as a host's own records if no trace shows who fills it."""
_RECORDS_BYTES = 32 * 1024
"""The same for bytes, and for memory that C code allocates."""
_LOG_BYTES = 256
"""Up to this many bytes per round, a list that gains only texts and numbers counts as a log."""
_MOST_SURVIVORS = 5


def findings(
    target: str, seen: Observations, site_of: Callable[[Frames, Collection[str]], Site | None]
) -> tuple[list[Finding], list[str]]:
    """Findings on what accumulated, if each settled round left more.

    A container that the target's own code fills is a leak from the first object on, and so is one that gains instances
    of the target's classes. What other code adds while no code of the target runs is that code's own record of each
    reload: it gets a note only. So does a log, a list or deque to which the target adds short texts and numbers, as
    hosts let their plugins do.

    Args:
        target: the target's name, part of each signature.
        seen: what a run observed: the numbers, the containers and who filled them, and whether no other thread ran.
        site_of: picks the line to report from the frames of an allocation, given the target's source files.

    Returns:
        Findings of the kinds `object-growth` and `memory-growth`, and notes on what grew and is no leak.
    """
    if not seen.grown:
        return [], []
    merged = _merged(seen.accumulations)
    notes = [
        f"{a.holder.path} grew, but it holds at most {a.bound} items: not a leak"
        for a in merged
        if a.bound is not None
    ]
    notes += [
        f"{a.holder.path} grew, but its library drops old items from it later: not a leak"
        for a in merged
        if a.is_emptied_later
    ]
    open_ones = [a for a in merged if a.bound is None and not a.is_emptied_later]
    leaks = [a for a in open_ones if _is_targets(a, seen)]
    notes += [_others(a) for a in open_ones if a.is_targets is False and a not in leaks]
    notes += [_log(a) for a in open_ones if _is_log(a)]
    out = [_finding(target, seen.grown, a, site_of(a.frames, seen.files)) for a in leaks]
    if is_explained(seen) or _is_all_known(seen):
        return out, notes
    if seen.survivors:
        accounted = [*seen.accounted, *(a.frames for a in merged)]
        known = [site_of(frames, seen.files) for frames in accounted if frames]
        found = _of_survivors(target, seen, known, site_of)
        return [*out, *found], notes
    grown = _unattributed(seen, has_notes=bool(notes))
    if grown and not out:
        if not seen.is_alone:
            return [], [*notes, f"{_amount(grown)}, but other threads ran and may have caused it"]
        out = [_unexplained(target, grown, site_of(seen.shares.frames, seen.files))]
    return out, notes


def _is_all_known(seen: Observations) -> bool:
    """Whether the containers that grew contain all the new objects, and nothing but objects grew."""
    grown = seen.grown
    is_only_objects = not (grown.blocks or grown.native_bytes or grown.mapped_bytes)
    return bool(seen.accumulations) and is_only_objects and grown.objects <= seen.explained


def _is_targets(a: Accumulation, seen: Observations) -> bool:
    """Whether the target's own code fills a container.

    Another thread may fill it while the target's code runs, for example while the target waits for its own threads.
    Where other threads run, every item must therefore come from the target, and each round must add the same number:
    an unrelated thread adds a number that varies.
    """
    if _is_log(a):
        return False
    if a.has_instances:
        # If a reload keeps the class, its instances belong to no old generation. An unrelated thread that creates
        # instances does so at random.
        return seen.is_alone or a.per_round % 1 == 0
    if a.is_targets is not None:
        return a.is_targets and (seen.is_alone or (a.is_only_targets and a.per_round % 1 == 0))
    if a.frames:
        return any(file in seen.files for file, _ in a.frames)
    is_large = (a.is_tracked and seen.grown.objects >= _RECORDS) or a.bytes_per_round >= _RECORDS_BYTES
    return seen.is_alone and is_large


def _is_log(a: Accumulation) -> bool:
    """Whether a container only gains short texts and numbers, in order."""
    is_in_order = a.unit == "byte" or a.holder.type in {"list", "deque"}
    return is_in_order and a.is_plain and a.bytes_per_round <= _LOG_BYTES


def _log(a: Accumulation) -> str:
    added = f"{size(a.bytes_per_round)} per round"
    if a.unit == "item":
        added = f"{amount(a.per_round)} short texts or numbers per round, {size(a.bytes_per_round)}"
    return f"{a.holder.path} grew by {added}: treated as a log, not as a leak"


def _others(a: Accumulation) -> str:
    return (
        f"{a.holder.path} grew by {_counted(a)} per round, but other code adds them while no code of the target runs: "
        "not a leak of the target"
    )


def _counted(a: Accumulation) -> str:
    """How much one round adds: bytes of a buffer, else items."""
    return size(a.per_round) if a.unit == "byte" else counted(a.per_round, a.unit)


def _more(a: Accumulation) -> str:
    retains = f", {size(a.bytes_per_round)} in all" if a.unit == "item" else ""
    return f"each round adds {_counted(a)}{retains}"


def _kind(a: Accumulation, grown: Grown) -> Kind:
    """`memory-growth` if the collector tracks no item, or if the items are small beside the memory that they map."""
    is_mapping = grown.mapped_bytes > 2 * max(grown.native_bytes, a.bytes_per_round)
    return "object-growth" if a.is_tracked and not is_mapping else "memory-growth"


def _unattributed(seen: Observations, *, has_notes: bool) -> Grown:
    """The growth above the noise that neither a container nor a traced line of the target explains."""
    grown, shares = seen.grown, seen.shares
    objects = grown.objects if grown.objects - seen.explained >= UNEXPLAINED else 0
    is_taken = not shares.is_known or shares.native_bytes >= _RECORDS_BYTES
    native = grown.native_bytes if grown.native_bytes >= _RECORDS_BYTES and is_taken else 0
    is_mapped = not shares.is_known or shares.mapped_bytes >= grown.mapped_bytes
    return Grown(
        objects=objects,
        blocks=0 if has_notes else grown.blocks,
        native_bytes=0 if has_notes else native,
        mapped_bytes=grown.mapped_bytes if is_mapped and not has_notes else 0,
    )


def _amount(grown: Grown) -> str:
    """How much each round left, in words."""
    parts = []
    if grown.objects:
        parts.append(counted(grown.objects, "more object"))
    if grown.blocks:
        parts.append(counted(grown.blocks, "more small memory block"))
    if grown.native_bytes:
        parts.append(f"{size(grown.native_bytes)} more from malloc (large objects, or C code)")
    if grown.mapped_bytes and not grown.native_bytes:
        parts.append(f"{size(grown.mapped_bytes)} more mapped memory")
    return f"each round left at least {', '.join(parts) or 'one more reference'}"


def _merged(accumulations: Iterable[Accumulation]) -> list[Accumulation]:
    """The accumulations, with those that differ only in a key, such as the lists of one dict, merged into one."""
    out = []
    ordered = sorted(accumulations, key=lambda a: (_without_key(a), a.unit, a.trace))
    for (trace, _), members in groupby(ordered, key=lambda a: (_without_key(a), a.unit)):
        first, *others = members
        if not others:
            out.append(first)
            continue
        group = [first, *others]
        depth = _depth(first)
        path = first.holder.path.removesuffix("".join(first.trace[-depth:])) + "[*]" * depth
        together = first._replace(
            holder=replace(first.holder, path=path),
            trace=trace,
            per_round=round(sum(a.per_round for a in group), 2),
            is_tracked=any(a.is_tracked for a in group),
            bytes_per_round=round(sum(a.bytes_per_round for a in group), 1),
        )
        out.append(together)
    return out


def _depth(a: Accumulation) -> int:
    """Number of steps at the end of a trace that belong to the container: one less for a buffer, which has no items."""
    return 1 if a.unit == "byte" else 2


def _without_key(a: Accumulation) -> tuple[str, ...]:
    depth = _depth(a)
    is_item = len(a.trace) > depth and a.trace[-depth].startswith("[")
    return (*a.trace[:-depth], *["[*]"] * depth) if is_item else a.trace


def _finding(target: str, grown: Grown, a: Accumulation, site: Site | None) -> Finding:
    kind = _kind(a, grown)
    outside = grown.native_bytes >= _RECORDS_BYTES or grown.mapped_bytes
    is_small = outside and a.bytes_per_round < max(grown.native_bytes, grown.mapped_bytes) / 2
    return Finding(
        kind=kind,
        signature=signature(kind, target, (*a.trace, a.holder.type)),
        growth="growing",
        per_round=a.per_round,
        holder=a.holder,
        trace=a.trace,
        site=site,
        sites=(site,) if site is not None else (),
        details=(_more(a),) + ((_amount(grown),) if is_small else ()),
        cure=_cure(a),
        advice=(
            f"limit {a.holder.path.removesuffix('[*]')} (deque maxlen, lru_cache maxsize), let each reload replace "
            f"its previous {a.unit}s, or remove them on unload"
        ),
    )


def _of_survivors(
    target: str,
    seen: Observations,
    known: Collection[Site | None],
    site_of: Callable[[Frames, Collection[str]], Site | None],
) -> list[Finding]:
    """A finding on the lines of the target whose allocations outlive each round, except lines that are `known`."""
    sites = [(s, site_of(s.frames, seen.files)) for s in seen.survivors]
    left = [(s, site) for s, site in sites if site is None or site not in known]
    if not left:
        return []
    kind: Kind = "object-growth" if seen.grown.objects else "memory-growth"
    blocks, size = sum(s.blocks for s, _ in left), sum(s.bytes for s, _ in left)
    lines = [f"{_line(site)} leaves {_left(s)} per round" for s, site in left if site]
    return [
        Finding(
            kind=kind,
            signature=signature(kind, target, ("",)),
            growth="growing",
            per_round=float(seen.grown.objects or blocks or size),
            site=left[0][1],
            details=(
                _amount(seen.grown),
                "no container that gets longer holds it, so it is probably a chain of objects",
                *lines[:_MOST_SURVIVORS],
            ),
            advice="cut the chain, or remove what this line adds, before the next reload",
        )
    ]


def _line(site: Site) -> str:
    return f"{os.path.basename(site.file)}:{site.line}"


def _left(s: Survivors) -> str:
    """The bytes. The number of blocks says less: a free list may provide some of them."""
    return size(s.bytes) if s.bytes > 0 else counted(s.blocks, "memory block")


_MODULE = re.compile(r"sys\.modules\['([\w.]+)'\]")


def _cure(a: Accumulation) -> str | None:
    """The lines that remove the newest items, which this generation added."""
    found = _MODULE.fullmatch(a.trace[0]) if a.trace else None
    steps = [*a.trace[1:]]
    while a.unit == "item" and steps and steps[-1] in {"[*]", a.holder.type}:
        steps.pop()
    if found is None or not steps or any("*" in step or "<" in step for step in steps):
        return None
    if a.per_round < 1 or a.per_round % 1 or not a.holder.path.removesuffix("[*]").endswith(steps[-1]):
        return None
    path, count = f"{found[1]}{''.join(steps)}", round(a.per_round)
    if a.holder.type in {"list", "bytearray"}:
        return f"import {found[1]}\ndel {path}[-{count}:]"
    if a.holder.type == "dict":
        return f"import {found[1]}\nfor key in list({path})[-{count}:]:\n    del {path}[key]"
    return None


def _unexplained(target: str, grown: Grown, site: Site | None) -> Finding:
    """Growth that no known container explains: a chain of objects, or memory allocated by C code."""
    kind: Kind = "object-growth" if grown.objects else "memory-growth"
    lines = [
        _amount(grown),
        "no known container holds it: look for a chain of objects, or memory that C code allocates",
    ]
    return Finding(
        kind=kind,
        signature=signature(kind, target, ("",)),
        growth="growing",
        site=site,
        per_round=float(grown.objects or grown.blocks or grown.native_bytes or grown.mapped_bytes),
        details=tuple(lines),
        advice="on unload, free what the module body allocated, or allocate it once, outside the reloaded code",
    )

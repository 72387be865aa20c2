"""Join the effects of a host's object with the old generation that it holds, since removing the object ends both.

A logging library's handler has a thread, a pipe and the target's function. The finding gets the first of the joined
kinds in the order of `model.Kind`, but an open descriptor counts as a consequence only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

from pytest_reloadleak.effects.probe import Effect
from pytest_reloadleak.holders.results.ownership import Mark
from pytest_reloadleak.holders.retention import Diagnosis, Later, Retention, Table
from pytest_reloadleak.holders.sweep import Cause
from pytest_reloadleak.model import Kind

_ORDER: tuple[Kind, ...] = get_args(Kind)
_RUNNING = frozenset({"child-process", "live-timer", "live-thread", "pending-task"})
_OWNED = _RUNNING | {"open-fd"}


def marks_of(effect: Effect) -> frozenset[Mark]:
    """The marks through which a host's object may own an effect: the effect's object, or a descriptor's number."""
    if effect.cause.kind not in _OWNED:
        return frozenset()
    number = effect.identity[0]
    if effect.values:
        return frozenset({id(effect.values[0])})
    return (
        frozenset({("fd", number)}) if effect.cause.kind == "open-fd" and type(number) is int else frozenset()
    )


def with_their_owners(
    seen: Diagnosis, marks: Mapping[Cause, Sequence[frozenset[Mark]]], target: str
) -> Diagnosis:
    """The diagnosis, with each effect that a holder's objects own joined with that holder.

    Args:
        seen: effects and holders.
        marks: the marks of each effect's members, by cause.
        target: the target's name.
    """
    left = list(seen.retentions)
    for holder in [r for r in left if r.cause is None and r.owns]:
        effects = [r for r in left if r.cause is not None and _is_of(marks.get(r.cause, ()), holder)]
        if effects:
            one = _one(holder, effects, target)
            gone = [holder, *effects]
            numbers = {r.number for r in gone}
            left = [
                _renumbered(r, numbers, one.number) for r in left if not any(r is other for other in gone)
            ]
            left.append(one)
    return seen._replace(retentions=tuple(left))


def with_tables(seen: Diagnosis) -> Diagnosis:
    """The diagnosis with the cure that removes each effect's object from the program's tables."""
    return seen._replace(
        retentions=tuple(
            _with_table_cures(r, seen.effect_owners.tables[r.cause])
            if r.cause in seen.effect_owners.tables and r.owner_cure is None and r.cause is not None
            else r
            for r in seen.retentions
        )
    )


def _with_table_cures(retention: Retention, tables: Sequence[Table]) -> Retention:
    places = " and ".join(table.path for table in tables)
    return retention._replace(
        owner_cure="\n".join(table.cure for table in tables if table.cure is not None) or None,
        details=(*retention.details, f"its object is in {places} too"),
        advice=f"{retention.advice}; its object must leave {places} as well",
    )


def with_pools(seen: Diagnosis) -> Diagnosis:
    """The diagnosis with the threads, children and pipes of one pool as one effect, since ending the pool ends all."""
    of_pools: dict[int, list[Retention]] = {}
    for r in seen.retentions:
        if r.cause is not None and r.cause in seen.effect_owners.pools:
            of_pools.setdefault(seen.effect_owners.pools[r.cause], []).append(r)
    left = list(seen.retentions)
    for effects in of_pools.values():
        if len(effects) > 1:
            one = _one_pool(sorted(effects, key=_rank))
            numbers = {r.number for r in effects}
            left = [r for r in left if not any(r is other for other in effects)]
            left = [*(_renumbered(r, numbers, one.number) for r in left), one]
    return seen._replace(retentions=tuple(left))


def _one_pool(effects: Sequence[Retention]) -> Retention:
    first, *others = effects
    numbers = {r.number for r in effects}
    together_with = tuple(sorted({n for r in effects for n in r.together} - numbers))
    return first._replace(
        generations=tuple(sorted({g for r in effects for g in r.generations})),
        number=next((r.number for r in effects if r.number is not None), None),
        also_retains=(
            *dict.fromkeys(text for r in effects for text in r.also_retains),
            *(f"{r.cause.kind}: {r.cause.path}" for r in others if r.cause is not None),
        ),
        details=tuple(dict.fromkeys(line for r in effects for line in r.details)),
        present=frozenset().union(*(r.present for r in effects)),
        is_sole=not together_with,
        together=together_with,
    )


def _is_of(members: Sequence[frozenset[Mark]], holder: Retention) -> bool:
    """Whether a holder's objects, through which it holds a generation, own every member of an effect."""
    return bool(members) and all(mark and mark <= holder.owns for mark in members)


def _one(holder: Retention, effects: Sequence[Retention], target: str) -> Retention:
    running = [r for r in effects if r.cause is not None and r.cause.kind in _RUNNING]
    first = min(running, key=_rank) if running else holder
    others = [r for r in sorted(effects, key=_rank) if r is not first]
    also = [f"{r.cause.kind}: {r.cause.path}" for r in others if r.cause is not None]
    numbers = {r.number for r in (holder, *effects)}
    together_with = tuple(sorted({n for r in (holder, *effects) for n in r.together} - numbers))
    one = holder._replace(
        also_retains=(*holder.also_retains, *also),
        details=(*holder.details, *(line for r in others for line in r.details)),
        is_sole=not together_with,
        together=together_with,
    )
    if first is holder:
        return one
    named = first.held if first.number is not None or first.held.type != "module" else holder.held
    place = f"the object that owns it is in {holder.holder.path}, which holds {holder.held.name}"
    return one._replace(
        holder=first.holder,
        held=named,
        trace=first.trace,
        cause=first.cause,
        generations=tuple(sorted({*first.generations, *holder.generations})),
        items=max(first.items, holder.items),
        later=together(first, holder),
        present=first.present | holder.present,
        rounds=first.rounds,
        is_binding=False,
        cure=first.cure,
        owner_cure=holder.cure,
        also_retains=(
            *(first.also_retains or (kept_alive(holder.generations, target),)),
            *one.also_retains,
        ),
        details=(place, *first.details, *one.details),
        advice=f"{first.advice}; remove what owns it from {holder.holder.path}",
    )


def _rank(retention: Retention) -> tuple[int, str]:
    assert retention.cause is not None
    return _ORDER.index(retention.cause.kind), retention.cause.path


def _renumbered(retention: Retention, gone: set[int | None], number: int | None) -> Retention:
    """A retention that refers to the joined one by its number."""
    if gone.isdisjoint(retention.together):
        return retention
    rest = {n for n in retention.together if n not in gone}
    return retention._replace(together=tuple(sorted(rest | ({number} if number is not None else set()))))


def together(one: Retention, other: Retention) -> Later | None:
    """What the second pass added to an effect and to what it keeps alive."""
    if one.later is None or other.later is None:
        return one.later or other.later
    most = max(one.items + one.later.items, other.items + other.later.items)
    generations = (one.later.generations | other.later.generations) - one.present - other.present
    return Later(most - max(one.items, other.items), generations, one.later.rounds)


def kept_alive(generations: Sequence[int], target: str) -> str:
    """The text for the generations that an effect keeps alive."""
    return f"retained-generation: generations {', '.join(map(str, generations))} of {target}"

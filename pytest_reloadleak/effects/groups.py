"""Group effects by cause, and select those that may be the target's: made of its objects, or growing with the rounds.

Three facts decide, and a probe knows none of them: when an effect was first seen, whose objects it consists of, and
whether each round adds more of the same kind.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pytest_reloadleak.effects.attribution import is_owned, owner
from pytest_reloadleak.effects.effect_ledger import EffectLedger
from pytest_reloadleak.effects.probe import Effect, Probe, Scope
from pytest_reloadleak.generations.first_pass import FirstPass
from pytest_reloadleak.heap.describe import spelled
from pytest_reloadleak.holders.retention import Later, Retention
from pytest_reloadleak.holders.sweep import Cause
from pytest_reloadleak.model import Held, Holder

REPEATED = 2
"""Rounds that must leave an effect of unknown origin before it counts: a lazy import or other code may leave one."""

SHOWN = 5
"""Effects of one finding that the report shows besides the first."""


@dataclass(slots=True, eq=False, repr=False)
class Member:
    """One effect of a group. Lives only while the process is inspected."""

    effect: Effect
    born: int | None
    is_idle: bool
    """Whether it appeared while no round was under way."""
    held: Held | None
    owner: int | None = None
    """Id of the object whose death ends it; set only if nothing else shows that the effect is the target's."""
    marks: frozenset[int | tuple[str, int]] = frozenset()
    """The id of its object, or the descriptor's number: a host's object may own the effect through these."""

    @property
    def is_certain(self) -> bool:
        """Whether it certainly belongs to the target."""
        return self.held is not None or self.effect.is_certain


@dataclass(slots=True, eq=False, repr=False)
class Group:
    """Effects with one cause."""

    cause: Cause
    members: list[Member] = field(default_factory=list)

    @property
    def is_certain(self) -> bool:
        """Whether any of them certainly belongs to the target."""
        return any(member.is_certain for member in self.members)

    def has_older(self, limit: int) -> bool:
        """Whether any member is from before generation `limit`, and so should be gone."""
        return any(m.born is not None and m.born < limit for m in self.members)

    def is_listed(self, limit: int, first: int) -> bool:
        """Whether it may be reported: effects of unknown origin must come repeatedly, and the oldest must be old."""
        return self.is_certain or (len(self.rounds(first)) >= REPEATED and self.has_older(limit))

    def births(self, limit: int) -> frozenset[int]:
        """The rounds in which the members that count were born."""
        return frozenset(m.born for m in self.counted(limit) if m.born is not None)

    def rounds(self, first: int) -> set[int]:
        """Rounds in which members were first seen, except the round of the first generation."""
        return {m.born for m in self.members if m.born is not None and m.born > first and not m.is_idle}

    def counted(self, limit: int) -> list[Member]:
        """The members that are too old. If none certainly belongs to the target, all that rounds of the run created."""
        if self.is_certain:
            return [m for m in self.members if m.is_certain and m.born is not None and m.born < limit]
        return [m for m in self.members if m.born is not None and not m.is_idle]


def members(
    probe: Probe, effect_ledger: EffectLedger, scope: Scope, first: int, *, with_older: bool = False
) -> list[Member]:
    """The effects that a probe sees now, if they are the target's or appeared during the run.

    Args:
        probe: the probe. Its exceptions reach the caller.
        effect_ledger: the births of what the probe saw.
        scope: what belongs to the target.
        first: number of the generation that was loaded first.
        with_older: whether to return all other effects too.
    """
    out = []
    for effect in probe.effects():
        born, is_idle = effect_ledger.born(probe.name, effect.identity)
        if effect.generation is not None:
            born, is_idle = effect.generation, False
        else:
            born = _not_before(born, effect, scope, first)
        held = effect.held or owner(effect.values, scope.owns, scope.rename)
        member = Member(effect, born, is_idle, held)
        if effect.ends_with_owner and effect.values and not member.is_certain:
            member.owner = id(effect.values[0])
        if born is not None or member.is_certain or with_older:
            out.append(member)
    return out


def _not_before(born: int | None, effect: Effect, scope: Scope, first: int) -> int | None:
    """The birth of an effect, but not before that of its objects: a reused identity dates the effect too early."""
    least = next((scope.born(value) for value in effect.values if is_owned(value, scope.owns)), None)
    if least is None or (born is None and least <= first):
        return born
    return least if born is None else max(born, least)


def suspects(found: Iterable[Member], first: int) -> list[Group]:
    """Group the effects that are the target's, or whose number grows after the `first` generation."""
    groups: dict[Cause, Group] = {}
    for member in found:
        cause = member.effect.cause
        key = cause if member.is_certain else cause._replace(path="")
        groups.setdefault(key, Group(cause)).members.append(member)
    certain_ones = {group.cause: group for group in groups.values() if group.is_certain}
    out = list(certain_ones.values())
    for group in groups.values():
        if not group.is_certain:
            similar = [g for g in _similar(group, first) if g.cause not in certain_ones]
            out += [g for g in similar if len(g.rounds(first)) >= REPEATED]
    return out


def _similar(group: Group, first: int) -> list[Group]:
    """Split effects of unknown origin by name if several share a name, and keep all others together.

    An effect with a unique name does not count if it came with the first generation. It exists once, such as a module
    that the target imports, and is no example of what later generations add.
    """
    by_path: dict[str, Group] = {}
    for member in group.members:
        cause = member.effect.cause
        by_path.setdefault(cause.path, Group(cause)).members.append(member)
    several = [g for g in by_path.values() if len(g.members) > 1]
    single = [g.members[0] for g in by_path.values() if len(g.members) == 1]
    single = [member for member in single if member.born is not None and member.born > first]
    if single:
        cause = group.cause._replace(path=_common([m.effect.cause.path for m in single]))
        several.append(Group(cause, single))
    return several


def _common(paths: list[str]) -> str:
    """The common parts of names that differ: `fd file /tmp/*.log`."""
    if len(set(paths)) == 1:
        return paths[0]
    head = _prefix(paths)
    tail = _prefix([path[len(head) :][::-1] for path in paths])[::-1]
    return f"{head}*{tail}"


def _prefix(texts: list[str]) -> str:
    least, most = min(texts), max(texts)
    return least[: next((n for n, c in enumerate(least) if c != most[n]), len(least))]


def summary(group: Group, limit: int, first: int, first_pass: FirstPass | None = None) -> Retention | None:
    """Describe a group as values, without a look at the heap; `None` if it is of unknown origin and not repeated.

    Args:
        group: the effects.
        limit: generations before this one are judged.
        first: number of the generation that was loaded first.
        first_pass: the state after the first pass. With it, the retention describes the group as it was then, and
            `later` has what the second pass added.
    """
    if first_pass is None:
        return (
            _described(group, group.counted(limit), limit, first) if group.is_listed(limit, first) else None
        )
    counted = group.counted(limit)
    share = _share(group, limit, first_pass)
    early = Group(group.cause, [m for m in counted if m.born in share])
    if not group.is_certain and not early.is_listed(first_pass.limit, first):
        return None
    added = [m for m in counted if m.born not in share]
    births = frozenset(m.born for m in added if m.born is not None and m.born < limit)
    more = len(group.rounds(first)) - len(early.rounds(first))
    judged = limit if group.is_certain else first_pass.limit
    found = _described(group, early.members, judged, first)
    return found._replace(
        generations=tuple(sorted(share[generation] for generation in found.generations)),
        rounds=len(early.rounds(first)),
        later=Later(len(added), births, more),
        present=frozenset(found.generations),
    )


def _share(group: Group, limit: int, first_pass: FirstPass) -> dict[int, int]:
    """The births of the members that the first pass left, each with its number in the report."""
    births = group.births(limit)
    if not group.is_certain:
        return {born: born for born in births if born <= first_pass.current}
    gone = first_pass.effects.get(group.cause, frozenset()) - births
    return first_pass.share(births, limit, gone, group.cause) or {}


def _described(group: Group, counted: list[Member], limit: int, first: int) -> Retention:
    main = (
        next((m for m in (*counted, *group.members) if m.held is not None), None)
        or (counted or group.members)[0]
    )
    held = main.held
    return Retention(
        holder=Holder(root=group.cause.root, path=group.cause.path, type=group.cause.type),
        held=held if held is not None else Held(type="", name="", file=None, line=None),
        trace=(group.cause.path, *([spelled(held)] if held is not None else [])),
        generations=tuple(sorted({m.born for m in counted if m.born is not None and m.born < limit})),
        items=len(counted),
        objects=0,
        size_bytes=0,
        is_sole=True,
        is_binding=False,
        is_within=False,
        cause=group.cause,
        is_certain=group.is_certain,
        rounds=len(group.rounds(first)),
        details=_details(main, counted),
        advice=main.effect.advice,
        stacks=(main.effect.stack,) if main.effect.stack else (),
    )


def _details(main: Member, counted: list[Member]) -> tuple[str, ...]:
    """All lines of the main member, and the first line of each other one."""
    others = dict.fromkeys(line for m in counted if m is not main for line in m.effect.details[:1])
    more = [line for line in others if line not in main.effect.details]
    shown = (*main.effect.details, *more[:SHOWN])
    return (*shown, f"and {len(more) - SHOWN} more") if len(more) > SHOWN else shown

"""Which effects may be the target's? Those that are made of its objects, and those whose number keeps step with it.

Three facts decide that a probe cannot know: when an effect was born, whose objects it is made of, and whether there are
more of its like in each round.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pytest_reloadleak.effects.attribution import is_owned, owner
from pytest_reloadleak.effects.effect_ledger import EffectLedger
from pytest_reloadleak.effects.probe import Effect, Probe, Scope
from pytest_reloadleak.heap.describe import spelled
from pytest_reloadleak.holders.retention import Retention
from pytest_reloadleak.holders.sweep import Cause
from pytest_reloadleak.model import Held, Holder

REPEATED = 2
"""Rounds in which something must have been born that is still there, before it counts without being known to be the
target's: one may be a lazy import, or anybody's."""


SHOWN = 5
"""Effects of one finding that are told besides the first."""


@dataclass(slots=True, eq=False, repr=False)
class Member:
    """One effect of a group. Lives only while the process is looked at."""

    effect: Effect
    born: int | None
    is_idle: bool
    """Whether it came while no round was under way."""
    held: Held | None
    owner: int | None = None
    """Id of the object with which it ends, where nothing tells that it is the target's by itself."""

    @property
    def is_certain(self) -> bool:
        """Whether it is known to be the target's."""
        return self.held is not None or self.effect.is_certain


@dataclass(slots=True, eq=False, repr=False)
class Group:
    """Effects of one cause."""

    cause: Cause
    members: list[Member] = field(default_factory=list)

    @property
    def is_certain(self) -> bool:
        """Whether any of them is known to be the target's."""
        return any(member.is_certain for member in self.members)

    def has_older(self, limit: int) -> bool:
        """Whether some are so old that they should be gone."""
        return any(m.born is not None and m.born < limit for m in self.members)

    def rounds(self, first: int) -> set[int]:
        """Rounds in which members were born, that of the first generation aside."""
        return {m.born for m in self.members if m.born is not None and m.born > first and not m.is_idle}

    def counted(self, limit: int) -> list[Member]:
        """Those that are too old, or, if nobody knows whose they are, all that were born in the run."""
        if self.is_certain:
            return [m for m in self.members if m.is_certain and m.born is not None and m.born < limit]
        return [m for m in self.members if m.born is not None and not m.is_idle]


def members(probe: Probe, effect_ledger: EffectLedger, scope: Scope, first: int) -> list[Member]:
    """Effects that are the target's, or that were born in the run, as a probe sees them now.

    Args:
        probe: who is asked; what it raises goes to the caller.
        effect_ledger: when what it saw was born.
        scope: what is the target's.
        first: number of the generation that was loaded first.
    """
    out = []
    for effect in probe.effects():
        born, is_idle = effect_ledger.born(probe.name, effect.identity)
        born = effect.generation if effect.generation is not None else _not_before(born, effect, scope, first)
        held = effect.held or owner(effect.values, scope.owns, scope.rename)
        member = Member(effect, born, is_idle, held)
        if effect.ends_with_owner and effect.values and not member.is_certain:
            member.owner = id(effect.values[0])
        if born is not None or member.is_certain:
            out.append(member)
    return out


def _not_before(born: int | None, effect: Effect, scope: Scope, first: int) -> int | None:
    """When an effect was born, which was not before what it is made of.

    One that ended and whose identity another one took since, such as a descriptor's number, was dated too early.
    """
    least = next((scope.born(value) for value in effect.values if is_owned(value, scope.owns)), None)
    if least is None or (born is None and least <= first):
        return born
    return least if born is None else max(born, least)


def suspects(found: Iterable[Member], first: int) -> list[Group]:
    """Groups of effects that are the target's, or whose number grows.

    Args:
        found: what `members` returned.
        first: number of the generation that was loaded first.
    """
    groups: dict[Cause, Group] = {}
    for member in found:
        cause = member.effect.cause
        key = cause if member.is_certain else cause._replace(path="")
        groups.setdefault(key, Group(cause)).members.append(member)
    certain_ones = {group.cause: group for group in groups.values() if group.is_certain}
    out = list(certain_ones.values())
    for group in groups.values():
        if not group.is_certain:
            alike = [g for g in _alike(group, first) if g.cause not in certain_ones]
            out += [g for g in alike if len(g.rounds(first)) >= REPEATED]
    return out


def _alike(group: Group, first: int) -> list[Group]:
    """Effects of nobody's in particular, by name where several share one, else together.

    Of those with a name of their own, what came with the first generation is there once, and no case of what later ones
    bring: a module is that the target imports.
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
    """What names that differ have in common: `fd file /tmp/*.log`."""
    if len(set(paths)) == 1:
        return paths[0]
    head = _prefix(paths)
    tail = _prefix([path[len(head) :][::-1] for path in paths])[::-1]
    return f"{head}*{tail}"


def _prefix(texts: list[str]) -> str:
    least, most = min(texts), max(texts)
    return least[: next((n for n, c in enumerate(least) if c != most[n]), len(least))]


def summary(group: Group, limit: int, first: int) -> Retention:
    """What is known of a group without the heap, in values."""
    counted = group.counted(limit)
    told = (
        next((m for m in (*counted, *group.members) if m.held is not None), None)
        or (counted or group.members)[0]
    )
    held = told.held
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
        details=_details(told, counted),
        advice=told.effect.advice,
    )


def _details(told: Member, counted: list[Member]) -> tuple[str, ...]:
    """All lines of the one that is told, and the first line of each other."""
    others = dict.fromkeys(line for m in counted if m is not told for line in m.effect.details[:1])
    more = [line for line in others if line not in told.effect.details]
    shown = (*told.effect.details, *more[:SHOWN])
    return (*shown, f"and {len(more) - SHOWN} more") if len(more) > SHOWN else shown

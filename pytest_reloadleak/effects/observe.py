"""Look at what the probes see and at the heap together: each effect with what it keeps alive, as one retention.

Which effects may be the target's at all is decided here, by three facts that a probe cannot know: when the effect was
born, whose objects it is made of, and whether their number grows. Judging what that amounts to is left to `judge`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from pytest_reloadleak.effects.base import Effect, Probe, Scope
from pytest_reloadleak.effects.births import Births
from pytest_reloadleak.effects.owner import owner
from pytest_reloadleak.heap.describe import spelled
from pytest_reloadleak.heap.look import look
from pytest_reloadleak.heap.scene import Look, Retention, Scene
from pytest_reloadleak.heap.sweep import Cause, Root
from pytest_reloadleak.model import Held, Holder

REPEATED = 2
"""Rounds in which something must have been born that is still there, before it counts without being known to be the
target's: one may be a lazy import, or anybody's."""


@dataclass(slots=True)
class _Member:
    """One effect of a group. Lives only while the process is looked at."""

    effect: Effect
    born: int | None
    is_idle: bool
    """Whether it came while no round was under way."""
    held: Held | None

    @property
    def is_certain(self) -> bool:
        return self.held is not None or self.effect.is_certain


@dataclass(slots=True)
class _Group:
    """Effects of one cause."""

    cause: Cause
    members: list[_Member] = field(default_factory=list)

    @property
    def is_certain(self) -> bool:
        return any(member.is_certain for member in self.members)

    def rounds(self, first: int) -> set[int]:
        """Rounds in which members were born, that of the first generation aside."""
        return {m.born for m in self.members if m.born is not None and m.born > first and not m.is_idle}

    def counted(self, limit: int) -> list[_Member]:
        """Those that are too old, or, if nobody knows whose they are, all that were born in the run."""
        if self.is_certain:
            return [m for m in self.members if m.is_certain and m.born is not None and m.born < limit]
        return [m for m in self.members if m.born is not None and not m.is_idle]


def observe(scene: Scene, births: Births, scope: Scope, first: int) -> Look:
    """Judge who is alive, effects included, and find every holder.

    Args:
        scene: whom to look at; effects are added to it.
        births: the probes, and when what they saw was born.
        scope: what is the target's.
        first: number of the generation that was loaded first.
    """
    summaries: dict[Cause, Retention] = {}

    def ask(probes: Iterable[Probe]) -> None:
        for probe in probes:
            try:
                summaries.update(_asked(probe, scene, births, scope, first))
            except Exception as error:  # noqa: BLE001 - as in Births.note: reported, and the probe given up
                births.give_up(probe, error)

    # What a probe saw before the run only matters if it keeps something alive, and describing it may take a pass over
    # the heap. So a probe that has seen nothing new is asked when the heap is searched, if it is.
    working = births.working()
    ask([probe for probe in working if births.has_any(probe)])
    idle = [probe for probe in working if not births.has_any(probe)]
    seen = look(scene, lambda: ask(idle))
    return _joined(seen, summaries, scene)


def _asked(probe: Probe, scene: Scene, births: Births, scope: Scope, first: int) -> dict[Cause, Retention]:
    """Add what a probe sees to the scene; returns what is known of it without the heap."""
    groups = _suspects(probe, births, scope, first)
    scene.watched.update(probe.watched())
    scene.containers += list(probe.containers()) if groups else []
    for group in groups:
        for number, member in enumerate(group.members):
            scene.effects += _roots(group.cause, member.effect, number)
            scene.of_effects |= member.effect.idents
    scene.has_findings = scene.has_findings or any(group.counted(scene.limit) for group in groups)
    return {group.cause: _summary(group, scene.limit, first) for group in groups}


def unfinished(births: Births, scope: Scope, first: int, limit: int) -> int:
    """How many effects of old generations may yet end by themselves: what settling waits for."""
    count = 0
    for probe in births.working():
        if probe.is_transient and births.has_older(probe, limit):
            try:
                count += sum(len(g.counted(limit)) for g in _suspects(probe, births, scope, first))
            except Exception as error:  # noqa: BLE001 - as above
                births.give_up(probe, error)
    return count


def _suspects(probe: Probe, births: Births, scope: Scope, first: int) -> list[_Group]:
    """Groups of effects that are the target's, or whose number grows."""
    groups: dict[Cause, _Group] = {}
    for effect in probe.effects():
        born, is_idle = births.born(probe.name, effect.identity)
        if effect.generation is not None:
            born = effect.generation
        held = effect.held or owner(effect.values, scope.owns, scope.rename)
        certain = held is not None or effect.is_certain
        if born is not None or certain:
            key = effect.cause if certain else replace(effect.cause, path="")
            group = groups.setdefault(key, _Group(effect.cause))
            group.members.append(_Member(effect, born, is_idle, held))
    certain_ones = {group.cause: group for group in groups.values() if group.is_certain}
    out = list(certain_ones.values())
    for group in groups.values():
        if not group.is_certain:
            alike = [g for g in _alike(group) if g.cause not in certain_ones]
            out += [g for g in alike if len(g.rounds(first)) >= REPEATED]
    return out


def _alike(group: _Group) -> list[_Group]:
    """Effects of nobody's in particular, by name where several share one, else together."""
    by_path: dict[str, _Group] = {}
    for member in group.members:
        cause = member.effect.cause
        by_path.setdefault(cause.path, _Group(cause)).members.append(member)
    several = [g for g in by_path.values() if len(g.members) > 1]
    single = [g.members[0] for g in by_path.values() if len(g.members) == 1]
    if single:
        cause = replace(group.cause, path=_common([m.effect.cause.path for m in single]))
        several.append(_Group(cause, single))
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


def _roots(cause: Cause, effect: Effect, number: int) -> Iterable[Root]:
    root, path = cause.root, cause.path
    for at, value in enumerate(effect.values):
        yield Root(root, path, path, value, cause=cause, effect=number, bars=effect.bars and at == 0)
    for value in effect.also:
        yield Root(root, path, path, value, cause=cause, effect=number)


def _summary(group: _Group, limit: int, first: int) -> Retention:
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
        details=told.effect.details,
        advice=told.effect.advice,
    )


def _joined(seen: Look, summaries: dict[Cause, Retention], scene: Scene) -> Look:
    """Each effect with what the heap says it keeps, as one retention, and all others as they are."""
    out = []
    for retention in seen.retentions:
        summary = summaries.pop(retention.cause, None) if retention.cause is not None else None
        if summary is None:
            also = (_kept_alive(retention, scene),) if retention.cause is not None else ()
            out.append(replace(retention, also_retains=also))
            continue
        out.append(
            replace(
                retention,
                held=summary.held if summary.held.name else retention.held,
                generations=tuple(sorted({*summary.generations, *retention.generations})),
                items=max(summary.items, retention.items),
                is_certain=True,
                rounds=summary.rounds,
                details=summary.details,
                advice=summary.advice,
                also_retains=(_kept_alive(retention, scene),),
            )
        )
    for summary in summaries.values():
        if summary.items and (summary.generations or not summary.is_certain):
            held = summary.held if summary.held.name else _target(scene)
            out.append(replace(summary, held=held))
    generations = {g for retention in out for g in retention.generations}
    return replace(seen, generations=tuple(sorted(generations)), retentions=tuple(out))


def _kept_alive(retention: Retention, scene: Scene) -> str:
    generations = ", ".join(map(str, retention.generations))
    return f"retained-generation: generations {generations} of {_target(scene).name}"


def _target(scene: Scene) -> Held:
    """The target itself, where an effect does not tell which of its functions made it."""
    return Held(type="module", name=scene.target, file=None, line=None)

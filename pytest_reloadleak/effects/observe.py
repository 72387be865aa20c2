"""Combine what the probes see with the heap search: one retention for each effect and what it keeps alive."""

from __future__ import annotations

import weakref
from collections.abc import Container, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from pytest_reloadleak.effects.effect_ledger import EffectLedger
from pytest_reloadleak.effects.groups import SHOWN, Group, Member, members, summary, suspects
from pytest_reloadleak.effects.host_objects import (
    kept_alive,
    marks_of,
    together,
    with_pools,
    with_tables,
    with_their_owners,
)
from pytest_reloadleak.effects.own_hold import leave_out_threads, without_own
from pytest_reloadleak.effects.probe import Effect, Probe, Scope
from pytest_reloadleak.effects.registered import registered, slots
from pytest_reloadleak.generations.first_pass import FirstPass, references
from pytest_reloadleak.holders import runner_noise
from pytest_reloadleak.holders.diagnosis import diagnose, suspected
from pytest_reloadleak.holders.results import plainly_held
from pytest_reloadleak.holders.retention import Diagnosis, Retention
from pytest_reloadleak.holders.search import KnownEffect, Search
from pytest_reloadleak.holders.sweep import Cause, Root
from pytest_reloadleak.model import Held


def observe(search: Search, effect_ledger: EffectLedger, scope: Scope, first: int) -> Diagnosis:
    """Find everything retained, effects included, and its holders.

    Args:
        search: what to look for; effects are added to it.
        effect_ledger: the probes, and the births of what they saw.
        scope: what belongs to the target.
        first: number of the generation that was loaded first.
    """
    answers = _Answers(search, effect_ledger, scope, first, has_cures=True)
    answers.ask_busy()

    def complete(known: Sequence[list[Any]]) -> None:
        answers.ask_idle()
        leave_out_threads(search, known)

    seen = diagnose(search, complete)
    kept = _consequences(seen, answers.owned)
    for cause, parts in answers.parts.items():
        kept.setdefault(cause, []).extend(parts)
    over = {id(member) for members in kept.values() for member in members}
    summaries = {}
    for group in answers.groups.values():
        left = Group(group.cause, [member for member in group.members if id(member) not in over])
        if left.members and (found := summary(left, search.limit, first, search.first_pass)) is not None:
            summaries[group.cause] = found
    found_all = _joined(seen, summaries, search, kept, answers.noise)
    marks = {
        group.cause: [m.marks for m in group.members if m.born is not None and m.born < search.limit]
        for group in answers.groups.values()
    }
    found_all = with_pools(with_their_owners(found_all, marks, search.target))
    return _cured(found_all, answers, search, scope)


def _cured(seen: Diagnosis, answers: _Answers, search: Search, scope: Scope) -> Diagnosis:
    """The diagnosis with the cures of effects, written while the search still has their objects."""
    seen = with_tables(seen)
    causes = {r.cause for r in seen.retentions if r.cause is not None and r.cure is None}
    groups = [answers.groups[cause] for cause in causes if cause in answers.groups]
    if not groups:
        return seen
    from pytest_reloadleak.effects.cures import cures_of, with_cure  # only what leaks needs a cure

    cures = {**answers.cures, **cures_of(groups, search, scope)}
    return seen._replace(retentions=tuple(with_cure(r, cures) for r in seen.retentions))


def suspect(search: Search, effect_ledger: EffectLedger, scope: Scope, first: int) -> FirstPass:
    """What the ledgers know when the first pass has settled: whether to go on, and what to compare with afterwards.

    Args:
        search: what to look for; effects are added to it.
        effect_ledger: the probes, and the births of what they saw.
        scope: what belongs to the target.
        first: number of the generation that was loaded first.
    """
    answers = _Answers(search, effect_ledger, scope, first, has_cures=False)
    answers.ask_busy()
    alive = suspected(search)
    groups = [group for group in answers.groups.values() if group.is_listed(search.limit, first)]
    effects = {group.cause: group.births(search.limit) for group in groups if group.counted(search.limit)}
    return FirstPass(
        first=first,
        current=search.ledger.current,
        limit=search.limit,
        alive=alive,
        effects=effects,
        references=references(search.ledger, search.limit),
        is_suspicious=bool(alive or effects),
    )


def is_plainly_held(search: Search, effect_ledger: EffectLedger, scope: Scope, first: int) -> bool:
    """Whether a short sweep shows that the program itself, and no effect, is a holder. Arguments as for `suspect`."""
    _Answers(search, effect_ledger, scope, first, has_cures=False).ask_busy()
    try:
        return plainly_held.is_plainly_held(search)
    except Exception:  # noqa: BLE001 - the look that follows reports what cannot be read
        return False


class _Answers:
    """The effects that the probes described, without their objects, which belong to the search while it lasts."""

    def __init__(
        self, search: Search, effect_ledger: EffectLedger, scope: Scope, first: int, *, has_cures: bool
    ) -> None:
        self._search, self._effect_ledger, self._scope, self._first = search, effect_ledger, scope, first
        self._has_cures = has_cures
        self.groups: dict[Cause, Group] = {}
        self.owned: list[Member] = []
        """Effects that end when the object that owns them dies."""
        self.parts: dict[Cause, list[Member]] = {}
        """By the cause of a registration, the effects that end with the registered object, whoever owns it."""
        self._registered: dict[int, Cause] = {}
        self.cures: dict[Cause, str | None] = {}
        """The cures of the effects in `owned`, by cause."""
        self.noise: list[tuple[Cause, str]] = []
        """Effects that the test runner and its plugins undo after the test, with the names of the target's objects."""

    def ask_busy(self) -> None:
        """Call the probes that have seen something new."""
        ledger = self._effect_ledger
        self._ask(probe for probe in ledger.working() if ledger.has_any(probe))

    def ask_idle(self) -> None:
        """Call the other probes that judge effects from before the run. Only a search does: they walk the heap."""
        ledger = self._effect_ledger
        self._ask(probe for probe in ledger.working() if probe.judges_older and not ledger.has_any(probe))

    def _ask(self, probes: Iterable[Probe]) -> None:
        """Call some probes. A probe that raises is not called again."""
        for probe in probes:
            self._effect_ledger.guarded(probe, partial(self._take, probe))

    def _take(self, probe: Probe) -> None:
        search = self._search
        present = members(
            probe, self._effect_ledger, self._scope, self._first, with_older=search.kept is not None
        )
        present = [member for member in present if not self._is_part(member)]
        seen = [member for member in present if member.born is not None or member.is_certain]
        seen = without_own(seen, search)
        found = [self._without_noise(group) for group in suspects(seen, self._first)]
        found = [group for group in found if group.members]
        # Effects of the original, which existed before the run, are grouped with those of later generations.
        older = [member for member in present if member.born is None and not member.is_certain]
        for group in found:
            group.members += [member for member in older if member.effect.cause == group.cause]
        self._registered |= registered(found)
        search.slots |= slots(seen)
        search.watched.update(probe.watched())
        search.containers += list(probe.containers()) if found else []
        search.effect_objects += [
            (g.cause, one) for g in found for m in g.members for one in _weakly(m.effect)
        ]
        for group in found:
            if search.plan is not None:
                search.plan.effects[group.cause] = _known(probe, group, search.limit)
            for number, member in enumerate(group.members):
                member.marks = marks_of(member.effect)
                search.effect_marks |= member.marks
                if member.owner is None:
                    search.effects += _roots(group.cause, member.effect, number)
                    search.of_effects |= member.effect.idents
            self.groups[group.cause] = group
        search.has_findings = search.has_findings or any(group.counted(search.limit) for group in found)
        owned = [m for m in seen if m.owner is not None and m.born is not None and m.born < search.limit]
        self.owned += owned
        for cause in {m.effect.cause for m in owned if self._has_cures}:  # nothing has their objects later
            from pytest_reloadleak.effects.cures import cure_at_hand  # only what leaks needs a cure

            alike = Group(cause, [m for m in seen if m.effect.cause == cause])
            self.cures[cause] = cure_at_hand(alike, search, self._scope)
        search.consequences |= {m.owner for m in owned if m.owner is not None}
        for member in (*owned, *(m for group in found for m in group.members)):
            member.effect = replace(member.effect, values=(), also=(), watches=())

    def _without_noise(self, group: Group) -> Group:
        left = []
        for member in group.members:
            cause = self._search.ask_runner().cause_of_kept(next(iter(member.effect.values), None))
            if cause is None:
                left.append(member)
            elif member.held is not None:
                self.noise.append((cause, member.held.name))
        return Group(group.cause, left)

    def _is_part(self, member: Member) -> bool:
        """Whether an effect ends with a registered object. Then the registration is reported in its place."""
        if not (member.effect.ends_with_owner and member.effect.values):
            return False
        cause = self._registered.get(id(member.effect.values[0]))
        if cause is not None:
            member.effect = replace(member.effect, values=(), also=(), watches=())
            self.parts.setdefault(cause, []).append(member)
        return cause is not None


def _weakly(effect: Effect) -> Iterable[weakref.ref[Any]]:
    """Weak references to the object of an effect, and to all that stands for a child process, if it has any."""
    for value in effect.values if effect.cause.kind == "child-process" else effect.values[:1]:
        with suppress(TypeError):  # a frame, or a handle of another loop
            yield weakref.ref(value)


def _known(probe: Probe, group: Group, limit: int) -> list[KnownEffect]:
    counted = set(map(id, group.counted(limit)))
    return [
        KnownEffect(probe.name, member.effect.identity, number, id(member) in counted)
        for number, member in enumerate(group.members)
    ]


def _consequences(seen: Diagnosis, owned: list[Member]) -> dict[int | Cause, list[Member]]:
    """Effects whose owner a retention or another effect keeps alive, by the retention's position or the effect's cause.

    Only effects that came with an old generation count as its consequences: what it collects later is a separate leak.
    """
    kept: dict[int | Cause, list[Member]] = {}
    for at, retention in enumerate(seen.retentions):
        present = retention.present or frozenset(retention.generations)
        found = [m for m in owned if m.owner in retention.consequences and m.born in present]
        kept[retention.cause if retention.cause is not None else at] = found
    for cause, ids in seen.consequences.items():
        of_cause = kept.setdefault(cause, [])
        of_cause += [m for m in owned if m.owner in ids and m not in of_cause]
    return kept


def unfinished(
    effect_ledger: EffectLedger, scope: Scope, first: int, limit: int, expected: Container[Cause] = ()
) -> int:
    """The number of effects of old generations that may still end by themselves. Settling waits for these.

    Args:
        effect_ledger: the probes, and the births of what they saw.
        scope: what belongs to the target.
        first: number of the generation that was loaded first.
        limit: generations before this one are old.
        expected: the causes of effects that did not end when an earlier settling waited for them.
    """
    counts: list[int] = []

    def count(probe: Probe) -> None:
        found = suspects(members(probe, effect_ledger, scope, first), first)
        counts.extend(len(group.counted(limit)) for group in found if group.cause not in expected)

    for probe in effect_ledger.working():
        if probe.is_transient and effect_ledger.has_older(probe, limit):
            effect_ledger.guarded(probe, partial(count, probe))
    return sum(counts)


def _roots(cause: Cause, effect: Effect, number: int) -> Iterable[Root]:
    root, path = cause.root, cause.path
    for at, value in enumerate(effect.values):
        yield Root(root, path, path, value, cause=cause, effect=number, bars=effect.bars and at == 0)
    for value in effect.also:
        yield Root(root, path, path, value, cause=cause, effect=number, is_further=True)


def _joined(
    seen: Diagnosis,
    summaries: dict[Cause, Retention],
    search: Search,
    kept: dict[int | Cause, list[Member]],
    of_runner: list[tuple[Cause, str]],
) -> Diagnosis:
    """Merge each effect and what the heap search says it keeps into one retention; leave other retentions unchanged.

    What the test runner keeps becomes a note. Effects that end with the test runner are not reported.
    """
    out = []
    found = list(of_runner)
    for at, retention in enumerate(seen.retentions):
        if retention.cause is not None and runner_noise.is_noise(retention.cause):
            found.append((retention.cause, retention.held.name))
            continue
        more = kept.get(retention.cause if retention.cause is not None else at, [])
        summary = summaries.pop(retention.cause, None) if retention.cause is not None else None
        if summary is None:
            also = (kept_alive(retention.generations, search.target),) if retention.cause is not None else ()
            out.append(_with_effects(retention._replace(also_retains=also), more))
            continue
        joined = _counted(retention, summary)._replace(
            held=summary.held if summary.held.name else retention.held,
            generations=tuple(sorted({*summary.generations, *retention.generations})),
            present=summary.present | retention.present,
            is_certain=True,
            rounds=summary.rounds,
            details=summary.details,
            advice=summary.advice,
            stacks=summary.stacks,
            also_retains=(kept_alive(retention.generations, search.target),),
        )
        out.append(_with_effects(joined, more))
    for summary in summaries.values():
        if summary.items and (summary.generations or not summary.is_certain):
            held = summary.held if summary.held.name else _target(search)
            more = kept.get(summary.cause, []) if summary.cause is not None else []
            out.append(_with_effects(summary._replace(held=held), more))
    generations = {g for retention in out for g in retention.generations}
    notes = runner_noise.notes(found)
    return seen._replace(generations=tuple(sorted(generations)), retentions=tuple(out), notes=notes)


def _counted(retention: Retention, summary: Retention) -> Retention:
    """What an effect keeps, with the number of effects."""
    if retention.cause is not None and retention.cause.kind == "live-timer" and summary.items:
        # A timer that set itself again since is reached through both handles, and is one all the same.
        return retention._replace(items=summary.items, later=summary.later or retention.later)
    return retention._replace(items=max(summary.items, retention.items), later=together(summary, retention))


def _with_effects(retention: Retention, more: list[Member]) -> Retention:
    """Add to a retention the effects that end with it."""
    causes = sorted({f"{m.effect.cause.kind}: {m.effect.cause.path}" for m in more})
    lines = [line for m in more for line in m.effect.details[:1]]
    return retention._replace(
        also_retains=(*retention.also_retains, *causes),
        details=(*retention.details, *lines[:SHOWN]),
    )


def _target(search: Search) -> Held:
    """The target itself, for an effect that does not show which function of the target made it."""
    return Held(type="module", name=search.target, file=None, line=None)

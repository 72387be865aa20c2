"""Write what ends the effects of a group, while their objects are at hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from pytest_reloadleak.cures.effects import choosing
from pytest_reloadleak.cures.effects.registrations import Clue
from pytest_reloadleak.cures.writing import written
from pytest_reloadleak.effects.attribution import is_owned
from pytest_reloadleak.effects.groups import Group, Member
from pytest_reloadleak.effects.probe import Identity, Scope
from pytest_reloadleak.holders.retention import Retention
from pytest_reloadleak.holders.search import Search
from pytest_reloadleak.holders.sweep import Cause

_ASKED = 3
"""The largest number of members of a group that are tried."""
_ASKED_UNDATED = 50
"""The same if no birth is known: any member may be the present generation's, and only this one has names for it."""


def cures_of(groups: Iterable[Group], search: Search, scope: Scope) -> dict[Cause, str]:
    """The cure of each group of effects that has one; all effects of a group have the same.

    Args:
        groups: effects without their objects.
        search: has the objects, as the roots of the effects, and the target's namespaces.
        scope: what belongs to the target.
    """
    out: dict[Cause, str] = {}
    for group in groups:
        roots = [root for root in search.effects if root.cause == group.cause and not root.is_further]
        for number in _newest(group):
            values = tuple(root.value for root in roots if root.effect == number)
            text = _written(_clue(group.members[number], values, group, scope), group, search)
            if text is not None:
                out[group.cause] = text
                break
    return out


def with_cure(retention: Retention, cures: Mapping[Cause, str | None]) -> Retention:
    """The retention with cures: the running effect must end, and the object that owns it must be removed."""
    if retention.cause is None:
        return retention
    cure = cures.get(retention.cause, retention.cure)
    if cure is not None and retention.owner_cure is not None:
        cure = "\n".join(dict.fromkeys((cure, retention.owner_cure)))
    return retention._replace(cure=cure)


def cure_at_hand(group: Group, search: Search, scope: Scope) -> str | None:
    """The cure of a group of effects whose members still have their objects."""
    for number in _newest(group):
        member = group.members[number]
        text = _written(_clue(member, member.effect.values, group, scope), group, search)
        if text is not None:
            return text
    return None


def _newest(group: Group) -> list[int]:
    """Positions of the newest members. The present generation has names for these."""
    born = [member.born if member.born is not None else -1 for member in group.members]
    most = _ASKED if max(born, default=-1) >= 0 else _ASKED_UNDATED
    return sorted(range(len(born)), key=lambda number: (-born[number], -number))[:most]


def _written(clue: Clue, group: Group, search: Search) -> str | None:
    write = partial(choosing.cure, clue, group.cause.registry)
    return written(write, search.target, search.namespaces, search.given) if search.namespaces else None


def _clue(member: Member, values: tuple[Any, ...], group: Group, scope: Scope) -> Clue:
    effect, cause = member.effect, group.cause
    held = effect.held or member.held
    return Clue(
        kind=cause.kind,
        root=cause.root,
        path=cause.path,
        values=values,
        owned=next((value for value in values if is_owned(value, scope.owns)), None),
        held=(held.type, held.name) if held is not None else None,
        identity=_identity(member),
        texts=_texts(group, 1),
        parts=_texts(group, 2),
        made_by=effect.made_by,
        slot=effect.slot if len({one.effect.slot for one in group.members}) == 1 else (),
    )


def _identity(member: Member) -> Identity:
    identity = member.effect.identity
    return identity[1:] if identity[:1] == ("of the target",) else identity


def _texts(group: Group, at: int) -> tuple[str, ...]:
    """The texts at one position of the identities of a group's members, each once, without empty ones."""
    found = (_identity(member)[at : at + 1] for member in group.members)
    return tuple(sorted({part for parts in found for part in parts if type(part) is str and part}))

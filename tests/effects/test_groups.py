"""Which effects may be the target's: those made of its objects, and those of which each round leaves more."""

import pytest

from pytest_reloadleak.effects.groups import Group, Member, suspects
from pytest_reloadleak.effects.probe import Effect
from pytest_reloadleak.holders.sweep import Cause
from pytest_reloadleak.model import Held

FIRST = -1
"""Number of the generation that was loaded first."""


def member(born, *, held=False, is_idle=False, name="file a.log"):
    """An open file, of the target's if `held`."""
    owner = Held(type="function", name="plugin.f", file=None, line=None) if held else None
    effect = Effect((born, name), Cause("open-fd", "fd", f"fd * {name}", "file"), ())
    return Member(effect, born, is_idle, owner)


@pytest.mark.parametrize(
    ("members", "count"),
    [
        ([member(1)], 0),
        ([member(1), member(1)], 0),
        ([member(FIRST), member(1)], 0),
        ([member(1), member(2, is_idle=True)], 0),
        ([member(1), member(2)], 2),
        ([member(1), member(2), member(3, name="file b.log")], 2),
        ([member(1, held=True)], 1),
        ([member(None, held=True)], 1),
    ],
)
def test_what_nobody_owns_must_be_left_by_several_rounds(members, count):
    """One file may be a lazy import's or anybody's, as may what the first generation left or came while settling."""
    found = suspects(members, FIRST)

    assert sum(len(group.members) for group in found) == count


def test_what_came_between_the_rounds_does_not_count():
    """Only what is the target's does, whenever it came."""
    idle = [member(1, is_idle=True), member(2), member(3)]
    owned = [member(1, is_idle=True, held=True), member(2, held=True)]

    assert Group(idle[0].effect.cause, idle).counted(3) == idle[1:]
    assert Group(owned[0].effect.cause, owned).counted(3) == owned

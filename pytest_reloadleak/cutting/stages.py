"""Order the removals so that both claims are shown: one holder alone frees nothing, and all together free everything.

Nothing is undone: a removed object could only come back if something kept it, and then it was never free. Instead each
generation that several holders keep is left to one of them at first, to each in turn. While it is alive, the others
have been shown not to be enough. Then the rest goes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from pytest_reloadleak.cutting.cut import Cut


class Stage(NamedTuple):
    """Removals that are performed together, and what must still be alive after them."""

    cuts: tuple[tuple[int, Cut], ...]
    """With the number of the holder of each."""
    left: dict[int, int]
    """By generation, the holder to which it was left: the others do not free it."""


def stages(cuts: Mapping[int, Sequence[Cut]], keeps: Mapping[int, Collection[int]]) -> list[Stage]:
    """The stages; after the last one all should be free.

    Args:
        cuts: the removals of each holder that can be removed, by its number.
        keeps: the generations that each holder keeps, those of holders that cannot be removed included.
    """
    holders: dict[int, list[int]] = {}
    for number, generations in sorted(keeps.items()):
        for generation in generations:
            holders.setdefault(generation, []).append(number)
    whole = {number for number, own in cuts.items() if any(cut.is_whole for cut in own)}
    left = _left(holders, cuts.keys())
    first: list[tuple[int, Cut]] = []
    rest: list[tuple[int, Cut]] = []
    for number, own in cuts.items():
        for cut in own:
            may_go = (
                number not in whole
                and cut.generations
                and all(left.get(generation, number) != number for generation in cut.generations)
            )
            (first if may_go else rest).append((number, cut))
    out = [Stage(tuple(first), left)] if first else []
    for number in sorted(whole):
        # What is left to another holder, not yet removed, survives that a cache is cleared.
        mine = [pair for pair in rest if pair[0] == number]
        others = {
            generation: to
            for generation, to in left.items()
            if to != number and number in holders[generation]
        }
        if mine and others and all(to not in whole for to in others.values()):
            out.append(Stage(tuple(mine), others))
            rest = [pair for pair in rest if pair[0] != number]
            left = others
    return [*out, Stage(tuple(rest), {})]


def _left(holders: Mapping[int, Sequence[int]], removable: Collection[int]) -> dict[int, int]:
    """To which holder each generation with several of them is left at first: to each in turn.

    Where one cannot be removed, it is the one that stays.
    """
    turns: dict[tuple[int, ...], int] = {}
    left = {}
    for generation in sorted(holders):
        having = holders[generation]
        if len(having) < 2:
            continue
        fixed = [number for number in having if number not in removable]
        choices = fixed or having
        key = tuple(having)
        left[generation] = choices[turns.get(key, 0) % len(choices)]
        turns[key] = turns.get(key, 0) + 1
    return left

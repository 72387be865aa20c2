"""Order the removals so that they prove both claims: one holder alone frees nothing, and all together free everything.

Nothing is undone: a removed object could come back only if something kept it, and then it was never free. Instead, each
generation that several holders keep is at first left to one of them, to each in turn. If it is then alive, removing the
others is not enough. After that the rest is removed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from pytest_reloadleak.cutting.cut import Cut


class Stage(NamedTuple):
    """Removals that are performed together, and what must still be alive after them."""

    cuts: tuple[tuple[int, Cut], ...]
    """The removals, each with the number of its holder."""
    left: dict[int, int]
    """By generation, the number of the holder to which it is left: removing the others does not free it."""


def stages(cuts: Mapping[int, Sequence[Cut]], keeps: Mapping[int, Collection[int]]) -> list[Stage]:
    """The stages; after the last one all generations should be dead.

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
        # Clearing a cache does not free a generation that is left to another holder.
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
    """By generation with several holders, the holder to which it is left at first: to each of them in turn.

    If a holder cannot be removed, the generation is left to that one.
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

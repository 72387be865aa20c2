"""Write the cure of a chain, in which each link has the one before it under the same name."""

from __future__ import annotations

from pytest_reloadleak.cures.names import Names
from pytest_reloadleak.cures.references import Path, Place, base_of, to_held
from pytest_reloadleak.cures.steps import Step, access, condition, spelled
from pytest_reloadleak.heap import foreign


def cure(path: Path, held_at: int, names: Names) -> list[str] | None:
    """The lines that take the newest link out; `None` where the path has no chain.

    Args:
        path: objects from a root's value to the target's object.
        held_at: index of the target's object in the path.
        names: the names in the target's module.
    """
    steps = to_held(path, held_at)
    first = next((n for n in range(1, len(steps) - 1) if _is_link(steps[n], steps[n + 1])), None)
    if first is None or access(*steps[first - 1]).kind != "attribute":
        return None
    last = next(
        (n for n in range(first, len(steps) - 1) if not _is_link(steps[n], steps[n + 1])), len(steps) - 1
    )
    base = base_of(path, Place(steps, first - 1), names)
    where = spelled(base[0], steps[base[1] : first]) if base is not None else None
    test = (
        condition(names, where, steps[last + 1 :], names.subject(steps[-1][2])) if where is not None else None
    )
    if where is None or test is None:
        return None
    return [f"if {test}:", f"    {where} = {where}.{access(*steps[first]).name}"]


def _is_link(step: Step, following: Step) -> bool:
    # Each link may be of a class of its own generation.
    same = step[1] == following[1] and foreign.type_name(step[0]) == foreign.type_name(following[0])
    return same and access(*step).kind == "attribute"

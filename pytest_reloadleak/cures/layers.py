"""Write the cure of a wrapper in a place of the host: the line that puts back what it wraps.

The wrapper of each generation wraps that of the generation before, whatever it has it by: a global, a table, an
attribute of its object, a base class.
"""

from __future__ import annotations

import types
from typing import Any

from pytest_reloadleak.cures.names import Names
from pytest_reloadleak.cures.references import Path, Place, base_of, to_held
from pytest_reloadleak.cures.steps import Step, access, spelled
from pytest_reloadleak.heap import foreign


def unwrapped(path: Path, held_at: int, names: Names, *, is_named: bool) -> list[str] | None:
    """The line that puts back what the present wrapper wraps; `None` where the path leads over no wrapper.

    Args:
        path: objects from a root's value to the target's object.
        held_at: index of the target's object in the path.
        names: the names in the target's module.
        is_named: whether the target must have a name for what is put back. Otherwise it is read from the wrapper that
            is in the place, which may be another plugin's by then.
    """
    steps = to_held(path, held_at)
    wanted = _name(steps[-1][2]) if steps else ""
    layers = [at for at, (_, _, child) in enumerate(steps) if wanted and _name(child) == wanted]
    if len(layers) < 2 or not names.is_present(steps[layers[0]][2]):
        return None
    newest, older = layers[:2]
    if any(access(*step).kind not in {"attribute", "key"} for step in steps[: newest + 1]):
        return None
    base = base_of(path, Place(steps, newest), names)
    place = spelled(base[0], steps[base[1] : newest + 1]) if base is not None else None
    between = steps[newest + 1 : older + 1]
    inner = _named(between, names) if is_named or place is None else spelled(place, between)
    return [f"{place} = {inner}"] if place is not None and inner is not None else None


def _named(steps: list[Step], names: Names) -> str | None:
    """How to spell what a wrapper wraps, from the last global on the way to it; `None` if there is none."""
    for at in range(len(steps) - 1, -1, -1):
        parent = steps[at][0]
        name = names.bound(parent)
        if name is not None:
            return spelled(name, steps[at:])
        if parent is names.namespace:
            return spelled(access(*steps[at]).name[1:-1], steps[at + 1 :])
    return None


def _name(o: Any) -> str:
    """The name of a function, method or class, or of an instance's class."""
    if type(o) is types.MethodType:
        o = o.__func__
    if type(o) is types.FunctionType:
        return foreign.function_name(o)
    return foreign.class_name(o if foreign.is_class(o) else type(o))

"""Write the cure of a patch: what gives an attribute the value back that the patch found there."""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Any

from pytest_reloadleak.cures.effects.registrations import module_of
from pytest_reloadleak.cures.names import Names, is_name
from pytest_reloadleak.cures.steps import Step, spelled
from pytest_reloadleak.heap import foreign, references


def cure(path: Sequence[Any], place: str, names: Names) -> list[str] | None:
    """The lines that undo the newest of the patches; `None` where the original is not at hand.

    Args:
        path: objects from the patched module to an old generation's object.
        place: the attribute, `json.loads`.
        names: the names in the target's module.
    """
    steps = references.folded(path)
    module = module_of(place)
    attributes = place.removeprefix(f"{module}.").split(".")
    if not (foreign.is_module(path[0]) and steps and all(map(is_name, attributes))):
        return None
    where = f"{names.need(module)}.{'.'.join(attributes)}"
    home = foreign.module_name(foreign.module_dict(path[0]) or {})
    if home == names.module and is_name(steps[0][1][1:]):  # the target keeps the original in a global
        return [f"{where} = {steps[0][1][1:]}"]
    if home != module or len(steps) < len(attributes):
        return None
    wrapper, after = steps[len(attributes) - 1][2], steps[len(attributes) :]
    before = _spelled_before(where, wrapper, after, names) or _saved(attributes[-1], module, names)
    return [f"{where} = {before}"] if before is not None else None


def _spelled_before(where: str, wrapper: Any, after: Sequence[Step], names: Names) -> str | None:
    """What the newest wrapper wraps: the next object on the way that is made by the same code."""
    for count, (_, name, child) in enumerate(after, start=1):
        if _is_alike(child, wrapper) or count == len(after):
            if (saved := names.bound(child)) is not None:
                return saved
            own = [at for at in range(count) if after[at][1] == ".__globals__"]
            is_own = own and foreign.module_name(after[own[-1]][2]) == names.module and count == own[-1] + 2
            if is_own and name.startswith("['") and is_name(name[2:-2]):
                return name[2:-2]
            return spelled(where, after[:count])
    return None


def _is_alike(o: Any, wrapper: Any) -> bool:
    if type(o) is types.FunctionType and type(wrapper) is types.FunctionType:
        return foreign.function_name(o) == foreign.function_name(wrapper)
    return foreign.type_name(o) == foreign.type_name(wrapper)


def _saved(attribute: str, module: str, names: Names) -> str | None:
    """A global of the target that has the original: a function of that name and module."""
    for name, value in list(names.namespace.items()):
        if not is_name(name):
            continue
        if type(value) is types.FunctionType:
            if (foreign.text(value.__name__), foreign.module_name(value.__globals__)) == (attribute, module):
                return name
        elif type(value) is types.BuiltinFunctionType and value.__name__ == attribute:
            return name
    return None

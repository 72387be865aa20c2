"""Recognise lists that a host keeps as heaps: after a removal from the middle, the order of the rest must be made anew.

The list itself does not tell, and comparing its items would call code of the program. The code that fills it does: a
function of its owner names both the list and `heappush`.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from typing import Any

from pytest_reloadleak.cures.steps import Step, access
from pytest_reloadleak.generations.walk import functions_of
from pytest_reloadleak.heap import foreign

_PUSH = "heappush"


def is_heap(steps: Sequence[Step]) -> bool:
    """Whether the list at the end of some steps is a heap of the object or module before it."""
    if not steps or type(steps[-1][2]) is not list:
        return False
    owner = steps[-1][0]
    found = access(*steps[-1])
    return found.kind == "attribute" and any(
        {_PUSH, found.name} <= set(map(foreign.text, function.__code__.co_names))
        for function in _functions_of(owner)
    )


def _functions_of(owner: Any) -> Iterator[types.FunctionType]:
    """The functions of a module, or the methods of an object's class."""
    namespace = foreign.module_dict(owner) if foreign.is_module(owner) else None
    if namespace is not None:
        yield from [o for o in dict.values(namespace) if type(o) is types.FunctionType]
        return
    for cls in foreign.mro(owner if foreign.is_class(owner) else type(owner)):
        yield from functions_of(cls)

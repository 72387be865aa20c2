"""Find references that the collector does not see: of C code to an object, and of a started greenlet to its parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.references import frame_locals


def callables_in_c(ids: set[int]) -> list[Any]:
    """The callables among some objects to which an invisible reference leads: one that the collector does not see.

    Classes are left out: an untracked instance refers to its class, and the collector does not see that either.

    Args:
        ids: ids of live objects that the collector tracks.
    """
    found = [o for o in gc.get_objects() if id(o) in ids and _is_called(o)]
    numbers = _seen_references(found) if found else {}
    yardstick = [object()]
    ours = gc.getrefcount(yardstick[0]) - 1  # the list `found` is tracked, so it is among those that are seen
    at_each = range(len(found))  # a loop over the objects would refer to each
    return [found[at] for at in at_each if gc.getrefcount(found[at]) - ours > numbers[id(found[at])]]


def _is_called(o: Any) -> bool:
    return not foreign.is_class(o) and foreign.defines(type(o), "__call__")


def _seen_references(objects: Sequence[Any]) -> dict[int, int]:
    """How many references to each of some objects, by id, the collector sees."""
    # A separate function, as its last local would otherwise be one more reference.
    numbers = dict.fromkeys(map(id, objects), 0)
    for o in gc.get_objects():
        for child in gc.get_referents(o):
            if id(child) in numbers:
                numbers[id(child)] += 1
    return numbers


def in_greenlet(o: Any, sinks: dict[int, Any]) -> Iterator[Any]:
    """What a started greenlet holds: its attributes, and the locals on its stack. It shows the collector neither.

    Args:
        o: any object; only a started greenlet yields anything.
        sinks: sinks by id. A function among them is yielded in place of the globals of each frame that runs it.
    """
    if gc.is_tracked(o):
        return
    cls = next((cls for cls in foreign.mro(type(o)) if foreign.class_name(cls) == "greenlet.greenlet"), None)
    # The stack of the main greenlet is that of the thread.
    if cls is None or foreign.class_dict(cls)["parent"].__get__(o) is None:
        return
    attributes = foreign.instance_dict(o)
    if attributes:
        yield attributes
        yield from dict.values(attributes)
    frame = foreign.class_dict(cls)["gr_frame"].__get__(o)
    functions = {id(code): sink for sink in sinks.values() if (code := foreign.own_code(sink)) is not None}
    while frame is not None:
        yield functions.get(id(frame.f_code), frame.f_globals)
        yield from (value for _, value in frame_locals(frame))
        frame = frame.f_back

"""Watch the references that C code takes: those to an object that neither a container nor a local explains.

The next generation's object of the same name is looked up in the target's namespace as soon as it exists. Its reference
count is cheap to read. Only if the count changed, one pass over the heap counts the visible references.
"""

from __future__ import annotations

import sys
import types
import weakref
from collections.abc import Iterator
from typing import Any

from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.own_objects import is_own, outward
from pytest_reloadleak.heap.references import frame_locals
from pytest_reloadleak.model import Held
from pytest_reloadleak.watchpoints.births import Births, Blame

_BY_NAME = frozenset({"function", "class", "module"})
"""Types of held objects that have a name of their own. Any other object, such as a bound method or an instance, is
found through the function or class to which it refers."""

_ANONYMOUS = "<"
"""Occurs in the names of lambdas and of local functions: for these, only the module can be found by name."""


class Native:
    """The next generation's counterpart of an object that only C code holds.

    Args:
        held: the object of earlier generations.
    """

    __slots__ = ("_found", "_held", "_id", "_print", "_unseen", "births")

    def __init__(self, held: Held) -> None:
        self._held = held
        self.births = Births()
        self._id = self._unseen = 0
        self._found: list[weakref.ref[Any]] = []
        """The objects in question, held weakly."""
        self._print: object = None
        self.look(tuple)

    def look(self, blame: Blame, returned: object = None) -> None:
        """Note whether C code took another reference since the last look.

        Args:
            blame: returns the stack that made it.
            returned: the value that the line returns. Until the caller has it, only the interpreter refers to it.
        """
        base = base_of(self._held.name)
        if base is None:
            return
        now = self._fingerprint(base)
        if now == self._print:
            return
        found = self._counterparts(base)
        if any(o is returned for o in found):
            self._print = None  # the next look shows what the caller did with it
            return
        unseen = sum(max(count - _OWN, 0) for count in _counts(found))
        if id(base) != self._id:  # it was just defined, so its present references are the interpreter's own
            self._unseen = unseen if self._held.type in _BY_NAME else 0
        for number in range(self._unseen, unseen):
            self.births.add((id(base), number), None, blame())
        kept = [t for t, _ in self.births.items() if t[0] != id(base) or t[1] in range(unseen)]
        self.births.keep(kept)
        self._found = [reference for o in found if (reference := foreign.weak_reference(o)) is not None]
        found.clear()
        self._id, self._unseen, self._print = id(base), unseen, self._fingerprint(base)

    def _fingerprint(self, base: Any) -> object:
        counts = [gc.getrefcount(o) for reference in self._found if (o := reference()) is not None]
        return id(base), gc.getrefcount(base), counts

    def _counterparts(self, base: Any) -> list[Any]:
        held = self._held
        if _ANONYMOUS in held.name:
            functions = [o for o in gc.get_referrers(base) if type(o) is types.FunctionType]
            return [o for o in functions if foreign.function_name(o) == held.name]
        if held.type in _BY_NAME:
            return [base]
        return [o for o in gc.get_referrers(base) if foreign.type_name(o) == held.type]

    def close(self) -> None:
        """Forget the objects."""
        self._found = []


def base_of(name: str) -> Any:
    """The object with a dotted name, or the module's namespace for an anonymous name; `None` if there is none."""
    parts = name.partition(_ANONYMOUS)[0].rstrip(".").split(".")
    for count in range(len(parts), 0, -1):
        module = foreign.module_table().get(".".join(parts[:count]))
        namespace: Any = foreign.module_dict(module)
        if namespace is None:
            continue
        if _ANONYMOUS in name:
            return namespace
        found: Any = module
        for number, part in enumerate(parts[count:], start=count + 1):
            found = namespace.get(part)
            if not foreign.is_class(found):
                return found if number == len(parts) else None
            namespace = foreign.class_dict(found)
        return found
    return None


def _counts(objects: list[Any]) -> list[int]:
    return [_unseen(o) for o in objects]


def _unseen(o: Any) -> int:
    """The number of references to an object that neither a visible object nor a local of this thread explains."""
    seen = sum(
        1
        for referrer in gc.get_referrers(o)
        if type(referrer) is not types.FrameType
        for referent in gc.get_referents(referrer)
        if referent is o
    )
    return gc.getrefcount(o) - seen - sum(1 for value in _locals() if value is o)


def _locals() -> Iterator[Any]:
    """The values of the locals of this thread, without those of this tool's frames."""
    is_first = True
    for frame in outward(gc.getframe()):
        if is_own(frame):
            continue
        if is_first and sys.version_info < (3, 12):
            # `sys.settrace` writes the snapshot of the traced frame back when the trace function returns, so it must
            # stay as it is.
            if frame.f_locals is not frame.f_globals:
                yield from list(frame.f_locals.values())
        else:
            yield from (value for _, value in frame_locals(frame))
        is_first = False


_OWN = _counts([[]])[0]
"""The count for an object to which only the list refers."""

"""Watch the futures that will call an object of the target. No list has them, so they are found from that object."""

from __future__ import annotations

import functools
import types
from typing import Any

from pytest_reloadleak.effects.loops.asyncio_objects import Library, library
from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.model import Held
from pytest_reloadleak.watchpoints.births import Births, Blame
from pytest_reloadleak.watchpoints.natives import base_of

PATH = "future with callback "
"""The beginning of the path of such a finding."""
_DEEPEST = 5
"""References from a future to a function: its list, an entry, a partial, a method."""
_BETWEEN = foreign.type_ids(list, tuple, types.MethodType, functools.partial)


class Futures:
    """The futures that call the next generation's counterpart of an object.

    Args:
        held: the object of earlier generations.
    """

    __slots__ = ("_held", "_print", "births")

    def __init__(self, held: Held) -> None:
        self._held = held
        self.births = Births()
        self._print: object = None
        self.look(tuple)

    def look(self, blame: Blame, returned: object = None) -> None:
        """Note which futures took the object since the last look.

        Args:
            blame: returns the stack that made them.
            returned: what the line returns.
        """
        del returned
        base = base_of(self._held.name)
        asyncio = library() if base is not None else None
        if base is None or asyncio is None:
            return
        # The reference count is cheap to read. Only if it changed does a pass over the heap look for futures.
        now = id(base), gc.getrefcount(base)
        if now == self._print:
            return
        self._print = now
        present = {(number,) for number in _futures_of(base, asyncio)}
        known = {token for token, _ in self.births.items()}
        for token in sorted(present - known):
            self.births.add(token, None, blame())
        self.births.keep(present)

    def close(self) -> None:
        """Do nothing: this watch holds only numbers."""


def _futures_of(base: Any, asyncio: Library) -> set[int]:
    """Ids of the futures that lead to an object."""
    found: set[int] = set()
    level = [base]
    for _ in range(_DEEPEST):
        above = []
        for o in gc.get_referrers(*level):
            if asyncio.is_future(o):
                found.add(id(o))
            elif foreign.is_exactly(o, _BETWEEN) and o is not level:
                above.append(o)
        if not above:
            break
        level = above
    return found

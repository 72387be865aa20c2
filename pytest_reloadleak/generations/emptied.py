"""Find the namespaces that the program empties, as some hosts do on unload: they lose their marker with all the rest.

The program's references to such a namespace remain: a function that somebody kept has the empty dict as its globals. So
the namespace is marked again, and keeps its generation. This module keeps a namespace with content for one round at
most.
"""

from __future__ import annotations

import types
import weakref
from collections.abc import Callable
from typing import Any

from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.levels.choice import Addresses, of_types


class Life:
    """A marker's generation and module name; the marker alone refers to it, so it ends with the marker."""

    __slots__ = ("__weakref__", "generation", "is_emptied", "is_referred_to", "module")

    def __init__(self, generation: int, module: str, *, is_referred_to: bool) -> None:
        self.generation = generation
        self.module = module
        self.is_referred_to = is_referred_to
        """Whether functions had the namespace as their globals: then they form a cycle that only a collection frees."""
        self.is_emptied = False
        """Whether the program has emptied the namespace since a round last noted it."""


_HAVING_GLOBALS = foreign.type_ids(types.FunctionType, types.FrameType)
"""Types of objects that refer to an emptied namespace. Before 3.11 suspended generators do so through their frames."""
Entry = tuple[dict[str, Any], int, str]
"""An emptied namespace, its generation and the name of its module."""


class Emptied:
    """The namespaces that lost their marker although they are alive."""

    def __init__(self) -> None:
        self._known: list[Entry] = []
        """Those whose module was alive, and so led to them."""
        self._lost: dict[int, tuple[int, str]] = {}
        """Generations and module names of the others, by the id that the namespace has if it is alive."""

    def watched(self, marker: Any, life: Life, module: Any, namespace: dict[str, Any]) -> weakref.ref[Any]:
        """A weak reference to a marker whose callback records the marker's end here.

        Args:
            marker: the marker.
            life: what the marker refers to.
            module: a weak reference to the module; `None` if the namespace is not that of its `sys.modules` entry.
            namespace: the namespace, of which only the id is kept.
        """
        # It has a callback, since from 3.15 on the collector clears references without callbacks later than others.
        alive = weakref.ref(life, _ignore)
        return weakref.ref(marker, EndCallback(alive, module, id(namespace), self._known, self._lost))

    def take(self) -> list[Entry]:
        """The emptied namespaces, except those of loaded modules, which the next execution fills."""
        # A namespace that was emptied several times belongs to the generation that it had last.
        known = {id(entry[0]): entry for entry in self._known}
        self._known.clear()
        return [entry for entry in known.values() if foreign.namespace(entry[2]) is not entry[0]]

    def search(self, is_marked: Callable[[dict[str, Any]], bool]) -> list[Entry]:
        """The namespaces whose module was gone when they were emptied. Costs a pass over the heap if there are any."""
        if not self._lost:
            return []
        found: dict[int, Entry] = {}
        for o in of_types(gc.get_objects(), Addresses(_HAVING_GLOBALS)):
            namespace = o.__globals__ if type(o) is types.FunctionType else o.f_globals
            generation, name = self._lost.get(id(namespace), (0, ""))
            # A namespace that has the same id by now has a name of its own.
            if name and not is_marked(namespace) and foreign.module_name(namespace) in {"", name}:
                found[id(namespace)] = (namespace, generation, name)
        self._lost.clear()
        return list(found.values())


class EndCallback:
    """The callback for the end of a marker.

    An instance and not a closure: a function would count as one of the program's.
    """

    __slots__ = ("_home", "_known", "_lost", "life", "module")

    def __init__(
        self,
        life: weakref.ref[Life],
        module: Any,
        home: int,
        known: list[Entry],
        lost: dict[int, tuple[int, str]],
    ) -> None:
        self.life, self.module = life, module
        self._home, self._known, self._lost = home, known, lost

    def __call__(self, _: object) -> None:
        """Record the end."""
        ended = self.life()
        if ended is None:  # the collector clears all references before it calls a callback
            return
        loaded = self.module() if self.module is not None else None
        namespace = foreign.module_dict(loaded) if loaded is not None else None
        if namespace is not None and id(namespace) == self._home:
            self._known.append((namespace, ended.generation, ended.module))
        elif ended.is_referred_to:
            self._lost[self._home] = ended.generation, ended.module


def _ignore(_: object) -> None:
    """Do nothing: the reference only needs a callback."""

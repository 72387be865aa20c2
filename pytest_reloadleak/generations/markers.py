"""Plant a marker in each namespace, to see when the namespace dies.

A module object dies the moment `sys.modules` drops it, whatever leaks, and a dict cannot be weakly referenced. A marker
lives exactly as long as its namespace (reload facts 1 and 2; the idea is the "zombie marker" of Java's
classloader-leak-prevention).
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

from pytest_reloadleak.generations.emptied import Emptied, Life
from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign

MARKER = "__reloadleak_generation__"
"""Name of the marker in a namespace, underscored so that `from target import *` does not copy it."""

_names = {MARKER}
"""Names of markers that were ever used in this process."""


def is_marked(namespace: dict[str, Any]) -> bool:
    """Whether a namespace has the marker of any check or watch."""
    return any(name in namespace for name in _names)


class Markers:
    """The markers of one check. A marker has a `generation`, a `module` name, and `is_shared`.

    Args:
        name: the name in the namespaces. Checks of the same target at the same time need different names.
    """

    def __init__(self, name: str = MARKER) -> None:
        self._name = name
        _names.add(name)
        # One class per check: every instance refers to its class, so the class's reference count shows how many markers
        # are alive. It includes those whose weak references are dead because a `__del__` resurrected them (reload
        # facts 3). So the cross-check with the heap is free when nothing leaks.
        self._type: Any = type(
            "Generation", (), {"__slots__": ("generation", "module", "is_shared", "life", "__weakref__")}
        )
        self._unused_count = gc.getrefcount(self._type)
        self._markers: list[weakref.ref[Any]] = []
        self._planted: dict[str, int] = {}
        self._homes: dict[int, int] = {}
        self._modules: dict[int, weakref.ref[Any]] = {}
        self._shared: set[int] = set()
        self._referred_to: set[int] = set()
        self._emptied = Emptied()

    def of(self, namespace: object) -> Any:
        """This check's marker in a namespace dict; `None` if there is none, and for anything but a dict."""
        marker = dict.get(namespace, self._name) if type(namespace) is dict else None
        return marker if type(marker) is self._type else None

    def plant(self, generation: int, name: str, namespace: dict[str, Any], module: object = None) -> None:
        """Plant a generation's marker in a fresh namespace. It may be a copy of another one, marker included.

        Args:
            generation: number of the generation.
            name: name of the module.
            namespace: the namespace.
            module: what `sys.modules` has under that name.
        """
        self._modules.pop(id(namespace), None)  # a new dict may have the id of an old one
        if foreign.module_dict(module) is namespace:
            self._modules[id(namespace)] = weakref.ref(module)
        self._put(generation, name, namespace)
        self._planted[name] = self.count(name) + 1
        self._shared.discard(id(namespace))

    def share(self, generation: int, name: str, namespace: dict[str, Any]) -> None:
        """Note that a known namespace is used again, so that it belongs to its newest generation."""
        if self.of(namespace) is None:
            self._put(generation, name, namespace)
        self._shared.add(id(namespace))
        marker = self.of(namespace)
        marker.generation, marker.is_shared = generation, True
        marker.life.generation, marker.life.is_emptied = generation, False
        self._homes[id(namespace)] = generation

    def _put(self, generation: int, name: str, namespace: dict[str, Any]) -> None:
        marker = self._type()
        marker.generation, marker.module, marker.is_shared = generation, name, False
        marker.life = Life(generation, name, is_referred_to=id(namespace) in self._referred_to)
        dict.__setitem__(namespace, self._name, marker)
        module = self._modules.get(id(namespace))
        self._markers.append(self._emptied.watched(marker, marker.life, module, namespace))
        self._homes[id(namespace)] = generation

    def look_at(self, namespaces: list[dict[str, Any]]) -> None:
        """Note which namespaces have references besides that of their module: from the globals of functions.

        Args:
            namespaces: those of one `sys.modules` entry. No other container of the check may refer to them.
        """
        yardstick: list[dict[str, Any]] = [{}]
        usual = gc.getrefcount(yardstick[0]) + 1
        counts = [gc.getrefcount(namespaces[at]) for at in range(len(namespaces))]
        self._referred_to = {id(n) for n, count in zip(namespaces, counts, strict=True) if count > usual}

    def recover(self, *, thoroughly: bool = False) -> None:
        """Mark again the namespaces that the program has emptied since, if anything still refers to them.

        Args:
            thoroughly: whether to search the heap for those whose modules were gone when they were emptied.
        """
        found = self._emptied.take()
        found += self._emptied.search(lambda n: self.of(n) is not None) if thoroughly else []
        for namespace, generation, name in found:
            if self.of(namespace) is None:
                self._referred_to = {id(namespace)}
                self._put(generation, name, namespace)
                marker = self.of(namespace)
                marker.is_shared, marker.life.is_emptied = id(namespace) in self._shared, True

    def is_emptied(self, namespace: dict[str, Any]) -> bool:
        """Whether the program has emptied a namespace since a round last noted it."""
        marker = self.of(namespace)
        return marker is None or marker.life.is_emptied

    def is_known(self, namespace: dict[str, Any], module: object) -> bool:
        """Whether a round marked this very dict: it has its marker, or is still the dict of the same module.

        A reloader may empty the namespace before it executes the module again. The marker is gone then, but a module
        never changes its dict.
        """
        if self.is_home(namespace):
            return True
        known = self._modules.get(id(namespace))
        return known is not None and known() is module and foreign.module_dict(module) is namespace

    def count(self, name: str) -> int:
        """How many markers were planted for a module."""
        return self._planted.get(name, 0)

    def seen(self) -> list[Any]:
        """The markers that are alive, except resurrected ones. Cheap."""
        self.recover()
        return [marker for reference in self._markers if (marker := reference()) is not None]

    def references(self) -> Iterator[weakref.ref[Any]]:
        """The weak references that watch living markers."""
        for reference in self._markers:
            if reference() is not None:
                teller: Any = reference.__callback__
                yield from (r for r in (reference, teller.life, teller.module) if r is not None)

    def alive(self) -> list[Any]:
        """The markers that are alive, resurrected ones included."""
        alive = self.seen()
        if gc.getrefcount(self._type) - self._unused_count > len(alive):
            known = set(map(id, alive))
            found = gc.get_referrers(self._type)
            alive += [o for o in found if type(o) is self._type and id(o) not in known]
        return alive

    def generation(self, namespace: object) -> int | None:
        """The generation of a namespace; `None` if several generations share it, or if it is a copy of a marked one."""
        marker = self.of(namespace)
        return marker.generation if marker is not None and not marker.is_shared else None

    def is_home(self, namespace: dict[str, Any]) -> bool:
        """Whether a marker was planted in this very dict, and not copied into it, as `update(vars(module))` does."""
        marker = self.of(namespace)
        return marker is not None and self._homes.get(id(namespace)) == marker.generation

    def is_shared(self, namespace: dict[str, Any]) -> bool:
        """Whether several generations live in this namespace, as after `importlib.reload`."""
        return id(namespace) in self._shared

    def prune(self) -> None:
        """Forget dead markers."""
        self._markers = [reference for reference in self._markers if reference() is not None]
        alive = {marker.generation for marker in self.alive()}
        self._homes = {key: generation for key, generation in self._homes.items() if generation in alive}
        self._modules = {key: known for key, known in self._modules.items() if known() is not None}

    def remove(self) -> None:
        """Remove the markers from the namespaces that are alive."""
        alive = self.alive()
        self._markers.clear()  # first, so that no callback records their ends
        for marker in alive:
            for namespace in gc.get_referrers(marker):
                if self.of(namespace) is marker:
                    dict.pop(namespace, self._name)

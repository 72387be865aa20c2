"""Markers: what is planted in a namespace, to be told when it dies.

A module object dies the moment `sys.modules` drops it, whatever leaks, and a dict cannot be weakly referenced, so a
marker is planted in every namespace: it lives exactly as long as the namespace (reload facts 1 and 2; the idea is the
"zombie marker" of Java's classloader-leak-prevention).
"""

from __future__ import annotations

import weakref
from typing import Any

from pytest_reloadleak.heap import collector as gc

MARKER = "__reloadleak_generation__"
"""Name of the marker in a namespace. Underscored, so that `from target import *` does not copy it."""


class Markers:
    """The markers of one check. A marker has a `generation`, a `module` name, and `is_shared`."""

    def __init__(self) -> None:
        # A class of our own per check: every instance holds a reference to its class, so the class's reference count
        # tells how many markers are alive, including those whose weak references lie because a `__del__` resurrected
        # them (reload facts 3). That makes the cross-check with the heap free when nothing leaks.
        self._type: Any = type(
            "Generation", (), {"__slots__": ("generation", "module", "is_shared", "__weakref__")}
        )
        self._unused_count = gc.getrefcount(self._type)
        self._markers: list[weakref.ref[Any]] = []
        self._planted: dict[str, int] = {}
        self._homes: dict[int, int] = {}
        self._shared: set[int] = set()

    def of(self, namespace: object) -> Any:
        """This check's marker in a namespace dict, or `None`; `None` also for what is no dict."""
        marker = dict.get(namespace, MARKER) if type(namespace) is dict else None
        return marker if type(marker) is self._type else None

    def plant(self, generation: int, name: str, namespace: dict[str, Any]) -> None:
        """Mark a namespace that has no marker as a generation's."""
        marker = self._type()
        marker.generation, marker.module, marker.is_shared = generation, name, False
        dict.__setitem__(namespace, MARKER, marker)
        self._markers.append(weakref.ref(marker))
        self._planted[name] = self.count(name) + 1
        self._homes[id(namespace)] = generation

    def share(self, generation: int, namespace: dict[str, Any]) -> None:
        """Note that a marked namespace is used again: it belongs to the newest generation in it."""
        self._shared.add(id(namespace))
        marker = self.of(namespace)
        marker.generation, marker.is_shared = generation, True
        self._homes[id(namespace)] = generation

    def count(self, name: str) -> int:
        """How many markers were planted for a module."""
        return self._planted.get(name, 0)

    def seen(self) -> list[Any]:
        """The markers that are alive, but for those that were resurrected: cheap."""
        return [marker for reference in self._markers if (marker := reference()) is not None]

    def alive(self) -> list[Any]:
        """The markers that are alive, the resurrected ones included."""
        alive = self.seen()
        if gc.getrefcount(self._type) - self._unused_count > len(alive):
            known = set(map(id, alive))
            found = gc.get_referrers(self._type)
            alive += [o for o in found if type(o) is self._type and id(o) not in known]
        return alive

    def generation(self, namespace: object) -> int | None:
        """The generation of a namespace; `None` for one that several share, and for a copy that a round made of it."""
        marker = self.of(namespace)
        return marker.generation if marker is not None and not marker.is_shared else None

    def is_home(self, namespace: dict[str, Any]) -> bool:
        """Whether a marker was planted in this very dict, and not copied into it with the rest (`update(vars(m))`)."""
        marker = self.of(namespace)
        return marker is not None and self._homes.get(id(namespace)) == marker.generation

    def is_shared(self, namespace: dict[str, Any]) -> bool:
        """Whether several generations live in this namespace, as `importlib.reload` makes them."""
        return id(namespace) in self._shared

    def prune(self) -> None:
        """Forget the dead."""
        self._markers = [reference for reference in self._markers if reference() is not None]
        alive = {marker.generation for marker in self.alive()}
        self._homes = {key: generation for key, generation in self._homes.items() if generation in alive}

    def remove(self) -> None:
        """Take the markers out of the namespaces that are alive."""
        for marker in self.alive():
            for namespace in gc.get_referrers(marker):
                if self.of(namespace) is marker:
                    dict.pop(namespace, MARKER)

"""Date classes and functions by the identity of their `__module__` string, a fresh object in each round."""

from __future__ import annotations

from typing import Any

from pytest_reloadleak.heap import collector as gc

_OURS = 2
"""Reference count of a name that only a stamp holds: the stamp's reference, and the argument of `getrefcount`."""


class Stamps:
    """The names of one check's namespaces, each with its generation."""

    def __init__(self) -> None:
        self._stamps: dict[int, tuple[str, int | None]] = {}

    def note(self, generation: int, namespace: dict[str, Any], *, is_first: bool) -> None:
        """Note the `__name__` of a namespace.

        The first generation's name dates nothing: it is the string that its importer used, often one that the
        interpreter shares.
        """
        name = dict.get(namespace, "__name__")
        if type(name) is str:
            known = self._stamps.get(id(name))
            same = known is None or known[1] == generation
            self._stamps[id(name)] = (name, generation if same and not is_first else None)

    def generation(self, name: object) -> int | None:
        """The generation that a `__module__` string dates; `None` if it dates none."""
        known = self._stamps.get(id(name))
        return known[1] if known is not None and known[0] is name else None

    def prune(self) -> None:
        """Forget the names that nothing else holds, since no class or function can have them any more."""
        for key in [key for key, stamp in self._stamps.items() if gc.getrefcount(stamp[0]) <= _OURS]:
            del self._stamps[key]

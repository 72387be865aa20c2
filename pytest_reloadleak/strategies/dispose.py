"""Find the dispose hooks that a generation runs before it is dropped, and keep the data it hands to the next one.

A module may define `__reload_dispose__(data)`, the counterpart of `module.hot.dispose` in webpack; a check may also be
given the application's own hook. Each runs once per generation, children first. If one raises, the others still run.
"""

from __future__ import annotations

import inspect
import sys
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from typing import Any

from pytest_reloadleak.heap import foreign

HOOK = "__reload_dispose__"
DATA = "__reload_data__"
"""The next generation's module finds under this name what the hook put into `data`."""

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(slots=True, eq=False, repr=False)
class Call:
    """One hook of one generation. Lives only while that generation is disposed of."""

    where: str
    """The hook's name in messages."""
    module: str
    """The module that defines the hook; empty for the application's hook."""
    function: Any
    arguments: tuple[Any, ...]

    def start(self) -> object:
        """Call the hook and return its result, which may be awaitable. Its exceptions go to the caller."""
        return self.function(*_accepted(self.function, self.arguments, is_own=bool(self.module)))


class Disposal:
    """The dispose hooks of one check.

    Args:
        hook: the application's, beside the modules' own: a callable, the name of a function of the target, or `None`.
        fallback: a callable to use if the target has no function of that name: the value of a fixture.
    """

    def __init__(
        self, hook: str | Callable[..., object] | None = None, fallback: Callable[..., object] | None = None
    ) -> None:
        self._hook = hook
        self._fallback = fallback
        self._pending: set[str] = set()
        self._data: dict[str, dict[str, Any]] = {}
        self.errors: list[str] = []
        """The errors of hooks, in order."""
        self._reached: set[str] = set()
        """Modules whose own hook was called, there or through another module that has the same hook."""

    def note_executed(self, names: Iterable[str]) -> None:
        """Note that modules were executed: the hook of each is due once."""
        self._pending.update(names)
        self._data.clear()

    def calls(
        self, names: list[str], targets: tuple[str, ...], module: Callable[[str], Any] = sys.modules.get
    ) -> list[Call]:
        """The hooks that are due, in order; none is due again before the next generation.

        Args:
            names: the outgoing modules in the order of disposal.
            targets: the target as the user named it; a hook given by name is looked up there first.
            module: returns a module of the target, or its stand-in, by name.
        """
        if not self._pending:
            return []
        due = [name for name in names if name in self._pending]
        self._pending.clear()
        calls = self._of_application(due, targets, module)
        seen: set[int] = set()
        for name in due:
            namespace = foreign.namespace(name)
            hook = namespace.get(HOOK)
            if hook is None:
                continue
            self._reached.add(name)
            if id(hook) in seen or _was_disposed(name, HOOK):
                continue
            seen.add(id(hook))
            if not callable(hook):
                self.errors.append(f"{name}.{HOOK} must be a function, not {foreign.type_name(hook)}")
                continue
            data: dict[str, Any] = {}
            self._data[name] = data
            calls.append(Call(f"{name}.{HOOK}", name, hook, (data,)))
        return calls

    def _of_application(
        self, due: list[str], targets: tuple[str, ...], module: Callable[[str], Any]
    ) -> list[Call]:
        hook = self._hook
        if hook is None:
            return []
        mine = [n for n in targets if module(n) is not None] or [n for n in due if n not in targets][-1:]
        outgoing = module(mine[0]) if mine else None
        if foreign.is_module(outgoing) and _was_disposed(
            mine[0], hook if isinstance(hook, str) else "dispose"
        ):
            return []
        if hook == HOOK and not foreign.is_module(outgoing):
            return []  # the target is in a worker, which calls the modules' hooks itself
        if not isinstance(hook, str):
            return [Call("dispose", "", hook, (outgoing,))]
        if hook == HOOK:
            if not any(HOOK in foreign.namespace(name) for name in due):
                self.errors.append(f"dispose={hook!r}: no such function in {' and '.join(mine)}; define it")
            return []
        calls: list[Call] = []
        found: set[int] = set()
        for name in dict.fromkeys((*mine, *due)):
            function = _attribute(module(name), hook)
            if function is None or id(function) in found or (found and name not in mine):
                continue
            found.add(id(function))
            calls.append(Call(f"{name}.{hook}", "", function, ()))
        if calls:
            return calls
        if self._fallback is not None:
            return [Call(f"the fixture {hook}", "", self._fallback, (outgoing,))]
        self.errors.append(
            f"dispose={hook!r}: no such function in {' and '.join(mine) or 'the target'}; correct the name"
        )
        return []

    def never_called(self, names: Iterable[str]) -> list[str]:
        """The modules that define a hook which no round called, because no round dropped the module."""
        return [name for name in names if name not in self._reached and HOOK in foreign.namespace(name)]

    def raised(self, generation: int, call: Call, text: str) -> None:
        """Note what a hook raised while it disposed a generation."""
        self.errors.append(f"disposing generation {generation}: {call.where} raised: {text}")

    def handover(self, names: Iterable[str] = ()) -> dict[str, dict[str, Any]]:
        """The data of the outgoing generation for the next one, by module. This object no longer keeps it afterwards.

        The outgoing modules lose the data that they had received. Otherwise an object that is handed over would lead,
        through its class and that class's namespace, to the previous data, and so to all data ever handed over.

        Args:
            names: the outgoing modules.
        """
        for name in names:
            dict.pop(foreign.namespace(name), DATA, None)
        data, self._data = self._data, {}
        return {name: {DATA: content} for name, content in data.items()}

    def clear(self) -> None:
        """Release everything."""
        self._data.clear()
        self._pending.clear()
        self._hook = self._fallback = None


def _attribute(module: object, path: str) -> Any:
    """The value at a dotted path in a module; a property may run, since the user asked for it."""
    found: Any = module
    for name in path.split("."):
        namespace = foreign.module_dict(found)
        found = namespace.get(name) if namespace is not None else getattr(found, name, None)
    return found


def _accepted(function: Any, arguments: tuple[Any, ...], *, is_own: bool) -> tuple[Any, ...]:
    """As many of the arguments as a function expects."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ()
    # A module's own hook takes `data`, if it takes anything. Any other function was written without this tool in mind,
    # so a parameter with a default is not meant for it: `close(timeout=5)`.
    takes = [p for p in parameters if p.kind in _POSITIONAL and (is_own or p.default is p.empty)]
    has_rest = is_own and any(p.kind is p.VAR_POSITIONAL for p in parameters)
    return arguments if has_rest else arguments[: len(takes)]


_disposed: dict[int, tuple[weakref.ref[ModuleSpec], set[str]]] = {}
"""The hooks that have disposed of an execution of a module, by the id of its spec, which is new after every import and
`importlib.reload`. An original comes back disposed, and the next check must not call the hook again."""


def _was_disposed(name: str, hook: str) -> bool:
    """Whether a hook has already disposed of the present execution of a module. Notes that it does so now."""
    spec = foreign.namespace(name).get("__spec__")
    if type(spec) is not ModuleSpec:
        return False
    known = _disposed.get(id(spec))
    if known is None or known[0]() is not spec:
        key = id(spec)
        known = _disposed[key] = (weakref.ref(spec, lambda _: _forget(key)), set())
    if hook in known[1]:
        return True
    known[1].add(hook)
    return False


def _forget(key: int) -> None:
    _disposed.pop(key, None)

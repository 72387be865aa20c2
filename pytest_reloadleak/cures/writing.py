"""Put a cure together: its imports, then its lines; and say where it goes. What cannot be written is `None`."""

from __future__ import annotations

import os
import types
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

from pytest_reloadleak.cures import chains, layers, patches, reading, references
from pytest_reloadleak.cures.knowledge import HOSTS
from pytest_reloadleak.cures.methods.on_the_way import undone_in_c
from pytest_reloadleak.cures.names import Given, Names
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.references import folded

_MOST_PATHS = 16
"""References that are compared to see where each generation has its own."""


class Effect(Protocol):
    """The effect that a leak is: `holders.sweep.Cause`."""

    @property
    def kind(self) -> str: ...  # noqa: D102 - as there
    @property
    def path(self) -> str: ...  # noqa: D102 - as there
    @property
    def registry(self) -> str | None: ...  # noqa: D102 - as there


class Leak(NamedTuple):
    """What one holder has of the target, while the objects are at hand."""

    paths: Sequence[tuple[Any, ...]]
    """Objects from a root's value to the target's object, of one reference a generation or several."""
    held_at: int
    """Index of the target's object in the shortest path."""
    held: str
    """The name of the target's object."""
    is_single: bool
    """Whether each generation has one such reference."""
    is_binding: bool
    """Whether another module bound the name once."""
    effect: Effect | None
    is_native: bool = False
    """Whether only C code refers to the first object of each path."""


def mended(
    leak: Leak, module: str, namespaces: Mapping[str, dict[str, Any]], given: Given | None = None
) -> tuple[str | None, str]:
    """The cure of a leak, and an advice of its own; both may be missing.

    Args:
        leak: what is held, and how.
        module: the target's name.
        namespaces: the target's present namespaces by module name.
        given: what the host gives to the hook.
    """
    write_with = partial(written, module=module, namespaces=namespaces, given=given)
    path = min(leak.paths, key=len)
    effect = leak.effect
    if effect is None:
        try:
            advice = _rebinding(path, leak.held) if leak.is_binding else ""
        except Exception:  # noqa: BLE001 - as in `written`
            advice = ""
        cure = write_with(partial(_of_reference, leak, len(path)))
        if leak.is_native and cure is not None:
            advice = (
                f"C code holds {leak.held} where the garbage collector cannot see it; the cure undoes the call in the "
                "target that handed it over"
            )
        return cure, advice
    if effect.kind == "patched-global":
        return write_with(lambda names: patches.cure(path, effect.path, names)), ""
    if effect.path == "sys.modules[*]":
        return write_with(lambda names: [f"{names.need('sys')}.modules.pop(__name__, None)"]), ""
    if effect.path.startswith("timer kept by"):
        return write_with(partial(_of_reference, leak, len(path))), ""
    return None, ""


def _rebinding(path: Sequence[Any], held: str) -> str:
    """How a module that bound a name once gets the present version: no hook of the target can change its source.

    The line that binds the name and what to write instead; empty where the binding is no import.

    Args:
        path: objects from a module to the old version.
        held: the old version's dotted name.
    """
    steps = folded(path)
    if not steps or not foreign.is_module(steps[0][0]) or not steps[0][1].startswith("."):
        return ""
    importer = foreign.module_name(foreign.module_dict(steps[0][0]) or {})
    found = reading.import_line(importer, steps[0][1][1:])
    if found is None:
        return ""
    line, text = found
    module = held if foreign.is_module(steps[0][2]) else held.rpartition(".")[0]
    use = held if held == module else f"{module}.{held.rpartition('.')[2]}"
    file = os.path.basename(reading.file_of(importer))
    return (
        f"{importer}.{steps[0][1][1:]} was bound once and still points to the old version; at {file}:{line} write "
        f"`import {module}` in place of `{text}`, and `{use}` where it is used, so that each use finds the present "
        f"version; or reload {importer} too: --reload-leak-strategy=cascade"
    )


def _of_reference(leak: Leak, length: int, names: Names) -> list[str] | None:
    killed = _killed(leak, names)
    if killed is not None:
        return killed
    longest, shortest = max(leak.paths, key=len), min(leak.paths, key=len)
    chained = chains.put_back(shortest, leak.held_at, names)
    chained = chained or layers.unwrapped(shortest, leak.held_at, names, is_named=True)
    chained = chained or chains.unlinked(longest, leak.held_at + len(longest) - length, names)
    chained = chained or layers.unwrapped(shortest, leak.held_at, names, is_named=False)
    if chained is not None:
        return chained
    alike = [path for path in leak.paths if len(path) == length][:_MOST_PATHS]
    if leak.is_native:
        return undone_in_c(alike[0], names)
    return references.cure(alike, leak.held_at, names, is_single=leak.is_single)


def _killed(leak: Leak, names: Names) -> list[str] | None:
    """The lines that kill the greenlets which run the target's function: only the hub has them, and no container."""
    path = min(leak.paths, key=len)
    kinds = {foreign.class_name(cls) for cls in foreign.mro(type(path[0]))}
    if _GREENLET not in kinds or leak.held_at >= len(path):
        return None
    name = names.counterpart(path[0])
    if name is not None:
        return [f"{name}.kill()"]
    item, library = names.variable("item"), names.need("gevent")
    all_objects = f"{names.need('gc')}.get_objects()"
    test = names.subject(path[-1]).test.of(f"{item}._run")
    found = f"[{item} for {item} in {all_objects} if isinstance({item}, {library}.Greenlet) and {test}]"
    return [f"{library}.killall({found})"]


_GREENLET = "gevent._gevent_cgreenlet.Greenlet"


def written(
    write: Callable[[Names], list[str] | None],
    module: str,
    namespaces: Mapping[str, dict[str, Any]],
    given: Given | None = None,
) -> str | None:
    """The text of a cure.

    Args:
        write: returns the cure's lines, and asks for the imports that they need.
        module: the target's name; the main one's if it stands for several.
        namespaces: the target's present namespaces by module name.
        given: what the host gives to the hook.
    """
    names = Names(module if module in namespaces else next(iter(namespaces), module), namespaces, given)
    try:
        lines = write(names)
        if not lines:
            return None
        text = "\n".join((*names.imports, *lines))
        compile(text, "<cure>", "exec")
    except Exception:  # noqa: BLE001 - a cure is a help: a heap that it cannot read must not cost the finding
        return None
    return text


# -- where it goes ----------------------------------------------------------------------------------------------------


def hook_of(namespaces: Mapping[str, dict[str, Any]]) -> str:
    """Where a cure goes, as the end of a sentence; empty if the target imports no known host.

    Args:
        namespaces: the target's present namespaces by module name.
    """
    used = {_home(value) for namespace in namespaces.values() for value in list(namespace.values())}
    for host in HOSTS:
        if host.module in foreign.module_table() and any(_is_below(name, host.module) for name in used):
            return host.hook
    return ""


def _home(o: Any) -> str:
    if foreign.is_module(o):
        return foreign.module_name(foreign.module_dict(o) or {})
    if foreign.is_class(o):
        return foreign.class_module(o)
    return foreign.module_name(o.__globals__) if type(o) is types.FunctionType else ""


def _is_below(name: str, module: str) -> bool:
    return name == module or name.startswith(f"{module}.")

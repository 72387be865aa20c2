"""Write the cure of a chain, in which each generation has the one before it.

The links may have each other under the same name, one in the other: an attribute, or the variable of a closure. Or a
global of the target has what it found in some place: `_previous = host.get_hook()`, then `host.set_hook(hook)`. A
generation that puts that back ends the chain.
"""

from __future__ import annotations

import ast
import builtins
import contextvars
import functools
import types
from collections.abc import Iterator
from typing import Any

from pytest_reloadleak.cures import reading
from pytest_reloadleak.cures.names import Names, is_name
from pytest_reloadleak.cures.references import Path, Place, base_of, to_held
from pytest_reloadleak.cures.steps import Step, access, condition, spelled
from pytest_reloadleak.heap import foreign, sources


def unlinked(path: Path, held_at: int, names: Names) -> list[str] | None:
    """The lines that take the newest link out of a chain; `None` where the path has none.

    Args:
        path: objects from a root's value to the target's object.
        held_at: index of the target's object in the path.
        names: the names in the target's module.
    """
    steps = to_held(path, held_at)
    first = next((n for n in range(1, len(steps) - 1) if _is_link(steps[n], steps[n + 1])), None)
    if first is None or access(*steps[first - 1]).kind not in _SLOTS[access(*steps[first]).kind]:
        return None
    if any(access(*step).kind == "item" for step in steps[:first]):
        return None  # each generation may have an item of its own
    last = next(
        (n for n in range(first, len(steps) - 1) if not _is_link(steps[n], steps[n + 1])), len(steps) - 1
    )
    base = base_of(path, Place(steps, first - 1), names)
    where = spelled(base[0], steps[base[1] : first]) if base is not None else None
    if where is None:
        return None
    newest = names.bound(steps[first - 1][2])
    if newest is not None:
        test: str | None = f"{where} is {newest}"
    else:
        test = condition(names, where, steps[last + 1 :], names.subject(steps[-1][2]))
    if test is None:
        return None
    return [f"if {test}:", f"    {where} = {spelled(where, steps[first : first + 1])}"]


def _is_link(step: Step, following: Step) -> bool:
    # Each link may be of a class of its own generation.
    same = step[1] == following[1] and foreign.type_name(step[0]) == foreign.type_name(following[0])
    return same and access(*step).kind in _SLOTS


_SLOTS = {"attribute": {"attribute"}, "closure": {"attribute", "key"}, "defaults": {"attribute", "key"}}
"""By how a link has the one before it: where the newest link may be. A table may have one under each key."""


# -- what the target found in some place

_GET = "get"


def put_back(path: Path, held_at: int, names: Names) -> list[str] | None:
    """The lines that put back what the target found; `None` where the path is no such chain.

    Args:
        path: objects from a root's value to the target's object.
        held_at: index of the target's object in the path.
        names: the names in the target's module.
    """
    steps = to_held(path, held_at)
    start = _start(path, steps, names)
    if start is None or len(steps) < start + 2:
        return None
    name = _global(steps[start])
    if is_name(name) and type(steps[start][2]) is contextvars.Token:
        return _reset(steps[start][2], name, names)
    if not is_name(name) or _home(steps[start][2]) != names.module:
        return None
    tree = ast.Module(sources.statements(reading.file_of(names.module)), type_ignores=[])
    texts = _texts(name, steps[start + 1 :])
    for text in texts:
        for found in _candidates(tree, text):
            if _reads(found) <= names.namespace.keys() | vars(builtins).keys():
                return [found]
    place = _place(path, steps, start, names)
    return [f"{place} = {texts[0]}" if place is not None else f"globals()[{foreign.quoted(name)}] = None"]


def _start(path: Path, steps: list[Step], names: Names) -> int | None:
    """The step from the target's namespace: the first, or one behind a function of the target that uses a global."""
    if foreign.module_dict(path[0]) is names.namespace:
        return 0
    return next((at for at, (parent, _, _) in enumerate(steps) if at > 1 and parent is names.namespace), None)


def _global(step: Step) -> str:
    """The name of the global to which a step from a module or its namespace leads."""
    found = access(*step)
    return found.name[1:-1] if found.kind == "key" else found.name


def _texts(name: str, steps: list[Step]) -> list[str]:
    """How a source may spell what the wrapper wraps, the longest first: `State.before`, `State`."""
    out = [name]
    for step in steps:
        found = access(*step)
        if found.kind != "attribute" or type(step[0]) is types.FunctionType:
            break
        out.insert(0, f"{out[0]}.{found.name}")
    return out


def _place(path: Path, steps: list[Step], start: int, names: Names) -> str | None:
    """How the place of the present wrapper is spelled; `None` if the path does not lead over one."""
    wrapper = start - 1  # the step from it to its namespace
    if start == 0 or any(access(*step).kind == "item" for step in steps[:wrapper]):
        return None
    base = base_of(path, Place(steps, wrapper - 1), names)
    return spelled(base[0], steps[base[1] : wrapper]) if base is not None else None


def _reset(token: contextvars.Token[Any], name: str, names: Names) -> list[str] | None:
    """The line that gives a context variable the value that it had before: its token has that."""
    variable = names.bound(token.var)
    found = reading.global_of(token.var) if variable is None else None
    if found is not None:
        variable = f"{names.need(found[0])}.{found[1]}"
    return [f"{variable}.reset({name})"] if variable is not None else None


def _home(o: Any) -> str:
    """The module of a function, class or instance, or of what a wrapper of the library has."""
    for kind, attribute in _WRAPPERS:
        if type(o) is kind:
            return _home(object.__getattribute__(o, attribute))
    if type(o) is types.FunctionType:
        return foreign.module_name(o.__globals__)
    return foreign.class_module(o if foreign.is_class(o) else type(o))


_WRAPPERS: tuple[tuple[type, str], ...] = (
    (types.MethodType, "__func__"),
    (property, "fget"),
    (staticmethod, "__func__"),
    (classmethod, "__func__"),
    (functools.partial, "func"),
)


def _reads(source: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(source)) if type(node) is ast.Name}


def _candidates(tree: ast.Module, name: str) -> Iterator[str]:
    """What may put back the value of a global, or of an attribute of one, by where the source takes it from."""
    nodes = list(ast.walk(tree))
    calls = [node for node in nodes if type(node) is ast.Call]
    for node in nodes:
        if type(node) is ast.Assign and any(_is_spelled(target, name) for target in node.targets):
            yield from _from_place(node.value, nodes, name)
            if type(node.value) is ast.Call:
                yield from _from_getter(node.value, calls, name)
                yield from _from_exchange(node.value, name)


def _is_spelled(node: ast.expr, text: str) -> bool:
    """Whether an expression is a name, or an attribute, with this text."""
    if type(node) is ast.Attribute:  # few have the right last name, and writing all would take long
        return node.attr == text.rpartition(".")[2] and ast.unparse(node) == text
    return _is_name(node, text)


def _is_name(node: ast.expr, name: str) -> bool:
    return type(node) is ast.Name and node.id == name


def _from_place(value: ast.expr, nodes: list[ast.AST], name: str) -> Iterator[str]:
    """`_previous = host.hook`, or with `getattr`, where the source also sets `host.hook`."""
    place = ast.unparse(value)
    if type(value) is ast.Call and _is_name(value.func, "getattr") and len(value.args) > 1:
        place = _attribute(value)
    set_here = {ast.unparse(t) for node in nodes if type(node) is ast.Assign for t in node.targets}
    set_here |= {
        _attribute(node)
        for node in nodes
        if type(node) is ast.Call and _is_name(node.func, "setattr") and len(node.args) == 3
    }
    if place in set_here - {"", name}:
        yield f"{place} = {name}"


def _attribute(call: ast.Call) -> str:
    """The attribute that `getattr` or `setattr` is given, as an expression; empty if its name is computed."""
    owner, attribute = call.args[:2]
    named = foreign.text(attribute.value) if type(attribute) is ast.Constant else ""
    return f"{ast.unparse(owner)}.{named}" if is_name(named) else ""


def _from_getter(value: ast.Call, calls: list[ast.Call], name: str) -> Iterator[str]:
    """`_previous = host.get_hook()`, where the source also calls `host.set_hook(...)`."""
    start, _, method = ast.unparse(value.func).rpartition(".")
    if not method.startswith(_GET):
        return
    rest = method.removeprefix(_GET)
    setters = {f"{start}.{setter}".removeprefix(".") for setter in (f"set{rest}", rest.lstrip("_")) if setter}
    for call in calls:
        setter = ast.unparse(call.func)
        if setter in setters:
            yield f"{setter}({', '.join([*map(ast.unparse, value.args), name])})"


def _from_exchange(value: ast.Call, name: str) -> Iterator[str]:
    """`_previous = host.exchange(hook)`, which returns what was there."""
    arguments = [name if type(argument) is ast.Name else ast.unparse(argument) for argument in value.args]
    if sum(type(argument) is ast.Name for argument in value.args) == 1 and not value.keywords:
        yield f"{ast.unparse(value.func)}({', '.join(arguments)})"

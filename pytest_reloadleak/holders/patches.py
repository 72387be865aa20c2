"""Recognise patches: attributes of other modules or classes that the target replaced.

On the heap a patch looks like a binding: a module's attribute is an old generation's object. The difference is who
bound it. The standard library never imports a target from outside it, so the target's objects there were put there. Any
other module may import the target. There the reference is a patch if the attribute was a function or class from outside
the target before the target was first loaded, or if it leads from the present generation's wrapper to an old one's: an
onion, one layer per reload. For a module that the target itself loaded there is no "before"; its source shows what it
defines. The wrapper need not be the target's own function: a helper, `functools.partial` or wrapt may have made it. A
path that leads through wrappers only to the target's function is a patch too.
"""

from __future__ import annotations

import ast
import sys
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache, partial
from typing import Any

from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign, references, sources
from pytest_reloadleak.holders.search import Search
from pytest_reloadleak.holders.sweep import Cause

_CALLABLES = foreign.type_ids(types.FunctionType, types.BuiltinFunctionType, type)


def own_callables(owns: Callable[[str], bool]) -> dict[str, frozenset[str]]:
    """Names of the functions and classes of each module at present, without the target's.

    Args:
        owns: whether a module name belongs to the target.
    """
    is_own = cache(owns)  # called for each function and class, but most come from few modules
    early = _early if not any(map(is_own, _early)) else {}
    found = {}
    for name, module in foreign.loaded_modules():
        namespace = foreign.module_dict(module)
        if namespace is not None and not is_standard(name) and not is_own(name):
            known = early.get(name)
            found[name] = known if known is not None else _callables(namespace, is_own)
    return found


_early: dict[str, frozenset[str]] = {}
"""The same for the modules of this process before it was forked, when no target was loaded."""


def note_early() -> None:
    """Note the functions and classes of all modules for the checks of the forks of this process."""
    _early.update(own_callables(lambda _: False))


def _callables(namespace: dict[str, Any], owns: Callable[[str], bool]) -> frozenset[str]:
    # This runs in each check. Most functions are defined in the module that has them; only the others are read singly.
    is_others = not owns(foreign.module_name(namespace))
    found = []
    for name, value in list(namespace.items()):
        if id(type(value)) in _CALLABLES:
            is_here = is_others and type(value) is types.FunctionType and value.__globals__ is namespace
            if is_here or not is_of(value, owns):
                found.append(name)
    return frozenset(found)


def patch_of(
    path: Sequence[Any], name: str, owns: Callable[[str], bool], before: Mapping[str, Collection[str]]
) -> Cause | None:
    """The patch on a path to an old object; `None` if there is none.

    Args:
        path: objects from a module to the old one.
        name: the module's name.
        owns: whether a module name belongs to the target.
        before: what `own_callables` returned before the target was first loaded.
    """
    if not foreign.is_module(path[0]) or owns(name):
        return None
    steps = references.folded(path)
    at = next((n for n, (_, _, child) in enumerate(steps) if is_of(child, owns)), None)
    if at is None:
        return None
    slot = 1 if at > 0 and foreign.is_class(steps[0][2]) else 0
    if not all(step.startswith(".") for _, step, _ in steps[: slot + 1]):
        return None
    attribute = "".join(step for _, step, _ in steps[: slot + 1])[1:]
    is_intruder = is_standard(name) and not is_standard(_home(steps[at][2]))
    if at > slot:
        around = [child for _, _, child in steps[slot:at]]
        is_patch = _are_wrappers(around, name) and (is_intruder or attribute in _definitions(path[0]))
    else:
        is_onion = at + 1 < len(steps) and type(steps[at][2]) is types.FunctionType
        is_replaced = slot == 0 and _was_function(name, attribute, path[0], before)
        is_patch = is_intruder or is_onion or is_replaced
    if not is_patch:
        return None
    return Cause("patched-global", "sys.modules", f"{name}.{attribute}", "class" if slot == 1 else "module")


def _are_wrappers(objects: Sequence[Any], module: str) -> bool:
    """Whether each of some objects wraps a function, and the module itself made none of them.

    A list or table on the path is a registry: the code that reads it need not have been replaced.
    """
    is_argument = False  # whether `o` is the tuple or dict in which a `partial` keeps its arguments
    for o in objects:
        if type(o) in (tuple, dict) and is_argument:
            continue
        is_argument = type(o) is partial
        if type(o) is types.FunctionType:
            if foreign.module_name(o.__globals__) == module:
                return False
        elif not (is_argument or type(o) is types.MethodType or _is_proxy(o)):
            return False
    return True


def _is_proxy(o: Any) -> bool:
    """Whether the class of an object says that it stands for another, as those of wrapt do."""
    return foreign.defines(type(o), "__wrapped__")


def _was_function(module: str, name: object, loaded: Any, before: Mapping[str, Collection[str]]) -> bool:
    """Whether a module had a function or class of this name before the target replaced it.

    A target that was loaded before the check has already replaced it, so this reads the source as well.
    """
    return name in before.get(module, ()) or name in _definitions(loaded)


def _definitions(module: Any) -> frozenset[str]:
    """What a module's source defines without a decorator: functions, classes and their methods, `Class.method`."""
    file = foreign.text(dict.get(foreign.module_dict(module) or {}, "__file__"))
    return _definitions_in(file)


@cache
def _definitions_in(file: str) -> frozenset[str]:
    body = sources.statements(file)
    classes = [node for node in body if type(node) is ast.ClassDef]
    methods = {f"{cls.name}.{name}" for cls in classes for name in _defined(cls.body)}
    return frozenset({*_defined(body), *methods})


def _defined(body: Sequence[ast.stmt]) -> list[str]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    nodes: list[Any] = [node for node in body if type(node) in kinds]
    return [node.name for node in nodes if not node.decorator_list]


def present_patches(owns: Callable[[str], bool], before: Mapping[str, Collection[str]]) -> dict[str, Cause]:
    """The patches that are in place now, by the name of the object that each put there.

    Args:
        owns: whether a module name belongs to the target.
        before: what `own_callables` returned before the target was first loaded.
    """
    # A wrapper may find what it wraps in a global of its module, so that the patch does not look like an onion from
    # outside. Then its path leads through that module, where the older wrapper has a name as well.
    found: dict[str, Cause] = {}
    for name, module in foreign.loaded_modules():
        namespace = foreign.module_dict(module)
        if namespace is None or owns(name):
            continue
        for key, value in list(namespace.items()):
            if is_of(value, owns) and _is_patch(module, name, key, value, before):
                found[put_name(value)] = Cause("patched-global", "sys.modules", f"{name}.{key}", "module")
            elif foreign.is_class(value) and foreign.class_module(value) == name:
                for attribute, inner in list(foreign.class_dict(value).items()):
                    if type(inner) in _OF_CLASSES and is_of(inner, owns):
                        spelled = f"{name}.{key}.{attribute}"
                        found[put_name(inner)] = Cause("patched-global", "sys.modules", spelled, "class")
    return found


def _is_patch(
    loaded: Any, module: str, key: object, value: Any, before: Mapping[str, Collection[str]]
) -> bool:
    if foreign.is_module(value):
        return False
    is_intruder = is_standard(module) and not is_standard(_home(value))
    if type(key) is str and key.startswith("__") and not is_intruder:
        return False
    return is_intruder or _was_function(module, key, loaded, before)


def place_of(patch: Cause) -> tuple[dict[str, Any], str] | None:
    """The namespace in which a patch is in place, and the attribute; `None` if it is gone.

    Args:
        patch: what `patch_of` or `present_patches` returned; its path is spelled `module.attribute` or, on a class,
            `module.Class.attribute`.
    """
    *names, attribute = patch.path.split(".")
    owner = names.pop() if patch.type == "class" else None
    namespace = foreign.namespace(".".join(names))
    if owner is not None:
        cls: Any = dict.get(namespace, owner)
        # A class shows its namespace only through a proxy, which refers to the dict.
        namespace = gc.get_referents(foreign.class_dict(cls))[0] if foreign.is_class(cls) else {}
    return (namespace, attribute) if attribute in namespace else None


def put_name(o: Any) -> str:
    """The name of the function or class of `o`. Its counterparts in other generations have the same name."""
    o = _unwrapped(o)
    if type(o) is types.FunctionType:
        return foreign.function_name(o)
    return foreign.class_name(o if foreign.is_class(o) else type(o))


def is_of(o: Any, owns: Callable[[str], bool]) -> bool:
    """Whether a function, method, class or instance is the target's."""
    return owns(_home(o))


def _home(o: Any) -> str:
    """The module from which a function, method, class or instance comes."""
    o = _unwrapped(o)
    if type(o) is types.FunctionType:
        return foreign.module_name(o.__globals__)
    return foreign.class_module(o if foreign.is_class(o) else type(o))


def _unwrapped(o: Any) -> Any:
    """The function of a method, property, static or class method."""
    while (attribute := _HAVING_ONE.get(id(type(o)))) is not None:
        o = object.__getattribute__(o, attribute)
    return o


_HAVING_ONE = {
    id(types.MethodType): "__func__",
    id(property): "fget",
    id(staticmethod): "__func__",
    id(classmethod): "__func__",
}
_OF_CLASSES = (types.FunctionType, property, staticmethod, classmethod)


def is_standard(name: str) -> bool:
    """Whether a module is of the standard library."""
    return name.partition(".")[0] in sys.stdlib_module_names and name != "__main__"


# -- what an effect replaced -------------------------------------------------------------------------------------------


def by_slot(path: Sequence[Any], search: Search) -> Cause | None:
    """The slot whose previous entry a module keeps, as after `previous = json.dumps`."""
    return _slot_of(next((o for o in path[1:] if type(o) is not dict), None), search)


def by_entry(path: Sequence[Any], search: Search) -> Cause | None:
    """The entry of a registry that the target has a name for, and that keeps what it replaced until it is undone.

    The way leads on from one such entry to the one before, so undoing each of them ends it.
    """
    entries = {id(r.value): r.cause for r in search.effects if r.cause and r.cause.registry in _REPLACING}
    return next((entries[id(o)] for o in path[1:] if id(o) in entries), None)


_REPLACING = frozenset({"unittest.mock"})
"""Registries whose entries, started patches, keep what they replaced."""


def by_slot_beyond(path: Sequence[Any], search: Search) -> Cause | None:
    """The slot whose previous entry a function of the target keeps, if another holder keeps that function."""
    functions = [o for o in path if type(o) is types.FunctionType and is_of(o, search.ledger.owns)]
    return _slot_of(functions[1], search) if len(functions) > 1 else None


def _slot_of(kept: Any, search: Search) -> Cause | None:
    if kept is None or not is_of(kept, search.ledger.owns):
        return None
    if search.patches is None:
        search.patches = present_patches(search.ledger.owns, search.before)
    name = put_name(kept)
    return search.slots.get(name) or search.patches.get(name)

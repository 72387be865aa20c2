"""Write the cure of a reference: what removes the target's object from the place where a holder has it."""

from __future__ import annotations

import collections
import types
from collections.abc import Sequence
from typing import Any, NamedTuple

from pytest_reloadleak.cures import reading
from pytest_reloadleak.cures.heaps import is_heap
from pytest_reloadleak.cures.methods.arguments import items_of, named_item
from pytest_reloadleak.cures.methods.on_the_way import ended, ended_on_the_way, undone_on_the_way
from pytest_reloadleak.cures.methods.pairs import paired
from pytest_reloadleak.cures.methods.returned import undone_by_returned
from pytest_reloadleak.cures.names import Names, Subject, Test
from pytest_reloadleak.cures.steps import Step, access, condition, spelled
from pytest_reloadleak.heap import describe, foreign, references

Path = tuple[Any, ...]


class Place(NamedTuple):
    """Where each generation has a reference of its own."""

    steps: list[Step]
    """The steps to the target's object."""
    at: int
    """Which of them each generation has for itself."""
    varies: bool = False
    """Whether that step has another name in each generation."""
    depth: int = 0
    """How many references lead from the item to the target's object, those without a name included."""

    @property
    def step(self) -> Step:
        """The step from the container to its item."""
        return self.steps[self.at]

    @property
    def after(self) -> list[Step]:
        """The steps from the item to the target's object."""
        return self.steps[self.at + 1 :]


def cure(paths: Sequence[Path], held_at: int, names: Names, *, is_single: bool) -> list[str] | None:
    """The lines that remove a reference; `None` where none can be written.

    Args:
        paths: objects from a root's value to the target's object, of one reference a generation or several.
        held_at: index of the target's object in the shortest path.
        names: the names in the target's module.
        is_single: whether each generation has one such reference.
    """
    path = min(paths, key=len)
    place = _place(path, paths, held_at)
    taken = (
        undone_on_the_way(path[:held_at], names.subject(path[held_at]), names)
        if held_at < len(path)
        else None
    )
    if taken is not None or place is None:
        return taken
    positions = {id(o): n for n, o in enumerate(path)}
    place = place._replace(depth=positions[id(place.steps[-1][2])] - positions[id(place.step[2])])
    subject = names.subject(place.steps[-1][2])
    base = base_of(path, place, names)
    if base is None:
        return None
    text, start = base
    steps = place.steps[start : place.at]
    wrapped: list[str] = []
    found = paired(place.steps, place.at, base, subject, names)
    container = spelled(text, steps)
    if container is None and found is None:
        loop = _loop(text, steps, names)
        if loop is None:
            return None
        (wrapped, container), is_single = loop, False
    end = ended_on_the_way([place.step[2], *(parent for parent, _, _ in place.after)], names)
    if end is None and found is None and place.after:
        end = ended(place.step[2], place.step[0], names)
    if end is None and found is None and is_single and access(*place.step).kind in {*_OPEN, "key"}:
        end = undone_by_returned(place.step[0], subject, names)
    if end is not None:
        return [end]
    if found is None and container is not None:
        if type(place.step[0]) is types.MappingProxyType:  # what it shows can change
            container = f"{names.need('gc')}.get_referents({container})[0]"
        found = _removed(container, place, subject, names, is_single=is_single)
        if found is not None and access(*place.step).kind == "item" and is_heap(place.steps[: place.at]):
            found.append(f"{names.need('heapq')}.heapify({container})")
    return [*wrapped, *(f"    {line}" if wrapped else line for line in found)] if found else None


def to_held(path: Path, held_at: int) -> list[Step]:
    """The steps to the object of a path that is the target's, or to an exception that leads to it.

    A cure cannot change a traceback, so it removes the exception with all that its traceback keeps.
    """
    folded = references.folded(path)
    positions = {id(o): n for n, o in enumerate(path)}
    entered = describe.stack_at(path)
    end = held_at if entered is None else min(entered, held_at)
    count = next((n for n, step in enumerate(folded, start=1) if positions[id(step[2])] >= end), 0)
    return folded[:count]


def _place(path: Path, paths: Sequence[Path], held_at: int) -> Place | None:
    """The last container that all references go through; with one reference, the first that has many items."""
    steps = to_held(path, held_at)
    if not steps:
        return None
    common = _common(paths)
    if len(paths) > 1 and common:
        at = max((n for n, step in enumerate(steps) if id(step[0]) in common), default=0)
        others = [references.folded(other) for other in paths if other is not path]
        return Place(steps, at, any(len(other) > at and other[at][1] != steps[at][1] for other in others))
    kinds = [access(*step).kind for step in steps]
    for wanted in (_OPEN, _NAMED):
        found = [n for n, kind in enumerate(kinds) if kind in wanted]
        if found:
            return Place(steps, found[0] if wanted is _OPEN else found[-1])
    return None


_OPEN = frozenset({"item", "value", "dict-key", "cache"})
_NAMED = frozenset({"attribute", "key"})


def _common(paths: Sequence[Path]) -> set[int]:
    """Ids of the objects with which all paths begin."""
    out: set[int] = set()
    for objects in zip(*paths, strict=False):
        if any(o is not objects[0] for o in objects):
            break
        out.add(id(objects[0]))
    return out


def base_of(path: Path, place: Place, names: Names) -> tuple[str, int] | None:
    """The expression from which the container is reached, and the number of the step that begins there."""
    parents = [parent for parent, _, _ in place.steps[: place.at + 1]]
    for at in range(len(parents) - 1, -1, -1):
        name = names.bound(parents[at])
        if name is not None:
            return name, at
    if foreign.is_module(path[0]):
        module = foreign.module_name(foreign.module_dict(path[0]) or {})
        if foreign.module_table().get(module) is path[0]:
            return ("" if module == names.module else names.need(module)), 0
    for at in range(len(parents) - 1, -1, -1):
        found = reading.global_of(parents[at])
        if found is not None:
            return f"{names.need(found[0])}.{found[1]}", at
    return None


def _loop(text: str, steps: Sequence[Step], names: Names) -> tuple[list[str], str] | None:
    """A loop over the values of a dict whose key has no name, and how the container is spelled inside of it."""
    at = next(n for n in range(len(steps)) if spelled(text, steps[: n + 1]) is None)
    items = names.variable("items")
    table, rest = spelled(text, steps[:at]), spelled(items, steps[at + 1 :])
    if table is None or rest is None or access(*steps[at]).kind != "value":
        return None
    return [f"for {items} in list({table}.values()):"], rest


def _removed(
    container: str, place: Place, subject: Subject, names: Names, *, is_single: bool
) -> list[str] | None:
    """The lines that remove the item from its container by the container's own means."""
    found = access(*place.step)
    item = names.variable("item")
    if found.kind == "cache":
        return [f"{container}.cache_clear()"]
    if found.kind == "attribute":
        return _from_attribute(container, place, subject, names)
    inside = _inside(container, place, subject, names)
    if inside is not None:
        return inside
    own = named_item(place.step, names) if is_single and place.after else None
    if own is not None:
        subject, place = (
            Subject(own, Test("{}", "is", own), own),
            Place(place.steps[: place.at + 1], place.at, place.varies),
        )
    test = condition(names, item, place.after, subject, is_plain=_are_alike(place))
    if any(not access(*step).kind for step in place.after):
        test = _by_referents(names, item, place.depth, subject)
    if test is None:
        return None
    name = subject.name if not place.after else None
    is_fixed = issubclass(type(place.step[0]), (tuple, frozenset))
    opposite = f"not {test}" if test.startswith("any(") else _opposite(names, item, place, subject)
    if is_fixed and foreign.is_exactly(place.step[0], _FIXED) and _is_assigned(place):
        kind = foreign.class_name(type(place.step[0])).rpartition(".")[2]
        return [f"{container} = {kind}({item} for {item} in {container} if {opposite})"]
    if found.kind == "item" and not is_fixed:
        return _from_items(container, place.step[0], item, (test, opposite), name if is_single else None)
    if found.kind == "dict-key":
        return (
            [f"{container}.pop({name}, None)"] if name is not None else _deleted(container, item, item, test)
        )
    if found.kind == "key" and not place.varies:
        one = condition(names, f"{container}.get({found.name})", place.after, subject)
        return [f"if {one}:", f"    del {container}[{found.name}]"]
    if found.kind in {"value", "key"}:
        key = names.variable("key")
        return _deleted(container, key, f"{key}, {item}", test)
    return None


def _opposite(names: Names, item: str, place: Place, subject: Subject) -> str:
    """The opposite of a condition that is one comparison."""
    opposite = subject._replace(test=subject.test.opposite)
    return str(condition(names, item, place.after, opposite, is_plain=_are_alike(place)))


def _are_alike(place: Place) -> bool:
    """Whether each item of the container has what the next step reads."""
    if not place.after:
        return False
    container, _, item = place.step
    found = access(*place.after[0])
    for one in items_of(container):
        if type(one) is not type(item):
            return False
        if found.kind == "attribute" and found.name not in (foreign.instance_dict(one) or {}):
            return False
        if found.kind == "position" and tuple.__len__(one) != tuple.__len__(item):
            return False
    return found.kind != "key" or issubclass(type(item), dict)


def _is_assigned(place: Place) -> bool:
    """Whether the container of an item is the value of something that can be set: an attribute, an entry, a cell."""
    if place.at < 1:
        return False
    above = place.steps[place.at - 1]
    found = access(*above)
    if found.kind == "attribute":
        return not _is_read_only(above[0], found.name)
    return found.kind in {"key", "closure"} or (found.kind == "item" and issubclass(type(above[0]), list))


_FIXED = foreign.type_ids(tuple, frozenset)


def _is_read_only(o: Any, attribute: str) -> bool:
    """Whether C code defines an attribute, which then most often cannot be set, as `functools.partial.args`."""
    classes = (cls for cls in foreign.mro(type(o)) if attribute in foreign.class_dict(cls))
    home = next(classes, None)
    return home is not None and foreign.is_c_type(home) and not foreign.is_exception(o)


def _by_referents(names: Names, item: str, depth: int, subject: Subject) -> str:
    """A condition for items of C types, whose parts only the collector shows."""
    parts = [names.variable(f"part{n or ''}") for n in range(depth)]
    test = subject.test.of(parts[-1])
    for at in range(depth - 1, -1, -1):
        test = f"any({test} for {parts[at]} in {names.need('gc')}.get_referents({parts[at - 1] if at else item}))"
    return test


def _from_items(
    container: str, parent: Any, item: str, tests: tuple[str, str], name: str | None
) -> list[str]:
    is_list = issubclass(type(parent), list)
    remove = "remove" if is_list or issubclass(type(parent), collections.deque) else "discard"
    if name is not None:
        return [f"{container}.{remove}({name})"]
    if is_list:
        return [f"{container}[:] = [{item} for {item} in {container} if {tests[1]}]"]
    return [
        f"for {item} in [{item} for {item} in {container} if {tests[0]}]:",
        f"    {container}.{remove}({item})",
    ]


def _deleted(table: str, key: str, variables: str, test: str) -> list[str]:
    items = table if key == variables else f"{table}.items()"
    return [f"for {key} in [{key} for {variables} in {items} if {test}]:", f"    del {table}[{key}]"]


def _inside(container: str, place: Place, subject: Subject, names: Names) -> list[str] | None:
    """The lines that remove from what an item contains, where the item has more than the target's object."""
    child = place.step[2]
    kind = access(*place.step).kind
    is_shared = issubclass(type(child), _MUTABLE) and _has_others(child, place.steps[place.at + 1 :])
    if not is_shared or not place.after or kind not in {"item", "value", "key"}:
        return None
    items = names.variable("items")
    inner = _removed(items, Place(place.steps, place.at + 1), subject, names, is_single=False)
    looped = f"{container}.values()" if kind in {"value", "key"} else container
    return [f"for {items} in list({looped}):", *(f"    {line}" for line in inner)] if inner else None


def _has_others(container: Any, steps: Sequence[Step]) -> bool:
    """Whether a container has more objects than the one that some steps go to; what a record says of it is none."""
    kind = next(kind for kind in _MUTABLE if issubclass(type(container), kind))
    items = list(kind.values(container) if kind is dict else kind.__iter__(container))
    keys = list(kind.keys(container)) if kind is dict else []
    others = [o for o in (*items, *keys) if not foreign.is_atom(o)]
    return len(others) > 1 or (not steps and len(items) > 1)


_MUTABLE: tuple[Any, ...] = (list, dict, set, collections.deque)


def _from_attribute(container: str, place: Place, subject: Subject, names: Names) -> list[str] | None:
    parent, name, _ = place.step
    attribute = name[1:]
    if not container:  # the module's own name
        return [f"globals().pop({foreign.quoted(attribute)}, None)"]
    if place.varies:
        item, name = names.variable("item"), names.variable("name")
        test = condition(names, item, place.after, subject)
        found = f"[{name} for {name}, {item} in vars({container}).items() if {test}]"
        return [f"for {name} in {found}:", f"    delattr({container}, {name})"] if test is not None else None
    if _is_read_only(parent, attribute):
        return None
    default = reading.default(parent, attribute)
    where = f"{container}.{attribute}"
    test = condition(
        names,
        where if default != reading.DELETED else f"getattr({container}, {foreign.quoted(attribute)}, None)",
        place.after,
        subject,
    )
    if default is None or test is None:
        return None
    return [f"if {test}:", f"    del {where}" if default == reading.DELETED else f"    {where} = {default}"]

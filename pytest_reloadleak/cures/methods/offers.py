"""Find the method that undoes a registration among those that the holder's class offers."""

from __future__ import annotations

import inspect
import types
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from pytest_reloadleak.cures.knowledge import KEYS, PAIRS, TOPICS, undoing
from pytest_reloadleak.cures.names import Names, Subject, is_name
from pytest_reloadleak.cures.steps import Step, access, condition
from pytest_reloadleak.heap import foreign


class Owner(NamedTuple):
    """An object on the way to the container that has methods, and how it is spelled."""

    value: Any
    text: str
    attributes: frozenset[str]
    """Names on the way from it to the container."""


class Parameters(NamedTuple):
    """The parameters of a method, without the one for its object."""

    required: tuple[str, ...]
    optional: tuple[str, ...]
    by_keyword: tuple[str, ...] = ()
    """Those that only a keyword can give."""

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, in order."""
        return (*self.required, *self.optional)


def function_of(owner: Any, name: str) -> Any:
    """The function that an object has under a name, read without running its code; `None` if there is none."""
    namespace = foreign.module_dict(owner)
    if namespace is not None:
        return namespace.get(name)
    for cls in foreign.mro(owner if foreign.is_class(owner) else type(owner)):
        found = foreign.class_dict(cls).get(name)
        if found is not None:
            return found.__func__ if foreign.is_exactly(found, _WRAPPED) else found
    return None


_WRAPPED = foreign.type_ids(staticmethod, classmethod)


def needs_nothing(function: Any, given: int = 1, named: Collection[str] = ()) -> bool:
    """Whether a call of a function that gets some arguments, and no others, does at once what the function says.

    Args:
        function: the function; false for anything that is no Python function.
        given: how many positional arguments it gets: a method gets its object.
        named: the keyword arguments that it gets.
    """
    code = foreign.own_code(function)
    if code is None or code.co_flags & _LATER:
        return False
    if given > code.co_argcount and not code.co_flags & inspect.CO_VARARGS:
        return False
    positional = code.co_varnames[given : code.co_argcount - len(function.__defaults__ or ())]
    by_keyword = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    needed = {*map(foreign.text, positional), *map(foreign.text, by_keyword)}
    return needed <= {*named, *(function.__kwdefaults__ or {})}


_LATER = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
"""A call of such a function runs none of it."""


def parameters_of(owner: Any, function: Any) -> Parameters | None:
    """The parameters of a method; `None` where they cannot be read, such as those of one written in C."""
    code = foreign.own_code(function)
    if code is None:
        return None
    names = [foreign.text(name) for name in code.co_varnames[: code.co_argcount]]
    further = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    if not (foreign.is_module(owner) or _is_static(owner, function)):
        names = names[1:]
    count = len(function.__defaults__ or ())
    return Parameters(
        tuple(names[: len(names) - count]),
        tuple(names[len(names) - count :] if count else ()),
        tuple(map(foreign.text, further)),
    )


def _is_static(owner: Any, function: Any) -> bool:
    classes = foreign.mro(owner if foreign.is_class(owner) else type(owner))
    values = (value for cls in classes for value in foreign.class_dict(cls).values())
    return any(foreign.is_exactly(v, _STATIC) and v.__func__ is function for v in values)


_STATIC = foreign.type_ids(staticmethod)


def pairs_of(owner: Owner) -> Iterator[tuple[str, str]]:
    """The methods of an object that add to the container and those that undo them."""
    for adding in _method_names(owner.value):
        if not any(adding.startswith(verb) or adding.endswith(f"_{verb}") for verb in PAIRS):
            continue
        for removing in undoing(adding):
            function = function_of(owner.value, removing)
            if type(function) is types.FunctionType and _reads(owner.value, function) & owner.attributes:
                yield adding, removing


def _method_names(owner: Any) -> list[str]:
    if foreign.is_module(owner):
        return [name for name in foreign.module_dict(owner) or {} if is_name(name)]
    classes = foreign.mro(owner if foreign.is_class(owner) else type(owner))
    return [name for cls in classes for name in foreign.class_dict(cls) if is_name(name)]


def _reads(owner: Any, function: types.FunctionType, depth: int = 2) -> set[str]:
    """Names that a function reads, and those read by the methods of the same object that it calls."""
    names = set(map(foreign.text, function.__code__.co_names))
    for name in list(names) if depth else ():
        inner = function_of(owner, name)
        if type(inner) is types.FunctionType:
            names |= _reads(owner, inner, depth - 1)
    return names


def by_item(  # noqa: PLR0913 - what the caller knows
    owner: Owner,
    adding: str,
    removing: str,
    steps: Sequence[Step],
    at: int,
    container: str,
    subject: Subject,
    names: Names,
) -> list[str] | None:
    """The undoing call for each item that leads to the target's object."""
    function = function_of(owner.value, removing)
    wants = parameters_of(owner.value, function)
    if wants is None or not wants.names or _returns_other(owner.value, adding):
        return None
    first = wants.names[0]
    kind = access(*steps[at]).kind
    after = steps[at + 1 :]
    item, key = names.variable("item"), names.variable("key")
    test = condition(names, item, after, subject)
    if test is None:
        return None
    is_key = first in KEYS or first.endswith(("_id", "_name", "_key"))
    call = f"{owner.text}.{removing}"
    if is_key and kind in {"value", "key"} and len(wants.required) == 1:
        return [
            f"for {key} in [{key} for {key}, {item} in {container}.items() if {test}]:",
            f"    {call}({key})",
        ]
    topic = access(*steps[at - 1]) if at else None
    named = topic.name if topic is not None and topic.kind == "key" else None
    name = subject.name if not after else None
    given = _given_item(wants, name or item, named)
    is_alone = is_key or (len(wants.names) > 1 and not wants.required)
    if given is None or (is_alone and named is None) or _chooses(owner, function, wants):
        return None
    if name is not None:
        return [f"{call}({given})"]
    if kind in {"item", "dict-key"} and (not after or named is not None):
        return [f"for {item} in [{item} for {item} in {container} if {test}]:", f"    {call}({given})"]
    return None


def _given_item(wants: Parameters, item: str, topic: str | None) -> str | None:
    """The arguments of a call that removes an item; `topic` is the key under which the owner has its container."""
    texts: list[str] = []
    is_given = is_skipped = False
    for parameter in wants.names:
        is_topic = parameter in KEYS or parameter in TOPICS
        text = topic if is_topic else item if not is_given else None
        if text is None and parameter in wants.required:
            return None
        if text is None:
            is_skipped = True
            continue
        is_given = is_given or not is_topic
        texts.append(f"{parameter}={text}" if is_skipped else text)
    return ", ".join(texts) if is_given else None


def _chooses(owner: Owner, function: Any, wants: Parameters) -> bool:
    """Whether a method takes items out of one of several containers, by an argument that nothing here tells."""
    if not (wants.optional or wants.by_keyword):
        return False
    attributes = foreign.instance_dict(owner.value) or {}
    kinds = {type(attributes[name]) for name in owner.attributes & attributes.keys()}
    read = _reads(owner.value, function) & attributes.keys()
    return sum(type(attributes[name]) in kinds for name in read) > 1


def _returns_other(owner: Any, adding: str) -> bool:
    """Whether the registering method takes no single object, so that the undoing one may want something else."""
    takes = parameters_of(owner, function_of(owner, adding))
    return takes is not None and len(takes.names) == 0

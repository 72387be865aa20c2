"""References of C types: every type of the standard library that the collector knows has names for them."""

import asyncio
import collections
import contextlib
import contextvars
import csv
import ctypes
import functools
import gc
import importlib
import io
import itertools
import operator
import queue
import random
import re
import sqlite3
import sys
import threading
import types
import typing
import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree

import pytest

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.c_references import is_known
from pytest_reloadleak.heap.references import folded, step

_LEFT_OUT = re.compile(r"_test|_xx|xx|test$|idlelib|turtle|antigravity$|this$|tkinter$|__|lib2to3")
_OF_TESTS = {"testBufType"}
"""Types of CPython's own test modules that say that they are builtins."""
_HAVE_GC = 1 << 14
_HEAP, _IMMUTABLE = 1 << 9, 1 << 8
_OWN = (type(object.__init__), type(str.lower), type(dict.__dict__["fromkeys"]))
"""Types of what a C type has in its namespace for each of its methods."""

NAMED_IN_REFERENCES = (
    dict, list, tuple, set, frozenset, collections.deque, type, BaseException, types.ModuleType, types.FunctionType,
    types.MethodType, types.CellType, types.TracebackType, types.FrameType, types.GeneratorType, types.CoroutineType,
    types.AsyncGeneratorType, types.BuiltinFunctionType, types.MethodWrapperType, types.MappingProxyType, property,
    staticmethod, classmethod, weakref.ref, type(functools.lru_cache(len)), vars(__builtins__).get("frozendict", dict)
    if isinstance(__builtins__, types.ModuleType) else __builtins__.get("frozendict", dict),
)  # fmt: skip
"""Types with a branch of their own, where a reference has the name of an attribute."""


def load_standard_library() -> None:
    """Import all of it that can be imported."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in sorted(sys.stdlib_module_names):
            if _LEFT_OUT.match(name) is None:
                with contextlib.suppress(Exception):
                    importlib.import_module(name)


def is_of_library(cls: type) -> bool:
    """Whether a class says that it is of the standard library."""
    module = foreign.class_module(cls).partition(".")[0]
    return module in sys.stdlib_module_names or module == "builtins"


def is_made_in_c(cls: type) -> bool:
    """Whether no class statement made a class: it is static, sealed, or has methods in C."""
    if not flags(cls) & _HEAP or flags(cls) & _IMMUTABLE:
        return True
    values = vars(cls).values()
    return any(type(v) in _OWN and v.__objclass__ is cls for v in values) or any(
        type(v) is types.BuiltinFunctionType and v.__self__ is cls for v in values
    )


flags = type.__dict__["__flags__"].__get__
"""The flags of a class. Classes of another test may raise when an attribute is read."""


def classes() -> Iterator[type]:
    """All classes of this process."""
    todo: list[type] = [object]
    seen = {id(object)}
    while todo:
        cls = todo.pop()
        yield cls
        fresh = [sub for sub in type.__subclasses__(cls) if id(sub) not in seen]
        seen |= set(map(id, fresh))
        todo += fresh


def test_every_type_of_the_standard_library_is_known() -> None:
    """One that a new version of Python brings is put into the table, by its name."""
    load_standard_library()

    missing = {
        foreign.class_name(cls)
        for cls in classes()
        if flags(cls) & _HAVE_GC
        and is_of_library(cls)
        and is_made_in_c(cls)
        and not issubclass(cls, NAMED_IN_REFERENCES)
        and not is_known(cls)
        and foreign.class_name(cls) not in _OF_TESTS
    }

    assert missing == set()


def test_no_live_reference_of_the_standard_library_is_without_a_name() -> None:
    """What is alive in this process: whichever type shows something must have a name for it."""
    load_standard_library()
    found = set()
    for o in gc.get_objects():
        kind = type(o)
        if is_made_in_c(kind) and is_of_library(kind) and not isinstance(o, (dict, list, tuple, set)):
            few = itertools.islice(gc.get_referents(o), 20)
            found |= {
                (foreign.type_name(o), repr(child)) for child in few if step(o, child).startswith("<in ")
            }

    assert found == set()


class Thing:
    """Something that is no function, iterable or container; every test makes its own."""


class Handler(Thing):
    """An object that can be called."""

    def __call__(self, *_: object) -> bool:
        return True


def started(iterator: Iterator[Any]) -> Iterator[Any]:
    next(iterator)
    return iterator


def in_context(thing: object, count: int = 1) -> contextvars.Context:
    context = contextvars.Context()
    for number in range(count):
        context.run(contextvars.ContextVar(f"v{number}").set, thing if number == count - 1 else number)
    return context


def in_thread_local(thing: object) -> threading.local:
    local = threading.local()
    local.item = thing
    return local


def in_queue(thing: object) -> Any:
    made: queue.SimpleQueue[object] = queue.SimpleQueue()
    made.put(thing)
    return made


def second_tee(thing: object) -> Any:
    first, second = itertools.tee([1, 2, 3, thing])
    list(first)
    return second


def thrown(thing: object) -> Any:
    async def ticking() -> Any:
        yield

    return ticking().asend(thing)


def connection(thing: Any) -> Any:
    made = sqlite3.connect(":memory:")
    made.row_factory = thing
    return made


def element(thing: Any, name: str) -> ElementTree.Element:
    made = ElementTree.Element("a")
    setattr(made, name, thing)
    return made


def element_above(thing: Any) -> ElementTree.Element:
    made = ElementTree.Element("a")
    made.append(element(thing, "text"))
    return made


class Buffer(bytearray):
    """Bytes that refer to something."""


def buffer(thing: object) -> memoryview:
    made = Buffer(b"a")
    made.item = thing
    return memoryview(made)


def finalized(thing: Any) -> Any:
    made = weakref.finalize(Thing, thing)
    made.atexit = False
    return made._registry[made]


HELD: dict[str, tuple[Callable[[Any], Any], list[str]]] = {
    "function of map": (lambda t: map(t, [1]), ["<function>"]),
    "function of filter": (lambda t: filter(t, [1]), ["<function>"]),
    "function of takewhile": (lambda t: itertools.takewhile(t, [1]), ["<function>"]),
    "function of dropwhile": (lambda t: itertools.dropwhile(t, [1]), ["<function>"]),
    "function of filterfalse": (lambda t: itertools.filterfalse(t, [1]), ["<function>"]),
    "function of starmap": (lambda t: itertools.starmap(t, [(1,)]), ["<function>"]),
    "function of accumulate": (lambda t: itertools.accumulate([1], t), ["<function>"]),
    "function of groupby": (lambda t: itertools.groupby([1], t), ["<function>"]),
    "function of iter": (lambda t: iter(t, 1), ["<function>"]),
    "function of cmp_to_key": (functools.cmp_to_key, ["<function>"]),
    "function of a ctypes callback": (ctypes.CFUNCTYPE(ctypes.c_int), ["<function>"]),
    "function of finalize": (finalized, [".func"]),
    "function of cached_property": (functools.cached_property, [".func"]),
    "function of partialmethod": (functools.partialmethod, [".func"]),
    "function of defaultdict": (collections.defaultdict, [".default_factory"]),
    "row factory of sqlite3": (connection, ["<function>" if sys.version_info >= (3, 14) else ".row_factory"]),
    "callback of a proxy": (lambda t: weakref.proxy(Thing, t), [".__callback__"]),
    "iterable of map": (lambda t: map(str, [t]), ["<iterable>", "[*]"]),
    "iterable of zip": (lambda t: zip([1], {t}, strict=False), ["<iterable>", "[*]"]),
    "iterable of filter": (lambda t: filter(None, {1: t}.values()), ["<iterable>", "[1]"]),
    "iterable of enumerate": (lambda t: enumerate([t]), ["<iterable>", "[*]"]),
    "iterable of reversed": (lambda t: reversed([t]), ["<iterable>", "[*]"]),
    "iterable of chain": (lambda t: started(itertools.chain([1, t])), ["<iterable>", "[*]"]),
    "iterable of cycle": (lambda t: itertools.cycle([t]), ["<iterable>", "[*]"]),
    "iterable of islice": (lambda t: itertools.islice([t], 1), ["<iterable>", "[*]"]),
    "iterable of compress": (lambda t: itertools.compress([t], [1]), ["<iterable>", "[*]"]),
    "iterable of pairwise": (lambda t: itertools.pairwise([t, t]), ["<iterable>", "[*]"]),
    "iterable of zip_longest": (lambda t: itertools.zip_longest([t]), ["<iterable>", "[*]"]),
    "iterable of product": (lambda t: itertools.product([t]), ["<iterable>", "[*]"]),
    "iterable of permutations": (lambda t: itertools.permutations([t]), ["<iterable>", "[*]"]),
    "iterable of combinations": (lambda t: itertools.combinations([t], 1), ["<iterable>", "[*]"]),
    "iterable of csv.reader": (lambda t: csv.reader(iter([t])), ["<iterable>", "[*]"]),
    "iterator of a list": (lambda t: iter([t]), ["<iterable>", "[*]"]),
    "iterator of a dict": (lambda t: iter({1: t}.items()), ["<iterable>", "[1]"]),
    "iterator of a deque": (lambda t: iter(collections.deque([t])), ["<iterable>", "[*]"]),
    "view of a dict": (lambda t: {1: t}.values(), [".mapping", "[1]"]),
    "fill value of zip_longest": (lambda t: itertools.zip_longest([1], fillvalue=t), ["<item>"]),
    "sentinel of iter": (lambda t: iter(len, t), ["<item>"]),
    "start of accumulate": (lambda t: itertools.accumulate([1], initial=t), ["<item>"]),
    "element of repeat": (itertools.repeat, ["<item>"]),
    "element of a tee": (second_tee, ["<item>"]),
    "item of itemgetter": (operator.itemgetter, ["<item>"]),
    "argument of methodcaller": (lambda t: operator.methodcaller("close", t), ["<arguments>", "[*]"]),
    "keyword of methodcaller": (lambda t: operator.methodcaller("close", k=t), ["<arguments>", "['k']"]),
    "what is sent to an async generator": (thrown, ["<item>"]),
    "element of SimpleQueue": (in_queue, ["[*]"]),
    "attribute of threading.local": (in_thread_local, [".item"]),
    "value in a context": (in_context, ["['v0']"]),
    "value in a large context": (lambda t: in_context(t, 40), ["['v39']"]),
    "default of a context variable": (lambda t: contextvars.ContextVar("v", default=t), ["<default>"]),
    "what a memoryview shows": (buffer, [".obj", ".item"]),
    "py_object": (ctypes.py_object, ["._objects"]),
    "argument of a generic alias": (lambda t: types.GenericAlias(list, (t,)), [".__args__", "[*]"]),
    "text of an element": (lambda t: element(t, "text"), [".text"]),
    "tail of an element without text": (lambda t: element(t, "tail"), [".tail"]),
    "attribute of an element without text": (
        lambda t: ElementTree.Element("a", {"k": t}),
        [".attrib", "['k']"],
    ),
    "child of an element without text": (element_above, ["[*]", ".text"]),
    "part of a slice": (slice, [".stop"]),
    "attribute of a namespace": (lambda t: types.SimpleNamespace(a=t), [".a"]),
}


def paths(start: Any, thing: object) -> list[list[Any]]:
    """The shortest paths from an object to another one, over what the collector sees."""
    found, level, seen = [], [[start]], {id(start)}
    while level and not found:
        below = [[*path, child] for path in level for child in gc.get_referents(path[-1])]
        found = [path for path in below if path[-1] is thing]
        level = [path for path in below if id(path[-1]) not in seen and not isinstance(path[-1], type)]
        seen |= {id(path[-1]) for path in level}
    return found


@pytest.mark.parametrize("kind", HELD)
def test_the_name_of_what_is_held(kind: str) -> None:
    """The same on all versions: tuples, nodes and thunks in between are plumbing."""
    make, names = HELD[kind]
    thing = Handler()
    parent = make(thing)

    with contextlib.ExitStack() as stack:
        if hasattr(parent, "close"):
            stack.callback(parent.close)
        seen = [[name for _, name, _ in folded(path)] for path in paths(parent, thing)]
        assert names in seen
        assert all("<in " not in name for path in seen for name in path)


def test_a_chain_of_iterators_has_one_repeated_name() -> None:
    """`map(f, map(f, ...))`: however long, each link looks the same."""
    thing = Handler()
    links: Any = map(thing, [])
    for _ in range(3):
        links = map(len, links)

    (path,) = paths(links, thing)

    assert [name for _, name, _ in folded(path)] == ["<iterable>"] * 3 + ["<function>"]


def test_naming_consumes_nothing() -> None:
    """Naming the references of an iterator does not advance it."""
    source = iter([1, 2, 3])
    mapped = map(str, source)
    names = [step(mapped, child) for child in gc.get_referents(mapped)]

    assert "<function>" in names
    assert list(mapped) == ["1", "2", "3"]


def test_a_subclass_is_named_as_what_it_is_derived_from() -> None:
    """Its own attributes come first."""

    class Mine(map):
        pass

    function, item = Handler(), Thing()
    mine = Mine(function, [1])
    mine.item = item

    assert (step(mine, function), step(mine, item), step(mine, Mine)) == ("<function>", ".item", ".__class__")


class Meta(type):
    """A metaclass that raises when it is compared."""

    def __eq__(cls, other: object) -> bool:
        raise RuntimeError("__eq__")

    __hash__ = type.__hash__


def test_a_type_that_is_in_no_table_is_named() -> None:
    """The type says more than that there is a reference."""

    class Hidden(metaclass=Meta):
        __dict__ = property(lambda _: 1 / 0)  # type: ignore[assignment]

    assert step(Hidden(), Thing()) == f"<in {__name__}.{Hidden.__qualname__}>"
    assert step(3, Thing()) == "<in int>"
    assert step(random, Thing()) == "<module state>"
    assert step(Thing, Thing()) == "<class state>"
    assert step(typing.TypeVar("T"), Thing()) == "<parameter>"


def test_parts_of_a_task_keep_their_names() -> None:
    """A coroutine and callbacks, of a subclass as well."""

    class Own(asyncio.Future):  # type: ignore[type-arg]
        pass

    loop = asyncio.new_event_loop()
    try:
        callback = Handler()
        future = Own(loop=loop)
        future.add_done_callback(callback)
        assert step(future, callback) == "<callback>"
    finally:
        loop.close()

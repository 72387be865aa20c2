"""The name of a reference: one test per kind of edge, what is folded, and frames that are left as they were."""

import asyncio
import collections
import functools
import gc
import operator
import sys
import time
import types
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from pytest_reloadleak.heap.references import folded, frame_locals, is_inherited, step


class Thing:
    """Something to refer to; every test makes its own."""

    def method(self):
        """A plain method."""


class Pair(NamedTuple):
    first: Any
    second: Any


class Slotted:
    __slots__ = ("item", "other")


class Trouble:
    """Raises from every special method, so that only guarded reads succeed."""

    def __eq__(self, other):
        raise RuntimeError("__eq__")

    __hash__ = object.__hash__

    def __repr__(self):
        raise RuntimeError("__repr__")

    def __bool__(self):
        raise RuntimeError("__bool__")


def module(thing):
    made = types.ModuleType("made")
    made.item = thing
    return made


def instance(thing):
    holder = Thing()
    holder.item = thing
    return holder


def slotted(thing):
    holder = Slotted()
    holder.item = thing
    return holder


def defaulted(thing):
    def function(item=thing):
        pass

    return function


def keyword_defaulted(thing):
    def function(*, item=thing):
        pass

    return function


def closing_over(thing):
    def function():
        return thing

    return function


def annotated(thing):
    def function():
        pass

    function.__annotations__ = {"item": thing}
    return function


def decorated(thing):
    def function():
        pass

    function.item = thing
    return function


def cell(thing):
    return types.CellType(thing)


def suspended(thing):
    def generator(item):
        yield

    made = generator(thing)
    next(made)
    return made


def coroutine(thing):
    @types.coroutine
    def pause():
        yield

    async def waiting(item):
        await pause()

    made = waiting(thing)
    made.send(None)
    return made


def async_generator(thing):
    async def generator(item):
        yield

    made = generator(thing)
    with pytest.raises(StopIteration):
        made.asend(None).send(None)
    return made


def raised(thing):
    def fail(item):
        raise LookupError

    try:
        fail(thing)
    except LookupError as error:
        return error


def cached(argument, result=None):
    results = [result]

    @functools.lru_cache
    def function(item):
        return results.pop()

    function(argument)
    return function


def a_class(**namespace):
    return type("Made", (), namespace)


def with_key(thing):
    return {thing: 1}


# -- one step ---------------------------------------------------------------------------------------------------------

DIRECT: dict[str, tuple[Callable[[Any], Any], str]] = {
    "attribute of a class": (lambda t: a_class(item=t), ".item"),
    "slot": (slotted, ".item"),
    "item of a list": (lambda t: [1, t], "[*]"),
    "item of a tuple": (lambda t: (1, t), "[*]"),
    "item of a set": (lambda t: {1, t}, "[*]"),
    "item of a frozenset": (lambda t: frozenset([t]), "[*]"),
    "item of a deque": (lambda t: collections.deque([t]), "[*]"),
    "item of a subclass of list": (lambda t: type("L", (list,), {})([t]), "[*]"),
    "item of a namedtuple": (lambda t: Pair(t, 1), "[*]"),
    "value of a dict": (lambda t: {"item": t}, "['item']"),
    "value under a number": (lambda t: {3: t}, "[3]"),
    "value under an object": (lambda t: {Thing(): t}, "[*]"),
    "value under a long key": (lambda t: {"k" * 100: t}, f"['{'k' * 76}...]"),
    "value of an OrderedDict": (lambda t: collections.OrderedDict(item=t), "['item']"),
    "value of a defaultdict": (lambda t: collections.defaultdict(list, item=t), "['item']"),
    "key of a dict": (with_key, "<key>"),
    "function of a bound method": (lambda t: types.MethodType(Thing.method, t), ".__self__"),
    "content of a cell": (cell, ".cell_contents"),
    "function of a partial": (functools.partial, ".func"),
    "getter of a property": (property, ".fget"),
    "setter of a property": (lambda t: property(None, t), ".fset"),
    "deleter of a property": (lambda t: property(None, None, t), ".fdel"),
    "staticmethod": (staticmethod, ".__func__"),
    "classmethod": (classmethod, ".__func__"),
    "callback of a weak reference": (lambda t: weakref.ref(ANCHOR, t), ".__callback__"),
    "local of a generator": (suspended, ".<local item>"),
    "local of a coroutine": (coroutine, ".<local item>"),
    "local of an async generator": (async_generator, ".<local item>"),
    "value of a mappingproxy of a dict subclass": (
        lambda t: types.MappingProxyType(collections.OrderedDict(item=t)),
        "['item']",
    ),
}
ANCHOR = Thing()


class Handler(Thing):
    """An object that can stand in for a function."""

    def __call__(self, *args):
        """Do nothing."""


@pytest.mark.parametrize("kind", DIRECT)
def test_the_name_of_a_step(kind):
    """Attributes, items, keys, cells, slots, wrappers, locals: each is spelled as a programmer would."""
    make, name = DIRECT[kind]
    thing = Handler()
    parent = make(thing)

    try:
        assert step(parent, thing) == name
    finally:
        if hasattr(parent, "close"):
            parent.close()


INDIRECT = [type, types.MappingProxyType]
"""Types that show the collector another object, which shows `thing`."""
if sys.version_info < (3, 11):
    INDIRECT += [types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType]  # they show their frame


@pytest.mark.parametrize("kind", DIRECT)
def test_the_holder_of_a_case_shows_the_thing_to_the_collector(kind):
    """The table of cases is about real references: all objects but a view of another dict list `thing` themselves."""
    make, _ = DIRECT[kind]
    thing = Handler()
    parent = make(thing)
    near = gc.get_referents(parent)

    try:
        shown = gc.get_referents(*near) if type(parent) in INDIRECT else near
        assert any(o is thing for o in shown)
    finally:
        if hasattr(parent, "close"):
            parent.close()


def test_parts_of_a_function():
    """Globals, code, closure, cells, defaults, keyword defaults and attributes."""
    thing = Thing()
    function = closing_over(thing)

    assert step(function, function.__globals__) == ".__globals__"
    assert step(function, function.__code__) == ".__code__"
    assert step(function, function.__closure__) == ".__closure__"
    assert step(function, function.__closure__[0]) == ".__closure__['thing']"
    one = defaulted(thing)
    assert step(one, one.__defaults__) == ".__defaults__"
    two = keyword_defaulted(thing)
    assert step(two, two.__kwdefaults__) == ".__kwdefaults__"
    three = annotated(thing)
    assert step(three, three.__annotations__) == ".__annotations__"


@pytest.mark.skipif(
    sys.version_info < (3, 14), reason="annotations are computed by a function since 3.14 (PEP 649)"
)
def test_what_computes_annotations_is_a_step_of_its_own():
    """It refers to the namespace, and exists before the annotations are first read."""

    def one(item: list[str]): ...

    assert step(one, one.__annotate__) == ".__annotate__"
    assert step(one, one.__annotations__) == ".__annotations__"


def test_parts_of_a_bound_method_and_of_a_partial():
    """Both halves of a method; the arguments of a partial."""
    thing = Thing()
    method = thing.method
    partial = functools.partial(print, thing, key=thing)

    assert (step(method, thing), step(method, Thing.method)) == (".__self__", ".__func__")
    assert step(partial, partial.args) == ".args"
    assert step(partial, partial.keywords) == ".keywords"
    assert step([].append, gc.get_referents([].append)[0]) != ""


def test_a_builtin_method_holds_its_object():
    """`kept.append` is a builtin function bound to the list."""
    kept = [1]

    assert step(kept.append, kept) == ".__self__"
    assert step(Thing().__str__, Thing()) == ".__self__"


def test_parts_of_a_class():
    """A base is one inheritance, whichever of the three references was met; a metaclass is the class of the class."""

    class Base:
        pass

    class Derived(Base):
        pass

    class Meta(type):
        pass

    class Made(metaclass=Meta):
        pass

    class Last(Derived):
        pass

    assert step(Derived, Base) == ".__bases__[*]"
    assert step(Derived, Derived.__bases__) == ".__bases__"
    assert step(Derived, Derived.__mro__) == ".__mro__"
    assert step(Last, Base) == ".__mro__[*]"
    assert step(Made, Meta) == ".__class__"


def test_an_instance_holds_its_class():
    """With and without a dict."""
    assert step(Thing(), Thing) == ".__class__"
    assert step(Slotted(), Slotted) == ".__class__"


def test_parts_of_an_exception():
    """Traceback, cause, context, arguments."""
    error = raised(Thing())
    assert error is not None
    outer = LookupError(1)
    outer.__cause__ = error
    other = LookupError(2)
    other.__context__ = error

    assert step(error, error.__traceback__) == ".__traceback__"
    assert step(outer, error) == ".__cause__"
    assert step(other, error) == ".__context__"
    assert step(error, error.args) == ".args"


def test_parts_of_a_traceback_and_of_a_frame():
    """A kept traceback leads through frames to locals and globals."""
    thing = Thing()
    error = raised(thing)
    assert error is not None
    trace = error.__traceback__
    assert trace is not None
    assert trace.tb_next is not None
    frame = trace.tb_next.tb_frame

    assert step(trace, trace.tb_next) == ".tb_next"
    assert step(trace.tb_next, frame) == ".tb_frame"
    assert step(frame, thing) == ".<local item>"
    assert step(frame, frame.f_globals) == ".f_globals"
    assert step(frame, frame.f_code) == ".f_code"
    assert step(frame, frame.f_back) == ".f_back"
    assert step(frame, Thing()) == ".<temporary>"


def test_entries_of_an_lru_cache():
    """Arguments and results are entries; what the cache wraps is an attribute."""
    argument, result = Thing(), Thing()
    wrapper = cached(argument, result)
    (key,) = (o for o in gc.get_referents(wrapper) if type(o) is tuple and argument in o)

    assert step(wrapper, key) == "<cache entry>"
    assert step(wrapper, result) == "<cache entry>"
    assert step(wrapper, wrapper.__wrapped__) == ".__wrapped__"


def test_parts_of_an_asyncio_task():
    """Tasks and futures of C hold their coroutine and their callbacks."""

    async def main():
        async def child():
            await asyncio.sleep(0)

        made = child()
        task = asyncio.create_task(made)
        callback = Handler()
        task.add_done_callback(callback)
        try:
            return step(task, made), step(task, callback)
        finally:
            await task

    assert asyncio.run(main()) == ("<coroutine>", "<callback>")


def test_a_reference_without_a_spelling_is_said_to_be_one():
    """Nothing is invented: of what is in no table the type is named."""
    getter = operator.itemgetter(1)

    assert step(getter, Thing()) == "<in operator.itemgetter>"
    assert step(3, Thing()) == "<in int>"


def test_hostile_neighbours_are_not_asked():
    """Identity decides; keys, items and attributes beside the one that is looked for keep quiet."""
    thing, trouble = Thing(), Trouble()
    holder = instance(thing)
    holder.before = trouble
    listed = type("List", (list,), {"__iter__": lambda _: 1 / 0, "__len__": lambda _: 1 / 0})(
        [trouble, thing]
    )
    mapped = type("Dict", (dict,), {"items": lambda _: 1 / 0, "__iter__": lambda _: 1 / 0})(
        {trouble: trouble}
    )
    dict.__setitem__(mapped, "item", thing)

    assert step(holder.__dict__, thing) == "['item']"
    assert step({trouble: trouble, "item": thing}, thing) == "['item']"
    assert step(listed, thing) == "[*]"
    assert step(mapped, thing) == "['item']"
    assert step(mapped, trouble) == "[*]"


def test_an_attribute_of_an_instance_whose_dict_is_hidden_is_not_made_up():
    """A property named `__dict__` is not asked; CPython's own getter is out of reach then."""

    class Hidden:
        __dict__ = property(lambda _: 1 / 0)

    holder, thing = Hidden(), Thing()
    object.__setattr__(holder, "item", thing)

    assert step(holder, thing) in {".item", f"<in {__name__}.{Hidden.__qualname__}>"}


# -- a path -----------------------------------------------------------------------------------------------------------


def names(*path):
    """The steps of a path."""
    return [name for _, name, _ in folded(path)]


def test_the_namespace_of_a_module_is_folded():
    """`made.item`, whether the collector shows the dict or not."""
    thing = Thing()
    made = module(thing)

    assert names(made, vars(made), thing) == [".item"]
    assert folded([made, vars(made), thing]) == [(made, ".item", thing)]


def test_the_dict_of_an_instance_is_folded():
    """`holder.item`."""
    thing = Thing()
    holder = instance(thing)

    assert names(holder, holder.__dict__, thing) == [".item"]
    assert names([holder], holder, holder.__dict__, thing) == ["[*]", ".item"]


def test_the_namespace_of_a_class_is_folded():
    """`Made.item`."""
    thing = Thing()
    made = a_class(item=thing)
    (namespace,) = gc.get_referents(vars(made))

    assert names(made, namespace, thing) == [".item"]


def test_a_closure_is_folded_to_the_name_of_its_variable():
    """Tuple and cell are plumbing."""
    thing = Thing()
    function = closing_over(thing)

    assert names(function, function.__closure__, function.__closure__[0], thing) == [".__closure__['thing']"]


def test_defaults_are_folded():
    """Positional ones change their place, keyword ones have a name."""
    thing = Thing()
    one, two = defaulted(thing), keyword_defaulted(thing)

    assert names(one, one.__defaults__, thing) == [".__defaults__"]
    assert names(two, two.__kwdefaults__, thing) == [".__kwdefaults__['item']"]


def test_annotations_and_attributes_of_a_function():
    """An attribute of a function is one like any other."""
    thing = Thing()
    one, two = annotated(thing), decorated(thing)

    assert names(one, one.__annotations__, thing) == [".__annotations__", "['item']"]
    assert names(two, two.__dict__, thing) == [".item"]


def test_a_mappingproxy_is_folded():
    """Its dict is plumbing."""
    thing = Thing()
    inner = {"item": thing}

    assert names(types.MappingProxyType(inner), inner, thing) == ["['item']"]


class Base:
    base = None


class Derived(Base):
    pass


class Last(Derived):
    pass


def test_bases_are_folded():
    """The tuple of the bases is plumbing, and so is the order that has them too; what they are is said of each."""
    assert names(Derived, Derived.__bases__, Base) == [".__bases__[*]"]
    assert names(Derived, Derived.__mro__, Base) == [".__bases__[*]"]
    assert names(Last, Last.__mro__, Base) == [".__mro__[*]"]
    assert names(Derived, Derived.__bases__, Base, Base.__dict__["base"]) == [".__bases__[*]", ".base"]


def test_the_order_of_resolution_holds_nothing_that_a_base_holds():
    """A base of a base is held by the class that has it as a base, and by no other; in another's hands it is held."""
    odd = types.new_class("odd", (Base,), {"metaclass": Odd})

    assert is_inherited((Last, Last.__mro__, Base))
    assert not is_inherited((Last, Last.__mro__, Derived))
    assert not is_inherited((Last, Last.__bases__, Derived))
    assert not is_inherited(([], Last.__mro__, Base))
    assert not is_inherited((odd, odd.__mro__, Last))
    assert not is_inherited((Last, Base))


class Odd(type):
    def mro(cls):
        """One class more than the bases lead to."""
        return [cls, Last, *super().mro()[1:]]


def test_globals_are_not_folded():
    """The step from a function to its namespace is the most important one."""
    thing = Thing()
    function = types.FunctionType((lambda: 0).__code__, {"item": thing})

    assert names(function, function.__globals__, thing) == [".__globals__", "['item']"]


def test_the_table_of_an_lru_cache_is_folded():
    """From the wrapper to the arguments is one entry, whether by the table of the cache or by its links."""
    thing = Thing()
    wrapper = cached(thing)
    (key,) = (o for o in gc.get_referents(wrapper) if type(o) is tuple and thing in o)
    (table,) = (o for o in gc.get_referents(wrapper) if type(o) is dict and key in o)

    assert names(wrapper, table, key, thing) == ["<cache entry>", "[*]"]
    assert names(wrapper, key, thing) == ["<cache entry>", "[*]"]


def test_a_path_of_one_object_has_no_steps():
    """The root's value is the sink itself."""
    assert folded([Thing()]) == []


# -- frames -----------------------------------------------------------------------------------------------------------


def test_locals_of_a_running_frame_are_listed():
    """Names and values, those of cells included."""
    first, second = Thing(), Thing()

    def uses_the_cell():
        return second

    found = dict(frame_locals(sys._getframe()))

    assert found["first"] is first
    assert found["second"] is second
    assert found["uses_the_cell"] is uses_the_cell


def running(thing):
    """A generator whose frame holds `thing` until it is sent on."""
    yield
    del thing
    yield


def test_reading_locals_leaves_no_snapshot_behind():
    """When the frame drops a local, it dies while the frame still runs (before 3.13 a snapshot would keep it)."""
    thing = Thing()
    died = []
    weakref.finalize(thing, died.append, 1)
    frames = running(thing)
    next(frames)

    read = frame_locals(frames.gi_frame)
    assert [name for name, _ in read] == ["thing"]
    del read, thing
    next(frames)

    assert died == [1]


def test_python_itself_leaves_one_before_3_13():
    """The measuring rod of the test above: reading `f_locals` as everybody does keeps the local alive there."""
    thing = Thing()
    died = []
    weakref.finalize(thing, died.append, 1)
    frames = running(thing)
    next(frames)

    assert "thing" in frames.gi_frame.f_locals
    del thing
    next(frames)

    assert died == ([1] if sys.version_info >= (3, 13) else [])


def test_a_snapshot_that_the_program_asked_for_stays():
    """`locals()` of the program's own is the program's, and is not emptied."""

    def program():
        item = Thing()
        mine = locals()
        yield mine
        yield item

    frames = program()
    mine = next(frames)

    frame_locals(frames.gi_frame)

    assert "item" in mine


def test_the_locals_of_a_module_are_its_globals_and_not_listed_again():
    """The namespace of a module is met as such."""
    namespace: dict[str, Any] = {"sys": sys}
    exec("frame = sys._getframe()", namespace)

    assert frame_locals(namespace["frame"]) == []


def test_the_locals_of_a_class_body_are_listed():
    """They are a namespace of their own, and it is not emptied."""

    class Body:
        item = 1
        read = frame_locals(sys._getframe())

    assert ("item", 1) in Body.read
    assert Body.item == 1


def test_a_hostile_namespace_of_a_frame_is_not_asked():
    """A metaclass may prepare any mapping as the locals of a class body; its methods are the program's."""

    class Mapping(dict):
        def items(self):
            raise RuntimeError("items")

        __iter__ = keys = values = __len__ = items

    frames: list[types.FrameType] = []
    namespace = Mapping()
    dict.update(namespace, keep=lambda: frames.append(sys._getframe(1)), item=1)
    exec("keep()", {}, namespace)

    assert ("item", 1) in frame_locals(frames[0])


def test_a_field_of_a_tuple_written_in_c_has_its_name():
    """As in `bpy.app.handlers.load_post`, the list of functions that Blender calls."""
    thing = Thing()
    made = time.struct_time((0, thing, *range(7)))

    assert step(made, thing) == ".tm_mon"

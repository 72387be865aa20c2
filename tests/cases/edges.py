"""Every kind of edge by which something foreign keeps an old generation: leaking twins and their cured ones.

Most twins differ in one line of the host: the leaking host keeps what each generation gives it, the cured one replaces
its predecessor's. So the cured twin has the very same edge, to the current generation, and must be clean.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import dedent

BOTH = ("reimport", "reload")
ROUNDS = 3

KEEPS = """\
kept = []

def keep(o):
    kept.append(o)
"""
REPLACES = """\
kept = []

def keep(o):
    kept[:] = [o]
"""
PLUGIN = """\
import host

def on_event(*args):
    pass

class Plugin:
    def on_event(self, *args):
        pass

class Plain:
    pass

"""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """The one finding of a leaking twin.

    Attributes:
        at: the holder's path in steps, as a trace lists them; the first one is the root. Joined it is `holder.path`.
        label: how the trace spells the root, if not `sys.modules[...]`.
        holder: type of the holder.
        held: the held object as a trace spells it: type and name, or the name of an instance's type.
        tail: the steps from the held object to the old namespace. Where `reload` reuses the namespace there is no old
            one, so a trace ends before `.__globals__`. `None` if the steps depend on the interpreter.
        generations: `None` for what the growth implies: all judged ones, or the one that was loaded first.
        steps: further steps of the trace, from an effect to the held object: `holder.path` names the effect itself.
    """

    at: tuple[str, ...]
    holder: str
    held: str
    tail: tuple[str, ...] | None = ()
    kind: str = "retained-generation"
    growth: str = "growing"
    root: str = "sys.modules"
    label: str | None = None
    generations: tuple[int, ...] | None = None
    steps: tuple[str, ...] = ()

    @property
    def registry(self) -> str | None:
        """The registry of a registration: a finding of that kind names it as its root too."""
        return self.root if self.kind == "registration" else None

    @property
    def path(self) -> str:
        """`holder.path`."""
        return "".join(self.at)

    def trace(self, strategy: str) -> tuple[str, ...]:
        """The trace, without its tail if that is not known."""
        root = self.label or (f"sys.modules[{self.at[0]!r}]" if self.root == "sys.modules" else self.at[0])
        tail = tuple(step for step in self.tail or () if strategy != "reload" or step != ".__globals__")
        return (root, *self.at[1:], *self.steps, self.held, *tail)

    def judged(self) -> tuple[int, ...]:
        """Generations that must be listed: that of before the warm-up is -1, the last two are within the grace."""
        if self.generations is not None:
            return self.generations
        return tuple(range(-1, ROUNDS - 1)) if self.growth == "growing" else (-1,)


@dataclass(frozen=True, kw_only=True)
class Twins:
    """A leaking target and its cured twin.

    Attributes:
        leaking: sources by module name.
        cured: likewise.
        expected: the finding of the leaking twin.
        strategies: those under which it leaks.
        harmless: those under which even the leaking twin is clean.
        own_process: whether what it does cannot be undone.
        target: what is reloaded.
    """

    name: str
    leaking: Mapping[str, str]
    cured: Mapping[str, str]
    expected: Expected
    strategies: tuple[str, ...] = BOTH
    harmless: tuple[str, ...] = ()
    own_process: bool = False
    target: str = "plugin"


FUNCTION = "function plugin.on_event"
GLOBALS = (".__globals__",)
OF_CLASS = (".on_event", ".__globals__")
OF_INSTANCE = (".__class__", *OF_CLASS)


def source(text: str) -> str:
    """A module's source from text that is indented as its surroundings are."""
    return dedent(text).strip("\n") + "\n"


def kept(
    name: str,
    line: str,
    *,
    more: tuple[str, ...] = (),
    holder: str = "list",
    held: str = FUNCTION,
    tail: tuple[str, ...] | None = GLOBALS,
    host: str = "",
    root: str = "sys.modules",
    label: str | None = None,
    strategies: tuple[str, ...] = BOTH,
    harmless: tuple[str, ...] = (),
) -> Twins:
    """Twins whose target gives something to the host, by the last line of its code.

    Args:
        name: the case.
        line: last lines of the target.
        more: steps of the holder's path after `host.kept[*]`.
        holder: as in `Expected`, likewise `held`, `tail`, `root` and `label`.
        held: see there.
        tail: see there.
        host: further lines of the host.
        root: see there.
        label: see there.
        strategies: as in `Twins`, likewise `harmless`.
        harmless: see there.
    """
    plugin = PLUGIN + source(line)
    host = source(host)
    return Twins(
        name=name,
        leaking={"host": KEEPS + host, "plugin": plugin},
        cured={"host": REPLACES + host, "plugin": plugin},
        expected=Expected(
            at=("host", ".kept", "[*]", *more), holder=holder, held=held, tail=tail, root=root, label=label
        ),
        strategies=strategies,
        harmless=harmless,
    )


def hosted(
    name: str,
    *,
    at: str,
    host: str,
    leaking: str,
    cured: str,
    holder: str,
    held: str = FUNCTION,
    tail: tuple[str, ...] = GLOBALS,
    growth: str = "growing",
    kind: str = "retained-generation",
    root: str = "sys.modules",
    label: str | None = None,
    generations: tuple[int, ...] | None = None,
    steps: tuple[str, ...] = (),
    strategies: tuple[str, ...] = BOTH,
    harmless: tuple[str, ...] = (),
    own_process: bool = False,
) -> Twins:
    """Twins with the same host, whose targets end differently. `at` is the holder's path with spaces between steps."""
    return Twins(
        name=name,
        leaking={"host": source(host), "plugin": PLUGIN + source(leaking)},
        cured={"host": source(host), "plugin": PLUGIN + source(cured)},
        expected=Expected(
            at=tuple(re.split(r" (?=[.\[<(])", at)),
            holder=holder,
            held=held,
            tail=tail,
            growth=growth,
            kind=kind,
            root=root,
            label=label,
            generations=generations,
            steps=steps,
        ),
        strategies=strategies,
        harmless=harmless,
        own_process=own_process,
    )


def bound(
    name: str,
    *,
    leaking: str,
    cured: str,
    at: str,
    plugin: str,
    held: str,
    tail: tuple[str, ...] = (),
    holder: str = "module",
    strategies: tuple[str, ...] = BOTH,
    harmless: tuple[str, ...] = (),
) -> Twins:
    """Twins of a binding that a foreign module `importer` makes once."""
    return Twins(
        name=name,
        leaking={"importer": source(leaking), "plugin": source(plugin)},
        cured={"importer": source(cured), "plugin": source(plugin)},
        expected=Expected(
            at=("importer", *at.split()),
            holder=holder,
            held=held,
            tail=tail,
            kind="stale-reference",
            growth="bounded",
        ),
        strategies=strategies,
        harmless=harmless,
    )


ITEMS = (
    kept("list item", "host.keep(on_event)"),
    hosted(
        "dict value by a key that changes",
        host="table = {}",
        leaking="host.table[len(host.table)] = on_event",
        cured="host.table['weather'] = on_event",
        at="host .table [*]",
        holder="dict",
    ),
    hosted(
        "dict value by a key with a number",
        host="table = {}",
        leaking="host.table[f'plugin-{len(host.table)}'] = on_event",
        cured="host.table['plugin-1'] = on_event",
        at="host .table [*]",
        holder="dict",
    ),
    hosted(
        "dict value set once",
        host="table = {}",
        leaking="host.table.setdefault('weather', on_event)",
        cured="host.table['weather'] = on_event",
        at="host .table ['weather']",
        holder="dict",
        growth="bounded",
    ),
    hosted(
        "dict key",
        host="table = {}",
        leaking="host.table[on_event] = True",
        cured="host.table.clear(); host.table[on_event] = True",
        at="host .table <key>",
        holder="dict",
    ),
    hosted(
        "key and value of an entry",
        host="""
            table = {}
            class Entry:
                def __init__(self, function):
                    self.function = function
        """,
        leaking="host.table[on_event] = host.Entry(on_event)",
        cured="host.table.clear(); host.table[on_event] = host.Entry(on_event)",
        at="host .table [*]",
        holder="dict",
        steps=(".function",),
    ),
    hosted(
        "set member",
        host="members = set()",
        leaking="host.members.add(on_event)",
        cured="host.members.clear(); host.members.add(on_event)",
        at="host .members [*]",
        holder="set",
    ),
    hosted(
        "deque",
        host="""
            import collections
            queue = collections.deque()
        """,
        leaking="host.queue.append(on_event)",
        cured="host.queue.clear(); host.queue.append(on_event)",
        at="host .queue [*]",
        holder="collections.deque",
    ),
    hosted(
        "the last three, beyond the grace",
        host="""
            import collections
            last = collections.deque(maxlen=3)
        """,
        leaking="host.last.append(on_event)",
        cured="host.last.append(None); host.last.append(on_event)  # so it holds the present and the previous one",
        at="host .last [*]",
        holder="collections.deque",
        growth="bounded",
        generations=(ROUNDS - 2,),
    ),
    kept(
        "mappingproxy",
        """
            import types
            host.keep(types.MappingProxyType({'event': on_event}))
        """,
        more=("['event']",),
        holder="mappingproxy",
    ),
    kept(
        "namespace",
        "host.keep(globals())",
        held="namespace plugin",
        tail=(),
        strategies=("reimport",),
        harmless=("reload",),
    ),
    kept(
        "module object",
        """
            import sys
            host.keep(sys.modules[__name__])
        """,
        held="module plugin",
        tail=(".__dict__",),
        strategies=("reimport",),
        harmless=("reload",),
    ),
    kept(
        "function with these globals only", "host.keep(eval('lambda: None'))", held="function plugin.<lambda>"
    ),
    kept("class with a method", "host.keep(Plugin)", held="class plugin.Plugin", tail=OF_CLASS),
    kept("class without methods", "host.keep(Plain)", held="class plugin.Plain", tail=()),
    kept("instance", "host.keep(Plugin())", held="plugin.Plugin", tail=OF_INSTANCE),
    kept("instance of a class without methods", "host.keep(Plain())", held="plugin.Plain", tail=()),
)

FUNCTIONS = (
    kept(
        "closure cell",
        "host.keep(host.wrap(on_event))",
        host="""
            def wrap(function):
                return lambda: function()
        """,
        more=(".__closure__['function']",),
        holder="function",
    ),
    kept(
        "function default",
        "host.keep(host.wrap(on_event))",
        host="""
            def wrap(function):
                return lambda f=function: f()
        """,
        more=(".__defaults__",),
        holder="function",
    ),
    kept(
        "function kwdefault",
        "host.keep(host.wrap(on_event))",
        host="""
            def wrap(function):
                return lambda *, f=function: f()
        """,
        more=(".__kwdefaults__['f']",),
        holder="function",
    ),
    kept(
        "attribute of a function",
        "host.keep(host.wrap(on_event))",
        host="""
            def wrap(function):
                def inner(): pass
                inner.wrapped = function
                return inner
        """,
        more=(".wrapped",),
        holder="function",
    ),
    kept(
        "bound method",
        "host.keep(Plugin().on_event)",
        held="method plugin.Plugin.on_event",
        tail=(".__func__", ".__globals__"),
    ),
    kept(
        "foreign method bound to an instance",
        """
            import types
            host.keep(types.MethodType(host.keep, Plugin()))
        """,
        more=(".__self__",),
        holder="method",
        held="plugin.Plugin",
        tail=OF_INSTANCE,
    ),
    kept(
        "partial",
        """
            import functools
            host.keep(functools.partial(on_event))
        """,
        held="functools.partial plugin.on_event",
        tail=(".func", ".__globals__"),
    ),
    kept(
        "argument of a foreign partial",
        """
            import functools
            host.keep(functools.partial(print, on_event))
        """,
        more=(".args", "[*]"),
        holder="tuple",
    ),
    kept(
        "property",
        "host.keep(property(on_event))",
        held="property plugin.on_event",
        tail=(".fget", ".__globals__"),
    ),
    kept("staticmethod", "host.keep(staticmethod(on_event))", tail=(".__func__", ".__globals__")),
    kept("classmethod", "host.keep(classmethod(on_event))", tail=(".__func__", ".__globals__")),
    hosted(
        "lru_cache entry",
        host="""
            import functools
            @functools.lru_cache(maxsize=None)
            def describe(cls):
                pass
        """,
        leaking="host.describe(Plain)",
        cured="host.describe.cache_clear(); host.describe(Plain)",
        at="host .describe <cache entry> [*]",
        holder="tuple",
        held="class plugin.Plain",
        tail=(),
    ),
    hosted(
        "entry of an lru_cache with a bound",
        host="""
            import functools
            @functools.lru_cache(maxsize=128)
            def describe(cls):
                pass
        """,
        leaking="host.describe(Plain)",
        cured="host.describe.cache_clear(); host.describe(Plain)",
        at="host .describe <cache entry> [*]",
        holder="tuple",
        held="class plugin.Plain",
        tail=(),
    ),
    hosted(
        "singledispatch registry",
        host="""
            import functools
            @functools.singledispatch
            def render(o):
                pass
            def draw(o):
                pass
        """,
        leaking="host.render.register(Plain, host.draw)",
        cured="""
            import functools
            render = functools.singledispatch(host.draw)
            render.register(Plain, on_event)
        """,
        at="host.render.registry[*]",
        holder="class",
        kind="registration",
        root="functools.singledispatch",
        held="class plugin.Plain",
        tail=(),
    ),
)

WITH_TWO = """\
class Listener:
    def __init__(self, function):
        self.function = function

class Slotted:
    __slots__ = ("function",)

    def __init__(self, function):
        self.function = function
"""
REGISTRY = """\
import weakref

class Base:
    registry = []

    def __init_subclass__(cls):
        Base.registry.append(cls)

class Weak:
    registry = weakref.WeakSet()

    def __init_subclass__(cls):
        Weak.registry.add(cls)
"""

CLASSES = (
    hosted(
        "attribute of a foreign class",
        host="""
            class Registry:
                handler = None
        """,
        leaking="host.Registry.handler = host.Registry.handler or on_event",
        cured="host.Registry.handler = on_event",
        at="host .Registry .handler",
        holder="class",
        kind="stale-reference",
        growth="bounded",
    ),
    hosted(
        "list in a foreign class",
        host="""
            class Registry:
                handlers = []
        """,
        leaking="host.Registry.handlers.append(on_event)",
        cured="host.Registry.handlers[:] = [on_event]",
        at="host .Registry .handlers [*]",
        holder="list",
    ),
    kept(
        "base of a foreign class",
        "host.keep(host.extended(Plain))",
        host="""
            def extended(base):
                class Extended(base):
                    pass
                return Extended
        """,
        more=(".__bases__[*]",),
        holder="class",
        held="class plugin.Plain",
        tail=(),
    ),
    kept(
        "base of a base of a foreign class",
        "host.keep(host.extended(Plain))",
        host="""
            def extended(base):
                class Extended(base):
                    pass
                class Further(Extended):
                    pass
                return Further
        """,
        more=(".__bases__[*]", ".__bases__[*]"),
        holder="class",
        held="class plugin.Plain",
        tail=(),
    ),
    hosted(
        "registry of __init_subclass__",
        host=REGISTRY,
        leaking="""
            class Sub(host.Base):
                def on_event(self):
                    pass
        """,
        cured="""
            class Sub(host.Weak):
                def on_event(self):
                    pass
        """,
        at="host .Base .registry [*]",
        holder="list",
        held="class plugin.Sub",
        tail=OF_CLASS,
    ),
    kept(
        "slot", "host.keep(host.Slotted(on_event))", host=WITH_TWO, more=(".function",), holder="host.Slotted"
    ),
    kept(
        "instance attribute",
        "host.keep(host.Listener(on_event))",
        host=WITH_TWO,
        more=(".function",),
        holder="host.Listener",
    ),
    kept(
        "instance attribute with a dict that was asked for",
        """
            listener = host.Listener(on_event)
            vars(listener)
            host.keep(listener)  # leak here
            del listener
        """,
        host=WITH_TWO,
        more=(".function",),
        holder="host.Listener",
    ),
    hosted(
        "attributes of a foreign module with a number",
        host="",
        leaking="setattr(host, f'handler_{len(vars(host))}', on_event)",
        cured="host.handler_1 = on_event",
        at="host .handler_*",
        holder="module",
    ),
    hosted(
        "attribute of a foreign module",
        host="handler = None",
        leaking="host.handler = host.handler or on_event",
        cured="host.handler = on_event",
        at="host .handler",
        holder="module",
        kind="stale-reference",
        growth="bounded",
    ),
)

SUSPENDED = """\
import asyncio

def waiting(function):
    yield

async def sleeping(function):
    await asyncio.sleep(0)

async def ticking(function):
    yield

def primed(suspended):
    try:
        suspended.send(None)
    except StopIteration:
        pass
    return suspended
"""
WORKER = """\
import queue
import threading

inbox = queue.Queue()

def work():
    seen = []
    while True:
        o = inbox.get()
        if o is None:
            inbox.task_done()
            return
        seen.append(o)
        if len(o) == 1:
            seen.clear()
        o = None
        inbox.task_done()

def give(*o):
    inbox.put(o)
    inbox.join()

thread = threading.Thread(target=work, daemon=True)
thread.start()

def stop():
    inbox.put(None)
    thread.join()
"""

RUNNING = (
    hosted(
        "local of a running thread",
        host=WORKER,
        leaking="host.give(on_event, 'kept')",
        cured="host.give(on_event)",
        at="host.work.<local seen> [*] [*]",
        holder="tuple",
        root="frame",
        label="local seen of host.work",
    ),
    kept(
        "local of a suspended generator of the target",
        """
            def ticks():
                yield

            generator = ticks()
            next(generator)
            host.keep(generator)  # leak here
            del generator
        """,
        held="generator plugin.ticks",
        tail=None,
        strategies=("reimport",),
    ),
    kept(
        "local of a foreign generator",
        "host.keep(host.primed(host.waiting(on_event)))",
        host=SUSPENDED,
        more=(".<local function>",),
        holder="generator",
    ),
    kept(
        "local of a foreign coroutine",
        "host.keep(host.primed(host.sleeping(on_event)))",
        host=SUSPENDED,
        more=(".<local function>",),
        holder="coroutine",
    ),
    kept(
        "exception with a traceback",
        """
            try:
                raise ValueError('a')
            except ValueError as error:
                host.keep(error)
        """,
        held="ValueError",
        tail=(".__traceback__", ".tb_frame", ".f_globals"),
        strategies=("reimport",),
    ),
    kept(
        "exception of an own class",
        """
            class Failure(Exception):
                pass

            host.keep(Failure('a'))
        """,
        held="plugin.Failure",
        tail=(),
    ),
)

WEAK = (
    kept(
        "callback of a weak reference",
        """
            import weakref
            host.keep(weakref.ref(host.anchor, on_event))
        """,
        host="""
            class Anchor:
                pass
            anchor = Anchor()
        """,
        more=(".__callback__",),
        holder="weakref.ReferenceType",
    ),
    hosted(
        "weakref.finalize",
        host="""
            import weakref
            class Anchor:
                pass
            anchor = Anchor()
            last = [None]

            def stop():
                global anchor
                anchor = None
        """,
        leaking="""
            import weakref
            weakref.finalize(host.anchor, on_event)
        """,
        cured="""
            import weakref
            if host.last[0]:
                host.last[0].detach()
            host.last[0] = weakref.finalize(host.anchor, on_event)
        """,
        at="weakref.finalize",
        holder="function",
        kind="registration",
        root="weakref.finalize",
    ),
    hosted(
        "listener instead of WeakMethod",
        host="listeners = []",
        leaking="""
            plugin = Plugin()
            host.listeners.append(plugin)
        """,
        cured="""
            import weakref
            plugin = Plugin()
            host.listeners[:] = [weakref.WeakMethod(plugin.on_event)]
        """,
        at="host .listeners [*]",
        holder="list",
        held="plugin.Plugin",
        tail=OF_INSTANCE,
    ),
    hosted(
        "listener instead of a WeakSet",
        host="""
            import weakref
            listeners = set()
            weak = weakref.WeakSet()
        """,
        leaking="host.listeners.add(on_event)",
        cured="host.weak.add(on_event)",
        at="host .listeners [*]",
        holder="set",
    ),
    hosted(
        "value instead of a WeakValueDictionary",
        host="""
            import weakref
            listeners = {}
            weak = weakref.WeakValueDictionary()
        """,
        leaking="host.listeners[len(host.listeners)] = on_event",
        cured="host.weak[len(host.weak)] = on_event",
        at="host .listeners [*]",
        holder="dict",
    ),
    hosted(
        "key instead of a WeakKeyDictionary",
        host="""
            import weakref
            listeners = {}
            weak = weakref.WeakKeyDictionary()
        """,
        leaking="host.listeners[on_event] = 1",
        cured="host.weak[on_event] = 1",
        at="host .listeners <key>",
        holder="dict",
    ),
)

REGISTRIES = (
    hosted(
        "signal handler that calls the previous one",
        host="",
        leaking="""
            import signal
            def install(previous):
                signal.signal(signal.SIGUSR1, lambda *a: previous)

            install(signal.getsignal(signal.SIGUSR1))
        """,
        cured="""
            import signal
            def install(previous):
                signal.signal(signal.SIGUSR1, lambda *a: on_event)

            install(signal.getsignal(signal.SIGUSR1))
        """,
        at="signal.SIGUSR1",
        steps=(".__closure__['previous']", ".__closure__['previous']"),
        holder="function",
        held="function plugin.install.<locals>.<lambda>",
        kind="registration",
        root="signal",
        own_process=True,
    ),
    hosted(
        "atexit",
        host="last = []",
        leaking="""
            import atexit
            atexit.register(on_event)
        """,
        cured="""
            import atexit
            atexit.register(on_event)
            host.last.append(on_event)
            if host.last[1:]:
                atexit.unregister(host.last.pop(0))
        """,
        at="atexit plugin.on_event",
        holder="function",
        kind="registration",
        root="atexit",
        own_process=True,
    ),
    hosted(
        "context variable",
        host="""
            import contextvars
            variable = contextvars.ContextVar('listeners', default=())
        """,
        leaking="host.variable.set((*host.variable.get(), on_event))",
        cured="host.variable.set((on_event,))",
        at="contextvars['listeners']",
        steps=("[*]",),
        holder="contextvars.ContextVar",
        kind="registration",
        root="contextvars",
    ),
    hosted(
        "context variable of the target",
        host="",
        leaking="""
            import contextvars
            variable = contextvars.ContextVar('own')
            variable.set(on_event)
        """,
        cured="""
            import contextvars
            variable = contextvars.ContextVar('own', default=on_event)
            variable.get()
        """,
        at="contextvars['own']",
        holder="contextvars.ContextVar",
        kind="registration",
        root="contextvars",
    ),
    hosted(
        "codecs.register",
        host="last = []",
        leaking="""
            import codecs
            codecs.register(on_event)
        """,
        cured="""
            import codecs
            codecs.register(on_event)
            host.last.append(on_event)
            if host.last[1:]:
                codecs.unregister(host.last.pop(0))
        """,
        at="codecs plugin.on_event",
        holder="function",
        kind="registration",
        root="codecs",
        own_process=True,
    ),
    hosted(
        "os.register_at_fork",
        host="""
            import os
            current = []
            os.register_at_fork(before=lambda: current)
        """,
        leaking="""
            import os
            os.register_at_fork(before=on_event)
        """,
        cured="host.current[:] = [on_event]",
        at="fork plugin.on_event",
        holder="function",
        kind="registration",
        root="fork",
        own_process=True,
    ),
    kept(
        "datetime with an own tzinfo",
        """
            import datetime
            class Zone(datetime.tzinfo):
                pass

            host.keep(datetime.datetime(2020, 1, 1, tzinfo=Zone()))
        """,
        holder="datetime.datetime",
        more=(".tzinfo",),
        held="plugin.Zone",
        tail=(),
        label="sys.modules['host']",
        root="native",
    ),
    hosted(
        "builtin wrapped once more",
        host="",
        leaking="""
            import builtins
            def wrap(previous):
                builtins.ascii = lambda o: previous(o)

            wrap(builtins.ascii)
        """,
        cured="""
            import builtins
            def wrap(previous):
                inner = getattr(previous, 'inner', previous)
                builtins.ascii = lambda o: inner(o)
                builtins.ascii.inner = inner

            wrap(builtins.ascii)
        """,
        at="builtins .ascii",
        steps=(".__closure__['previous']", ".__closure__['previous']"),
        holder="module",
        held="function plugin.wrap.<locals>.<lambda>",
        kind="patched-global",
        own_process=True,
    ),
    hosted(
        "sys.meta_path",
        host="last = []",
        leaking="""
            import sys
            class Finder:
                def find_spec(self, *a): pass

            sys.meta_path.append(Finder())
        """,
        cured="""
            import sys
            class Finder:
                def find_spec(self, *a): pass

            sys.meta_path.append(Finder())
            host.last.append(sys.meta_path[-1])
            if host.last[1:]:
                sys.meta_path.remove(host.last.pop(0))
        """,
        at="sys.meta_path[*]",
        holder="plugin.Finder",
        held="plugin.Finder",
        kind="registration",
        root="sys.meta_path",
        tail=(".__class__", ".find_spec", ".__globals__"),
        own_process=True,
    ),
    hosted(
        "gc.callbacks",
        host="last = []",
        leaking="""
            import gc
            gc.callbacks.append(on_event)
        """,
        cured="""
            import gc
            gc.callbacks.append(on_event)
            host.last.append(on_event)
            if host.last[1:]:
                gc.callbacks.remove(host.last.pop(0))
        """,
        at="gc.callbacks[*]",
        holder="function",
        kind="registration",
        root="gc.callbacks",
        own_process=True,
    ),
)

OWN = "def on_event():\n    pass\n"

BINDINGS = (
    bound(
        "from plugin import name",
        leaking="from plugin import on_event",
        cured="""
            def call():
                from plugin import on_event
                return on_event()

            call()
        """,
        at=".on_event",
        plugin=OWN,
        held=FUNCTION,
        tail=GLOBALS,
    ),
    bound(
        "from plugin import class",
        leaking="from plugin import Plain",
        cured="""
            def call():
                from plugin import Plain
                return Plain()

            call()
        """,
        at=".Plain",
        plugin="""
            class Plain:
                pass
        """,
        held="class plugin.Plain",
    ),
    bound(
        "from plugin import *",
        leaking="from plugin import *",
        cured="""
            def call():
                from plugin import on_event
                return on_event()

            call()
        """,
        at=".on_event",
        plugin=OWN,
        held=FUNCTION,
        tail=GLOBALS,
    ),
    bound(
        "import plugin",
        leaking="""
            import plugin

            def call():
                return plugin.on_event()
        """,
        cured="""
            def call():
                import plugin
                return plugin.on_event()

            call()
        """,
        at=".plugin",
        plugin=OWN,
        held="module plugin",
        tail=(".__dict__",),
        strategies=("reimport",),
        harmless=("reload",),
    ),
    bound(
        "import plugin as other",
        leaking="import plugin as other",
        cured="""
            def call():
                import plugin as other
                return other.on_event()

            call()
        """,
        at=".other",
        plugin=OWN,
        held="module plugin",
        tail=(".__dict__",),
        strategies=("reimport",),
        harmless=("reload",),
    ),
    bound(
        "list bound by identity",
        leaking="from plugin import ROUTES",
        cured="""
            from plugin import ROUTES
            ROUTES = list(ROUTES)
        """,
        at=".ROUTES",
        plugin="ROUTES = ['a', 'b']",
        held="list plugin.ROUTES",
    ),
    bound(
        "dict bound by identity",
        leaking="from plugin import DEFAULTS",
        cured="""
            from plugin import DEFAULTS
            DEFAULTS = dict(DEFAULTS)
        """,
        at=".DEFAULTS",
        plugin="DEFAULTS = {'a': 1}",
        held="dict plugin.DEFAULTS",
    ),
    bound(
        "sentinel bound by identity",
        leaking="from plugin import MISSING",
        cured="from plugin import NAME",
        at=".MISSING",
        plugin="""
            MISSING = object()
            NAME = 'missing'
        """,
        held="object plugin.MISSING",
    ),
    bound(
        "sentinel as a default",
        leaking="""
            import plugin
            def find(default=plugin.MISSING): pass
            del plugin
        """,
        cured="""
            import plugin
            def find(default=None): pass
            del plugin
        """,
        at=".find .__defaults__",
        plugin="MISSING = object()",
        held="object plugin.MISSING",
        holder="function",
    ),
    Twins(
        name="alias in the parent package",
        leaking={"package.__init__": "from . import plugin as impl\n", "package.plugin": OWN},
        cured={"package.__init__": "from . import plugin\n", "package.plugin": OWN},
        expected=Expected(
            at=("package", ".impl"),
            holder="module",
            held="module package.plugin",
            tail=(".__dict__",),
            kind="stale-reference",
            growth="bounded",
        ),
        target="package.plugin",
        strategies=("reimport",),
        harmless=("reload",),
    ),
    hosted(
        "ghost in a namespace that is used again",
        host="loaded = []",
        leaking="""
            if not host.loaded:
                host.loaded.append(True)
                def legacy():  # leak here
                    pass
        """,
        cured="""
            globals().pop('legacy', None)
            if not host.loaded:
                host.loaded.append(True)
                def legacy():
                    pass
        """,
        at="plugin .legacy",
        holder="module",
        held="function plugin.legacy",
        tail=(),
        kind="stale-reference",
        growth="bounded",
        strategies=("reload",),
        harmless=("reimport",),
    ),
)

PARTS_OF_C = (
    kept("function of map", "host.keep(map(on_event, []))", more=("<function>",), holder="map"),
    kept("function of filter", "host.keep(filter(on_event, []))", more=("<function>",), holder="filter"),
    kept(
        "item of what zip goes over",
        "host.keep(zip([on_event], [1]))",
        more=("<iterable>", "[*]"),
        holder="list",
    ),
    kept(
        "item of what an iterator goes over",
        "host.keep(iter({1: on_event}.values()))",
        more=("<iterable>", "[*]"),
        holder="dict",
    ),
    kept(
        "key function of groupby",
        """
            import itertools
            host.keep(itertools.groupby([], on_event))
        """,
        more=("<function>",),
        holder="itertools.groupby",
    ),
    kept(
        "item of itemgetter",
        """
            import operator
            host.keep(operator.itemgetter(on_event))
        """,
        more=("<item>",),
        holder="operator.itemgetter",
    ),
    kept(
        "element of a queue in C",
        """
            import queue
            box = queue.SimpleQueue()
            box.put((on_event, box.put))
            host.keep(box)  # leak here
            del box
        """,
        more=("[*]", "[*]"),
        holder="tuple",
    ),
    kept(
        "attribute of a thread-local",
        """
            import threading
            local = threading.local()
            local.event = on_event
            host.keep(local)  # leak here
            del local
        """,
        more=(".event",),
        holder="_thread._local",
    ),
    kept(
        "variable of a copied context",
        """
            import contextvars
            context = contextvars.Context()
            context.run(host.variable.set, on_event)
            host.keep(context)  # leak here
            del context
        """,
        host="""
            import contextvars
            variable = contextvars.ContextVar('event')
        """,
        more=("['event']",),
        holder="_contextvars.Context",
    ),
    hosted(
        "ctypes callback",
        host="""
            import ctypes
            TYPE = ctypes.CFUNCTYPE(ctypes.c_int)
            kept = []
        """,
        leaking="host.kept.append(host.TYPE(on_event))",
        cured="host.kept[:] = [host.TYPE(on_event)]",
        at="host .kept [*]",
        holder="list",
        steps=("<function>",),
    ),
    hosted(
        "chain of map objects",
        host="chain = iter([])",
        leaking="host.chain = map(on_event, host.chain)",
        cured="host.chain = map(on_event, [])",
        at="host .chain (<iterable>)* <function>",
        holder="map",
    ),
)

APP = """
    class App:
        def run(self): return 1
    app = App()
    commands = {'run': app.run}
"""
CHAINS = (
    hosted(
        "chain of generations",
        host="current = None",
        leaking="""
            class Link:
                def __init__(self, previous):
                    self.previous = previous

            host.current = Link(host.current)
        """,
        cured="""
            class Link:
                def __init__(self, previous):
                    self.previous = previous

            host.current = Link(None)
        """,
        at="host .current .previous .previous",
        holder="plugin.Link",
        held="plugin.Link",
        tail=(".__class__", ".__init__", ".__globals__"),
    ),
    hosted(
        "wrapper in an attribute, which finds the previous one in a global",
        host=APP,
        leaking="""
            before = host.app.run
            def run(): return before()
            host.app.run = run
        """,
        cured="""
            before = host.app.run
            def run(): return before()
        """,
        at="host .app .run (.__globals__['before'])*",
        holder="dict",
        held="function plugin.run",
        strategies=("reimport",),
        harmless=("reload",),
    ),
    hosted(
        "wrapper in a table, which finds the previous one in a class",
        host=APP,
        leaking="""
            class State: before = host.commands['run']
            def run(): return State.before()
            host.commands['run'] = run
        """,
        cured="""
            class State: before = host.commands['run']
            def run(): return State.before()
        """,
        at="host .commands ['run'] (.__globals__['State'].before)*",
        holder="class",
        held="function plugin.run",
        strategies=("reimport",),
        harmless=("reload",),
    ),
    hosted(
        "wrapper in an attribute, which finds the previous one in a table",
        host=APP,
        leaking="""
            originals = {'run': host.app.run}
            def run(): return originals['run']()
            host.app.run = run
        """,
        cured="""
            originals = {'run': host.app.run}
            def run(): return originals['run']()
        """,
        at="host .app .run (.__globals__['originals']['run'])*",
        holder="dict",
        held="function plugin.run",
        strategies=("reimport",),
        harmless=("reload",),
    ),
    hosted(
        "method in an attribute, whose object has the previous one",
        host=APP,
        leaking="""
            class Wrapper:
                def run(self): return self.before()
            wrapper = Wrapper()
            wrapper.before = host.app.run
            host.app.run = wrapper.run
        """,
        cured="""
            class Wrapper:
                def run(self): return self.before()
            wrapper = Wrapper()
            wrapper.before = host.app.run
        """,
        at="host .app .run (.__self__.before)*",
        holder="plugin.Wrapper",
        held="method plugin.Wrapper.run",
        tail=(".__func__", ".__globals__"),
    ),
    hosted(
        "class in a table, derived from the previous one",
        host="""
            class Base: pass
            kinds = {'base': Base}
        """,
        leaking="""
            class Own(host.kinds['base']):
                def run(self): pass
            host.kinds['base'] = Own
        """,
        cured="""
            class Own(host.kinds['base']):
                def run(self): pass
        """,
        at="host .kinds ['base'] .__bases__[*] .__bases__[*]",
        holder="class",
        held="class plugin.Own",
        tail=(".run", ".__globals__"),
    ),
    hosted(
        "instance in an attribute, which finds the previous one in a global",
        host=APP,
        leaking="""
            before = host.app.run
            class Wrapper:
                def __call__(self): return before()
            host.app.run = Wrapper()
        """,
        cured="""
            before = host.app.run
            class Wrapper:
                def __call__(self): return before()
        """,
        at=(
            "host .app .run .__class__ .__call__ .__globals__ ['before']"
            " .__class__ .__call__ .__globals__ ['before']"
        ),
        holder="dict",
        held="plugin.Wrapper",
        tail=(".__class__", ".__call__", ".__globals__"),
        strategies=("reimport",),
        harmless=("reload",),
    ),
    hosted(
        "wrapper in an attribute, which has the previous one twice",
        host=APP,
        leaking="""
            import functools
            before = host.app.run
            @functools.wraps(before)
            def run(): return before()
            host.app.run = run
        """,
        cured="""
            import functools
            before = host.app.run
            @functools.wraps(before)
            def run(): return before()
        """,
        at="host .app .run (.__wrapped__)*",
        holder="function",
        held="function host.App.run",
    ),
    hosted(
        "global that has the previous one, which no wrapper uses",
        host=APP,
        leaking="""
            before, host.app.run = host.app.run, on_event
        """,
        cured="host.app.run = on_event",
        at="plugin .before .__globals__ ['before']",
        holder="dict",
        strategies=("reimport",),
        harmless=("reload",),
    ),
    hosted(
        "container of the previous one only",
        host="present = previous = first = None",
        leaking="""
            host.previous, host.present = host.present, on_event
            host.first = host.first or on_event
        """,
        cured="host.previous, host.present = host.present, on_event",
        at="host .first",
        holder="module",
        kind="stale-reference",
        growth="bounded",
    ),
)

REBUILT = (
    hosted(
        "member of a frozenset that is built anew",
        host="hooks = frozenset()",
        leaking="host.hooks = host.hooks | {on_event}",
        cured="host.hooks = frozenset({on_event})",
        at="host .hooks [*]",
        holder="frozenset",
    ),
    hosted(
        "item of a list that is built anew",
        host="routes = []",
        leaking="host.routes = [*host.routes, on_event]",
        cured="host.routes = [on_event]",
        at="host .routes [*]",
        holder="list",
    ),
    hosted(
        "value of a dict that is built anew",
        host="routes = {}",
        leaking="host.routes = {**host.routes, f'/{len(host.routes)}': on_event}",
        cured="host.routes = {'/': on_event}",
        at="host .routes [*]",
        holder="dict",
    ),
    hosted(
        "attribute of an object that is built anew",
        host="""
            class Box:
                first = None

            box = Box()

            def renew(first):
                global box
                new = Box()
                new.first = box.first or first
                box = new
        """,
        leaking="host.renew(on_event)",
        cured="host.box.first = None; host.renew(on_event)",
        at="host .box .first",
        holder="host.Box",
        growth="bounded",
    ),
    hosted(
        "attribute of an exception",
        host="errors = []",
        leaking="error = LookupError(); error.handler = on_event; host.errors.append(error)",
        cured="error = LookupError(); error.handler = on_event; host.errors[:] = [error]",
        at="host .errors [*] .handler",
        holder="LookupError",
    ),
    hosted(
        "item of a tuple in a closure",
        host="""
            def hooks():
                found = ()
                def put(o):
                    nonlocal found
                    found += (o,)
                def only(o):
                    nonlocal found
                    found = (o,)
                return put, only
            put, only = hooks()
        """,
        leaking="host.put(on_event)",
        cured="host.only(on_event)",
        at="host .put .__closure__['found'] [*]",
        holder="tuple",
    ),
    hosted(
        "item of a list in a list",
        host="grid = [[], []]",
        leaking="host.grid[1].append(on_event)",
        cured="host.grid[1][:] = [on_event]",
        at="host .grid [*] [*]",
        holder="list",
    ),
    hosted(
        "list in a named tuple",
        host="""
            import collections
            context = collections.namedtuple('Context', 'name hooks')('main', [])
        """,
        leaking="host.context.hooks.append(on_event)",
        cured="host.context.hooks[:] = [on_event]",
        at="host .context [*] [*]",
        holder="list",
    ),
    hosted(
        "list that is a local of a suspended generator",
        host="""
            def receive():
                got = []
                while True:
                    item = yield
                    got.append(item)
                    del item
            sink = receive()
            next(sink)
        """,
        leaking="host.sink.send(on_event)",
        cured="host.sink.send(None)",
        at="host .sink .<local got> [*]",
        holder="list",
    ),
    hosted(
        "implementation of a method that dispatches",
        host="""
            import functools
            class Printer:
                @functools.singledispatchmethod
                def show(self, o):
                    pass
        """,
        leaking="vars(host.Printer)['show'].dispatcher.register(Plugin, on_event)",
        cured="vars(host.Printer)['show'].dispatcher.register(complex, on_event)",
        at="host .Printer .show .dispatcher .registry [*]",
        holder="dict",
    ),
)

TWINS = (
    *ITEMS,
    *FUNCTIONS,
    *CLASSES,
    *RUNNING,
    *WEAK,
    *REGISTRIES,
    *BINDINGS,
    *PARTS_OF_C,
    *CHAINS,
    *REBUILT,
)

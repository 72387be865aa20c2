"""Leaking targets of hosts that can undo a registration, with the cure that the report must print."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from cases.edges import source

PLUGIN = """\
import host

def on_event(*args):
    pass

class Plugin:
    def on_event(self, *args):
        pass

"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A leaking target and the cure of its one finding."""

    name: str
    host: str
    leaking: str
    cure: str
    before: str = PLUGIN
    strategies: tuple[str, ...] = ("reimport", "reload")

    def files(self) -> Mapping[str, str]:
        """Sources by module name."""
        return {"host": source(self.host), "plugin": self.before + source(self.leaking)}


BUS = """
    class Bus:
        def __init__(self):
            self.listeners = {}
        def subscribe(self, event, callback):
            self.listeners.setdefault(event, []).append(callback)
        def unsubscribe(self, event, callback):
            self.listeners[event].remove(callback)
        def on(self, event):
            def register(function):
                self.subscribe(event, function)
                return function
            return register
        def off(self, event, function):
            self.unsubscribe(event, function)
    bus = Bus()
"""

CHECKS = """
    class Bot:
        def __init__(self):
            self.checks, self.once = [], []
        def add_check(self, function, once=False):
            (self.once if once else self.checks).append(function)
        def remove_check(self, function, *, once=False):
            (self.once if once else self.checks).remove(function)
    bot = Bot()
"""

DATABASES = """
    import itertools, sqlite3
    class Database(sqlite3.Connection):
        def __del__(self):
            self.close()
    count = itertools.count()
    connections = [sqlite3.connect(":memory:", factory=Database) for _ in range(20)]
    db = Database(":memory:")
"""


def _of_database(call: str, cure: str) -> Case:
    """A function that a connection of the host's pool has."""
    return Case(
        name=f"sqlite3, {call.partition('(')[0]}",
        host=DATABASES,
        leaking=f"db = host.connections[next(host.count)]\ndb.{call}",
        cure=f"db.{cure}",
    )


def _named_in_database(call: str) -> Case:
    """A function or class under a name that each generation makes."""
    return Case(
        name=f"sqlite3, {call.partition('(')[0]}",
        host=DATABASES,
        leaking=f'name = f"rank{{next(host.count)}}"\nhost.db.{call}',
        cure=f"host.db.{re.sub('on_event|Plugin', 'None', call)}",
    )


_SINCE_311 = (
    _of_database("set_authorizer(on_event)", "set_authorizer(None)"),
    _named_in_database("create_window_function(name, 1, Plugin)"),
)

CASES = (
    _named_in_database("create_function(name, 1, on_event)"),
    _named_in_database("create_aggregate(name, 1, Plugin)"),
    _named_in_database("create_collation(name, on_event)"),
    _of_database("set_trace_callback(on_event)", "set_trace_callback(None)"),
    _of_database("set_progress_handler(on_event, 1000)", "set_progress_handler(None, 0)"),
    *(_SINCE_311 if sys.version_info >= (3, 11) else ()),
    Case(
        name="one of several lists, which a keyword chooses",
        host=CHECKS,
        leaking="host.bot.add_check(on_event, once=True)",
        cure="host.bot.remove_check(on_event, once=True)",
    ),
    Case(
        name="one of several lists, which nothing tells",
        host=CHECKS,
        leaking="""
            import functools
            host.bot.add_check(functools.partial(on_event, 1), True)
        """,
        cure="""
            host.bot.once[:] = [item for item in host.bot.once if getattr(item, 'func', None) is not on_event]
        """,
    ),
    Case(
        name="a function that registration returned, which has the item in its closure",
        host="""
            class Job:
                def __init__(self, target): self.target = target
            class Bus:
                def __init__(self): self.listeners = {}
                def listen(self, event, listener):
                    job = (Job(listener), None)
                    self.listeners.setdefault(event, []).append(job)
                    def remove(): self.listeners[event].remove(job)
                    return remove
            bus = Bus()
        """,
        leaking="unlisten = host.bus.listen('tick', on_event)",
        cure="unlisten()",
    ),
    Case(
        name="a partial that registration returned",
        host="""
            import functools
            class Bus:
                def __init__(self): self.listeners = {}
                def listen(self, event, listener):
                    job = [listener]
                    self.listeners.setdefault(event, []).append(job)
                    return functools.partial(self._drop, event, job=job)
                def _drop(self, event, job):
                    self.listeners[event].remove(job)
            bus = Bus()
        """,
        leaking="unlisten = host.bus.listen('tick', on_event)",
        cure="unlisten()",
    ),
    Case(
        name="a function that registration returned, which deletes the entry",
        host="""
            import itertools
            keys, table = itertools.count(), {}
            def observe(function):
                key = next(keys)
                table[key] = function
                def done():
                    if table.get(key) is function:
                        del table[key]
                return done
        """,
        leaking="done = host.observe(on_event)",
        cure="done()",
    ),
    Case(
        name="a lambda that registration returned",
        host="""
            class Bus:
                def __init__(self): self.listeners = []
                def listen(self, listener):
                    self.listeners.append([listener])
                    return lambda entry=None: self.listeners.remove(entry or [listener])
            bus = Bus()
        """,
        leaking="unlisten = host.bus.listen(on_event)",
        cure="unlisten()",
    ),
    Case(
        name="a method of what registration returned",
        host="""
            class Entry:
                def __init__(self, owner, listener): self.owner, self.listener = owner, listener
                def fire(self): self.listener()
                def leave(self): self.owner.entries.remove(self)
            class Bus:
                def __init__(self): self.entries = []
                def listen(self, listener):
                    self.entries.append(Entry(self, listener))
                    return self.entries[-1].leave
            bus = Bus()
        """,
        leaking="unlisten = host.bus.listen(on_event)",
        cure="unlisten()",
    ),
    Case(
        name="a wrapper that registration returned, which removes something else",
        host="""
            calls, running = [], []
            def traced(function):
                def call(*args):
                    running.append(args)
                    try:
                        return function(*args)
                    finally:
                        running.pop()
                calls.append(function)
                return call
        """,
        leaking="on_traced = host.traced(on_event)",
        cure="host.calls.remove(on_event)",
    ),
    Case(
        name="a method of a registered object that runs its callback and leaves",
        host="""
            class Once:
                def __init__(self, listener): self.listener = listener
                def fire(self):
                    waiting.remove(self)
                    self.listener()
            waiting = []
            def once(listener):
                waiting.append(Once(listener))
                return waiting[-1].fire
        """,
        leaking="fire = host.once(on_event)",
        cure="host.waiting[:] = [item for item in host.waiting if item.listener is not on_event]",
    ),
    Case(
        name="a wrapper that registration returned, which is no way to undo it",
        host="""
            calls = []
            def traced(function):
                def call(*args):
                    return function(*args)
                calls.append(function)
                return call
        """,
        leaking="on_traced = host.traced(on_event)",
        cure="host.calls.remove(on_event)",
    ),
    Case(
        name="a tuple in a context variable of the host",
        host="""
            import contextvars
            listeners = contextvars.ContextVar("listeners", default=())
        """,
        leaking="host.listeners.set((*host.listeners.get(), on_event))",
        cure="host.listeners.set(tuple(item for item in host.listeners.get() if item is not on_event))",
    ),
    Case(
        name="a frozenset in a context variable of the host",
        host="""
            import contextvars
            listeners = contextvars.ContextVar("listeners", default=frozenset())
        """,
        leaking="host.listeners.set(host.listeners.get() | {on_event})",
        cure="host.listeners.set(frozenset(item for item in host.listeners.get() if item is not on_event))",
    ),
    Case(
        name="a connection to a database, which alone knows its file",
        host="""
            import os, sqlite3
            def connect(): return sqlite3.connect(os.path.join(os.path.dirname(__file__), "data.db"))
            open_ones = []
        """,
        leaking="""
            connection = host.connect()
            connection.execute("create table if not exists rows (number)")
            host.open_ones.append(connection)
        """,
        cure="""
            connection.close()
            host.open_ones.remove(connection)
        """,
    ),
    Case(
        name="both ends of a pipe",
        host="import os",
        leaking="reading, writing = host.os.pipe()",
        cure="""
            import os
            os.close(reading)
            os.close(writing)
        """,
    ),
    Case(
        name="a pipe with one name",
        host="import os",
        leaking="ends = host.os.pipe()",
        cure="""
            import os
            os.close(ends[0])
            os.close(ends[1])
        """,
    ),
    Case(
        name="a descriptor beside another pipe",
        host="""
            import os
            others = os.pipe()
        """,
        leaking="""
            reading, writing = host.others
            number = host.os.open('/', 0)
        """,
        cure="""
            import os
            os.close(number)
        """,
    ),
    Case(
        name="sched",
        host="import sched\nscheduler = sched.scheduler()",
        leaking="host.scheduler.enter(3600, 1, on_event)",
        cure="""
            for item in [item for item in host.scheduler.queue if item.action is on_event]: host.scheduler.cancel(item)
        """,
    ),
    Case(
        name="a heap of the host's module",
        host="""
            import heapq, itertools
            timers, count = [], itertools.count()
            def at(time_s, function):
                heapq.heappush(timers, (time_s, next(count), function))
        """,
        leaking="host.at(60, on_event)",
        cure="""
            import heapq
            host.timers[:] = [item for item in host.timers if item[2] is not on_event]
            heapq.heapify(host.timers)
        """,
    ),
    Case(
        name="a heap of an object of the host",
        host="""
            from heapq import heappush
            class Timers:
                def __init__(self):
                    self.waiting = []
                def at(self, time_s, function):
                    heappush(self.waiting, (time_s, len(self.waiting), function))
            timers = Timers()
        """,
        leaking="host.timers.at(60, on_event)",
        cure="""
            import heapq
            host.timers.waiting[:] = [item for item in host.timers.waiting if item[2] is not on_event]
            heapq.heapify(host.timers.waiting)
        """,
    ),
    Case(
        name="queue.PriorityQueue",
        host="import itertools, queue\ncount = itertools.count()\nqueue = queue.PriorityQueue()",
        leaking="host.queue.put((1, next(host.count), on_event))",
        cure="""
            import heapq
            host.queue.queue[:] = [item for item in host.queue.queue if item[2] is not on_event]
            heapq.heapify(host.queue.queue)
        """,
    ),
    Case(
        name="queue.LifoQueue, which is no heap",
        host="import queue\nqueue = queue.LifoQueue()",
        leaking="host.queue.put((1, on_event))",
        cure="""
            host.queue.queue[:] = [item for item in host.queue.queue if item[1] is not on_event]
        """,
    ),
    Case(
        name="a table in tables, by keys that the method takes",
        host="""
            class Adapters:
                def __init__(self):
                    self.tables = [{}, {}]
                def register(self, required, provided, name, value):
                    self.tables[len(required)].setdefault(provided, {})[required, name] = value
                def unregister(self, required, provided, name):
                    del self.tables[len(required)][provided][required, name]
            class Adapted: pass
            adapters = Adapters()
        """,
        leaking="host.adapters.register((Plugin,), host.Adapted, '', on_event)",
        cure="host.adapters.unregister((Plugin,), host.Adapted, '')",
    ),
    Case(
        name="the object that registration returned",
        host="""
            class Job:
                def __init__(self, function): self.function = function
            jobs = []
            def schedule(seconds, function):
                jobs.append(Job(function))
                return jobs[-1]
            def cancel(job):
                jobs.remove(job)
        """,
        leaking="job = host.schedule(60, on_event)",
        cure="host.cancel(job)",
    ),
    Case(
        name="a record that has the function under a key",
        host="""
            class Menu:
                entries = []
                def add(self, label, command):
                    self.entries.append({"label": label, "command": command})
            menu = Menu()
        """,
        leaking="host.menu.add('Open', on_event)",
        cure="""
            host.Menu.entries[:] = [item for item in host.Menu.entries if item.get('command') is not on_event]
        """,
    ),
    Case(
        name="a slot that is read and set by methods",
        host="""
            class Loop:
                _factory = None
                def get_factory(self): return self._factory
                def set_factory(self, factory): self._factory = factory
            loop = Loop()
        """,
        leaking="""
            previous = host.loop.get_factory()
            def factory(*args):
                return previous(*args) if previous else args
            host.loop.set_factory(factory)
        """,
        cure="host.loop.set_factory(previous)",
        strategies=("reimport",),
    ),
    Case(
        name="a slot that is exchanged",
        host="""
            class Screen:
                _hook = None
                def exchange(self, hook):
                    self._hook, old = hook, self._hook
                    return old
            screen = Screen()
        """,
        leaking="""
            def hook(*args):
                return previous and previous(*args)
            previous = host.screen.exchange(hook)
        """,
        cure="host.screen.exchange(previous)",
        strategies=("reimport",),
    ),
    Case(
        name="a slot that is an attribute of an object",
        host="class Screen: hook = None\nscreen = Screen()",
        leaking="""
            previous = getattr(host.screen, 'hook', None)
            def hook(*args):
                return previous and previous(*args)
            host.screen.hook = hook
        """,
        cure="host.screen.hook = previous",
        strategies=("reimport",),
    ),
    Case(
        name="an item that can be closed, and stays where it is",
        host="""
            class Page:
                def __init__(self): self.on_close = []
                def close(self): self.is_closed = True
            pages = []
        """,
        leaking="""
            page = host.Page()
            page.on_close.append(on_event)
            host.pages.append(page)
        """,
        cure="""
            host.pages.remove(page)
        """,
    ),
    Case(
        name="a list under a key that the method takes too",
        host=BUS,
        leaking="""
            import functools
            host.bus.subscribe('tick', functools.partial(on_event, 1))
        """,
        cure="""
            for item in [item for item in host.bus.listeners['tick'] if getattr(item, 'func', None) is on_event]:
                host.bus.unsubscribe('tick', item)
        """,
    ),
    Case(
        name="a list under a key that the method may take",
        host="""
            class Bot:
                def __init__(self):
                    self.extra = {'tick': []}
                def add_listener(self, function, name=None):
                    self.extra[name or function.__name__].append(function)
                def remove_listener(self, function, name=None):
                    self.extra[name or function.__name__].remove(function)
            bot = Bot()
        """,
        leaking="""
            import functools
            host.bot.add_listener(functools.partial(on_event, 1), 'tick')
        """,
        cure="""
            for item in [item for item in host.bot.extra['tick'] if getattr(item, 'func', None) is on_event]:
                host.bot.remove_listener(item, 'tick')
        """,
    ),
    Case(
        name="subscribe and unsubscribe with an event",
        host=BUS,
        leaking="host.bus.subscribe('tick', on_event)",
        cure="host.bus.unsubscribe('tick', on_event)",
    ),
    Case(
        name="by the name that the target imported",
        host=BUS,
        leaking="from host import bus as b\nb.subscribe('tick', on_event)",
        cure="b.unsubscribe('tick', on_event)",
    ),
    Case(
        name="keyword arguments",
        host=BUS,
        leaking="host.bus.subscribe(callback=on_event, event='tick')",
        cure="host.bus.unsubscribe('tick', on_event)",
    ),
    Case(
        name="the event is a global of the target",
        host=BUS,
        leaking="EVENT = 'tick'\nhost.bus.subscribe(EVENT, on_event)",
        cure="host.bus.unsubscribe(EVENT, on_event)",
    ),
    Case(
        name="decorator with an argument",
        host=BUS,
        leaking="""
            @host.bus.on('tick')
            def on_tick():
                pass
        """,
        cure="host.bus.off('tick', on_tick)",
    ),
    Case(
        name="argument that is new each time",
        host=BUS,
        leaking="for event in ('tick',):\n    host.bus.subscribe(event.lower(), on_event)",
        cure="host.bus.unsubscribe('tick', on_event)",
    ),
    Case(
        name="add_x and remove_x",
        host="""
            class Bot:
                def __init__(self):
                    self._checks = []
                def add_check(self, func):
                    self._checks.append(func)
                def remove_check(self, func):
                    self._checks.remove(func)
            bot = Bot()
        """,
        leaking="def setup(bot):\n    bot.add_check(on_event)\nsetup(host.bot)",
        cure="host.bot.remove_check(on_event)",
    ),
    Case(
        name="add_x and remove_x with a local event",
        host=BUS.replace("subscribe", "add_callback").replace("unadd_callback", "remove_callback"),
        leaking="event = 'tock'\ndef setup(event):\n    host.bus.add_callback(event, on_event)\nsetup('tick')",
        cure="host.bus.remove_callback('tick', on_event)",
    ),
    Case(
        name="addX and removeX",
        host="""
            class Node:
                def __init__(self):
                    self.observers = []
                def addObserver(self, observer):
                    self.observers.append(observer)
                def removeObserver(self, observer):
                    self.observers.remove(observer)
            node = Node()
        """,
        leaking="host.node.addObserver(on_event)",
        cure="host.node.removeObserver(on_event)",
    ),
    Case(
        name="functions of a module",
        host="""
            hooks = []
            def register(hook):
                hooks.append(hook)
            def unregister(hook):
                hooks.remove(hook)
        """,
        leaking="host.register(on_event)",
        cure="host.unregister(on_event)",
    ),
    Case(
        name="a private set behind methods",
        host="""
            class Signal:
                def __init__(self):
                    self.__slots = set()
                def connect(self, slot):
                    self._insert(slot)
                def _insert(self, slot):
                    self.__slots.add(slot)
                def disconnect(self, slot):
                    self._drop(slot)
                def _drop(self, slot):
                    self.__slots.discard(slot)
            changed = Signal()
        """,
        leaking="host.changed.connect(on_event)",
        cure="host.changed.disconnect(on_event)",
    ),
    Case(
        name="a tuple that is replaced",
        host="""
            class Event:
                handlers = ()
                def __iadd__(self, handler):
                    self.handlers += (handler,)
                    return self
            changed = Event()
        """,
        leaking="host.changed += on_event",
        cure="host.changed.handlers = tuple(item for item in host.changed.handlers if item is not on_event)",
    ),
    Case(
        name="a list in a default",
        host="def keep(o, kept=[]): kept.append(o)",
        leaking="host.keep(on_event)",
        cure="host.keep.__defaults__[0].remove(on_event)",
    ),
    Case(
        name="the number that registration returned",
        host="""
            import itertools
            class Logger:
                def __init__(self):
                    self.handlers, self.numbers = {}, itertools.count()
                def add(self, sink):
                    number = next(self.numbers)
                    self.handlers[number] = sink
                    return number
                def remove(self, handler_id):
                    del self.handlers[handler_id]
            logger = Logger()
        """,
        leaking="host.logger.add(on_event)",
        cure="""
            for key in [key for key, item in host.logger.handlers.items() if item is on_event]:
                host.logger.remove(key)
        """,
    ),
    Case(
        name="an object without a name",
        host="""
            class Registry:
                def __init__(self):
                    self.plugins = []
                def register(self, plugin):
                    self.plugins.append(plugin)
                def unregister(self, plugin):
                    self.plugins.remove(plugin)
            registry = Registry()
        """,
        leaking="host.registry.register(Plugin())",
        cure="""
            for item in [item for item in host.registry.plugins if type(item) is Plugin]:
                host.registry.unregister(item)
        """,
    ),
    Case(
        name="a method of an object with a name",
        host=BUS,
        leaking="plugin = Plugin()\nhost.bus.subscribe('tick', plugin.on_event)",
        cure="host.bus.unsubscribe('tick', plugin.on_event)",
    ),
    Case(
        name="a list per event, by a key that is an object",
        host="""
            class Event: pass
            TICK = Event()
            handlers = {TICK: [len]}
        """,
        leaking="host.handlers[host.TICK].append(on_event)",
        cure="""
            for items in list(host.handlers.values()):
                items[:] = [item for item in items if item is not on_event]
        """,
    ),
    Case(
        name="a class that registers its subclasses",
        host="""
            class Base:
                known = []
                def __init_subclass__(cls):
                    Base.known.append(cls)
        """,
        leaking="class Sub(host.Base):\n    def run(self): pass",
        cure="host.Base.known.remove(Sub)",
    ),
    Case(
        name="a cache",
        host="""
            import functools
            @functools.lru_cache(maxsize=None)
            def describe(o):
                pass
        """,
        leaking="host.describe(Plugin)",
        cure="host.describe.cache_clear()",
    ),
    Case(
        name="a module of a package that the target did not import",
        host="""
            import xml.dom
            xml.dom.listeners = []
        """,
        leaking="import sys\nsys.modules['xml.dom'].listeners.append(on_event)",
        cure="import xml.dom\nxml.dom.listeners.remove(on_event)",
    ),
    Case(
        name="a subscription that ends itself",
        host="""
            entries = []
            class Subscription:
                def __init__(self, callback):
                    self.callback = callback
                    entries.append(self)
                def dispose(self):
                    entries.remove(self)
        """,
        leaking="subscription = host.Subscription(on_event)",
        cure="subscription.dispose()",
    ),
    Case(
        name="plain data in a list",
        host="rows = []",
        leaking="host.rows += [[n] for n in range(100)]",
        cure="import host\ndel host.rows[-100:]",
    ),
    Case(
        name="a chain of wrappers in an attribute",
        host="""
            class Layer:
                def __init__(self, call, inner):
                    self.call, self.inner = call, inner
            top = None
        """,
        leaking="host.top = host.Layer(on_event, host.top)",
        cure="""
            if getattr(host.top, 'call', None) is on_event:
                host.top = host.top.inner
        """,
    ),
    Case(
        name="a thread that reads a flag of its object",
        host="",
        leaking="""
            import threading, time
            class Poller:
                is_running = True
                def __init__(self):
                    self.is_running = True
                def poll(self):
                    while self.is_running: time.sleep(0.01)
            poller = Poller()
            thread = threading.Thread(target=poller.poll, daemon=True)
            thread.start()
        """,
        cure="poller.is_running = False\nthread.join()",
    ),
    Case(
        name="a thread that leaves its loop at a flag",
        host="",
        leaking="""
            import itertools, threading, time
            is_ended = False
            def work():
                for _ in itertools.count():
                    if is_ended:
                        break
                    time.sleep(0.01)
            thread = threading.Thread(target=work, daemon=True)
            thread.start()
        """,
        cure="globals()['is_ended'] = True\nthread.join()",
    ),
    Case(
        name="a thread that ends at None in a queue",
        host="",
        leaking="""
            import queue, threading
            jobs = queue.SimpleQueue()
            def work():
                while (job := jobs.get()) is not None: job()
            thread = threading.Thread(target=work, daemon=True)
            thread.start()
        """,
        cure="jobs.put(None)\nthread.join()",
    ),
    Case(
        name="a thread that runs a loop",
        host="",
        leaking="""
            import asyncio, threading
            loop = asyncio.new_event_loop()
            def work():
                loop.run_forever()
                loop.close()
            thread = threading.Thread(target=work, daemon=True)
            thread.start()
        """,
        cure="loop.call_soon_threadsafe(loop.stop)\nthread.join()",
    ),
    Case(
        name="a thread that reads an event",
        host="",
        leaking="""
            import threading
            stop = threading.Event()
            def work():
                while not stop.wait(0.01):
                    pass
            threading.Thread(target=work, daemon=True).start()
        """,
        cure="""
            stop.set()
            for item in [item for item in threading.enumerate() if getattr(item, '_target', None) is work]:
                item.join()
        """,
    ),
    Case(
        name="a thread that is given its event",
        host="",
        leaking="""
            import threading
            ready, stop = threading.Event(), threading.Event()
            def work(begun, over, *, pause):
                begun.set()
                while not over.wait(pause):
                    pass
            thread = threading.Thread(target=work, args=(ready, stop), kwargs={'pause': 0.01}, daemon=True)
            thread.start()
        """,
        cure="stop.set()\nthread.join()",
    ),
    Case(
        name="a thread that is given its queue by name",
        host="",
        leaking="""
            import queue, threading
            jobs = queue.Queue()
            class Worker:
                def work(self, times, source):
                    while source.get() is not None:
                        pass
            worker = Worker()
            thread = threading.Thread(target=worker.work, args=(3,), kwargs={'source': jobs}, daemon=True)
            thread.start()
        """,
        cure="jobs.put(None)\nthread.join()",
    ),
    Case(
        name="a thread that says first that it has begun",
        host="",
        leaking="""
            import threading
            ready, stop = threading.Event(), threading.Event()
            def work():
                ready.set()
                stop.wait()
            thread = threading.Thread(target=work, daemon=True)
            thread.start()
        """,
        cure="stop.set()\nthread.join()",
    ),
    Case(
        name="a thread of an object that can be shut down",
        host="""
            import threading
            class Scheduler:
                def __init__(self):
                    self.over, self.jobs = threading.Event(), []
                def start(self):
                    self.thread = threading.Thread(target=self.run, daemon=True)
                    self.thread.start()
                def run(self):
                    self.over.wait(60)
                def shutdown(self, wait=True):
                    self.over.set()
                    if wait:
                        self.thread.join()
        """,
        leaking="""
            scheduler = host.Scheduler()
            scheduler.jobs.append(on_event)
            scheduler.start()
        """,
        cure="scheduler.shutdown()",
    ),
    Case(
        name="a timer that was cancelled and stays in a list",
        host="timers = []",
        leaking="""
            import threading
            timer = threading.Timer(60, on_event)
            timer.start()
            timer.cancel()
            timer.join()
            host.timers.append(timer)
        """,
        cure="host.timers.remove(timer)",
    ),
    Case(
        name="a patch that keeps the original in a closure",
        host="def f(): pass",
        leaking="""
            def wrap(original):
                def f():
                    return original()
                return f
            host.f = wrap(host.f)
        """,
        cure="host.f = host.f.__closure__[0].cell_contents",
    ),
    Case(
        name="a patch that keeps the original in a global",
        host="def f(): pass",
        leaking="""
            original = host.f
            def f():
                return original()
            host.f = f
        """,
        cure="host.f = original",
        strategies=("reimport",),  # under `reload` the global is the wrapper itself
    ),
)

"""Thirty-six small ways to reload a module: leaking, stale, clean, and one that only fills a bounded cache.

Each leak is of one cause. Together they are what a reload-leak checker should tell apart, whatever its method, so they
say nothing of ours: the same sources were run under the checkers of `docs/peers.md`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from textwrap import dedent
from typing import Literal

Kind = Literal["leak", "stale", "clean", "grey"]

IN_PLACE = """
    import importlib
    import target
    def cycle():
        importlib.reload(target)
"""
FRESH = """
    import importlib
    import sys
    import target
    def cycle():
        del sys.modules["target"]
        importlib.import_module("target")
"""
ON_A_LOOP = """
    import asyncio
    import importlib
    LOOP = asyncio.new_event_loop()
    def cycle():
        async def go():
            import target
            importlib.reload(target)
            await asyncio.sleep(0)
        LOOP.run_until_complete(go())
"""
NOTHING = r"(?!)"
"""Matches no text: a control has no holder."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One target, what surrounds it, and how it is reloaded."""

    name: str
    kind: Kind
    sources: dict[str, str]
    """Source by path. The line that leaks ends in `# LEAK`."""
    driver: str
    """A module with a function `cycle` that reloads once."""
    checked: str = "target"
    """The target, as the check gets it."""
    holder: re.Pattern[str] = field(default=re.compile(NOTHING))
    """What a report must say of the holder of the old objects."""
    probe: str = "0"
    """Expression that counts what leaks: it grows by one each reload, whatever a checker says."""
    causes: int = 1
    """References that keep old objects and have nothing to do with each other."""
    effect: bool = False
    """Whether no old object of the target is kept: only a probe of effects can see this leak."""

    @property
    def in_place(self) -> bool:
        """Whether the driver does what the strategy `reload` does, so that strategies can be compared with it."""
        return self.driver == dedent(IN_PLACE).lstrip()

    @property
    def loaded_before(self) -> bool:
        """Whether the target is loaded before the first reload: the driver imports it, or what imports it."""
        return self.driver != dedent(ON_A_LOOP).lstrip() and not self.checked.endswith("*")

    @property
    def leaking_line(self) -> tuple[str, int] | None:
        """File and number of the line that leaks."""
        for path, source in {**self.sources, "driver.py": self.driver}.items():
            for number, line in enumerate(source.splitlines(), start=1):
                if line.endswith("# LEAK"):
                    return path, number
        return None


SCENARIOS: dict[str, Scenario] = {}


def _add(
    name: str,
    kind: Kind,
    target: str,
    *,
    holder: str = NOTHING,
    driver: str = IN_PLACE,
    checked: str = "target",
    probe: str = "0",
    causes: int = 1,
    effect: bool = False,
    **others: str,
) -> None:
    """Add a scenario; `others` are the sources of further modules, `__` in their names standing for a directory."""
    sources = {} if checked.startswith("pkg.") else {"target.py": dedent(target).lstrip()}
    for module, source in others.items():
        sources[module.replace("__", "/", 1) + ".py"] = dedent(source).lstrip()
    if checked.startswith("pkg."):
        sources["pkg/target.py"] = dedent(target).lstrip()
    SCENARIOS[name] = Scenario(
        name=name,
        kind=kind,
        sources=sources,
        driver=dedent(driver).lstrip(),
        checked=checked,
        holder=re.compile(holder),
        probe=probe,
        causes=causes,
        effect=effect,
    )


# -- leaks: each reload leaves something behind -----------------------------------------------------------------------

_add(
    "callback_list",
    "leak",
    """
    import registry
    def on_event(x):
        return x
    registry.HANDLERS.append(on_event)  # LEAK
    """,
    registry="HANDLERS = []\n",
    probe='len(modules["registry"].HANDLERS)',
    holder=r"registry\.HANDLERS",
)
_add(
    "atexit_register",
    "leak",
    """
    import atexit
    def bye():
        pass
    atexit.register(bye)  # LEAK
    """,
    probe='modules["atexit"]._ncallbacks()',
    holder=r"atexit",
)
_add(
    "timer_nondaemon",
    "leak",
    """
    import threading
    def tick():
        pass
    t = threading.Timer(3600, tick)
    t.name = "poll-timer"
    t.start()  # LEAK
    """,
    probe='modules["threading"].active_count()',
    holder=r"poll-timer|Timer",
)
_add(
    "timer_daemon",
    "leak",
    """
    import threading
    def tick():
        pass
    t = threading.Timer(3600, tick)
    t.daemon = True
    t.name = "poll-timer"
    t.start()  # LEAK
    """,
    probe='modules["threading"].active_count()',
    holder=r"poll-timer|Timer",
)
_add(
    "thread_loop",
    "leak",
    """
    import threading
    import time
    def work():
        while True:
            time.sleep(1)
    threading.Thread(target=work, name="bg-worker").start()  # LEAK
    """,
    probe='modules["threading"].active_count()',
    holder=r"bg-worker",
)
_add(
    "open_file_kept",
    "leak",
    """
    import keeper
    import os
    keeper.OPENED.append(open(os.path.join(os.path.dirname(__file__), "data.txt")))  # LEAK
    """,
    keeper="OPENED = []\n",
    probe="descriptors()",
    holder=r"keeper|OPENED|data\.txt",
    effect=True,
)
_add(
    "raw_fd_lost",
    "leak",
    """
    import os
    fd = os.open(os.path.join(os.path.dirname(__file__), "data.txt"), os.O_RDONLY)  # LEAK
    """,
    probe="descriptors()",
    holder=r"data\.txt",
    effect=True,
)
_add(
    "socket_kept",
    "leak",
    """
    import keeper
    import socket
    s = socket.socket()  # LEAK
    s.bind(("127.0.0.1", 0))
    s.listen()
    keeper.OPENED.append(s)
    """,
    keeper="OPENED = []\n",
    probe="descriptors()",
    holder=r"keeper|OPENED|127\.0\.0\.1",
    effect=True,
)
_add(
    "subprocess_left",
    "leak",
    """
    import subprocess
    proc = subprocess.Popen(["sleep", "25"])  # LEAK
    """,
    probe="children()",
    holder=r"sleep|subprocess",
    effect=True,
)
_add(
    "logging_root",
    "leak",
    """
    import logging
    logging.getLogger().addHandler(logging.StreamHandler())  # LEAK
    """,
    probe='len(modules["logging"].getLogger().handlers)',
    holder=r"RootLogger|root logger|\blogging\b",
    effect=True,
)
_add(
    "logging_named",
    "leak",
    """
    import logging
    logging.getLogger("myapp").addHandler(logging.StreamHandler())  # LEAK
    """,
    probe='len(modules["logging"].getLogger("myapp").handlers)',
    holder=r"myapp",
    effect=True,
)
_add(
    "signal_chain",
    "leak",
    """
    import signal
    def chain(prev):
        def handle(sig, frame):
            if callable(prev):
                prev(sig, frame)
        return handle
    signal.signal(signal.SIGUSR1, chain(signal.getsignal(signal.SIGUSR1)))  # LEAK
    """,
    probe='depth(modules["signal"].getsignal(modules["signal"].SIGUSR1))',
    holder=r"SIGUSR1|signal",
)
_add(
    "meta_path",
    "leak",
    """
    import sys
    class Finder:
        @classmethod
        def find_spec(cls, name, path=None, target=None):
            return None
    sys.meta_path.append(Finder)  # LEAK
    """,
    probe="len(sys.meta_path)",
    holder=r"meta_path",
)
_add(
    "sys_path",
    "leak",
    """
    import os
    import sys
    sys.path.append(os.path.dirname(os.path.abspath(__file__)) + "/extra")  # LEAK
    """,
    probe="len(sys.path)",
    holder=r"sys\.path",
    effect=True,
)
_add(
    "codecs_register",
    "leak",
    """
    import codecs
    def search(name):
        return None
    codecs.register(search)  # LEAK
    """,
    probe='functions("search")',
    holder=r"codec",
)
_add(
    "lru_cache_elsewhere",
    "leak",
    """
    import cachemod
    class Config:
        def __init__(self):
            self.data = ["x"] * 50
    cachemod.resolve(Config())  # LEAK
    """,
    cachemod="""
    import functools
    @functools.lru_cache(maxsize=None)
    def resolve(cfg):
        return 1
    """,
    probe='modules["cachemod"].resolve.cache_info().currsize',
    holder=r"cachemod\.resolve",
)
_add(
    "stale_from_import",
    "stale",
    """
    def f():
        return 1
    """,
    driver="""
    import importlib
    import target
    import consumer
    def cycle():
        importlib.reload(target)
    """,
    consumer="""
    from target import f  # LEAK
    def use():
        return f()
    """,
    probe='modules["consumer"].f is not modules["target"].f',
    holder=r"consumer\.f",
)
_add(
    "init_subclass_registry",
    "leak",
    """
    from base import Plugin
    class MyPlugin(Plugin):  # LEAK
        def run(self):
            return 1
    """,
    base="""
    class Plugin:
        known = []
        def __init_subclass__(cls):
            Plugin.known.append(cls)
    """,
    probe='len(modules["base"].Plugin.known)',
    holder=r"base\.Plugin\.known",
)
_add(
    "singledispatch",
    "leak",
    """
    import render
    class Shape:
        pass
    @render.render.register(Shape)  # LEAK
    def _(obj):
        return "shape"
    """,
    render="""
    import functools
    @functools.singledispatch
    def render(obj):
        return repr(obj)
    """,
    probe='len(modules["render"].render.registry)',
    holder=r"render\.render",
    causes=2,
)
_add(
    "asyncio_task",
    "leak",
    """
    import asyncio
    async def poll():
        await asyncio.sleep(3600)
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        loop = None
    if loop:
        task = loop.create_task(poll(), name="poller")  # LEAK
    """,
    driver=ON_A_LOOP,
    probe='len(modules["asyncio"].all_tasks(driver.LOOP))',
    holder=r"poller|poll\b",
)
_add(
    "call_later",
    "leak",
    """
    import asyncio
    def tick():
        pass
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        loop = None
    if loop:
        h = loop.call_later(3600, tick)  # LEAK
    """,
    driver=ON_A_LOOP,
    probe="len(driver.LOOP._scheduled)",
    holder=r"_scheduled|call_later",
)
_add(
    "weakref_finalize",
    "leak",
    """
    import weakref
    import app
    class Conn:
        pass
    def close(c):
        pass
    weakref.finalize(app.APP, close, Conn())  # LEAK
    """,
    app="""
    class App:
        pass
    APP = App()
    """,
    probe='len(modules["weakref"].finalize._registry)',
    holder=r"finalize|\bapp\b|APP",
    causes=2,
)
_add(
    "gc_callbacks",
    "leak",
    """
    import gc
    def on_gc(phase, info):
        pass
    gc.callbacks.append(on_gc)  # LEAK
    """,
    probe="len(gc.callbacks)",
    holder=r"gc\.callbacks",
)
_add(
    "parent_alias_stale",
    "stale",
    """
    DATA = list(range(1000))
    def f():
        return DATA
    """,
    driver="""
    import importlib
    import sys
    import pkg
    def cycle():
        del sys.modules["pkg.target"]
        importlib.import_module("pkg.target")
    """,
    checked="pkg.target",
    pkg____init__="from . import target as impl  # LEAK\n",
    probe='modules["pkg"].impl is not modules["pkg.target"]',
    holder=r"pkg\.impl",
)
_add(
    "unique_name_load",
    "leak",
    """
    DATA = list(range(100))
    def f():
        return DATA
    """,
    driver="""
    import importlib.util
    import itertools
    import os
    import sys
    _n = itertools.count()
    def cycle():
        name = f"target_v{next(_n)}"
        path = os.path.join(os.path.dirname(__file__), "target.py")
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # LEAK
        spec.loader.exec_module(module)
    """,
    checked="target_v*",
    probe='sum(name.startswith("target_v") for name in modules)',
    holder=r"sys\.modules",
)
_add(
    "contextvar_set",
    "leak",
    """
    import contextvars
    class Req:
        pass
    REQ = contextvars.ContextVar("req")
    REQ.set(Req())  # LEAK
    """,
    probe='len(modules["contextvars"].copy_context())',
    holder=r"ContextVar|[Cc]ontext",
)
_add(
    "builtins_patch",
    "leak",
    """
    import builtins
    def wrap(orig):
        def ascii(*a, **k):
            return orig(*a, **k)
        return ascii
    builtins.ascii = wrap(builtins.ascii)  # LEAK
    """,
    probe='depth(modules["builtins"].ascii)',
    holder=r"builtins\.ascii",
)
_add(
    "traceback_kept",
    "leak",
    """
    import errlog
    DATA = list(range(2000))
    def boom():
        raise ValueError("bad")
    try:
        boom()
    except ValueError as e:
        errlog.LAST.append(e)  # LEAK
    """,
    driver=FRESH,
    errlog="LAST = []\n",
    probe='len(modules["errlog"].LAST)',
    holder=r"errlog\.LAST",
)
_add(
    "module_kept_fresh",
    "leak",
    """
    import bus
    DATA = list(range(2000))
    class Service:
        def on_msg(self, m):
            return DATA
    bus.SUBS.append(Service().on_msg)  # LEAK
    """,
    driver=FRESH,
    bus="SUBS = []\n",
    probe='len(modules["bus"].SUBS)',
    holder=r"bus\.SUBS",
)

# -- controls: nothing of an old generation stays ---------------------------------------------------------------------

_add(
    "clean_1mb",
    "clean",
    """
    DATA = [bytes([i % 251]) * 64 for i in range(11000)]
    def f():
        return DATA
    """,
)
_add(
    "clean_cycles",
    "clean",
    """
    class Node:
        def __init__(self):
            self.me = self
            self.kids = []
    root = Node()
    for _ in range(200):
        n = Node()
        n.parent = root
        root.kids.append(n)
    """,
)
_add(
    "clean_dataclass_enum",
    "clean",
    "import dataclasses\nimport enum\n"
    + "".join(
        f"class E{i}(enum.Enum):\n    A = 1\n    B = 2\n"
        f"@dataclasses.dataclass(frozen=True, order=True)\nclass D{i}:\n    x: int = 0\n    y: str = ''\n"
        for i in range(8)
    ),
)
_add(
    "clean_fresh_import",
    "clean",
    """
    DATA = list(range(2000))
    class A:
        def m(self):
            return super().m()
    def f():
        return A, DATA
    """,
    driver=FRESH,
)
_add(
    "clean_resources",
    "clean",
    """
    import os
    import socket
    import subprocess
    import threading
    t = threading.Thread(target=int)
    t.start()
    t.join()
    with open(os.path.join(os.path.dirname(__file__), "data.txt")) as fh:
        TEXT = fh.read()
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
    subprocess.run(["true"], check=True)
    """,
)
_add(
    "clean_abc_logging_re",
    "clean",
    r"""
    import abc
    import functools
    import logging
    import re
    log = logging.getLogger(__name__)
    RX = re.compile(r"a+(b|c)\d{2,}")
    class Base(abc.ABC):
        @abc.abstractmethod
        def go(self): ...
    class Impl(Base):
        def go(self):
            return 1
    Base.register(int)
    @functools.lru_cache
    def cached(n):
        return n
    cached(1)
    isinstance(Impl(), Base)
    """,
)
_add(
    "grey_typing_cache",
    "grey",
    """
    import typing
    class Model:
        pass
    Opt = typing.Optional[Model]
    Lst = typing.List[Model]
    """,
)

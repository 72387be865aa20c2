"""Registrations that cannot be listed: leaking twins, their cured twins, and calls that only look like registrations.

None of them can be undone by the process that runs the tests, so each runs in one of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import dedent

ROUNDS = 3
JUDGED = (-1, 0, 1)
BOTH = ("reimport", "reload")

HOST = """\
import atexit
import sys
from codecs import register as add_search
from os import register_at_fork

last = []
counter = iter(range(1000))
current = []

def bye(*args):
    pass

def on_exit(function):
    atexit.register(function)

def take_turns(new, undo):
    last.append(new)
    if last[1:]:
        undo(last.pop(0))
"""

PLUGIN = """\
import atexit, codecs, os, sys
import host

def on_event(*args):
    pass

class Plugin:
    def close(self, *args):
        pass

class Slotted:
    __slots__ = ()
    def __call__(self, *args):
        pass

"""


@dataclass(frozen=True, kw_only=True)
class Twins:
    """A leaking target and its cured twin, by the last lines of each.

    Attributes:
        path: `holder.path`.
        held: `held.name`.
        where: the line in which it was registered and the function, as the details of the finding tell it.
        retains: whether it keeps old generations alive.
        once: further lines of the host, which run once.
        growth: how it grows; what is bounded is the first generation's.
        since: the first interpreter that has the function.
    """

    name: str
    registry: str
    leaking: str
    cured: str
    path: str
    held: str = "plugin.on_event"
    where: str = "<module>"
    retains: bool = True
    once: str = ""
    growth: str = "growing"
    since: tuple[int, int] = (3, 10)

    def files(self, twin: str) -> Mapping[str, str]:
        """Sources by module name."""
        return {
            "host": HOST + dedent(self.once),
            "plugin": PLUGIN + dedent(getattr(self, twin)).strip("\n") + "\n",
        }


TWINS = (
    Twins(
        name="search function",
        registry="codecs",
        leaking="codecs.register(on_event)",
        cured="""
            codecs.register(on_event)
            host.take_turns(on_event, codecs.unregister)
        """,
        path="codecs plugin.on_event",
    ),
    Twins(
        name="search function that has no weak references",
        registry="codecs",
        leaking="codecs.register(Slotted())",
        cured="""
            lookup = Slotted()
            codecs.register(lookup)
            host.take_turns(lookup, codecs.unregister)
        """,
        path="codecs plugin.Slotted",
        held="plugin.Slotted",
    ),
    Twins(
        name="error handler",
        registry="codecs",
        leaking="codecs.register_error(f'plugin-{next(host.counter)}', on_event)",
        cured="codecs.register_error('plugin', on_event)",
        path="codecs plugin.on_event",
    ),
    Twins(
        name="fork hooks",
        registry="fork",
        leaking="os.register_at_fork(before=on_event, after_in_child=Plugin().close)",
        cured="host.current[:] = [on_event]",
        once="register_at_fork(before=lambda: [call() for call in current])",
        path="fork plugin.on_event, plugin.Plugin.close",
    ),
    Twins(
        name="fork hook of the host's, through a name that the host imported",
        registry="fork",
        leaking="""
            def setup():
                host.register_at_fork(before=host.bye)

            setup()
        """,
        cured="""
            def setup():
                if not host.last:
                    host.last.append(host.register_at_fork(before=host.bye))

            setup()
        """,
        path="fork host.bye",
        held="plugin.setup",
        where="setup",
        retains=False,
    ),
    Twins(
        name="audit hook",
        registry="audit",
        leaking="sys.addaudithook(on_event)",
        cured="host.current[:] = [on_event]",
        once="sys.addaudithook(lambda *args: [call(*args) for call in current])",
        path="audit plugin.on_event",
    ),
    Twins(
        name="audit hook of the host's",
        registry="audit",
        leaking="sys.addaudithook(host.bye)",
        cured="host.last or host.last.append(sys.addaudithook(host.bye))",
        path="audit host.bye",
        held="plugin",
        retains=False,
    ),
    Twins(
        name="exit callback",
        registry="atexit",
        leaking="atexit.register(on_event)",
        cured="""
            atexit.register(on_event)
            host.take_turns(on_event, atexit.unregister)
        """,
        path="atexit plugin.on_event",
    ),
    Twins(
        name="exit callback that is a method",
        registry="atexit",
        leaking="atexit.register(Plugin().close)",
        cured="""
            plugin = Plugin()
            atexit.register(plugin.close)
            host.take_turns(plugin, lambda old: atexit.unregister(old.close))
        """,
        path="atexit plugin.Plugin.close",
        held="plugin.Plugin.close",
    ),
    Twins(
        name="exit callback of the host's",
        registry="atexit",
        leaking="""
            def setup():
                atexit.register(host.bye)  # leak here

            setup()
        """,
        cured="""
            def setup():
                atexit.unregister(host.bye)
                atexit.register(host.bye)

            setup()
        """,
        path="atexit host.bye",
        held="plugin.setup",
        where="setup",
        retains=False,
    ),
    Twins(
        name="exit callback that the host registers for the target",
        registry="atexit",
        leaking="""
            def setup():
                host.on_exit(host.bye)  # leak here

            setup()
        """,
        cured="""
            def setup():
                host.on_exit(host.bye)
                atexit.unregister(host.bye)

            setup()
        """,
        path="atexit host.bye",
        held="plugin.setup",
        where="setup",
        retains=False,
    ),
    Twins(
        name="argument of an exit callback",
        registry="atexit",
        leaking="atexit.register(host.bye, on_event)",
        cured="""
            atexit.unregister(host.bye)
            atexit.register(host.bye, on_event)
        """,
        path="atexit host.bye",
    ),
    Twins(
        name="signal of faulthandler, with a file of an own class",
        registry="faulthandler",
        leaking="""
            import faulthandler, io, signal
            class Log(io.FileIO):
                def method(self): pass
            def setup():
                faulthandler.register(signal.SIGRTMIN + next(host.counter), Log(os.devnull, "w"))  # leak here
            setup()
        """,
        cured="""
            import faulthandler, io, signal
            class Log(io.FileIO):
                def method(self): pass
            faulthandler.register(signal.SIGRTMIN, Log(os.devnull, "w"))
        """,
        path="faulthandler plugin.Log",
        held="plugin.Log",
        where="setup",
    ),
    Twins(
        name="signal of faulthandler, with the host's file",
        registry="faulthandler",
        leaking="""
            import faulthandler, signal
            def setup():
                faulthandler.register(signal.SIGRTMIN + next(host.counter), sys.__stderr__)
            setup()
        """,
        cured="""
            import faulthandler, signal
            def setup():
                number = signal.SIGRTMIN + next(host.counter)
                faulthandler.register(number, sys.__stderr__)
                host.take_turns(number, faulthandler.unregister)
            setup()
        """,
        path="faulthandler _io.TextIOWrapper",
        held="plugin.setup",
        where="setup",
        retains=False,
    ),
    Twins(
        name="monitoring callback that only the first generation sets",
        registry="sys.monitoring",
        leaking="host.last or host.last.append(sys.monitoring.register_callback(3, 1, on_event) or True)",
        cured="sys.monitoring.register_callback(3, 1, on_event)",
        once="sys.monitoring.use_tool_id(3, 'plugin')",
        path="sys.monitoring plugin.on_event",
        growth="bounded",
        since=(3, 12),
    ),
)

APPLICABLE = tuple(twins for twins in TWINS if sys.version_info >= twins.since)

INNOCENTS = {
    "a module that the target is the first to import registers something": {
        "lazy": "import atexit\natexit.register(print)\n",
        "plugin": "import lazy\n",
    },
    "the first weakref.finalize registers something": {
        "host": "anchor = lambda: None\n",
        "plugin": "import weakref, host\nweakref.finalize(host.anchor, print).detach()\n",
    },
    "another thread registers something all the time": {
        "host": """\
import atexit, codecs, threading

turn, done = threading.Event(), threading.Event()

def bye(*args):
    pass

def work():
    while True:
        turn.wait()
        turn.clear()
        atexit.register(bye)
        codecs.register(lambda name: None)
        done.set()

threading.Thread(target=work, daemon=True).start()
""",
        "plugin": "import host\nhost.done.clear()\nhost.turn.set()\nhost.done.wait()\n",
    },
}
"""Sources of clean programs."""

"""List, as data, which method undoes which, where the names alone show it, and which hook which host calls."""

from __future__ import annotations

import sys
from typing import NamedTuple

PAIRS: dict[str, tuple[str, ...]] = {
    "activate": ("deactivate",),
    "add": ("remove", "discard", "delete", "unregister"),
    "append": ("remove",),
    "attach": ("detach",),
    "bind": ("unbind",),
    "catch": ("uncatch",),
    "connect": ("disconnect",),
    "define": ("undefine", "remove"),
    "enable": ("disable",),
    "hook": ("unhook",),
    "include": ("exclude",),
    "insert": ("remove", "delete"),
    "install": ("uninstall", "remove"),
    "join": ("leave",),
    "keep": ("release", "drop", "forget", "remove", "unkeep"),
    "link": ("unlink",),
    "listen": ("unlisten", "remove_listener", "stop_listening"),
    "load": ("unload",),
    "map": ("unmap",),
    "mount": ("unmount",),
    "observe": ("unobserve", "remove_observer"),
    "on": ("off", "un", "remove_listener", "removeListener", "remove"),
    "once": ("off", "remove_listener", "removeListener"),
    "patch": ("unpatch", "restore"),
    "plug": ("unplug",),
    "provide": ("withdraw", "unprovide"),
    "publish": ("unpublish",),
    "push": ("remove",),
    "put": ("remove", "delete"),
    "register": ("unregister", "deregister", "remove", "unsubscribe"),
    "route": ("unroute", "remove_route"),
    "schedule": ("unschedule", "cancel"),
    "set": ("unset", "delete", "remove"),
    "sub": ("unsub",),
    "subscribe": ("unsubscribe",),
    "track": ("untrack",),
    "use": ("unuse", "eject"),
    "watch": ("unwatch",),
    "weave": ("unweave",),
    "wire": ("unwire",),
}
"""Verbs and what undoes them. A name may continue: `add_listener` is undone by `remove_listener`, `addObserver` by
`removeObserver`, `trace_add` by `trace_remove`."""

KEYS = frozenset(
    {
        "fd",
        "fileobj",
        "handle",
        "handler_id",
        "id",
        "ident",
        "identifier",
        "index",
        "key",
        "name",
        "number",
        "sid",
        "token",
        "uid",
    }
)
"""Parameters that take what stands for the object, such as the number that the registration returned."""

TOPICS = frozenset(
    {"channel", "event", "event_name", "event_type", "kind", "signal", "subject", "topic", "type"}
)
"""Parameters that take the key under which the object is listed with others."""


class Undo(NamedTuple):
    """A call that is undone by a call of another form."""

    method: str
    """The method that registers."""
    undo: str
    """The call that undoes it: `{0}` is the first argument, `{self}` the receiver, `TEST(x)` recognises the target's
    object."""
    type: str
    """The receiver's class, or the module of the function, as the documentation names it."""
    link: str
    """Where it is documented."""
    is_exact: bool = False
    """Whether the receiver must be of this class; else the same library will do."""


class End(NamedTuple):
    """A method without arguments by which an object of a library takes itself out of the library's tables."""

    type: str
    method: str
    link: str


_TWISTED = "https://docs.twisted.org/en/stable/api"
ENDED_BY = (
    End("twisted.internet.task.LoopingCall", "stop", f"{_TWISTED}/twisted.internet.task.LoopingCall.html"),
    End("twisted.internet.base.DelayedCall", "cancel", f"{_TWISTED}/twisted.internet.base.DelayedCall.html"),
    End("twisted.internet.tcp.Port", "stopListening", f"{_TWISTED}/twisted.internet.tcp.Port.html"),
    End("twisted.internet.udp.Port", "stopListening", f"{_TWISTED}/twisted.internet.udp.Port.html"),
    End(
        "apscheduler.job.Job",
        "remove",
        "https://apscheduler.readthedocs.io/en/3.x/modules/job.html#apscheduler.job.Job.remove",
    ),
    End(
        "gevent._gevent_cgreenlet.Greenlet",
        "kill",
        "https://www.gevent.org/api/gevent.greenlet.html#gevent.Greenlet.kill",
    ),
)
"""What a class of a library offers, where its object stands on the way from a table to the target's function."""

ENDS = (
    "cancel",
    "stop",
    "dispose",
    "unsubscribe",
    "disconnect",
    "unregister",
    "remove",
    "detach",
    "close",
    "off",
)
"""Methods without an argument by which a subscription, timer or handle ends itself, the likeliest first."""

QUEUES = frozenset({"queue.Queue", "queue.LifoQueue", "_queue.SimpleQueue"})
"""Queues through which a thread may be told to end."""
STOPS = (
    "stop",
    "shutdown",
    "cancel",
    "request_stop",
    "terminate",
    "quit",
    "close",
    "end",
    "finish",
    "exit",
)
"""Methods without an argument that ask a thread or its owner to end, the likeliest first."""

UNDOS = (
    *(
        Undo(
            "add_view",
            "{0}.stop()",
            f"{library}.ui.view.ViewStore",
            "https://discordpy.readthedocs.io/en/stable/interactions/api.html#discord.ui.View.stop",
        )
        for library in ("discord", "disnake")
    ),
    Undo(
        "connect",
        "{self}.disconnect({0})",  # with a sender it would leave the receiver in its table
        "blinker.base.Signal",
        "https://blinker.readthedocs.io/en/stable/#blinker.Signal.disconnect",
    ),
    *(
        Undo(
            method,
            "for item in [item for item in {self}.get_jobs() if TEST(item.func)]: item.remove()",
            "apscheduler.schedulers.base.BaseScheduler",
            "https://apscheduler.readthedocs.io/en/3.x/userguide.html#removing-jobs",
            is_exact=True,
        )
        for method in ("add_job", "scheduled_job")
    ),
    *(
        Undo(
            method,
            "for item in [item for item in {self}.queue if TEST(item.action)]: {self}.cancel(item)",
            "sched.scheduler",
            "https://docs.python.org/3/library/sched.html#sched.scheduler.cancel",
        )
        for method in ("enter", "enterabs")
    ),
    Undo(
        "callLater",
        "for item in [item for item in {self}.getDelayedCalls() if TEST(item.func)]: item.cancel()",
        "twisted.internet.base.ReactorBase",
        "https://docs.twisted.org/en/stable/api/twisted.internet.interfaces.IReactorTime.html",
        is_exact=True,
    ),
    Undo(
        "addSystemEventTrigger",
        "{self}.removeSystemEventTrigger(({1}, ({0}, {2}, (), {{}})))",
        "twisted.internet.base.ReactorBase",
        "https://docs.twisted.org/en/stable/api/twisted.internet.interfaces.IReactorCore.html",
    ),
    Undo(
        "create_function",
        "{self}.create_function({0}, {1}, None)",
        "sqlite3.Connection",
        "https://docs.python.org/3/library/sqlite3.html#sqlite3.Connection.create_function",
    ),
    Undo(
        "create_aggregate",
        "{self}.create_aggregate({0}, {1}, None)",
        "sqlite3.Connection",
        "https://docs.python.org/3/library/sqlite3.html#sqlite3.Connection.create_aggregate",
    ),
    Undo(
        "create_window_function",
        "{self}.create_window_function({0}, {1}, None)",
        "sqlite3.Connection",
        "https://docs.python.org/3/library/sqlite3.html#sqlite3.Connection.create_window_function",
    ),
    Undo(
        "create_collation",
        "{self}.create_collation({0}, None)",
        "sqlite3.Connection",
        "https://docs.python.org/3/library/sqlite3.html#sqlite3.Connection.create_collation",
    ),
    Undo(
        "set_authorizer",
        "{self}.set_authorizer(None)"
        if sys.version_info >= (3, 11)
        # There, None is called as an authorizer. A function without the target's globals permits what it is asked.
        else "{self}.set_authorizer(eval('lambda *_: 0', {{}}))",
        "sqlite3.Connection",
        "https://docs.python.org/3/library/sqlite3.html#sqlite3.Connection.set_authorizer",
    ),
    Undo(
        "set_trace_callback",
        "{self}.set_trace_callback(None)",
        "sqlite3.Connection",
        "https://docs.python.org/3/library/sqlite3.html#sqlite3.Connection.set_trace_callback",
    ),
    Undo(
        "set_progress_handler",
        "{self}.set_progress_handler(None, 0)",
        "sqlite3.Connection",
        "https://docs.python.org/3/library/sqlite3.html#sqlite3.Connection.set_progress_handler",
    ),
    Undo(
        "set_completer",
        "{self}.set_completer(None)",
        "readline",
        "https://docs.python.org/3/library/readline.html#readline.set_completer",
    ),
    Undo(
        "connect",
        "{self}.disconnect({0})",
        "PySide6.QtCore.SignalInstance",
        "https://doc.qt.io/qtforpython-6/PySide6/QtCore/Signal.html",
    ),
)
"""What a class written in C, or one whose methods do not tell, needs."""


class Host(NamedTuple):
    """A program that reloads modules, and the hook that it calls before it drops one."""

    module: str
    hook: str
    """Where the cure goes, as the end of a sentence."""
    link: str


HOSTS = (
    Host(
        "discord.ext.commands",
        "teardown(bot) of the extension, or, where it says self, into cog_unload() of the cog; discord.py calls both",
        "https://discordpy.readthedocs.io/en/stable/ext/commands/extensions.html",
    ),
    Host(
        "homeassistant",
        "async_unload_entry(hass, entry), which Home Assistant calls",
        "https://developers.home-assistant.io/docs/config_entries_index/",
    ),
    Host(
        "bpy",
        "unregister(), which Blender calls",
        "https://docs.blender.org/manual/en/latest/advanced/scripting/addon_tutorial.html",
    ),
    Host(
        "qgis",
        "unload() of the plugin, which QGIS calls",
        "https://docs.qgis.org/latest/en/docs/pyqgis_developer_cookbook/plugins/plugins.html",
    ),
    Host(
        "sublime_plugin",
        "plugin_unloaded(), which Sublime Text calls",
        "https://www.sublimetext.com/docs/api_reference.html",
    ),
    Host(
        "errbot",
        "deactivate() of the plugin, which Errbot calls",
        "https://errbot.readthedocs.io/en/latest/user_guide/plugin_development/basics.html",
    ),
    Host("sopel", "shutdown(bot), which Sopel calls", "https://sopel.chat/docs/package/plugin.html"),
    Host(
        "IPython",
        "unload_ipython_extension(ipython), which IPython calls",
        "https://ipython.readthedocs.io/en/stable/config/extensions/index.html",
    ),
)
"""Hosts with a hook of their own, by a module that only their plugins import."""


def undoing(method: str) -> list[str]:
    """Names of methods that may undo a method, the likeliest first."""
    out = list(PAIRS.get(method, ()))
    for verb, opposites in PAIRS.items():
        for opposite in opposites:
            if method.startswith(f"{verb}_"):
                out.append(f"{opposite}_{method.removeprefix(f'{verb}_')}")
            elif method.endswith(f"_{verb}"):
                out.append(f"{method.removesuffix(f'_{verb}')}_{opposite}")
            elif method.startswith(verb) and method[len(verb) : len(verb) + 1].isupper():
                out.append(opposite + method.removeprefix(verb))
    if method.startswith(("add_", "register_", "create_")):
        rest = method.partition("_")[2]
        out += [
            f"{verb}_{rest}" for verb in ("remove", "unregister", "deregister", "delete", "del", "discard")
        ]
    return list(dict.fromkeys(out))

"""Let the event loops of this thread turn once before the process is judged, as they would in the program.

Some objects end only in the next turn of a loop: Qt deletes the proxy of a disconnected slot, Twisted makes a call that
`callLater(0)` postponed, gevent ends a killed greenlet, tkinter makes its idle calls. A check in the thread of the loop
keeps the loop from turning. This module starts no loop that the program did not start, and imports no library. A loop
in another thread turns by itself.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

_main = threading.main_thread
_current = threading.current_thread


def give() -> None:
    """Let each loop of this thread that is loaded and started turn once; ignore what its callbacks raise."""
    for module, turn in _TURNS:
        library = sys.modules.get(module)
        if library is not None:
            # A library that another thread is still importing lacks names.
            with suppress(Exception):
                turn(vars(library))


def _turn_qt(core: dict[str, Any]) -> None:
    """Send deferred deletes only: other events may run any code of the program."""
    application = core["QCoreApplication"]
    instance = application.instance()
    if instance is None or instance.thread() != core["QThread"].currentThread():
        return
    event = core["QEvent"]
    kind = vars(event).get("DeferredDelete")  # a member of `QEvent.Type` in PyQt6 and PySide6
    application.sendPostedEvents(None, event.Type.DeferredDelete if kind is None else kind)


def _turn_twisted(internet: dict[str, Any]) -> None:
    reactor = internet.get("reactor")
    threadable = sys.modules.get("twisted.python.threadable")
    if reactor is None or threadable is None or not reactor.running:
        return
    if vars(threadable)["isInIOThread"]():
        reactor.runUntilCurrent()


def _turn_gevent(local: dict[str, Any]) -> None:
    hub = local["get_hub_if_exists"]()
    # A hub is true once it was started. Code in the hub's own greenlet must not wait for it.
    if hub and vars(sys.modules["greenlet"])["getcurrent"]() is not hub:
        vars(sys.modules["gevent"])["sleep"](0)


def _turn_tkinter(tkinter: dict[str, Any]) -> None:
    """Run idle callbacks only. A root belongs to the thread that created it, nearly always the main thread."""
    root = tkinter.get("_default_root")
    if root is not None and _current() is _main():
        root.update_idletasks()


_TURNS: tuple[tuple[str, Callable[[dict[str, Any]], None]], ...] = (
    *((f"{binding}.QtCore", _turn_qt) for binding in ("PyQt5", "PyQt6", "PySide2", "PySide6")),
    ("twisted.internet", _turn_twisted),
    ("gevent._hub_local", _turn_gevent),
    ("tkinter", _turn_tkinter),
)

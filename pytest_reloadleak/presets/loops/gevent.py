"""Check modules that start greenlets: the hub turns after each load and unload, as it does in a server."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from pytest_reloadleak.presets.preset import Hosted, Preset
from pytest_reloadleak.presets.source import Source


class Greenlets(Hosted):
    """A module with greenlets, and the hub of this thread."""

    def __init__(self) -> None:
        super().__init__()
        self._gevent: Any = importlib.import_module("gevent")
        self.turn()

    def load(self, module: Any) -> None:
        """Let what the module spawned begin."""
        del module
        self.turn()

    def turn(self) -> None:
        """Let the hub turn: what is ready runs, and what was killed ends."""
        self._gevent.sleep(0)


class Gevent(Preset):
    """The preset `gevent`."""

    name = "gevent"
    modules = ("gevent",)
    hook = "__reload_dispose__(data): gevent calls no hook when it drops a module"

    def fits(self, source: Source) -> bool:
        """Whether it spawns a greenlet, or starts a server or a timer of the hub."""
        return source.imports("gevent") and source.calls(
            "spawn", "spawn_later", "spawn_raw", "start", "start_later", "serve_forever", "Greenlet"
        )

    def open(self, target: str, source: Source, options: Mapping[str, object]) -> Greenlets:
        """Start the hub before the check begins."""
        del target, source, options
        return Greenlets()

"""Check modules that a marimo notebook imports: marimo's autoreload executes them again, and the notebook is run."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any

from pytest_reloadleak.presets.preset import Hosted, Preset
from pytest_reloadleak.presets.source import Source


class Imported(Hosted):
    """A module, marimo's reloader of modules, and the notebook that uses the module.

    Args:
        name: the module.
        app: the notebook; `None` for none.
    """

    def __init__(self, name: str, app: object) -> None:
        super().__init__()
        self._name = name
        autoreload: Any = importlib.import_module("marimo._runtime.reload.autoreload")
        self.host["reloader"] = autoreload.ModuleReloader()
        if app is not None:
            self.host["app"] = app

    def reload(self) -> None:
        """Let marimo reload the module, as if its file were new; the first time import it. Then run the notebook."""
        reloader: Any = self.host["reloader"]
        module = sys.modules.get(self._name)
        if module is None:
            importlib.import_module(self._name)
        else:
            reloader.modules_mtimes[self._name] = 0.0
            reloader.check({self._name: module}, reload=True)
            if reloader.failed:  # marimo only logs it
                reloader.failed.clear()
                importlib.reload(module)
        app: Any = self.host.get("app")
        if app is not None:
            app.run()


class Marimo(Preset):
    """The preset `marimo`; no source looks like it, since any module may be edited while a notebook uses it."""

    name = "marimo"
    modules = ("marimo",)
    takes = ("app",)
    is_given = False
    reloads = True
    hook = "a cell that you run before the next edit: marimo's autoreload calls no hook"

    def open(self, target: str, source: Source, options: Mapping[str, object]) -> Imported:
        """Make marimo's reloader, and take the test's notebook."""
        del source
        return Imported(target, options.get("app"))

"""Check scripts of Panel: each session executes the script as a module of its own, and ends."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any

from pytest_reloadleak.errors import UsageError
from pytest_reloadleak.presets.preset import Hosted, Preset
from pytest_reloadleak.presets.source import Source, file_of
from pytest_reloadleak.strategies.imports.unload import unload


class Session(Hosted):
    """A script, and the document of its present session; `panel serve --autoreload` begins a new one after a change."""

    def __init__(self, file: str) -> None:
        super().__init__()
        self._application: Any = importlib.import_module(
            "panel.io.application"
        ).build_single_handler_application(file)
        self._document: Any = None
        self.names = ("bokeh_app_*",)

    def reload(self) -> None:
        """Begin a session: the application executes the script."""
        self._document = self._application.create_document()
        handlers = [handler for handler in self._application.handlers if handler.failed]
        if handlers:
            raise RuntimeError(f"{handlers[0].error}\n{handlers[0].error_detail}")

    def unload(self, module: Any) -> None:
        """End the session: its `on_session_destroyed` functions run, and the document drops its module."""
        del module
        document, self._document = self._document, None
        if document is not None:
            for callback in list(document.session_destroyed_callbacks):
                callback(document.session_context)
            # Not `document.destroy`, which also empties the module, so that what is still held could not be told.
            unload([name for name in sys.modules if name.startswith("bokeh_app_")])


class Panel(Preset):
    """The preset `Panel`."""

    name = "Panel"
    modules = ("panel",)
    reloads = True
    hook = (
        "a function that is given to pn.state.on_session_destroyed(), which Panel calls when the session ends"
    )

    def fits(self, source: Source) -> bool:
        """Whether it imports Panel and marks something as servable."""
        return source.imports("panel") and source.calls("servable")

    def open(self, target: str, source: Source, options: Mapping[str, object]) -> Session:
        """Make the application that a server would make of the script."""
        del source, options
        file = file_of(target)
        if file is None:
            raise UsageError(f"preset 'Panel': {target} has no file; name the module of a script")
        return Session(str(file))

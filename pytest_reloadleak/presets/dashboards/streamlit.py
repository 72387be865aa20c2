"""Check modules of Streamlit: a session runs a script with each generation, and keeps its state between the runs."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from pytest_reloadleak.presets.preset import Hosted, Preset
from pytest_reloadleak.presets.source import Source

_SCRIPT = """
import {target} as module

for name in {names!r}:
    if hasattr(module, name):
        getattr(module, name)()
        break
"""
_NAMES = ("main", "app", "page", "render", "run")


_CACHED = (
    "clear the cache of the function in __reload_dispose__(data): FUNCTION.clear(); the next version of the function "
    "gets objects of the old one as long as its own source is the same"
)
_KEPT = (
    "keep plain data in st.session_state, or delete the key: del st.session_state[KEY]; the session keeps objects of "
    "old versions of the module"
)


class Session(Hosted):
    """A module, and a session that runs a script which uses it."""

    def __init__(self, target: str, script: object) -> None:
        super().__init__()
        testing: Any = importlib.import_module("streamlit.testing.v1").AppTest
        if isinstance(script, str):
            self.host["app"] = testing.from_file(script)
        else:
            self.host["app"] = testing.from_string(_SCRIPT.format(target=target, names=_NAMES))

    def load(self, module: Any) -> None:
        """Run the script, as Streamlit does when a module has changed and it has dropped it."""
        del module
        app: Any = self.host["app"]
        app.run()
        if app.exception:
            raise RuntimeError(app.exception[0].message)


class Streamlit(Preset):
    """The preset `Streamlit`."""

    name = "Streamlit"
    modules = ("streamlit",)
    takes = ("script",)
    is_given = False
    hook = "__reload_dispose__(data): Streamlit calls no hook when it drops a module"
    undone = (
        ("*streamlit.runtime.caching*", _CACHED),
        ("app._session_state*", _KEPT),
    )

    def fits(self, source: Source) -> bool:
        """Whether it imports Streamlit."""
        return source.imports("streamlit")

    def open(self, target: str, source: Source, options: Mapping[str, object]) -> Session:
        """Make a session by Streamlit's own test tools."""
        del source
        return Session(target, options.get("script"))

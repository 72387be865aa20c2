"""Plugins of a pluggy host: reloads that work, and one that the host refuses."""

from __future__ import annotations

import importlib
import sys

import pluggy
import pytest

from pytest_reloadleak import ReloadLeakError

PLUGIN = """
import pluggy
spec = pluggy.HookspecMarker("host")
impl = pluggy.HookimplMarker("host")
"""
SPEC = """
@spec
def greet(name): ...
"""
IMPL = """
@impl
def greet(name):
    return "hello " + name
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Makes a module `plugin` with the given source importable, for this test."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(source):
        (tmp_path / "plugin.py").write_text(PLUGIN + source)
        importlib.invalidate_caches()
        return importlib.import_module("plugin")

    yield make
    sys.modules.pop("plugin", None)


class Host:
    """Loads and reloads one plugin."""

    def __init__(self, *, with_specs):
        self.manager = pluggy.PluginManager("host")
        self.with_specs = with_specs

    def load(self):
        """Register the plugin, with its hook specifications if it brings them."""
        plugin = importlib.import_module("plugin")
        if self.with_specs:
            self.manager.add_hookspecs(plugin)
        self.manager.register(plugin, "plugin")

    def reload(self):
        """Unregister the plugin, drop it, and load it again."""
        self.manager.unregister(name="plugin")
        del sys.modules["plugin"]
        self.load()


def test_a_hook_implementation_is_clean(plugin, reload_leaks):
    """A plugin that only implements hooks is free of its host once it is unregistered."""
    plugin(IMPL)
    host = Host(with_specs=False)
    host.load()

    assert reload_leaks.check("plugin", reload=host.reload).outcome == "clean"
    assert host.manager.hook.greet(name="you") == ["hello you"]


def test_a_refused_hook_specification_is_an_error(plugin, reload_leaks):
    """The host still has the hook of the unregistered plugin and refuses the next one: an error that tells, no pass.

    The original module is back, and the host is left as its own refusal left it.
    """
    original = plugin(SPEC)
    host = Host(with_specs=True)
    host.load()

    with pytest.raises(ReloadLeakError) as caught:
        reload_leaks.check("plugin", reload=host.reload)

    report = caught.value.report
    assert report.outcome == "error"
    assert "ValueError: Hook 'greet' is already registered within namespace" in report.error
    assert "the reload raised" in report.error
    assert report.error in str(caught.value)
    assert sys.modules["plugin"] is original

"""The same plugins without a preset: what a test had to know of the host, and that it finds the same leak."""

from __future__ import annotations

import importlib
import sys

import pytest
from test_presets import PROGRAMS
from twins import PLUGIN

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
"""Some hosts use what the standard library will drop."""


@pytest.fixture
def leaking(request, tmp_path, monkeypatch):
    """Write the leaking twin of the key that a test is marked with."""
    twins = PROGRAMS[request.param]
    pytest.importorskip(twins.needs, reason=f"{twins.needs} is not installed here")
    monkeypatch.syspath_prepend(tmp_path)
    for name, text in {"hub.py": "listeners = []\n", twins.file: twins.leaking, **twins.files}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    importlib.invalidate_caches()
    yield twins
    for name in (PLUGIN, "hub"):
        sys.modules.pop(name, None)
    twins.after()


def paths(watch):
    """The holders that a report names."""
    return [found.holder.path for found in watch.report.findings]


@pytest.mark.parametrize("leaking", ["Blender, a handler"], indirect=True)
def test_blender(leaking, reload_leaks):
    """The test calls the add-on's own functions."""
    watch = reload_leaks.watch(PLUGIN, dispose="unregister")
    with pytest.raises(AssertionError), watch:  # noqa: PT012 - the block is what a user writes
        for _ in watch.rounds(2):
            sys.modules.pop(PLUGIN, None)
            importlib.import_module(PLUGIN).register()

    assert paths(watch) == ["bpy.app.handlers.load_post[*]"]


@pytest.mark.parametrize("leaking", ["Sopel, a job"], indirect=True)
def test_sopel(leaking, reload_leaks, tmp_path):
    """The test makes the settings, the bot and the bot's handler of the plugin."""
    from sopel import config, plugins
    from sopel.tests import factories

    file = tmp_path / "sopel.cfg"
    file.write_text("[core]\nowner = me\n")
    bot = factories.BotFactory()(config.Config(str(file)))
    handler = plugins.handlers.PyModulePlugin(PLUGIN)
    handler.load()
    handler.setup(bot)
    handler.register(bot)

    report = reload_leaks.measure(PLUGIN, reload=lambda: bot.reload_plugin(PLUGIN), rounds=2)

    assert any("_jobs[*]" in found.holder.path for found in report.findings)


@pytest.mark.parametrize("leaking", ["errbot, a page"], indirect=True)
def test_errbot(leaking, reload_leaks, tmp_path):
    """The test starts the bot, and names the module as errbot does."""
    from errbot.backends.test import TestBot

    bot = TestBot(extra_plugin_dir=str(tmp_path), loglevel=40, extra_config={"CORE_PLUGINS": ("Utils",)})
    bot.start()
    try:
        manager = bot.bot.plugin_manager
        report = reload_leaks.measure(
            f"errbot.plugins.{PLUGIN}", reload=lambda: manager.reload_plugin_by_name("Lamp"), rounds=2
        )
    finally:
        bot.stop()

    assert any(found.holder.path.startswith(leaking.path) for found in report.findings)


@pytest.mark.parametrize("leaking", ["Limnoria, a flusher"], indirect=True)
def test_limnoria(leaking, reload_leaks, tmp_path):
    """The test does the steps of the command `reload`."""
    from pytest_reloadleak.presets.bots.limnoria import _connection

    irc = _connection()
    from supybot import conf, plugin

    conf.supybot.directories.plugins().append(str(tmp_path))

    def reload():
        for callback in irc.removeCallback(PLUGIN):
            callback.die()
        plugin.loadPluginClass(irc, plugin.loadPluginModule(PLUGIN))

    try:
        report = reload_leaks.measure(PLUGIN, reload=reload, rounds=2)
    finally:
        conf.supybot.directories.plugins().remove(str(tmp_path))
        for callback in irc.removeCallback(PLUGIN):  # all connections share one list of plugins
            callback.die()

    assert [found.holder.path for found in report.findings] == [leaking.path]


@pytest.mark.parametrize("leaking", ["stevedore, a list"], indirect=True)
def test_stevedore(leaking, reload_leaks, tmp_path):
    """The test makes a manager in each round."""
    from stevedore import ExtensionManager

    watch = reload_leaks.watch(PLUGIN)
    with pytest.raises(AssertionError), watch:  # noqa: PT012 - the block is what a user writes
        for _ in watch.rounds(2):
            sys.modules.pop(PLUGIN, None)
            ExtensionManager("shop.prices", invoke_on_load=True)

    assert paths(watch) == [leaking.path]


@pytest.mark.parametrize("leaking", ["Yapsy, a list"], indirect=True)
def test_yapsy(leaking, reload_leaks, tmp_path):
    """The test makes the manager forget the plugin."""
    from yapsy.IPlugin import IPlugin
    from yapsy.PluginManager import PluginManager

    manager = PluginManager(directories_list=[str(tmp_path)])
    name = "yapsy_loaded_plugin_Price_0"

    def reload():
        for info in manager.getAllPlugins():
            info.plugin_object.deactivate()
        sys.modules.pop(name, None)
        manager.setCategoriesFilter({"Default": IPlugin})
        manager.collectPlugins()
        manager.activatePluginByName("Price")

    report = reload_leaks.measure(name, reload=reload, rounds=2)

    assert leaking.path in [found.holder.path for found in report.findings]


@pytest.mark.parametrize("leaking", ["Panel, a list"], indirect=True)
def test_panel(leaking, reload_leaks, tmp_path):
    """The test makes the application of a server, and begins and ends the sessions."""
    from panel.io.application import build_single_handler_application

    application = build_single_handler_application(str(tmp_path / f"{PLUGIN}.py"))

    def reload():
        for name in [name for name in sys.modules if name.startswith("bokeh_app_")]:
            del sys.modules[name]
        application.create_document()

    report = reload_leaks.measure("bokeh_app_*", reload=reload, rounds=2)

    assert leaking.path in [found.holder.path for found in report.findings if found.holder is not None]


@pytest.mark.parametrize("leaking", ["Streamlit, a session"], indirect=True)
def test_streamlit(leaking, reload_leaks):
    """The test runs a script that uses the module."""
    from streamlit.testing.v1 import AppTest

    app = AppTest.from_string(f"import {PLUGIN}\n{PLUGIN}.main()")
    watch = reload_leaks.watch(PLUGIN)
    with pytest.raises(AssertionError), watch:  # noqa: PT012 - the block is what a user writes
        for _ in watch.rounds(2):
            sys.modules.pop(PLUGIN, None)
            app.run()

    assert any("['lamps'][*]" in path for path in paths(watch))


CACHED = """
import streamlit as st

class Lamp:
    pass

@st.cache_resource
def lamp():
    return Lamp()

def main():
    st.write(type(lamp()).__name__)

def __reload_dispose__(data):
    {undo}
"""


@pytest.mark.parametrize(("undo", "holders"), [("pass", 1), ("lamp.clear()", 0)])
def test_a_cached_object_of_streamlit_is_of_the_old_version(
    undo, holders, tmp_path, monkeypatch, reload_leaks
):
    """The cache goes by the source of the function, not by what it returns."""
    pytest.importorskip("streamlit", reason="streamlit is not installed here")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / f"{PLUGIN}.py").write_text(CACHED.replace("{undo}", undo))
    importlib.invalidate_caches()
    try:
        report = reload_leaks.measure(PLUGIN, preset="Streamlit", rounds=2)
    finally:
        sys.modules.pop(PLUGIN, None)

    assert report.error is None
    assert len(report.findings) == holders
    for found in report.findings:
        assert found.growth == "bounded"
        assert found.holder.path.startswith("streamlit.runtime.caching")
        assert "FUNCTION.clear()" in found.advice


@pytest.mark.parametrize("leaking", ["Django, an admin"], indirect=True)
@pytest.mark.filterwarnings("ignore:Model 'plug:RuntimeWarning")
def test_django(leaking, reload_leaks):
    """The test sets Django up, and clears what Django derived from the URLs and models of the last generation."""
    import django
    from django.apps import apps
    from django.conf import settings
    from django.urls import clear_url_caches

    if not settings.configured:
        contrib = ["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.admin"]
        settings.configure(INSTALLED_APPS=contrib)
    django.setup()

    def forget():
        clear_url_caches()
        apps.clear_cache()

    report = reload_leaks.measure(PLUGIN, dispose=forget, rounds=2)

    assert any(found.holder.path.startswith(leaking.path) for found in report.findings)


@pytest.mark.parametrize("leaking", ["IPython, an event"], indirect=True)
def test_ipython(leaking, reload_leaks):
    """The test makes a shell, loads the extension, and says how it is reloaded. The holder is found elsewhere."""
    from IPython.core.interactiveshell import InteractiveShell

    manager = InteractiveShell().extension_manager
    manager.load_extension(PLUGIN)

    report = reload_leaks.measure(PLUGIN, reload=lambda: manager.reload_extension(PLUGIN), rounds=2)

    assert any(found.holder.path.endswith("['post_run_cell'][*]") for found in report.findings)


@pytest.mark.parametrize("leaking", ["IPython, a script"], indirect=True)
def test_a_script_of_ipython(leaking, reload_leaks, tmp_path):
    """The test has to know where IPython keeps the script's module."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    file = str(tmp_path / leaking.file)

    def reload():
        shell.run_line_magic("run", file)
        sys.modules[PLUGIN] = shell._main_mod_cache[file]

    report = reload_leaks.measure(PLUGIN, reload=reload, rounds=2)

    assert [found.holder.path for found in report.findings] == ["hub.listeners[*]"]


@pytest.mark.parametrize("leaking", ["APScheduler, a job"], indirect=True)
def test_apscheduler(leaking, reload_leaks):
    """The test makes the scheduler, and calls the module's functions in each round."""
    from apscheduler.schedulers.background import BackgroundScheduler

    scheduler = BackgroundScheduler()
    scheduler.start(paused=True)
    watch = reload_leaks.watch(PLUGIN)
    with pytest.raises(AssertionError), watch:  # noqa: PT012 - the block is what a user writes
        for _ in watch.rounds(2):
            sys.modules.pop(PLUGIN, None)
            importlib.import_module(PLUGIN).setup(scheduler)
    scheduler.shutdown()

    assert {found.held.name for found in watch.report.findings} == {f"{PLUGIN}.tick"}


@pytest.mark.parametrize("leaking", ["Twisted, a looping call"], indirect=True)
def test_twisted(leaking, reload_leaks):
    """The test starts and stops the service, and turns the reactor."""
    from twisted.internet import reactor

    def start():
        sys.modules.pop(PLUGIN, None)
        importlib.import_module(PLUGIN).service.startService()
        reactor.iterate(0)

    report = reload_leaks.measure(PLUGIN, reload=start, rounds=2)

    assert any(found.holder.path.startswith(leaking.path) for found in report.findings)


@pytest.mark.parametrize("leaking", ["gevent, a greenlet"], indirect=True)
def test_gevent(leaking, reload_leaks):
    """The test lets the hub turn in each round, or no greenlet has begun."""
    import gevent

    watch = reload_leaks.watch(PLUGIN)
    with pytest.raises(AssertionError), watch:  # noqa: PT012 - the block is what a user writes
        for _ in watch.rounds(2):
            sys.modules.pop(PLUGIN, None)
            importlib.import_module(PLUGIN)
            gevent.sleep(0)

    assert any(path.startswith(leaking.path) for path in paths(watch))


@pytest.mark.parametrize("leaking", ["Celery, a shared task"], indirect=True)
@pytest.mark.filterwarnings("ignore:Task name 'plug")
def test_celery(leaking, reload_leaks):
    """The test finishes the application, as a worker does, or no task has its entry."""
    import celery

    def load():
        sys.modules.pop(PLUGIN, None)
        importlib.import_module(PLUGIN)
        celery.current_app.finalize()

    report = reload_leaks.measure(PLUGIN, reload=load, rounds=2)

    assert any(found.holder.path.startswith(leaking.path) for found in report.findings)

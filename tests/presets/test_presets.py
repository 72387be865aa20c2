"""Presets: which one a name or a source stands for, and that a check reloads, loads and unloads as the host does."""

import importlib
import sys
import textwrap

import pytest
from cases.run import BESIDES_GROWTH

from pytest_reloadleak import Hosted, Known, Preset, UsageError
from pytest_reloadleak.presets import catalogue
from pytest_reloadleak.presets.source import Source

COG = "from discord.ext import commands\nasync def setup(bot): ..."
FLASK = "from flask import Flask\napp = Flask(__name__)"
BLUEPRINT = "import flask as f\npages = f.Blueprint('pages', __name__)"
FASTAPI = "import fastapi\nrouter = fastapi.APIRouter()"
INTEGRATION = "from homeassistant.core import x\nasync def async_setup_entry(hass, entry): ..."
PLUGGY = "from pluggy import HookimplMarker\nimpl = HookimplMarker('shop')"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (COG, "discord.py"),
        ("import disnake\ndef setup(bot): ...", "discord.py"),
        ("async def setup(bot): ...", "discord.py"),
        ("import discord\ndef helper(): ...", None),
        ("def setup(app): ...", None),
        (FLASK, "Flask"),
        (BLUEPRINT, "Flask"),
        ("import flask\ndef create_app(): ...", "Flask"),
        ("import flask\ndef helper(): ...", None),
        ("def create_app(): ...", None),
        (FASTAPI, "FastAPI"),
        ("from starlette.applications import Starlette\napp = Starlette()", "FastAPI"),
        (PLUGGY, "pluggy"),
        ("from sopel import plugin\ndef setup(bot): ...", "Sopel"),
        ("import sopel.plugin as p\n@p.command('x')\ndef lamp(bot, trigger): ...", "Sopel"),
        ("from errbot import BotPlugin\nclass Lamp(BotPlugin): ...", "errbot"),
        ("import errbot\nclass Lamp(errbot.BotPlugin): ...", "errbot"),
        ("import errbot\nclass Lamp: ...", None),
        ("import bpy\ndef register(): ...\ndef unregister(): ...", "Blender"),
        ("def register(): ...\ndef unregister(): ...", None),
        ("from . import config, plugin\nimport supybot\nClass = plugin.Class", "Limnoria"),
        ("from supybot import callbacks\nclass Lamp(callbacks.Plugin): ...", "Limnoria"),
        ("import supybot", None),
        ("from yapsy.IPlugin import IPlugin\nclass Price(IPlugin): ...", "Yapsy"),
        ("from stevedore import ExtensionManager", None),
        ("import streamlit as st", "Streamlit"),
        ("import panel as pn\npn.Column().servable()", "Panel"),
        ("import panel as pn", None),
        (INTEGRATION, "Home Assistant"),
        ("def async_setup_entry(hass, entry): ...", None),
        ("import pluggy", None),
        ("from django.urls import path\nurlpatterns = []", "Django"),
        ("from django import template\nregister = template.Library()", "Django"),
        ("from django.contrib import admin\nclass A(admin.ModelAdmin): ...", "Django"),
        ("from django.dispatch import receiver\n@receiver(saved)\ndef on_save(): ...", "Django"),
        ("import django\ndef helper(): ...", None),
        ("urlpatterns = []", None),
        ("def load_ipython_extension(shell): ...", "IPython"),
        ("import IPython", None),
        ("def setup(scheduler): ...", "APScheduler"),
        ("from celery import shared_task\n@shared_task\ndef add(): ...", "Celery"),
        ("from celery import Celery\napp = Celery('x')", "Celery"),
        ("from myapp.queue import app\n@app.task\ndef add(): ...", "Celery"),
        ("import celery", None),
        ("from twisted.internet import reactor", "Twisted"),
        ("from twisted.application import service\ndef makeService(options): ...", "Twisted"),
        ("from twisted.python import usage", None),
        ("import gevent\nworker = gevent.spawn(print)", "gevent"),
        ("import gevent", None),
        ("from .flask import Flask\napp = Flask()", None),
        ("def broken(", None),
        ("\0", None),
    ],
)
def test_a_source_shows_its_host(source, expected, monkeypatch):
    """Only a module that imports the host and has what the host looks for is taken for its plugin."""
    monkeypatch.setattr(catalogue, "_is_installed", lambda _: True)

    found = catalogue.fitting(Source(source))

    assert (found.name if found is not None else None) == expected


def test_a_host_that_is_not_installed_is_not_found(monkeypatch):
    """Nothing is imported to find out."""
    monkeypatch.setattr(catalogue.targets, "find", lambda _: None)

    assert catalogue.fitting(Source(COG)) is None
    with pytest.raises(UsageError, match=r"^preset 'Flask' needs flask, which is not installed$"):
        catalogue.chosen("flask", "app")


@pytest.mark.parametrize("name", ["discord.py", "Discord", "py-cord", "disnake", "DISNAKE"])
def test_forks_are_the_same_preset(name):
    """A fork with the same API has the same preset, in any spelling of its name."""
    found = catalogue.named(name)

    assert found is not None
    assert found.name == "discord.py"


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("discrod.py", "did you mean 'discord.py'? "),
        ("Falsk", "did you mean 'Flask'? "),
        ("xyzzy", ""),
        (7, ""),
    ],
)
def test_an_unknown_name_is_refused(given, hint):
    """With the name that was meant, and all names."""
    with pytest.raises(UsageError) as caught:
        catalogue.named(given)

    assert str(caught.value) == (
        f"unknown preset {given!r}: {hint}use one of {', '.join(one.name for one in catalogue.BUILTIN)}, or auto"
    )


LEAKY = """
    def on_event(): ...
    def start(bus):
        bus.append(on_event)
    def stop(bus):
        {undo}
"""
CURED = "bus.remove(on_event)"


class Bus(Hosted):
    """A host whose plugins have `start` and `stop`."""

    def __init__(self, bus):
        super().__init__()
        self.host["bus"] = bus

    def load(self, module):
        module.start(self.host["bus"])

    def unload(self, module):
        module.stop(self.host["bus"])


class AsyncBus(Bus):
    """The same with coroutines."""

    async def load(self, module):
        super().load(module)

    async def unload(self, module):
        super().unload(module)


class Reloader(Bus):
    """A host that imports its plugins itself."""

    async def reload(self):
        sys.modules.pop("app", None)
        importlib.import_module("app").start(self.host["bus"])


class Busy(Preset):
    """The preset of these hosts."""

    name = "busy"

    def __init__(self, kind=Bus):
        self.kind = kind
        self.reloads = kind is Reloader

    def fits(self, source):
        return source.takes("start", "bus")

    def open(self, target, source, options):  # noqa: ARG002 - as hosts define it
        return self.kind(options.get("bus", []))


@pytest.fixture
def app(tmp_path, monkeypatch):
    """Write the plugin `app`."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(source):
        (tmp_path / "app.py").write_text(textwrap.dedent(source), encoding="utf-8")
        importlib.invalidate_caches()

    yield write
    sys.modules.pop("app", None)


def paths(report):
    """The holders that a report names."""
    return [finding.holder.path for finding in report.findings]


@pytest.mark.parametrize("kind", [Bus, AsyncBus, Reloader])
@pytest.mark.parametrize(("undo", "expected"), [("pass", ["bus[*]"]), (CURED, [])])
def test_a_plugin_is_checked_as_its_host_reloads_it(app, reload_leaks, kind, undo, expected):
    """The host's own object is named as holder, and a plugin whose own hook undoes all is clean."""
    app(LEAKY.format(undo=undo))

    report = reload_leaks.measure("app", preset=Busy(kind), rounds=2, probes=BESIDES_GROWTH)

    assert (report.error, paths(report)) == (None, expected)
    assert "checked as a plugin of busy" in report.notes
    assert report.strategy == ("callable" if kind is Reloader else "reimport")


def test_what_the_first_load_imports_is_a_holder_and_no_leak(app, tmp_path, reload_leaks):
    """The host loads the plugin in the first round, so each module that the plugin imports is new then."""
    for name in ("hub", "wheel", "spoke"):
        (tmp_path / f"{name}.py").write_text("listeners = []")
    app("""
        import sys, hub
        count = sys.__dict__.setdefault("_app_loads", [])
        __import__(["hub", "wheel", "spoke", "hub", "hub", "hub"][min(len(count), 5)])
        count.append(1)
        def on_event(): ...
        def start(bus):
            hub.listeners.append(on_event)
    """)
    try:
        report = reload_leaks.measure("app", preset=Busy(Reloader), rounds=3, probes=BESIDES_GROWTH)
    finally:
        del sys._app_loads
        for name in ("hub", "wheel", "spoke"):
            sys.modules.pop(name, None)

    assert [(found.kind, found.holder.path) for found in report.findings] == [
        ("retained-generation", "hub.listeners[*]")
    ]


@pytest.mark.asyncio
@pytest.mark.parametrize(("undo", "expected"), [("pass", ["bus[*]"]), (CURED, [])])
async def test_a_host_on_the_running_loop(app, reload_leaks, undo, expected):
    """Coroutines of the host run on the test's loop."""
    app(LEAKY.format(undo=undo))
    try:
        report = await reload_leaks.acheck("app", preset=Busy(AsyncBus), rounds=2, probes=BESIDES_GROWTH)
    except AssertionError as error:
        report = error.report

    assert paths(report) == expected


def test_the_tests_own_host_is_used(app, reload_leaks):
    """`host=` gives the host; a leak stays in it, and its own entries too."""
    app(LEAKY.format(undo=CURED))
    bus = ["mine"]

    assert reload_leaks.check("app", preset=Busy(), host={"bus": bus}, rounds=2).outcome == "clean"
    assert bus == ["mine"]


class Closing(Bus):
    """A host that ends with the check."""

    def close(self):
        self.host["bus"].append("closed")


class AsyncClosing(Closing):
    """The same with a coroutine."""

    async def close(self):
        super().close()


@pytest.mark.parametrize("kind", [Closing, AsyncClosing])
@pytest.mark.parametrize("start", ["bus.append(on_event)", "raise OSError"])
def test_the_host_ends_with_the_check(app, reload_leaks, kind, start):
    """Once, however the check ends."""
    app(LEAKY.format(undo="pass").replace("bus.append(on_event)", start))
    bus = []

    report = reload_leaks.measure(
        "app", preset=Busy(kind), host={"bus": bus}, rounds=2, probes=BESIDES_GROWTH
    )

    assert report.outcome == ("error" if start == "raise OSError" else "leaking")
    assert bus.count("closed") == 1
    assert bus[-1] == "closed"


@pytest.mark.asyncio
async def test_the_host_ends_on_the_running_loop(app, reload_leaks):
    """Coroutines too."""
    app(LEAKY.format(undo=CURED))
    bus = []

    await reload_leaks.acheck(
        "app", preset=Busy(AsyncClosing), host={"bus": bus}, rounds=2, probes=BESIDES_GROWTH
    )

    assert bus == ["closed"]


class Once(Busy):
    """A host that expects what is left once, and says how more is undone."""

    undone = (("bus*", "call bus.leave()"), ("*", "call nobody"))
    known = (Known(pattern="*:bus*", why="the host keeps the first plugin", is_bounded=True),)


LEFT_ONCE = """
    class Event: ...
    def start(bus):
        if {condition}:
            bus.append(Event())
    def stop(bus): ...
"""


@pytest.mark.parametrize(("condition", "outcome"), [("not bus", "known"), ("True", "leaking")])
def test_what_a_host_keeps_once_is_expected_only_once(app, reload_leaks, condition, outcome):
    """What grows is a leak, with the same holder."""
    app(LEFT_ONCE.format(condition=condition))

    report = reload_leaks.measure("app", preset=Once(), rounds=2, probes=BESIDES_GROWTH)

    assert report.outcome == outcome
    assert {finding.known for finding in report.findings} == {
        "the host keeps the first plugin" if outcome == "known" else None
    }


def test_the_host_says_how_it_is_undone(app, reload_leaks):
    """In place of a cure, which would change what is the host's own; the first pattern that fits the path counts."""
    app(LEFT_ONCE.format(condition="True"))

    (finding,) = reload_leaks.measure("app", preset=Once(), rounds=2, probes=BESIDES_GROWTH).findings

    assert (finding.cure, finding.advice) == (None, "call bus.leave()")


def test_a_host_that_refuses_the_plugin_is_an_error(app, reload_leaks):
    """What the host or the plugin raises ends the check, with the round and the host."""
    app("def start(bus): raise OSError('no such channel')")

    report = reload_leaks.measure("app", preset=Busy(), rounds=2)

    assert report.outcome == "error"
    assert report.error.startswith("the first generation: busy could not load app: OSError: no such channel")


@pytest.mark.parametrize(
    ("keywords", "text"),
    [
        ({"preset": "bussy"}, "unknown preset 'bussy': "),
        ({"preset": "auto", "reload": print}, "reload= and preset= exclude each other"),
        ({"preset": "auto", "dispose": "stop"}, "dispose= and preset= exclude each other"),
        ({"host": {"bus": []}}, "host= gives a preset its host: name the preset too"),
        ({"preset": Busy(), "host": []}, r"host must be a dict such as {'bot': bot}, not \[\]"),
    ],
)
def test_wrong_keywords(app, reload_leaks, keywords, text):
    """Each is one line that says what to do."""
    app("")
    with pytest.raises(UsageError, match=text):
        reload_leaks.check("app", **keywords)


def test_without_a_fitting_host_the_strategy_reloads(app, reload_leaks):
    """`auto` changes nothing for a module that is no plugin, and says so."""
    app("def on_event(): ...")

    report = reload_leaks.check("app", preset="auto", rounds=2)

    assert report.notes == ("preset auto: app looks like a plugin of no known host that is installed",)


CONFTEST = """
    import pytest
    from pytest_reloadleak import Hosted, Preset

    class Bus(Hosted):
        def load(self, module):
            module.start(self.host["bus"])

    class Busy(Preset):
        name = "busy"
        def fits(self, source):
            return source.takes("start", "bus")
        def open(self, target, source, options):
            hosted = Bus()
            hosted.host.update(options)
            return hosted

    def pytest_reloadleak_presets(config):
        return [Busy()]

    @pytest.fixture
    def bus():
        return []
"""
TEST = """
    import pytest

    @pytest.mark.reloadable("app", preset="auto", host={"bus": "bus"}, rounds=2, probes=["references"])
    def test_app(reloaded, bus):
        assert reloaded.on_event in bus
"""


def test_a_marked_test_with_a_preset_of_the_project(project):
    """The host loads each generation before the body runs; a name in `host` is that of a fixture."""
    files = {"conftest.py": CONFTEST, "test_app.py": TEST, "app.py": LEAKY.format(undo="pass")}
    project.write(files)

    result = project.check("test_app.py")

    assert result.ret == 1
    (check,) = project.checks()
    assert check["outcome"] == "leaking"
    assert [finding["held"]["name"] for finding in check["findings"]] == ["app.on_event"]

"""Presets on the real hosts: a plugin that leaks is found with holder and line, and its cured twin is clean.

No test here makes a host, a loop or a reload: the preset does. What such a test looks like without one is in
`test_discord.py`, `test_flask.py` and `test_pluggy.py`.
"""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass

import pytest

CHECK = """
from {library}.ext import commands

def is_allowed(context):
    return True

{define}setup(bot):
    bot.add_check(is_allowed)

{define}teardown(bot):
    {undo}
"""
LOOP = """
from {library}.ext import commands, tasks

class Feed(commands.Cog):
    def __init__(self):
        self.poll.start()

    def cog_unload(self):
        {undo}

    @tasks.loop(hours=1)
    async def poll(self):
        pass

{define}setup(bot):
    {wait}bot.add_cog(Feed())
"""
SIGNAL = """
import flask

def on_request(sender, **details):
    pass

def create_app():
    app = flask.Flask(__name__)
    flask.request_started.connect(on_request, weak={undo})
    return app
"""
LIFESPAN = """
import asyncio, contextlib, fastapi

tasks = set()

async def poll():
    await asyncio.sleep(60)

@contextlib.asynccontextmanager
async def lifespan(app):
    task = asyncio.create_task(poll())
    tasks.add(task)
    yield
    {undo}

def create_app():
    return fastapi.FastAPI(lifespan=lifespan)
"""
IMPLEMENTATION = """
import hub, pluggy

impl = pluggy.HookimplMarker("shop")

@impl
def price(item):
    return 1

hub.listeners.append(price)

def __reload_dispose__(data):
    {undo}
"""


@dataclass(frozen=True, kw_only=True)
class Twins:
    """A plugin of a host, and what undoes its leak in the host's own hook."""

    preset: str
    needs: str
    source: str
    undo: str
    path: str
    line: int
    leaking: str = "pass"
    kind: str = "retained-generation"


def _discord(library, define, wait):
    def source(text):
        return text.replace("{library}", library).replace("{define}", define).replace("{wait}", wait)

    return {
        f"{library}, a check": Twins(
            preset="discord.py",
            needs=library,
            source=source(CHECK),
            undo="bot.remove_check(is_allowed)",
            path="bot._checks[*]",
            line=8,
        ),
        f"{library}, a loop": Twins(
            preset="discord.py",
            needs=library,
            source=source(LOOP),
            undo="self.poll.cancel()",
            kind="pending-task",
            path="task ",
            line=6,
        ),
    }


PROGRAMS = {
    **_discord("discord", "async def ", "await "),
    **_discord("disnake", "def ", ""),
    "Flask, a signal": Twins(
        preset="Flask",
        needs="flask",
        source=SIGNAL,
        leaking="False",
        undo="True",
        path="flask.",
        line=9,
    ),
    "FastAPI, a task": Twins(
        preset="FastAPI",
        needs="fastapi",
        source=LIFESPAN,
        undo="task.cancel()",
        kind="pending-task",
        path="task ",
        line=11,
    ),
    "pluggy, a list": Twins(
        preset="pluggy",
        needs="pluggy",
        source=IMPLEMENTATION,
        undo="hub.listeners.remove(price)",
        path="hub.listeners[*]",
        line=10,
    ),
}


@pytest.fixture(params=PROGRAMS)
def twins(request):
    """A program whose library is installed."""
    found = PROGRAMS[request.param]
    pytest.importorskip(found.needs)
    return found


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Write the module `plug`, of a host `hub`."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "hub.py").write_text("listeners = []\n")

    def write(source):
        (tmp_path / "plug.py").write_text(source)
        importlib.invalidate_caches()

    yield write
    for name in ("plug", "hub"):
        sys.modules.pop(name, None)
    signals = sys.modules.get("flask.signals")
    if signals is not None:
        signals.request_started._clear_state()


@pytest.mark.parametrize("by", ["name", "auto"])
def test_a_leak_in_the_host_is_found(twins, plugin, reload_leaks, by):
    """The report names what the host holds, and the line of the plugin that gave it that."""
    plugin(twins.source.replace("{undo}", twins.leaking))

    report = reload_leaks.measure("plug", preset=twins.preset if by == "name" else "auto", rounds=4)

    assert (report.error, report.outcome) == (None, "leaking")
    (finding,) = [found for found in report.findings if found.known is None]
    assert (finding.kind, finding.growth) == (twins.kind, "growing")
    assert finding.holder.path.startswith(twins.path)
    assert (finding.site.file.rpartition("/")[2], finding.site.line) == ("plug.py", twins.line)
    assert f"checked as a plugin of {twins.preset}" in report.notes


def test_the_cured_plugin_is_clean(twins, plugin, reload_leaks):
    """The host's own hook runs in each round, and what it undoes is gone."""
    plugin(twins.source.replace("{undo}", twins.undo))

    assert reload_leaks.check("plug", preset="auto", rounds=4).outcome in {"clean", "known"}

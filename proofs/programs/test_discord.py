"""Cogs of discord.py, reloaded by an unconnected bot on one event loop."""

from __future__ import annotations

import importlib
import sys
import types

import discord
import pytest
import pytest_asyncio
from discord.ext import commands

from pytest_reloadleak import ReloadLeakError

ALL = (-1, 0, 1, 2, 3)
"""What five rounds may leave: the newest generation lives, and the one before it is in its grace."""


class Bot(commands.Bot):
    def __init__(self) -> None:
        super().__init__("!", intents=discord.Intents.none())
        self.background: set[object] = set()


@pytest_asyncio.fixture
async def bot():
    """A bot as it is between construction and login: extensions can be loaded, nothing is connected."""
    bot = Bot()
    await bot._async_setup_hook()
    yield bot
    await bot.close()


async def leaking(bot, reload_leaks, name):
    """Load and check an extension that leaks; return the report and its text, on one line."""
    await bot.load_extension(name)
    with pytest.raises(ReloadLeakError) as caught:
        await reload_leaks.acheck(name, reload=lambda: bot.reload_extension(name))
    return caught.value.report, " ".join(str(caught.value).split())


@pytest.mark.asyncio
async def test_a_loop_that_is_not_cancelled_is_found(bot, reload_leaks):
    """The event loop holds each old cog through its task: one finding, all generations, and no frame is blamed."""
    report, text = await leaking(bot, reload_leaks, "cogs.loop_running")

    (finding,) = report.findings
    assert (finding.kind, finding.growth, finding.per_round) == ("pending-task", "growing", 1.0)
    assert finding.generations == ALL
    assert finding.also_retains == ("retained-generation: generations -1, 0, 1, 2, 3 of cogs.loop_running",)
    assert finding.held.name.startswith("cogs.loop_running.Feed")
    assert (finding.holder.root, finding.holder.path) == ("task", "task 'discord-ext-tasks: Feed.poll'")
    assert "running code still uses" not in text


@pytest.mark.asyncio
async def test_a_task_that_is_not_cancelled_is_found(bot, reload_leaks):
    """A task that waits for ever holds the module whose coroutine it runs, and the task is named."""
    report, _ = await leaking(bot, reload_leaks, "cogs.task_running")

    (finding,) = report.findings
    assert (finding.kind, finding.growth, finding.per_round) == ("pending-task", "growing", 1.0)
    assert finding.generations == ALL
    assert finding.also_retains == ("retained-generation: generations -1, 0, 1, 2, 3 of cogs.task_running",)
    assert finding.held.name.endswith("poll")
    assert (finding.holder.root, finding.holder.path) == ("task", "task 'poll'")
    assert finding.holder.type.endswith("Task")


@pytest.mark.asyncio
async def test_a_check_that_is_not_removed_is_found(bot, reload_leaks):
    """The bot's list of checks holds each old function, alone, and the report names list and function."""
    report, text = await leaking(bot, reload_leaks, "cogs.check_added")

    (finding,) = report.findings
    assert finding.kind == "retained-generation"
    assert finding.growth == "growing"
    assert finding.generations == ALL
    assert finding.sole_holder
    assert finding.holder.path == "fixture.bot._checks[*]"
    assert finding.holder.type == "list"
    assert (finding.held.type, finding.held.name) == ("function", "cogs.check_added.is_allowed")
    assert "holder fixture.bot._checks[*] (list, root fixture)" in text
    assert "holds function cogs.check_added.is_allowed, " in text


@pytest.mark.asyncio
async def test_an_importer_of_a_cog_is_a_stale_reference(bot, reload_leaks, monkeypatch):
    """A module that imported from a cog keeps the one generation that it saw: bounded, and named."""
    name = "cogs.check_removed"
    await bot.load_extension(name)
    importer = types.ModuleType("importer")
    importer.is_allowed = sys.modules[name].is_allowed
    monkeypatch.setitem(sys.modules, "importer", importer)
    del importer

    report = await _measured(bot, reload_leaks, name)

    (finding,) = report.findings
    assert (finding.kind, finding.growth) == ("stale-reference", "bounded")
    assert finding.generations == (-1,)
    assert finding.holder.path == "importer.is_allowed"


async def _measured(bot, reload_leaks, name):
    try:
        return await reload_leaks.acheck(name, reload=lambda: bot.reload_extension(name))
    except ReloadLeakError as error:
        return error.report


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "name",
    [
        "loop_cancelled",
        "task_cancelled",
        "check_removed",
        "with_commands",
        "with_hybrid",
        "with_slash",
        "with_listeners",
        "with_view",
    ],
)
async def test_well_behaved_cogs_are_clean(bot, reload_leaks, name):
    """The cured twins, and cogs of every usual kind, pass; the bot then has one generation of the extension."""
    name = f"cogs.{name}"
    await bot.load_extension(name)

    report = await reload_leaks.acheck(name, reload=lambda: bot.reload_extension(name))

    assert report.outcome == "clean"
    assert not report.notes
    assert list(bot.extensions) == [name]


@pytest.mark.asyncio
async def test_a_cog_that_cannot_be_loaded_again_is_an_error(bot, reload_leaks, tmp_path, monkeypatch):
    """An extension whose `setup` raises ends the check with discord.py's exception in the text, nothing half-loaded."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "brittle.py").write_text(
        "async def setup(bot):\n"
        "    bot.loads = getattr(bot, 'loads', 0) + 1\n"
        "    if bot.loads == 3:\n"
        "        raise OSError('no such channel')\n"
    )
    await bot.load_extension("brittle")
    original = sys.modules["brittle"]
    importlib.invalidate_caches()

    report = await _measured(bot, reload_leaks, "brittle")

    assert report.outcome == "error"
    assert "ExtensionFailed: Extension 'brittle' raised an error" in report.error
    assert "OSError: no such channel" in report.error
    assert sys.modules.pop("brittle") is original

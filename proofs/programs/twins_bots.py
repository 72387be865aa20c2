"""Extensions of chat bots."""

from importlib.metadata import packages_distributions

from twins import Twins

IS_PYCORD = "py-cord" in packages_distributions().get("discord", ())
"""Whether `discord` is py-cord, which has that name too and calls `setup` as disnake does: `nox -s pycord`."""

CHECK = """
from {library}.ext import commands

def is_allowed(context):
    return True

{define}setup(bot):
    bot.add_check(is_allowed)

{define}teardown(bot):
    {undo}
"""
ONCE = """
from {library}.ext import commands

def is_allowed(context):
    return True

{define}setup(bot):
    bot.add_check(is_allowed, call_once=True)

{define}teardown(bot):
    {undo}
"""
LISTENER = """
import functools
from {library}.ext import commands

async def on_message(prefix, message):
    pass

{define}setup(bot):
    bot.add_listener(functools.partial(on_message, "!"), "on_message")

{define}teardown(bot):
    {undo}
"""
GLOBAL_LOOP = """
from {library}.ext import tasks

@tasks.loop(hours=1)
async def poll():
    pass

{define}setup(bot):
    poll.start()

{define}teardown(bot):
    {undo}
"""
TASK = """
import asyncio
from {library}.ext import commands

async def poll():
    await asyncio.sleep(3600)

{define}setup(bot):
    bot.poll = asyncio.get_running_loop().create_task(poll())

{define}teardown(bot):
    {undo}
"""
VIEW = """
import hub, discord

class Pages(discord.ui.View):
    def __init__(self):
        super().__init__(timeout=None)

    @discord.ui.button(label="next", custom_id="next")
    async def turn(self, interaction, button):
        pass

{define}setup(bot):
    global pages
    pages = Pages()
    hub.listeners.append(None)
    bot.add_view(pages, message_id=len(hub.listeners))

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

JOB = """
import sopel.plugin
from sopel.tools import jobs

@sopel.plugin.command("lamp")
def lamp(bot, trigger):
    pass

def poll(bot):
    pass

def setup(bot):
    bot.scheduler.register(jobs.Job([3600], handler=poll))

def shutdown(bot):
    {undo}
"""
PAGE = """
from errbot import BotPlugin, botcmd, core_plugins

def is_allowed():
    pass

class Lamp(BotPlugin):
    def activate(self):
        super().activate()
        core_plugins.flask_app.before_request(is_allowed)

    def deactivate(self):
        {undo}
        super().deactivate()

    @botcmd
    def lamp(self, message, args):
        return "on"
"""

WORLD = """
import supybot.world
from supybot import callbacks

def flush():
    pass

class Plug(callbacks.Plugin):
    def __init__(self, irc):
        super().__init__(irc)
        supybot.world.flushers.append(flush)

    def die(self):
        {undo}
        super().die()

Class = Plug
"""


def _discord(library, define, wait):
    def source(text):
        return text.replace("{library}", library).replace("{define}", define).replace("{wait}", wait)

    return {
        f"{library}, a check": Twins(
            preset="discord.py",
            needs=library,
            source=source(CHECK),
            path="bot._checks[*]",
            line=8,
            cure="bot.remove_check(is_allowed)",
        ),
        f"{library}, a check of each command": Twins(
            preset="discord.py",
            needs=library,
            source=source(ONCE),
            path="bot._check_once[*]",
            line=8,
            cure="bot.remove_check(is_allowed, call_once=True)",
        ),
        f"{library}, a listener": Twins(
            preset="discord.py",
            needs=library,
            source=source(LISTENER),
            path="bot.extra_events['on_message'][*]",
            line=9,
            cure="bot.remove_listener(item, 'on_message')",
        ),
        f"{library}, a loop of the module": Twins(
            preset="discord.py",
            needs=library,
            source=source(GLOBAL_LOOP),
            kind="pending-task",
            path="task ",
            line=9,
            cure="poll.cancel()",
        ),
        f"{library}, a task": Twins(
            preset="discord.py",
            needs=library,
            source=source(TASK),
            kind="pending-task",
            path="task ",
            line=9,
            cure="asyncio.all_tasks()",
        ),
        f"{library}, a loop": Twins(
            preset="discord.py",
            needs=library,
            source=source(LOOP),
            kind="pending-task",
            path="task ",
            line=6,
            cure="self.poll.cancel()",
        ),
    }


BOTS = {
    **_discord("discord", *(("def ", "") if IS_PYCORD else ("async def ", "await "))),
    **_discord("disnake", "def ", ""),
    "Sopel, a job": Twins(
        preset="Sopel",
        needs="sopel",
        source=JOB,
        path="bot.",
        line=13,
        cure="poll",
    ),
    "Limnoria, a flusher": Twins(
        preset="Limnoria",
        needs="supybot",
        source=WORLD,
        file="plug/__init__.py",
        path="supybot.world.flushers[*]",
        line=11,
        cure="flushers.remove(flush)",
    ),
    "errbot, a page": Twins(
        preset="errbot",
        needs="errbot",
        source=PAGE,
        files={"plug.plug": "[Core]\nName = Lamp\nModule = plug\n"},
        path="errbot.core_plugins.flask_app.before_request_funcs[",
        line=10,
        cure="is_allowed",
    ),
    "discord, a view": Twins(
        preset="discord.py",
        needs="discord",
        source=VIEW.replace("{define}", "def " if IS_PYCORD else "async def "),
        path="bot._connection._view_store.",
        line=16,
        cure="pages.stop()",
    ),
}
if IS_PYCORD:  # it asks a listener for its `__name__`, which a partial has not
    del BOTS["discord, a listener"]

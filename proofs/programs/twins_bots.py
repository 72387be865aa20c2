"""Extensions of chat bots."""

from twins import Twins

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
    **_discord("discord", "async def ", "await "),
    **_discord("disnake", "def ", ""),
    "Sopel, a job": Twins(
        preset="Sopel",
        needs="sopel",
        source=JOB,
        path="bot.",
        line=13,
        cure="poll",
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
}

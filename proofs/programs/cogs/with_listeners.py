"""Clean: listeners of a cog and one of the bot, the latter removed with the extension."""

from discord.ext import commands


class Log(commands.Cog):
    @commands.Cog.listener()
    async def on_message(self, message):
        pass

    @commands.Cog.listener("on_ready")
    async def greet(self):
        pass


async def on_error(*details):
    """Ignore the error."""


async def setup(bot):
    """Load the cog."""
    await bot.add_cog(Log())
    bot.add_listener(on_error)

"""Leaks: the loop is not cancelled, so the event loop keeps the old cog."""

from discord.ext import commands, tasks


class Feed(commands.Cog):
    def __init__(self):
        self.poll.start()

    @tasks.loop(hours=1)
    async def poll(self):
        pass


async def setup(bot):
    """Load the cog."""
    await bot.add_cog(Feed())

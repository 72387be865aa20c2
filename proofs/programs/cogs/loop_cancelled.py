"""The cured twin of `loop_running`."""

from discord.ext import commands, tasks


class Feed(commands.Cog):
    def __init__(self):
        self.poll.start()

    async def cog_unload(self):
        self.poll.cancel()

    @tasks.loop(hours=1)
    async def poll(self):
        pass


async def setup(bot):
    """Load the cog."""
    await bot.add_cog(Feed())

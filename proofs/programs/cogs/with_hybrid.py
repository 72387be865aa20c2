"""Clean: a hybrid command, which is a slash command too."""

from discord.ext import commands


class Tools(commands.Cog):
    @commands.hybrid_command()
    async def hello(self, context, times: int = 1):
        pass


async def setup(bot):
    """Load the cog."""
    await bot.add_cog(Tools())

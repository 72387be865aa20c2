"""Clean: prefix commands, a group and a check of one command."""

from discord.ext import commands


class Tools(commands.Cog):
    @commands.command()
    @commands.is_owner()
    async def ping(self, context):
        pass

    @commands.group()
    async def admin(self, context):
        pass

    @admin.command()
    async def ban(self, context):
        pass


async def setup(bot):
    """Load the cog."""
    await bot.add_cog(Tools())

"""Clean: slash commands of a cog and of the tree, the latter removed with the extension."""

import discord
from discord import app_commands
from discord.ext import commands


class Tools(commands.Cog):
    @app_commands.command()
    async def hello(self, interaction: discord.Interaction):
        pass


@app_commands.command()
async def roll(interaction: discord.Interaction, sides: int):
    """Roll a die."""


async def setup(bot):
    """Load the cog."""
    await bot.add_cog(Tools())
    bot.tree.add_command(roll)

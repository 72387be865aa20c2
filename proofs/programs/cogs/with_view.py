"""Clean: a persistent view, whose buttons the next generation's buttons replace by their ids."""

import discord


class Panel(discord.ui.View):
    def __init__(self):
        super().__init__(timeout=None)

    @discord.ui.button(label="Go", custom_id="panel:go")
    async def go(self, interaction, button):
        pass


async def setup(bot):
    """Add the view."""
    bot.add_view(Panel())

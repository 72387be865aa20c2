"""Leaks: the bot's list of global checks gets one more entry a reload."""


def is_allowed(context):
    """Allow everything."""
    return True


async def setup(bot):
    """Add the check."""
    bot.add_check(is_allowed)

"""The cured twin of `check_added`."""


def is_allowed(context):
    """Allow everything."""
    return True


async def setup(bot):
    """Add the check."""
    bot.add_check(is_allowed)


async def teardown(bot):
    """Remove the check."""
    bot.remove_check(is_allowed)

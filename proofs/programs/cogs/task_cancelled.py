"""The cured twin of `task_running`."""

import asyncio


async def poll():
    """Wait for ever."""
    await asyncio.Event().wait()


async def setup(bot):
    """Start the work."""
    bot.background.add(asyncio.create_task(poll(), name="poll"))


async def teardown(bot):
    """End the work."""
    while bot.background:
        bot.background.pop().cancel()

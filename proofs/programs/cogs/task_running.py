"""Leaks: the task is not cancelled, and waits for an event that never comes."""

import asyncio


async def poll():
    """Wait for ever."""
    await asyncio.Event().wait()


async def setup(bot):
    """Start the work."""
    bot.background.add(asyncio.create_task(poll(), name="poll"))

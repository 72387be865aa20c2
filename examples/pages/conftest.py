"""Fixtures that the examples of the docs take for granted: a host, and a bot whose reload is a coroutine."""

import importlib
import sys

import pytest


def reload_module(name):
    """Reload as most hosts do: dispose, drop, import again."""
    old = sys.modules.pop(name, None)
    if old is not None and hasattr(old, "unload"):
        old.unload()
    return importlib.import_module(name)


class Host:
    """A host of plugins."""

    def reload(self, name):
        """Reload a plugin."""
        return reload_module(name)


class Bot:
    """A bot, of which only the reload matters."""

    async def reload_extension(self, name):
        """Reload an extension."""
        reload_module(name)


@pytest.fixture
def host():
    """A host with a plugin loaded."""
    importlib.import_module("plugins.chat")
    return Host()


@pytest.fixture
def bot():
    """A bot with an extension loaded."""
    importlib.import_module("cogs.music")
    return Bot()

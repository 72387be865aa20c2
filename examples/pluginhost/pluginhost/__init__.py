"""A chat host whose plugins answer messages and can be reloaded while it runs.

Try it: `python -m pluginhost`. Say `weather in oslo`, then `/reload plugins.weather`, and say it again.
"""

from pluginhost.bus import MessageBus
from pluginhost.host import PluginHost

__all__ = ["MessageBus", "PluginHost", "messages"]

messages = MessageBus()

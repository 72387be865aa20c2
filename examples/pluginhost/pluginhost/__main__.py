"""A chat with the plugins on the terminal."""

import sys

from pluginhost import PluginHost, messages


def main() -> None:
    """Answer each line of standard input; `/reload NAME` reloads a plugin."""
    host = PluginHost()
    for name in ("plugins.weather", "plugins.greeter"):
        host.load(name)
    for line in map(str.strip, sys.stdin):
        command, _, name = line.partition(" ")
        if command == "/reload" and name in host.plugins:
            host.reload(name)
        else:
            print(*messages.publish(line), sep="\n")


main()

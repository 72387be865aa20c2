"""Plugins of plugin managers."""

from twins import Twins

IMPLEMENTATION = """
import hub, pluggy

impl = pluggy.HookimplMarker("shop")

@impl
def price(item):
    return 1

hub.listeners.append(price)

def __reload_dispose__(data):
    {undo}
"""

MANAGERS = {
    "pluggy, a list": Twins(
        preset="pluggy",
        needs="pluggy",
        source=IMPLEMENTATION,
        path="hub.listeners[*]",
        line=10,
        cure="hub.listeners.remove(price)",
    ),
}

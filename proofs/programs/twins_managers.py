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

EXTENSION = """
import hub

class Price:
    def __init__(self):
        hub.listeners.append(self.of)

    def of(self, item):
        return 1

def __reload_dispose__(data):
    {undo}
"""
PLUGIN = """
import hub
from yapsy.IPlugin import IPlugin

def price(item):
    return 1

class Price(IPlugin):
    def activate(self):
        super().activate()
        hub.listeners.append(price)

    def deactivate(self):
        {undo}
        super().deactivate()
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
    "stevedore, a list": Twins(
        preset="stevedore",
        needs="stevedore",
        source=EXTENSION,
        files={
            "plug-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: plug\nVersion: 1.0\n",
            "plug-1.0.dist-info/entry_points.txt": "[shop.prices]\nprice = plug:Price\n",
        },
        is_found=False,
        path="hub.listeners[*]",
        line=6,
        cure="hub.listeners",
    ),
    "Yapsy, a list": Twins(
        preset="Yapsy",
        needs="yapsy",
        source=PLUGIN,
        files={"plug.yapsy-plugin": "[Core]\nName = Price\nModule = plug\n"},
        path="hub.listeners[*]",
        line=11,
        cure="hub.listeners.remove(price)",
    ),
}

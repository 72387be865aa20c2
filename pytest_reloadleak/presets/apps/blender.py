"""Check add-ons of Blender, which is a module here: `bpy` without a window."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_reloadleak.presets.preset import Hosted, Preset
from pytest_reloadleak.presets.source import Source

_IN_C = (
    "undo it in unregister(): bpy.app.timers.unregister(FUNCTION) for a timer, "
    "bpy.types.SpaceView3D.draw_handler_remove(HANDLE, 'WINDOW') for what draws, bpy.msgbus.clear_by_owner(OWNER) for "
    "a subscription; Blender keeps them in C, where the garbage collector does not see them"
)


class AddOn(Hosted):
    """An add-on, which Blender enables and disables."""

    def load(self, module: Any) -> None:
        """Enable the add-on: Blender calls its `register`."""
        addons: Any = importlib.import_module("addon_utils")
        raised: list[BaseException] = []
        # Otherwise Blender takes the file for changed since it loaded the module, and executes it once more.
        module.__time__ = Path(module.__file__).stat().st_mtime
        enabled = addons.enable(module.__name__, handle_error=raised.append)
        if raised:
            raise raised[0]
        if enabled is None:
            raise RuntimeError("Blender did not enable the add-on; what it printed says why")

    def unload(self, module: Any) -> None:
        """Disable it: Blender calls its `unregister`."""
        addons: Any = importlib.import_module("addon_utils")
        raised: list[BaseException] = []
        if addons.check(module.__name__)[1]:
            addons.disable(module.__name__, handle_error=raised.append)
        if raised:
            raise raised[0]


class Blender(Preset):
    """The preset `Blender`."""

    name = "Blender"
    aliases = ("bpy",)
    modules = ("bpy",)
    undone = (
        (
            "bpy.app.handlers.*",
            "take the function out of its list in unregister(), as in bpy.app.handlers.load_post.remove(FUNCTION)",
        ),
        ("native", _IN_C),
    )
    hook = "unregister(), which Blender calls when it disables the add-on"

    def fits(self, source: Source) -> bool:
        """Whether it has the two functions that Blender calls."""
        return source.imports("bpy") and source.defines("register") and source.defines("unregister")

    def open(self, target: str, source: Source, options: Mapping[str, object]) -> AddOn:
        """Import Blender before the check begins: it starts then."""
        del target, source, options
        importlib.import_module("bpy")
        return AddOn()

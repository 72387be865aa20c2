"""Add-ons of Blender that leak. Integrations of Home Assistant are elsewhere, as its test tools control each test."""

from __future__ import annotations

from twins import Twins

ADD_ON = """
import bpy

bl_info = {"name": "Lamp", "blender": (4, 2, 0), "category": "Object"}

class LAMP_OT_on(bpy.types.Operator):
    bl_idname = "lamp.on"
    bl_label = "On"

    def execute(self, context):
        return {"FINISHED"}

def on_event(first=None, second=None):
    return 60.0

def register():
    {register}

def unregister():
    {undo}
"""


def _twins(register: str, *, path: str, cure: str, by_hand: str = "") -> Twins:
    source = ADD_ON.replace("{register}", register)
    return Twins(preset="Blender", needs="bpy", source=source, path=path, line=17, cure=cure, by_hand=by_hand)


APPS = {
    "Blender, a handler": _twins(
        "bpy.app.handlers.load_post.append(on_event)",
        path="bpy.app.handlers.load_post[*]",
        cure="bpy.app.handlers.load_post.remove",
        by_hand="bpy.app.handlers.load_post.remove(on_event)",
    ),
    "Blender, a timer": _twins(
        "bpy.app.timers.register(on_event)",
        path="native",
        cure="bpy.app.timers.unregister",
        by_hand="bpy.app.timers.unregister(on_event)",
    ),
}

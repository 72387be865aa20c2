"""Check plugins of applications: integrations of Home Assistant, add-ons of Blender."""

"""Reload what chat bots call extensions, cogs or plugins."""

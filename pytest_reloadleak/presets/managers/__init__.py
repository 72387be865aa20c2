"""Register and unregister the plugins of plugin managers."""

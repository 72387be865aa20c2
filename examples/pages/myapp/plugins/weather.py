"""Clean: a plugin that starts and stops."""


class Plugin:
    """The plugin."""

    def start(self):
        """Start it."""
        self.is_running = True

    def stop(self):
        """Stop it."""
        self.is_running = False

"""Answers `hello`. It is clean: a subscription by name takes the place of the one before."""

from pluginhost import messages

GREETINGS = {"hello": "hello, you", "good night": "sleep well"}


def on_message(message: str) -> str | None:
    """Return the greeting that `message` calls for, or `None` when it calls for none."""
    return GREETINGS.get(message)


messages.subscribe(on_message, name="greeter")

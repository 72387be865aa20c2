"""Leaks: it listens, and never stops."""

from myapp import bus


def on_message(text):
    return text


def unregister():
    bus.listeners.remove(on_message)


bus.listeners.append(on_message)

"""Clean: it does nothing that lasts."""


def on_message(text):
    return text

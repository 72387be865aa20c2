"""Takes a table of the settings by name."""

from app.config import TABLE


def limit():
    return TABLE["rows"]

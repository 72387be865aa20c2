"""Settings that are reloaded."""

TABLE = {"rows": 10}


def rows():
    return TABLE["rows"]

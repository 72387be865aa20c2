"""Leaks: werkzeug's logger gets one more handler a reload."""

import logging


class Access(logging.Handler):
    def emit(self, record):
        pass


logging.getLogger("werkzeug").addHandler(Access())

"""The cured twin of `handler_added`."""

import logging


class Access(logging.Handler):
    def emit(self, record):
        pass


logger = logging.getLogger("werkzeug")
logger.handlers[:] = [handler for handler in logger.handlers if handler.name != "access"]
access = Access()
access.name = "access"
logger.addHandler(access)

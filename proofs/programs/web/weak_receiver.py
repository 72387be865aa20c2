"""The cured twin of `strong_receiver`: blinker holds receivers weakly unless told not to."""

from flask import request_started


def on_request(sender, **details):
    """Count the request."""


request_started.connect(on_request)

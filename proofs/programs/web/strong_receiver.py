"""Leaks: the signal holds its receiver strongly."""

from flask import request_started


def on_request(sender, **details):
    """Count the request."""


request_started.connect(on_request, weak=False)

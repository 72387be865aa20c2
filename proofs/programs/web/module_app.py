"""Clean: an application that is a global of its module."""

from flask import Flask

app = Flask(__name__)


@app.before_request
def prepare():
    """Do nothing."""


@app.route("/")
def index():
    """Show the start page."""
    return "hello"

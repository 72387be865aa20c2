"""Modules of web applications."""

import sys

from twins import Twins

SIGNAL = """
import flask

def on_request(sender, **details):
    pass

def create_app():
    app = flask.Flask(__name__)
    flask.request_started.connect(on_request, weak=False)
    return app

def __reload_dispose__(data):
    {undo}
"""
LIFESPAN = """
import asyncio, contextlib, fastapi

tasks = set()

async def poll():
    await asyncio.sleep(60)

@contextlib.asynccontextmanager
async def lifespan(app):
    task = asyncio.create_task(poll())
    tasks.add(task)
    yield
    {undo}

def create_app():
    return fastapi.FastAPI(lifespan=lifespan)
"""


def _forget_receivers():
    signals = sys.modules.get("flask.signals")
    if signals is not None:
        signals.request_started._clear_state()


WEB = {
    "Flask, a signal": Twins(
        preset="Flask",
        needs="flask",
        source=SIGNAL,
        path="flask.",
        line=9,
        cure="request_started.disconnect(on_request)",
        after=_forget_receivers,
    ),
    "FastAPI, a task": Twins(
        preset="FastAPI",
        needs="fastapi",
        source=LIFESPAN,
        kind="pending-task",
        path="task ",
        line=11,
        cure="cancel",
    ),
}

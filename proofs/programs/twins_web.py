"""Modules of web applications."""

import sys

from twins import PLUGIN, Twins

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
RECEIVER = """
from django.core import signals

def on_request(sender, **kwargs):
    pass

signals.request_started.connect(on_request, weak=False)

def __reload_dispose__(data):
    {undo}
"""
ADMIN = """
from django.contrib import admin
from django.db import models

class City(models.Model):
    class Meta:
        app_label = "plug"

@admin.register(City)
class CityAdmin(admin.ModelAdmin):
    pass

def __reload_dispose__(data):
    {undo}
"""
CHECK = """
from django.core import checks

@checks.register()
def is_ready(app_configs, **kwargs):
    return []

def __reload_dispose__(data):
    {undo}
"""
TAGS = """
import hub
from django import template

register = template.Library()

@register.simple_tag
def now():
    return "now"

if not hub.listeners:
    hub.listeners.append(template.Engine())
engine = hub.listeners[0]
engine.template_builtins.append(register)

def __reload_dispose__(data):
    {undo}
"""


def _forget_receivers():
    signals = sys.modules.get("flask.signals")
    if signals is not None:
        signals.request_started._clear_state()


def _forget_django():
    signals = sys.modules.get("django.core.signals")
    if signals is not None:
        receivers = signals.request_started.receivers
        receivers[:] = [one for one in receivers if "on_request" not in repr(one)]
        admin = sys.modules.get("django.contrib.admin.sites")
        for model in (
            [] if admin is None else [one for one in admin.site._registry if one.__module__ == PLUGIN]
        ):
            admin.site.unregister(model)
        checks = sys.modules["django.core.checks.registry"].registry.registered_checks
        checks -= {one for one in checks if one.__module__ == PLUGIN}


def _django(source, **keywords):
    return Twins(preset="Django", needs="django", source=source, after=_forget_django, **keywords)


WEB = {
    "Django, a signal": _django(
        RECEIVER,
        path="django.core.signals.request_started.receivers[*]",
        line=7,
        cure="signals.request_started.disconnect(",
    ),
    "Django, an admin": _django(
        ADMIN, path="django.contrib.admin.sites.site._wrapped._registry[*]", line=9, cure=".unregister(City)"
    ),
    "Django, a system check": _django(
        CHECK,
        path="django.core.checks.registry.registry.registered_checks[*]",
        line=4,
        cure=".registered_checks.discard(is_ready)",
    ),
    "Django, template tags": _django(
        TAGS, path="hub.listeners[*].template_builtins[*]", line=14, cure="engine.template_builtins"
    ),
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

"""Check modules of Flask: factories, applications and blueprints are used as a server uses them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from pytest_reloadleak.presets.preset import Hosted, Preset
from pytest_reloadleak.presets.source import Source

_FACTORIES = ("create_app", "make_app")


class Application(Hosted):
    """A module of Flask. In each round its application is created and handles one request."""

    def load(self, module: Any) -> None:
        """Make the application, or register the blueprints with a new one, and handle one request."""
        flask: Any = importlib.import_module("flask")
        names = vars(module)
        factory = next((names[name] for name in _FACTORIES if name in names), None)
        apps = [value for value in list(names.values()) if isinstance(value, flask.Flask)]
        if factory is not None:
            apps = [factory()]
        elif not apps:
            app = flask.Flask("reload_leak_host")
            for value in list(names.values()):
                if isinstance(value, flask.Blueprint):
                    app.register_blueprint(value)
            apps = [app]
        for app in apps:
            with app.test_client() as client:
                client.get("/")


class Flask(Preset):
    """The preset `Flask`."""

    name = "Flask"
    modules = ("flask",)
    hook = "__reload_dispose__(data): Flask calls no hook when it drops an application"

    def fits(self, source: Source) -> bool:
        """Whether it has a factory, an application or a blueprint."""
        has_app = source.defines(*_FACTORIES) or bool(source.assigned("Flask", "Blueprint"))
        return source.imports("flask") and has_app

    def open(self, target: str, source: Source, options: Mapping[str, object]) -> Application:
        """Import Flask before the check begins, and let it handle one request: it fills caches of its own."""
        del target, source, options
        flask: Any = importlib.import_module("flask")
        with flask.Flask("reload_leak_host").test_client() as client:
            client.get("/")
        return Application()

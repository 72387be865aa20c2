"""Check modules of FastAPI and Starlette: each application starts and ends, as a server lets it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from pytest_reloadleak.presets.preset import Hosted, Preset
from pytest_reloadleak.presets.source import Source

_FACTORIES = ("create_app", "make_app")
_CLASSES = ("FastAPI", "Starlette", "APIRouter")


class Application(Hosted):
    """A module of FastAPI. In each round its application starts, gives its routes, and ends."""

    async def load(self, module: Any) -> None:
        """Make the application, and run its lifespan from start to shutdown."""
        names = vars(module)
        factory = next((names[name] for name in _FACTORIES if name in names), None)
        classes: Any = importlib.import_module("starlette.applications").Starlette
        apps = [value for value in list(names.values()) if isinstance(value, classes)]
        if factory is not None:
            apps = [factory()]
        elif not apps:
            apps = [self._with_routers(names)]
        for app in apps:
            async with app.router.lifespan_context(app):
                if hasattr(app, "openapi"):
                    app.openapi()

    @staticmethod
    def _with_routers(names: dict[str, Any]) -> Any:
        fastapi: Any = importlib.import_module("fastapi")
        app = fastapi.FastAPI()
        for value in list(names.values()):
            if isinstance(value, fastapi.APIRouter):
                app.include_router(value)
        return app


class FastAPI(Preset):
    """The preset `FastAPI`."""

    name = "FastAPI"
    aliases = ("starlette",)
    modules = ("fastapi", "starlette")
    hook = "the part of the lifespan behind its `yield`; the server runs it when the application ends"

    def fits(self, source: Source) -> bool:
        """Whether it has a factory, an application or a router."""
        has_app = source.defines(*_FACTORIES) or bool(source.assigned(*_CLASSES))
        return source.imports(*self.modules) and has_app

    def open(self, target: str, source: Source, options: Mapping[str, object]) -> Application:
        """Import the library before the check begins."""
        del target, options
        importlib.import_module("fastapi" if source.imports("fastapi") else "starlette.applications")
        return Application()

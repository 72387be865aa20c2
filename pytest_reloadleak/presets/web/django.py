"""Check modules of Django projects: URLconfs are resolved, tag libraries loaded, applications found, as in a server."""

from __future__ import annotations

import contextvars
import importlib
import os
from collections.abc import Mapping
from typing import Any

from pytest_reloadleak.presets.preset import Hosted, Preset
from pytest_reloadleak.presets.source import Source

_CLASSES = ("ModelAdmin", "Model", "AppConfig", "View", "BaseCommand")
_APPS = (
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.messages",
    "django.contrib.admin",
)


class Part(Hosted):
    """One module of a project: a URLconf, a library of template tags, an admin, models, receivers."""

    def load(self, module: Any) -> None:
        """Use the module as a server does with each that it finds."""
        names = vars(module)
        if "urlpatterns" in names:
            urls: Any = importlib.import_module("django.urls")
            resolver = urls.get_resolver(module.__name__)
            # Each request has a context of its own; a resolver leaves a variable in it.
            contextvars.copy_context().run(_resolve, resolver, urls)
        template: Any = importlib.import_module("django.template")
        if isinstance(names.get("register"), template.Library):
            template.Engine(libraries={"reload_leak": module.__name__}).from_string("{% load reload_leak %}")

    def unload(self, module: Any) -> None:
        """Empty Django's caches of the URLconf and of what it derived from the models, as every reloader must."""
        urls: Any = importlib.import_module("django.urls")
        apps: Any = importlib.import_module("django.apps").apps
        del module
        urls.clear_url_caches()
        apps.clear_cache()


def _resolve(resolver: Any, urls: Any) -> None:
    """Ask for the page at the root, which need not exist, and for the names of all."""
    _ = resolver.url_patterns, resolver.reverse_dict, resolver.namespace_dict
    try:
        resolver.resolve("/")
    except urls.Resolver404:
        return


class Django(Preset):
    """The preset `Django`."""

    name = "Django"
    modules = ("django",)
    hook = "__reload_dispose__(data): Django calls no hook, since its server starts again when code changes"

    def fits(self, source: Source) -> bool:
        """Whether it has URLs, template tags, receivers, a class that Django registers, or registers something."""
        is_part = (
            source.assigns("urlpatterns") or bool(source.assigned("Library")) or source.derives(*_CLASSES)
        )
        registers = source.is_decorated("receiver") or source.calls("register", "connect", "register_lookup")
        return source.imports("django") and (is_part or registers)

    def open(self, target: str, source: Source, options: Mapping[str, object]) -> Part:
        """Set Django up with the project's settings, or else with minimal ones. No database is used."""
        del target, source, options
        conf: Any = importlib.import_module("django.conf")
        if not conf.settings.configured and "DJANGO_SETTINGS_MODULE" not in os.environ:
            database = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
            conf.settings.configure(INSTALLED_APPS=_APPS, DATABASES={"default": database}, USE_TZ=True)
        django: Any = importlib.import_module("django")
        django.setup()
        for name in ("django.urls", "django.template"):
            importlib.import_module(name)
        return Part()

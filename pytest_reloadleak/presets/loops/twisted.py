"""Check plugins of Twisted: their service is started and stopped, and the reactor turns in between."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, ClassVar

from pytest_reloadleak.presets.preset import Hosted, Preset
from pytest_reloadleak.presets.source import Source

_TURNS = 3
"""Turns of the reactor after a start or stop: what was put off to the next turn is then done."""


_CANCELLED, _LATER_S = 51, 3600


class Service(Hosted):
    """A module with a service, as `twistd` runs it."""

    def __init__(self) -> None:
        super().__init__()
        self._reactor: Any = importlib.import_module("twisted.internet.reactor")
        self._running: Any = None

    def load(self, module: Any) -> None:
        """Make the service, or take the one that the module has, and start it."""
        names = vars(module)
        make = names.get("makeService")
        application = names.get("application")
        interfaces: Any = importlib.import_module("twisted.application.service")
        service = make({}) if make is not None else names.get("service")
        if service is None and application is not None:
            service = interfaces.IServiceCollection(application)
        if service is not None:
            service.privilegedStartService()
            service.startService()
        self._running = service
        self._turn()

    def unload(self, module: Any) -> None:
        """Stop the service, and let the reactor close what it closed."""
        del module
        service, self._running = self._running, None
        if service is not None:
            service.stopService()
        self._turn()

    def _turn(self) -> None:
        if self._reactor.running:
            return
        # The reactor removes calls that were cancelled once there are more than fifty of them.
        calls = [self._reactor.callLater(_LATER_S, _nothing) for _ in range(_CANCELLED)]
        self._reactor.iterate(0)
        for call in calls:
            call.cancel()
        for _ in range(_TURNS):
            self._reactor.iterate(0)


def _nothing() -> None:
    """Stand for a call that never happens."""


class Twisted(Preset):
    """The preset `Twisted`."""

    name = "Twisted"
    aliases = ("twistd",)
    modules = ("twisted",)
    has_methods = True
    _logs: ClassVar[bool] = False
    hook = "stopService() of the service, which Twisted calls; of a module without one, into __reload_dispose__(data)"

    def fits(self, source: Source) -> bool:
        """Whether it makes a service, or uses the reactor."""
        has_service = source.defines("makeService") or source.assigns("application", "service")
        parts = ("twisted.internet", "twisted.python.log", "twisted.logger")
        return source.imports("twisted") and (has_service or source.imports(*parts))

    def open(self, target: str, source: Source, options: Mapping[str, object]) -> Service:
        """Install the reactor and begin to log before the check, and let the reactor turn: it opens descriptors.

        Before Twisted is told where to log, it keeps the last 200 events, with the objects that they tell of.
        """
        del target, source, options
        logger: Any = importlib.import_module("twisted.logger")
        if not Twisted._logs:
            Twisted._logs = True
            logger.globalLogBeginner.beginLoggingTo([], discardBuffer=True, redirectStandardIO=False)
        service = Service()
        service._turn()
        return service

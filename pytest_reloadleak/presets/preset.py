"""Define what a preset is: how one host loads, unloads and reloads a plugin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_reloadleak.presets.source import Source
from pytest_reloadleak.verdict.known import Known


class Hosted:
    """A host with one plugin, for one check. A subclass defines what the host does; each method may be a coroutine.

    Attributes:
        host: the host's objects by the names under which reports show them, such as `bot`. It may be filled late.
        names: the names under which the host itself loads the plugin, if these differ from the target's name. A pattern
            if each load has another name.
    """

    def __init__(self) -> None:
        self.host: dict[str, object] = {}
        self.names: tuple[str, ...] = ()

    def reload(self) -> Any:
        """Load the next generation by the host's own means, after the last one was unloaded: see `Preset.reloads`."""

    def load(self, module: Any) -> Any:
        """Do what the host does with a plugin that was just imported, and what its users do.

        Args:
            module: the fresh module.
        """
        del module

    def unload(self, module: Any) -> Any:
        """Do what the host does before it drops a plugin; it calls the plugin's own hook.

        Args:
            module: the outgoing module.
        """
        del module

    def close(self) -> Any:
        """End what was opened for the check. The last generation has been unloaded by then."""


class Preset:
    """How to check the plugins of one host. A subclass defines the attributes and `fits` and `open`.

    Attributes:
        name: the value of `preset=`.
        aliases: further names, such as those of forks with the same API.
        modules: the host's modules, of which one must be installed.
        takes: names of the objects that a test may give in `host=`. A marked test's fixture with such a name is used
            without that. Empty if any name is allowed.
        reloads: whether the host itself reloads its plugins. Otherwise a strategy of the check reloads the module.
        hook: the hook in which a plugin undoes what it did, as the end of a sentence. Cures may use the host's objects
            by their names in `Hosted.host`, so these are best the names of the hook's parameters.
        undone: how a plugin undoes what it did with the host's own means: a pattern of the holder's path, such as
            `bus.listeners*`, and what to do, as a sentence. It replaces a cure that changes the holder.
        is_given: whether the hook receives the host's objects under their names.
        has_methods: whether the hook may be a method of the plugin's own class.
        known: references that the host itself keeps to a plugin, with the reasons.
    """

    name = ""
    aliases: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    reloads = False
    hook = ""
    undone: tuple[tuple[str, str], ...] = ()
    is_given = True
    has_methods = False
    known: tuple[Known, ...] = ()

    def fits(self, source: Source) -> bool:
        """Whether a module's source looks like a plugin of this host. Nothing is imported."""
        del source
        return False

    def open(self, target: str, source: Source, options: Mapping[str, object]) -> Hosted:
        """Make a host for one check of a target. This imports the host.

        Args:
            target: the plugin's module.
            source: its source.
            options: what the test gave as `host=`, such as `{"bot": bot}`; empty if nothing was given.
        """
        raise NotImplementedError

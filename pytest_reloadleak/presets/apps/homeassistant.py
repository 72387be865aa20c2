"""Check integrations of Home Assistant: a config entry is set up, unloaded, and set up again by the next generation."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from contextlib import AsyncExitStack
from tempfile import TemporaryDirectory
from typing import Any

from pytest_reloadleak.presets.preset import Hosted, Preset
from pytest_reloadleak.presets.source import Source
from pytest_reloadleak.verdict.known import Known

_RETURNED = (
    "what the call that registers it returned (async_listen, async_track_..., async_dispatcher_connect)"
)
_HELPERS = "pytest_homeassistant_custom_component.common"


class Integration(Hosted):
    """An integration with one config entry, in an instance that is made in the first round: its loop runs only then."""

    def __init__(self, target: str, options: Mapping[str, object]) -> None:
        super().__init__()
        self._domain = target.rpartition(".")[2]
        self._own = AsyncExitStack()
        self.host.update(options)

    async def _open(self) -> tuple[Any, Any]:
        """The instance and the entry, which the instance knows."""
        helpers: Any = importlib.import_module(_HELPERS)
        if "hass" not in self.host:
            directory = self._own.enter_context(TemporaryDirectory())
            made = helpers.async_test_home_assistant(config_dir=directory)
            hass: Any = await self._own.enter_async_context(made)
            self.host["hass"] = hass
            # An empty table means that there are no custom integrations; without one they are looked for.
            hass.data.pop(importlib.import_module("homeassistant.loader").DATA_CUSTOM_COMPONENTS)
            self._own.push_async_callback(hass.async_stop, force=True)
        hass = self.host["hass"]
        if "entry" not in self.host:
            self.host["entry"] = helpers.MockConfigEntry(domain=self._domain, title=self._domain)
        return hass, self.host["entry"]

    async def load(self, module: Any) -> None:
        """Set the entry up, with the integration's fresh modules; the first time the integration itself as well."""
        del module
        hass, entry = await self._open()
        entries = hass.config_entries
        if entries.async_get_entry(entry.entry_id) is None:
            await entries.async_add(entry)
        elif entry.state.value == "not_loaded":
            await entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
        if entry.state.value != "loaded":
            raise RuntimeError(f"the config entry is {entry.state.value}, for the reason {entry.reason!r}")

    async def unload(self, module: Any) -> None:
        """Unload the entry, and forget the modules, which Home Assistant would use until it ends."""
        del module
        hass, entry = await self._open()
        if entry.state.value == "loaded" and not await hass.config_entries.async_unload(entry.entry_id):
            raise RuntimeError(
                "async_unload_entry did not return True, so Home Assistant goes on using the entry"
            )
        await _write_now(hass)
        _drop_platforms(hass, entry)
        loader: Any = importlib.import_module("homeassistant.loader")
        for cache in (hass.data[loader.DATA_COMPONENTS], hass.data[loader.DATA_MISSING_PLATFORMS]):
            for name in [name for name in cache if name.partition(".")[0] == self._domain]:
                del cache[name]

    async def close(self) -> None:
        """End the instance that was made for the check."""
        await self._own.aclose()


async def _write_now(hass: Any) -> None:
    """Let the registries be written, which Home Assistant does some seconds later.

    Their timers are made in the context of the entry that changed them. So they keep the entry and its code till then.
    """
    constants: Any = importlib.import_module("homeassistant.const")
    hass.bus.async_fire(constants.EVENT_HOMEASSISTANT_FINAL_WRITE)
    await hass.async_block_till_done()


def _drop_platforms(hass: Any, entry: Any) -> None:
    """Drop the platforms of an entry that is unloaded.

    Home Assistant 2025.4 keeps each in a table until it ends, with the integration's module; 2026.10 drops it itself.
    """
    helper: Any = importlib.import_module("homeassistant.helpers.entity_platform")
    for platforms in hass.data.get(helper.DATA_ENTITY_PLATFORM, {}).values():
        platforms[:] = [platform for platform in platforms if platform.config_entry is not entry]


class HomeAssistant(Preset):
    """The preset `Home Assistant`."""

    name = "Home Assistant"
    aliases = ("homeassistant", "hass")
    modules = ("homeassistant",)
    takes = ("hass", "entry")
    hook = "async_unload_entry(hass, entry), or give the function that undoes it to entry.async_on_unload()"

    undone = (
        (
            "hass.services.*",
            "call hass.services.async_remove(domain, service) in async_unload_entry once the last entry is unloaded",
        ),
        (
            "hass.*",
            f"hand {_RETURNED} to entry.async_on_unload(), which Home Assistant calls when it unloads",
        ),
        (
            "*timer*",
            f"hand {_RETURNED} to entry.async_on_unload(), which Home Assistant calls when it unloads",
        ),
    )
    known = (
        Known(
            pattern="retained-generation:*._scheduled[*]._context*",
            why=(
                "a cancelled timer stays in its loop until its time comes, with the context that it was made in, "
                "which leads to the entry"
            ),
            link="https://github.com/python/cpython/blob/main/Lib/asyncio/base_events.py",
        ),
        Known(
            pattern="retained-generation:hass.*",
            is_bounded=True,
            why="Home Assistant calls async_setup once until it ends, and has no hook that undoes it",
            link="https://developers.home-assistant.io/docs/config_entries_index/",
        ),
    )

    def fits(self, source: Source) -> bool:
        """Whether it sets up config entries."""
        return source.defines("async_setup_entry") and source.imports("homeassistant")

    def open(self, target: str, source: Source, options: Mapping[str, object]) -> Integration:
        """Import Home Assistant before the check begins: it imports much."""
        del source
        importlib.import_module(_HELPERS)
        return Integration(target, options)

"""Integrations of a real Home Assistant: an entry is set up, unloaded and set up again by the preset, and by hand."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_reloadleak import ReloadLeakError

common = pytest.importorskip(
    "pytest_homeassistant_custom_component.common", reason="Home Assistant is not installed"
)

NAME = "custom_components.lamp"
HEAD = """
from datetime import timedelta
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.helpers.event import async_track_time_interval

PLATFORMS = ["sensor"]

def on_event(*details):
    pass

async def async_setup(hass, config):
    hass.services.async_register("lamp", "blink", on_event)
    return True

async def async_unload_entry(hass, entry):
    return await hass.config_entries.async_unload_platforms(entry, PLATFORMS)

async def async_setup_entry(hass, entry):
    undo = {register}
    {undo}
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    return True
"""
SENSOR = """
from homeassistant.components.sensor import SensorEntity

class Lamp(SensorEntity):
    _attr_name = "lamp"
    _attr_unique_id = "lamp"

    async def async_added_to_hass(self):
        undo = self.hass.bus.async_listen("lamp_seen", self.on_event)
        {undo}

    def on_event(self, event):
        pass

async def async_setup_entry(hass, entry, async_add_entities):
    async_add_entities([Lamp()])
"""
PLAIN = SENSOR.replace("{undo}", "self.async_on_remove(undo)")
MANIFEST = {
    "domain": "lamp",
    "name": "Lamp",
    "version": "1.0.0",
    "codeowners": [],
    "config_flow": True,
    "dependencies": [],
    "documentation": "https://example.org",
    "iot_class": "local_push",
    "requirements": [],
}
FLOW = """
from homeassistant.config_entries import ConfigFlow

class LampFlow(ConfigFlow, domain="lamp"):
    VERSION = 1
"""
RETURNED = "entry.async_on_unload()"


@dataclass(frozen=True, kw_only=True)
class Leak:
    """An integration that leaks without what undoes it, and what the report must say."""

    source: str
    undo: str
    path: str
    line: int
    fix: str = RETURNED

    def write(self, file, *, is_cured):
        """Write one of the twins."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.source.replace("{undo}", self.undo if is_cured else "pass"))
        importlib.invalidate_caches()

    def assert_found(self, report, file):
        """The report names what Home Assistant holds, the line, and what undoes it."""
        assert (report.error, report.outcome) == (None, "leaking")
        new = [found for found in report.findings if found.known is None]
        found = next((one for one in new if one.holder.path.startswith(self.path)), None)
        assert found is not None, [one.holder for one in new]
        assert (found.kind, found.growth) == ("retained-generation", "growing")
        assert (Path(found.site.file).name, found.site.line) == (file, self.line), found.holder
        assert self.fix in found.advice


def _forget():
    for name in [name for name in sys.modules if name.partition(".")[0] == "custom_components"]:
        del sys.modules[name]


def _entry(register, path):
    return Leak(
        source=HEAD.replace("{register}", register),
        undo="entry.async_on_unload(undo)",
        path=path,
        line=19,
    )


PROGRAMS = {
    "a listener": _entry(
        'hass.bus.async_listen("lamp_changed", on_event)', "hass.bus._listeners['lamp_changed']"
    ),
    "a timer": _entry(
        "async_track_time_interval(hass, on_event, timedelta(hours=1))", "hass.loop._scheduled[*]"
    ),
    "a signal": _entry('async_dispatcher_connect(hass, "lamp", on_event)', "hass.data['dispatcher']['lamp']"),
    "an entity": Leak(
        source=SENSOR,
        undo="self.async_on_remove(undo)",
        path="hass.bus._listeners['lamp_seen']",
        line=9,
    ),
}


@pytest.fixture(params=PROGRAMS)
def twins(request):
    """An integration."""
    return PROGRAMS[request.param]


@pytest.fixture
def hass_config_dir(tmp_path, monkeypatch):
    """Where the fixture `hass` looks for custom integrations; in older versions it calls a function for it."""
    (tmp_path / "custom_components").mkdir()
    (tmp_path / "custom_components" / "__init__.py").touch()
    monkeypatch.setattr(common, "get_test_config_dir", lambda *parts: str(tmp_path.joinpath(*parts)))
    _forget()
    return str(tmp_path)


@pytest.fixture
def lamp(twins, tmp_path, hass_config_dir, monkeypatch):
    """Write the integration `lamp`."""
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "custom_components" / "lamp"
    plain = HEAD.replace("{register}", "None").replace("{undo}", "pass")

    def write(*, is_cured):
        is_entity = twins.source is SENSOR
        twins.write(folder / ("sensor.py" if is_entity else "__init__.py"), is_cured=is_cured)
        (folder / ("__init__.py" if is_entity else "sensor.py")).write_text(plain if is_entity else PLAIN)
        (folder / "manifest.json").write_text(json.dumps(MANIFEST))
        (folder / "config_flow.py").write_text(FLOW)
        return "sensor.py" if is_entity else "__init__.py"

    yield write
    _forget()


def test_a_leak_of_an_integration_is_found(twins, lamp, reload_leaks):
    """The report names what Home Assistant holds, the line, and how it is undone; what async_setup did is known."""
    file = lamp(is_cured=False)

    report = reload_leaks.measure(NAME, preset="auto", rounds=2)

    twins.assert_found(report, file)
    assert "checked as a plugin of Home Assistant" in report.notes


def test_the_cured_integration_is_clean(lamp, reload_leaks):
    """But for the service of async_setup, which Home Assistant calls once."""
    lamp(is_cured=True)

    report = reload_leaks.check(NAME, preset="Home Assistant", rounds=2)

    assert report.outcome == "known"
    assert {found.holder.path.partition("[")[0] for found in report.findings} == {"hass.services._services"}


@pytest.mark.parametrize("twins", ["an entity"], indirect=True)
async def test_the_instance_of_the_test(lamp, reload_leaks, hass, enable_custom_integrations):
    """The fixture `hass` is used where the test gives it."""
    lamp(is_cured=True)

    report = await reload_leaks.acheck(NAME, preset="Home Assistant", host={"hass": hass}, rounds=2)

    assert report.outcome == "known"
    assert [entry.domain for entry in hass.config_entries.async_entries()] == ["lamp"]


@pytest.fixture
def by_hand(hass, enable_custom_integrations):
    """How an entry is reloaded without the preset."""
    from homeassistant.loader import DATA_COMPONENTS

    entry = common.MockConfigEntry(domain="lamp")
    entry.add_to_hass(hass)

    async def reload():
        if entry.state.value == "loaded":
            await hass.config_entries.async_unload(entry.entry_id)
        for name in [name for name in sys.modules if name.startswith(NAME)]:
            del sys.modules[name]
        for name in [name for name in hass.data[DATA_COMPONENTS] if name.startswith("lamp")]:
            del hass.data[DATA_COMPONENTS][name]
        importlib.import_module(NAME)
        await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()

    return reload


@pytest.mark.parametrize("twins", ["a listener"], indirect=True)
async def test_by_hand(lamp, reload_leaks, by_hand):
    """What such a test looks like without the preset."""
    lamp(is_cured=False)

    with pytest.raises(AssertionError) as caught:
        await reload_leaks.acheck(NAME, reload=by_hand, rounds=2)

    paths = [found.holder.path for found in caught.value.report.findings]
    assert "_listeners['lamp_changed']" in "".join(paths)


@pytest.mark.parametrize("twins", ["a listener"], indirect=True)
async def test_platforms_of_unloaded_entries(lamp, reload_leaks, by_hand):
    """Home Assistant 2025.4 keeps each until it ends; later ones drop it. The preset drops it in each."""
    from homeassistant.const import __version__

    lamp(is_cured=True)

    try:
        report = await reload_leaks.acheck(NAME, reload=by_hand, rounds=2)
    except ReloadLeakError as error:
        report = error.report

    growing = [found.holder.path for found in report.findings if found.growth == "growing"]
    is_kept = any(path.endswith("['lamp'][*].platform") for path in growing)
    assert is_kept == __version__.startswith("2025.4."), growing

"""List the presets, and find the one that a user named or that a target looks like."""

from __future__ import annotations

import base64
import pickle
from collections.abc import Iterable, Mapping

from pytest_reloadleak.errors import UsageError, did_you_mean
from pytest_reloadleak.heap.failure import failure_text
from pytest_reloadleak.presets.apps.blender import Blender
from pytest_reloadleak.presets.apps.homeassistant import HomeAssistant
from pytest_reloadleak.presets.bots.discord import Discord
from pytest_reloadleak.presets.bots.errbot import Errbot
from pytest_reloadleak.presets.bots.limnoria import Limnoria
from pytest_reloadleak.presets.bots.sopel import Sopel
from pytest_reloadleak.presets.dashboards.panel import Panel
from pytest_reloadleak.presets.dashboards.streamlit import Streamlit
from pytest_reloadleak.presets.loops.apscheduler import APScheduler
from pytest_reloadleak.presets.loops.celery import Celery
from pytest_reloadleak.presets.loops.gevent import Gevent
from pytest_reloadleak.presets.loops.twisted import Twisted
from pytest_reloadleak.presets.managers.pluggy import Pluggy
from pytest_reloadleak.presets.managers.stevedore import Stevedore
from pytest_reloadleak.presets.managers.yapsy import Yapsy
from pytest_reloadleak.presets.notebooks.ipython import Autoreload, IPython, Run
from pytest_reloadleak.presets.notebooks.marimo import Marimo
from pytest_reloadleak.presets.preset import Hosted, Preset
from pytest_reloadleak.presets.source import Source
from pytest_reloadleak.presets.web.django import Django
from pytest_reloadleak.presets.web.fastapi import FastAPI
from pytest_reloadleak.presets.web.flask import Flask
from pytest_reloadleak.strategies.imports import targets

AUTO = "auto"
"""Stands for the preset that fits the target's source, if there is one."""
BUILTIN: tuple[Preset, ...] = (
    # -- applications
    HomeAssistant(),
    Blender(),
    # -- bots
    Sopel(),  # before the next one: a plugin of it has `setup(bot)` too
    Errbot(),
    Limnoria(),
    Discord(),
    # -- web applications
    Flask(),
    FastAPI(),
    Django(),
    # -- data apps
    Panel(),
    Streamlit(),
    # -- plugin managers
    Pluggy(),
    Stevedore(),
    Yapsy(),
    # -- notebooks
    IPython(),
    Autoreload(),
    Run(),
    Marimo(),
    # -- loops, schedulers and task queues; the loops last, which many others use too
    APScheduler(),
    Celery(),
    Twisted(),
    Gevent(),
)
"""The presets of this package; `auto` tries them in this order."""


def named(given: object, extra: Iterable[Preset] = ()) -> Preset | None:
    """The preset that a user gave; `None` for `auto`, which depends on the target.

    Args:
        given: a name, or a preset.
        extra: presets of the project and of plugins.

    Raises:
        UsageError: there is no such preset.
    """
    if isinstance(given, Preset):
        return given
    known = {name.lower(): one for one in (*BUILTIN, *extra) for name in (one.name, *one.aliases)}
    if given == AUTO:
        return None
    if isinstance(given, str) and given.lower() in known:
        return known[given.lower()]
    spelled = {name: one for one in (*BUILTIN, *extra) for name in (one.name, *one.aliases)}
    hint = did_you_mean(given, spelled, cutoff=0.6)
    names = ", ".join(one.name for one in (*BUILTIN, *extra))
    raise UsageError(f"unknown preset {given!r}: {hint}use one of {names}, or {AUTO}")


def fitting(source: Source, extra: Iterable[Preset] = ()) -> Preset | None:
    """The preset that fits a source, if its host is installed. Nothing is imported."""
    return next((one for one in (*extra, *BUILTIN) if one.fits(source) and _is_installed(one)), None)


def chosen(given: object, target: str, extra: Iterable[Preset] = ()) -> Preset | None:
    """The preset to use for a target; `None` if `auto` finds none. The target is not imported.

    Args:
        given: a name, or a preset.
        target: the target's name.
        extra: presets of the project and of plugins.

    Raises:
        UsageError: there is no such preset, or its host is not installed.
    """
    preset = named(given, extra) or fitting(Source.of(target), extra)
    if preset is not None and not _is_installed(preset):
        raise UsageError(
            f"preset {preset.name!r} needs {' or '.join(preset.modules)}, which is not installed"
        )
    return preset


def opened(preset: Preset, target: str, options: Mapping[str, object]) -> Hosted:
    """A host for one check.

    Args:
        preset: the preset.
        target: the target's name.
        options: the host's objects from the test, by name.

    Raises:
        UsageError: the preset takes no object of such a name.
    """
    for name in options:
        if preset.takes and name not in preset.takes:
            hint = did_you_mean(name, preset.takes, cutoff=0.6)
            names = ", ".join(preset.takes)
            raise UsageError(f"host={{{name!r}: ...}}: {hint}preset {preset.name!r} takes {names}")
    return preset.open(target, Source.of(target), options)


def packed(preset: Preset) -> str:
    """A preset as text, for the worker process that uses it.

    Raises:
        UsageError: its class cannot be imported there.
    """
    try:
        return base64.b64encode(pickle.dumps(preset)).decode("ascii")
    except Exception as error:  # noqa: BLE001 - whatever a project's own preset has in it
        text = failure_text(error)
    raise UsageError(
        f"preset {preset.name!r} cannot be sent to a worker process: {text}; define its class at module level, and "
        "keep only plain values in it, or use --reload-leak-isolation=none"
    )


def unpacked(text: str) -> Preset:
    """The preset of a text from `packed`, made in the process that started this one."""
    preset: Preset = pickle.loads(base64.b64decode(text))  # noqa: S301 - our own parent wrote it
    return preset


def _is_installed(preset: Preset) -> bool:
    return not preset.modules or any(targets.find(module) is not None for module in preset.modules)

"""Prove that Python code can be reloaded without leaking.

Public names: `check_reload`, `measure_reload`, `watch_process`, `clear_cache`, `ReloadLeakError`, `UsageError`,
`Report`, `Finding`, `StillAlive`, `Cleared`; and for plugins `Probe`, `Effect`, `Cause`, `Known`, `Preset` and
`Hosted`. They are loaded on first use: pytest imports this package in every run that has the plugin installed, but only
a run that checks something should pay for the rest.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_reloadleak.check import check_reload, measure_reload
    from pytest_reloadleak.effects.probe import Effect, Probe
    from pytest_reloadleak.errors import ReloadLeakError, UsageError
    from pytest_reloadleak.holders.sweep import Cause
    from pytest_reloadleak.live.process import watch_process
    from pytest_reloadleak.model import Cleared, Finding, Report, StillAlive
    from pytest_reloadleak.presets.preset import Hosted, Preset
    from pytest_reloadleak.strategies.clearing import clear_cache
    from pytest_reloadleak.verdict.known import Known

__all__ = [
    "Cause",
    "Cleared",
    "Effect",
    "Finding",
    "Hosted",
    "Known",
    "Preset",
    "Probe",
    "ReloadLeakError",
    "Report",
    "StillAlive",
    "UsageError",
    "check_reload",
    "clear_cache",
    "measure_reload",
    "watch_process",
]

_HOMES = {
    "Cause": "holders.sweep",
    "Cleared": "model",
    "Effect": "effects.probe",
    "Finding": "model",
    "Hosted": "presets.preset",
    "Known": "verdict.known",
    "Preset": "presets.preset",
    "Probe": "effects.probe",
    "ReloadLeakError": "errors",
    "Report": "model",
    "StillAlive": "model",
    "UsageError": "errors",
    "check_reload": "check",
    "clear_cache": "strategies.clearing",
    "measure_reload": "check",
    "watch_process": "live.process",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("pytest-reloadleak")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])

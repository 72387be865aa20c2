"""Describe what a verdict depended on: options, plugins, versions and the interpreter."""

from __future__ import annotations

import platform
import sys
from typing import Any

import pytest

_INTERNAL = ("reload_leak_alone", "reload_leak_chosen")
"""What node ids and the command's arguments choose: nobody gives it as an option."""


def environment(config: pytest.Config) -> dict[str, Any]:
    """The session's environment as plain data for the JSON report.

    Returns:
        `options`: this plugin's options and ini values that differ from the default; `plugins`: name and version of
        the installed pytest plugins; `pytest`; `python` with `implementation`, `version` and `flags`.
    """
    options = {
        f"--{name.replace('_', '-')}": _plain(value)
        for name, value in sorted(vars(config.option).items())
        if name.startswith("reload_leak_") and name not in _INTERNAL and value not in (None, False, [], ())
    }
    chosen = getattr(config.option, "reload_leak_chosen", None)
    if chosen:
        options["targets"] = [
            name if strategy is None else f"{name}[{strategy}]" for name, strategy in chosen
        ]
    options.update(
        {
            name: _plain(value)
            for name in _ini_names(config)
            if (value := config.getini(name)) not in (False, "", [])
        }
    )
    return {
        "options": options,
        "plugins": dict(
            sorted({(d.project_name, d.version) for _, d in config.pluginmanager.list_plugin_distinfo()})
        ),
        "pytest": pytest.__version__,
        "python": {
            "implementation": platform.python_implementation(),
            "version": platform.python_version(),
            "flags": [name for name in dir(sys.flags) if _is_set(name)],
        },
    }


def lines(content: dict[str, Any]) -> list[str]:
    """The environment as lines for `-v`."""
    python = content["python"]
    plugins = ", ".join(f"{name} {number}" for name, number in content["plugins"].items())
    options = " ".join(f"{name}={_joined(value)}" for name, value in content["options"].items())
    return [
        f"reload-leak: {python['implementation']} {python['version']}, pytest {content['pytest']}; plugins: {plugins}",
        f"reload-leak: options: {options or 'all at their defaults'}",
    ]


def _joined(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _ini_names(config: pytest.Config) -> list[str]:
    return sorted(name for name in config._parser._inidict if name.startswith("reload_leak_"))


def _is_set(name: str) -> bool:
    value = getattr(sys.flags, name)
    return not name.startswith(("_", "n_")) and isinstance(value, (int, bool)) and bool(value)


def _plain(value: object) -> object:
    if isinstance(value, (list, tuple)):
        return [str(one) for one in value]
    return value if isinstance(value, (bool, int, float, str)) else str(value)

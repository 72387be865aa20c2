"""Name the hook of the host into which a cure goes."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any

from pytest_reloadleak.cures.knowledge import HOSTS
from pytest_reloadleak.heap import foreign


def hook_of(namespaces: Mapping[str, dict[str, Any]]) -> str:
    """Where a cure goes, as the end of a sentence; empty if the target imports no known host.

    Args:
        namespaces: the target's present namespaces by module name.
    """
    used = {_home(value) for namespace in namespaces.values() for value in list(namespace.values())}
    for host in HOSTS:
        if host.module in foreign.module_table() and any(_is_below(name, host.module) for name in used):
            return host.hook
    return ""


def _home(o: Any) -> str:
    if foreign.is_module(o):
        return foreign.module_name(foreign.module_dict(o) or {})
    if foreign.is_class(o):
        return foreign.class_module(o)
    return foreign.module_name(o.__globals__) if type(o) is types.FunctionType else ""


def _is_below(name: str, module: str) -> bool:
    return name == module or name.startswith(f"{module}.")

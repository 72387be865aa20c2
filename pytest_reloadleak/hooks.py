"""Hooks by which other plugins and conftests contribute. Imported in every run, so it imports nothing itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from pytest_reloadleak.effects.base import Probe


def pytest_reloadleak_probes(config: pytest.Config) -> list[type[Probe]]:  # type: ignore[empty-body]  # a specification
    """Further probes: classes, made anew for each check.

    Args:
        config: pytest's configuration.

    Returns:
        Subclasses of `pytest_reloadleak.effects.base.Probe` with a name of their own, at module level: the process
        that checks a target imports them by name.
    """

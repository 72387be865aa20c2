"""`importlib.reload`, submodules first: the standard library's way. The namespaces stay and are executed into again."""

from __future__ import annotations

import importlib
import sys

from pytest_reloadleak.strategies.base import reloadable
from pytest_reloadleak.strategies.stamps import stamp_specs


class Reload:
    """The strategy `reload`."""

    name = "reload"

    def reload(self, names: list[str]) -> None:
        """Reload each module in place; a package after its submodules, so that it sees the new ones."""
        modules = sorted(reloadable(names), key=lambda name: -name.count("."))
        stamp_specs(modules)
        for name in modules:
            importlib.reload(sys.modules[name])

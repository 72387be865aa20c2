"""Choose between the extension and Python. `RELOADLEAK_ACCELERATOR` decides, if it is set.

`off` takes Python, and `required` fails where the extension is not there. The same variable has the same meaning when
the package is built (`hatch_build.py`).
"""

from __future__ import annotations

import os
from types import ModuleType
from typing import TYPE_CHECKING

_WANTED = os.environ.get("RELOADLEAK_ACCELERATOR", "")
_PROTOCOL = 5
"""Of the extension: one that was built from another version of its source is not taken."""

__all__ = ["Addresses", "counted", "expand", "fingerprint", "of_types", "positions", "referring", "untracked"]

if TYPE_CHECKING:
    from pytest_reloadleak.heap.levels._native import (
        Addresses,
        counted,
        expand,
        fingerprint,
        of_types,
        positions,
        referring,
        untracked,
    )


def _chosen() -> ModuleType:
    """The extension, if it is wanted and was built from this source; else the same in Python.

    Raises:
        ImportError: the extension is required, and is not there or was built from another source.
    """
    if _WANTED != "off":
        try:
            from pytest_reloadleak.heap.levels import _native
        except ImportError:
            if _WANTED == "required":
                raise
        else:
            if _native.PROTOCOL == _PROTOCOL:
                return _native
            if _WANTED == "required":
                raise ImportError(
                    f"{_native.__file__} was built from another source: install the package again"
                )
    from pytest_reloadleak.heap.levels import in_python

    return in_python


globals().update({name: vars(_chosen())[name] for name in __all__})

"""Choose between the extension and Python. The environment variable `RELOADLEAK_ACCELERATOR` can force the choice.

`off` takes Python, and `required` fails if there is no extension. The variable means the same when the package is built
(`hatch_build.py`).
"""

from __future__ import annotations

import os
from types import ModuleType
from typing import TYPE_CHECKING

_WANTED = os.environ.get("RELOADLEAK_ACCELERATOR", "")
_PROTOCOL = 5
"""Protocol number of the extension. One with another number was built from other source and is not used."""

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
    """The extension if it is wanted and was built from this source, otherwise the module in Python.

    Raises:
        ImportError: the extension is required, but is missing or was built from other source.
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

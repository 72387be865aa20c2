"""Choose between the extension and Python. `RELOADLEAK_ACCELERATOR` decides, if it is set.

`off` takes Python, and `required` fails where the extension is not there. The same variable has the same meaning when
the package is built (`hatch_build.py`).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

_WANTED = os.environ.get("RELOADLEAK_ACCELERATOR", "")
_PROTOCOL = 5
"""Of the extension: one that was built from another version of its source is not taken."""

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
else:
    from pytest_reloadleak.heap.levels.in_python import (
        Addresses,
        counted,
        expand,
        fingerprint,
        of_types,
        positions,
        referring,
        untracked,
    )

    if _WANTED != "off":
        try:
            from pytest_reloadleak.heap.levels import _native
        except ImportError:
            if _WANTED == "required":
                raise
        else:
            if _native.PROTOCOL == _PROTOCOL:
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
            elif _WANTED == "required":
                raise ImportError(
                    f"{_native.__file__} was built from another source: install the package again"
                )

__all__ = ["Addresses", "counted", "expand", "fingerprint", "of_types", "positions", "referring", "untracked"]

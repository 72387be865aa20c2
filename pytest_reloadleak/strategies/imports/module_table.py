"""Detect that `sys.modules` itself was replaced, and put it back.

Import statements keep using the interpreter's own table, but `importlib.import_module` uses the replacement. Each then
loads modules that the other does not see (reload facts, row 5). A check would judge one table while the program uses
two, so the check ends with an error, as if the reload had raised.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pytest_reloadleak.errors import RoundError


@contextmanager
def kept_table(table: dict[str, Any], when: str) -> Iterator[None]:
    """Check that the block does not replace `sys.modules`.

    Args:
        table: the table that the check began with.
        when: the part of the check that runs in the block, for messages.

    Raises:
        RoundError: the table was replaced, in the block or before it. It replaces an error of the block, which is a
            consequence.
    """
    _assert_kept(table, f"before {when}")
    try:
        yield
    finally:
        _assert_kept(table, when)


def _assert_kept(table: dict[str, Any], when: str) -> None:
    if sys.modules is table:
        return
    sys.modules = table
    raise RoundError(
        f"{when}: sys.modules was replaced by another table, which importlib.import_module uses and import "
        "statements ignore, so modules are loaded twice; change entries of the original table instead"
    )

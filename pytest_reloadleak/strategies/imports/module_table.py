"""Notice that `sys.modules` itself was replaced, and have it back.

The import statement goes on with the interpreter's own table, `importlib.import_module` obeys the name: from then on
each loads modules that the other does not see (reload facts, row 5). A check of such a target would judge one table
while the program lives in two, so it ends with what happened, as loudly as if the reload had raised.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pytest_reloadleak.errors import RoundError


@contextmanager
def kept_table(table: dict[str, Any], when: str) -> Iterator[None]:
    """The block must leave `sys.modules` the object that it was.

    Args:
        table: the table that the check began with.
        when: the part of the check that the block is, as messages name it.

    Raises:
        RoundError: it did not, or it had been replaced before; instead of what the block itself raises, which follows.
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
        f"{when}: sys.modules was replaced by another table, which import statements ignore and "
        "importlib.import_module obeys, so that modules are loaded twice; change its entries instead"
    )

"""Remove registrations that only C code holds, by the functions that undo the recorded calls."""

from __future__ import annotations

import atexit
import codecs
import sys
import weakref
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from pytest_reloadleak.cutting.cut import CannotCutError
from pytest_reloadleak.effects.registries.watched import Watched
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.holders import roots

_exit_callbacks = roots.registered
_unregister_exit = atexit.unregister
_UNDO: dict[str, Callable[[Any], None]] = {
    "atexit.register": atexit.unregister,
    "codecs.register": codecs.unregister,
}


def removal(probe: Watched, number: int | str, seen: Iterable[Any]) -> Callable[[], None]:
    """A function that undoes one recorded call. It refers weakly to the registered object if that allows it.

    Args:
        probe: has the record.
        number: the record's number.
        seen: objects on the paths of this registration; one of them may be an entry without weak references.

    Raises:
        CannotCutError: nothing undoes it.
    """
    record = probe.record(number)
    if record is None:
        return _nothing
    spelling, slot, ids, values = record
    if spelling == "faulthandler.register":
        return partial(foreign.namespace("faulthandler")["unregister"], slot[0])
    if spelling == "sys.monitoring.register_callback":
        return partial(vars(sys)["monitoring"].register_callback, *slot, None)
    if spelling == "codecs.register_error":
        return partial(_remove_error_handler, str(slot[0]))
    if spelling not in _UNDO:
        raise CannotCutError(f"Python has no function that undoes {spelling}()")
    entry = next((o for o in (*values, *seen) if id(o) == ids[0]), None)
    if entry is None:
        raise CannotCutError(f"what {spelling}() took cannot be found again")
    try:
        return partial(_undo, _UNDO[spelling], weakref.ref(entry), None)
    except TypeError:
        return partial(_undo, _UNDO[spelling], None, entry)


def _undo(function: Callable[[Any], None], reference: weakref.ref[Any] | None, entry: Any) -> None:
    function(reference() if reference is not None else entry)


def _remove_error_handler(name: str) -> None:
    undo = foreign.namespace("_codecs").get("_unregister_error")  # since 3.14
    if undo is None or not undo(name):
        codecs.register_error(name, codecs.strict_errors)


def _nothing() -> None:
    """Do nothing: the entry is gone."""


def remove_older(key: int) -> None:
    """Remove a callback of `atexit` from before the check, by its id."""
    for root in _exit_callbacks():
        if root.kind == "atexit" and id(root.value) == key:
            _unregister_exit(root.value)  # type: ignore[arg-type]  # `atexit` took it


def is_shared(probe: Watched, number: int | str) -> bool:
    """Whether undoing a call also undoes others: `atexit.unregister` removes every equal callback."""
    record = probe.record(number)
    return record is not None and record[0] == "atexit.register" and probe.has_equal(number)

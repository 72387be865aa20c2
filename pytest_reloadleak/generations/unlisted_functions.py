"""Find functions of shared namespaces that no walk saw, such as a lambda in a foreign list.

A function refers to its globals, so a namespace's reference count shows whether such functions can exist at all.
"""

from __future__ import annotations

import types
from typing import Any

from pytest_reloadleak.generations.birth import is_in
from pytest_reloadleak.generations.earlier_checks import is_left_over, leave
from pytest_reloadleak.generations.ledger import Ledger
from pytest_reloadleak.heap import collector as gc


def unlisted(ledger: Ledger, namespaces: list[dict[str, Any]], ours: int) -> list[types.FunctionType]:
    """Live functions of shared namespaces that no walk saw.

    Args:
        ledger: knows what the walks saw.
        namespaces: the shared namespaces.
        ours: how many containers of the check hold each namespace, this list included.
    """
    known = _functions_of(ledger, namespaces)
    counted = [*namespaces, {}]  # the last is the baseline: only this list refers to it
    references = [gc.getrefcount(counted[at]) for at in range(len(counted))]
    expected = references.pop() + ours + 1  # plus the module's reference
    suspects = [
        namespace
        for namespace, count in zip(namespaces, references, strict=True)
        if count > expected + sum(1 for f in known.values() if f.__globals__ is namespace)
    ]
    homes = set(map(id, suspects))
    found = gc.get_referrers(*suspects) if suspects else []
    functions = [o for o in found if type(o) is types.FunctionType and id(o.__globals__) in homes]
    return [f for f in functions if id(f) not in known and not is_left_over(f)]


def _functions_of(ledger: Ledger, namespaces: list[dict[str, Any]]) -> dict[int, types.FunctionType]:
    """The noted functions of some namespaces that are alive, by id."""
    homes = set(map(id, namespaces))
    noted = (reference() for birth in ledger.births for reference in birth.functions.values())
    return {id(f): f for f in noted if f is not None and id(f.__globals__) in homes}


def note_unlisted(ledger: Ledger, namespaces: list[dict[str, Any]], ours: int) -> None:
    """File functions that no walk saw and no stamp dates under the newest generation.

    Call it while each generation is the newest. Args as for `unlisted`.
    """
    for function in unlisted(ledger, namespaces, ours):
        # Always file the first generation's: its namespace dates them only until another generation shares that.
        if len(ledger.births) == 1 or ledger.born(function) is None:
            ledger.file_function(function)


def retire(ledger: Ledger, namespaces: list[dict[str, Any]], ours: int, original: int) -> None:
    """Remember, as the check ends, the functions it leaves in namespaces that it puts back (args of `unlisted`).

    Those of the `original` generation are put back as well. There is none where a pattern matched modules that were
    loaded before: then the first birth is already the check's own.
    """
    is_original = bool(ledger.births) and ledger.births[0].generation == original
    first = ledger.births[0].functions if is_original else {}
    for function in (*_functions_of(ledger, namespaces).values(), *unlisted(ledger, namespaces, ours)):
        if not is_in(first, function):
            leave(function)

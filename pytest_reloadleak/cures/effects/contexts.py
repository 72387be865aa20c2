"""Write the cure of a context variable whose value is a tuple or a frozenset, to which each generation adds an item."""

from __future__ import annotations

import contextvars

from pytest_reloadleak.cures import reading
from pytest_reloadleak.cures.effects.registrations import Clue
from pytest_reloadleak.cures.names import Names


def without_item(clue: Clue, names: Names) -> list[str] | None:
    """The line that sets the variable to what it has without the target's item.

    Args:
        clue: what is known of the variable and its value.
        names: the names in the target's module.

    Returns:
        `None` where the value is something else, or no global is the variable.
    """
    value = clue.values[0] if clue.values else None
    if not (type(value) is tuple or type(value) is frozenset):
        return None
    own = next((item for item in value if names.is_present(item)), None)
    variable = _spelled(clue.identity, names)
    if own is None or variable is None:
        return None
    item = names.variable("item")
    test = names.subject(own).test.opposite.of(item)
    kind = "tuple" if type(value) is tuple else "frozenset"
    return [f"{variable}.set({kind}({item} for {item} in {variable}.get() if {test}))"]


def _spelled(identity: tuple[int | str, ...], names: Names) -> str | None:
    """The global that is the variable of an entry, which is identified by the variable's id."""
    variables = [v for v in contextvars.copy_context() if id(v) in identity]
    found = reading.global_of(variables[0]) if variables else None
    if found is None:
        return None
    module, name = found
    return name if module == names.module else f"{names.need(module)}.{name}"

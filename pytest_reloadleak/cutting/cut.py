"""Define a trial removal, and the error that says why one cannot be tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pytest_reloadleak.heap import foreign


class CannotCutError(Exception):
    """A reference or an effect cannot be removed; the text says why, as a clause."""


@dataclass(slots=True, eq=False, repr=False)
class Cut:
    """The removal of one reference or effect. Lives only until it is performed."""

    remove: Callable[[], None]
    """Removes it. The function must not hold anything that leads to what should die."""
    generations: frozenset[int] = frozenset()
    """Old generations that the reference or effect keeps alive."""
    is_whole: bool = False
    """Whether this removes the references to all generations, as clearing a cache or emptying a slot does."""


def perform(cut: Cut) -> str | None:
    """Perform a removal.

    Returns:
        Why it failed, as a clause; `None` if nothing was raised.
    """
    try:
        cut.remove()
    except CannotCutError as refusal:
        return str(refusal)
    except BaseException as error:  # noqa: BLE001 - it may run code of the program, such as `__hash__` or `__del__`
        return f"removing it raised {foreign.exception_text(error)}"
    finally:
        cut.remove = _done
    return None


def _done() -> None:
    """Stand in for a removal that is over, so that it keeps nothing."""

"""Choose the cure of an effect by its kind."""

from __future__ import annotations

from pytest_reloadleak.cures.effects import contexts, loops, open_things, registrations, threads
from pytest_reloadleak.cures.effects.registrations import Clue
from pytest_reloadleak.cures.names import Names


def cure(clue: Clue, registry: str | None, names: Names) -> list[str] | None:
    """The lines that end an effect; `None` where none are known.

    Args:
        clue: what is known of the effect.
        registry: the registry's name, for registrations.
        names: the names in the target's module.
    """
    if registry == "contextvars":
        return contexts.without_item(clue, names)
    if registry is not None:
        return registrations.cure(clue, registry, names)
    if clue.root == "thread":
        return threads.timer(clue, names) if clue.kind == "live-timer" else threads.thread(clue, names)
    if clue.root in {"task", "timer", "loop"}:
        return loops.of_loop(clue, names)
    if clue.kind == "child-process":
        return loops.child(clue, names) or open_things.child(clue, names)
    if clue.kind == "open-fd":
        return open_things.descriptor(clue, names)
    return None

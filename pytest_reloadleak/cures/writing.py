"""Put a cure together: the imports that it needs, then its lines. What cannot be written is `None`, never an error."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pytest_reloadleak.cures import patches, references
from pytest_reloadleak.cures.names import Names

_MOST_PATHS = 16
"""References that are compared to see where each generation has its own."""


def of_reference(
    paths: Sequence[tuple[Any, ...]],
    held_at: int,
    module: str,
    namespaces: Mapping[str, dict[str, Any]],
    *,
    is_single: bool,
) -> str | None:
    """The cure of a reference.

    Args:
        paths: objects from a root's value to the target's object, of one reference a generation or several.
        held_at: index of the target's object in the shortest path.
        module: the target's name.
        namespaces: the target's present namespaces by module name.
        is_single: whether each generation has one such reference.
    """
    length = min(map(len, paths))
    alike = [path for path in paths if len(path) == length][:_MOST_PATHS]
    return written(
        lambda names: references.cure(alike, held_at, names, is_single=is_single), module, namespaces
    )


def of_patch(
    paths: Sequence[tuple[Any, ...]], place: str, module: str, namespaces: Mapping[str, dict[str, Any]]
) -> str | None:
    """The cure of a patched attribute; the arguments are those of `of_reference`, and the attribute's path."""
    path = min(paths, key=len)
    return written(lambda names: patches.cure(path, place, names), module, namespaces)


def written(
    write: Callable[[Names], list[str] | None], module: str, namespaces: Mapping[str, dict[str, Any]]
) -> str | None:
    """The text of a cure.

    Args:
        write: returns the cure's lines, and asks for the imports that they need.
        module: the target's name; the main one's if it stands for several.
        namespaces: the target's present namespaces by module name.
    """
    names = Names(module if module in namespaces else next(iter(namespaces), module), namespaces)
    try:
        lines = write(names)
        if not lines:
            return None
        text = "\n".join((*names.imports, *lines))
        compile(text, "<cure>", "exec")
    except Exception:  # noqa: BLE001 - a cure is a help: a heap that it cannot read must not cost the finding
        return None
    return text

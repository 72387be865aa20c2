"""Keep the state of each logger: one call of `logging.config.dictConfig` disables all that exist."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.run.restoring.setting import ABSENT, belongs, is_same

_ASPECTS = {
    "level": "the level",
    "disabled": "the disabled flag",
    "propagate": "the propagate flag",
    "handlers": "the handlers",
    "filters": "the filters",
}
_MOST_NAMED = 3
"""The largest number of loggers that a note names one by one."""


class Loggers:
    """The loggers at the start of a check.

    Args:
        is_targets: whether a module is the target's. A logger with a handler of the target is not kept.
    """

    def __init__(self, is_targets: Callable[[str], bool]) -> None:
        self._kept = [
            (name, space, now)
            for name, space in _loggers()
            if not belongs((now := _state(space))[-2:], is_targets)
        ]

    def changed(self) -> Iterator[str]:
        """The differences, as text for a note."""
        found: dict[str, list[str]] = {}
        for name, space, before in self._kept:
            now = _state(space)
            if not is_same(before, now):
                for aspect, old, new in zip(_ASPECTS, before, now, strict=True):
                    if not is_same(old, new):
                        found.setdefault(aspect, []).append(name)
        for aspect, names in found.items():
            if len(names) > _MOST_NAMED:
                yield f"{_ASPECTS[aspect]} of {len(names)} loggers"
            else:
                for name in names:
                    yield f"{_ASPECTS[aspect]} of the {'root logger' if not name else f'logger {name}'}"

    def put_back(self) -> None:
        """Put back what differs. The lists stay the same objects, since `logging` itself changes them in place."""
        for _, space, before in self._kept:
            if is_same(before, _state(space)):
                continue
            for aspect, value in zip(_ASPECTS, before, strict=True):
                if type(value) is not tuple:
                    space[aspect] = value
                elif type(space.get(aspect)) is list:
                    space[aspect][:] = value
            if type(space.get("_cache")) is dict:
                space["_cache"].clear()
        self._kept.clear()


def _loggers() -> Iterator[tuple[str, dict[str, Any]]]:
    space = foreign.namespace("logging")
    root, kind = space.get("root"), space.get("Logger")
    if root is None:
        return
    yield "", vars(root)
    for name, logger in list(root.manager.loggerDict.items()):
        if type(logger) is kind:
            yield foreign.text(name), vars(logger)


def _state(space: dict[str, Any]) -> tuple[Any, ...]:
    values = (space.get(aspect, ABSENT) for aspect in _ASPECTS)
    return tuple(tuple(value) if type(value) is list else value for value in values)

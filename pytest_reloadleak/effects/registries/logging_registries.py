"""Define the registries of `logging`: handlers, filters, names, and the classes and factories of its objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_reloadleak.effects.registries.registry import Entry, Registry, of_list, of_table, slot
from pytest_reloadleak.heap import foreign


def _manager() -> dict[Any, Any]:
    """The attributes of the manager of all loggers, which is an attribute of their class."""
    cls = foreign.namespace("logging").get("Logger")
    manager = foreign.class_dict(cls).get("manager") if cls is not None and foreign.is_class(cls) else None
    return foreign.instance_dict(manager) or {}


def _loggers() -> list[tuple[str, object]]:
    """The name and object of every logger and placeholder. The root logger comes first, with an empty name."""
    table: Any = dict.get(_manager(), "loggerDict")
    named: list[tuple[Any, Any]] = list(dict.items(table)) if issubclass(type(table), dict) else []
    return [
        ("", foreign.namespace("logging").get("root")),
        *((foreign.text(name), o) for name, o in named if foreign.is_text(name)),
    ]


def _spelled(name: str) -> str:
    return f"logging.getLogger({foreign.key_text(name) if name else ''})"


def _handlers() -> Iterator[Entry]:
    """Handlers and filters of every logger, and the filters of each handler."""
    handlers: dict[int, Entry] = {}
    for name, logger in _loggers():
        own = foreign.instance_dict(logger) or {}
        where = _spelled(name)
        yield from of_list(f"logging filters {name}", f"{where}.filters[*]", dict.get(own, "filters"))
        for entry in of_list(f"logging handlers {name}", f"{where}.handlers[*]", dict.get(own, "handlers")):
            yield entry
            handlers.update((id(handler), entry) for handler in entry.values if id(handler) not in handlers)
    for entry in handlers.values():
        yield from _filters(entry)


def _filters(handler: Entry) -> Iterator[Entry]:
    own = foreign.instance_dict(handler.values[0]) or {}
    label = f"logging filters of {id(own)}"
    for entry in of_list(label, f"{handler.path}.filters[*]", dict.get(own, "filters")):
        yield entry._replace(part_of=handler)


_OWN_LOGGERS = frozenset({"logging.Logger", "logging.PlaceHolder", "logging.RootLogger"})


def _names() -> Iterator[Entry]:
    """Names of loggers and levels, which nothing ever removes, and loggers whose class is the program's."""
    for name, logger in _loggers()[1:]:
        kind = foreign.type_name(logger)
        values = () if kind in _OWN_LOGGERS else (logger,)
        # The object for a name changes when loggers above or below it are made, so only the name shows what is new.
        yield Entry(("logging name", name), _spelled(name), values, type="logging.Logger")
    levels = foreign.namespace("logging").get("_nameToLevel")
    yield from of_table("logging level", "logging.getLevelNamesMapping()", levels)


def _makers() -> Iterator[Entry]:
    own, manager = foreign.namespace("logging"), _manager()
    yield from slot("logging", "logging.setLoggerClass", own.get("_loggerClass"))
    yield from slot("logging", "logging.setLogRecordFactory", own.get("_logRecordFactory"))
    yield from slot("logging", "logging.Manager.setLoggerClass", dict.get(manager, "loggerClass"))
    yield from slot("logging", "logging.Manager.setLogRecordFactory", dict.get(manager, "logRecordFactory"))


LOGGING = (
    Registry(
        name="logging",
        module="logging",
        entries=_handlers,
        undo="on unload, remove it with removeHandler() or removeFilter()",
    ),
    Registry(
        name="logging",
        module="logging",
        entries=_names,
        undo="use a name that stays the same, such as __name__: logging never removes a name",
        bars=True,
    ),
    Registry(
        name="logging",
        module="logging",
        entries=_makers,
        undo="on unload, restore the previous one; derive yours from the original, not from the current one",
        bars=True,
    ),
)

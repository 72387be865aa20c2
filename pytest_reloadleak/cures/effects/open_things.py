"""Write the cure of a child process, an open descriptor, or a pool that owns such things and threads."""

from __future__ import annotations

import ast
import io
import os
import stat
import types
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pytest_reloadleak.cures import reading
from pytest_reloadleak.cures.effects import registrations
from pytest_reloadleak.cures.effects.registrations import Clue
from pytest_reloadleak.cures.knowledge import ENDED_BY
from pytest_reloadleak.cures.methods.offers import function_of
from pytest_reloadleak.cures.names import Names, is_name
from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign

_POOLS = {
    "concurrent.futures.thread.ThreadPoolExecutor": ("shutdown",),
    "concurrent.futures.process.ProcessPoolExecutor": ("shutdown",),
    "concurrent.futures.interpreter.InterpreterPoolExecutor": ("shutdown",),
    "multiprocessing.pool.Pool": ("terminate", "join"),
    "multiprocessing.pool.ThreadPool": ("terminate", "join"),
    "multiprocessing.managers.SyncManager": ("shutdown",),
    "multiprocessing.managers.SharedMemoryManager": ("shutdown",),
}
"""Methods that end what a pool of the standard library owns, in order."""
_WITH_FILES = frozenset({"sqlite3.Connection", "_gdbm.gdbm", "_dbm.dbm"})
"""Types of C whose objects have an open file that Python sees only as a number."""
_fstat = os.fstat
_STEPS, _MOST = 4, 2_000
"""How far an object may be from its pool, and how many objects are looked at."""


def of_pool(clue: Clue, names: Names) -> list[str] | None:
    """The lines that end the pool to which a thread, child process or descriptor belongs.

    Args:
        clue: what is known of the effect.
        names: the names in the target's module.

    Returns:
        `None` where no global of the target is a pool that leads to the effect's object.
    """
    pool = pool_of(clue.values[0], names.namespace) if clue.values else None
    name = names.bound(pool) if pool is not None else None
    return [f"{name}.{method}()" for method in _methods(pool)] if name is not None else None


def pool_of(thing: object, namespace: dict[str, Any]) -> Any | None:
    """The pool among the values of a namespace that leads to a thread, child process or open thing."""
    pools = (value for value in list(namespace.values()) if _methods(value))
    return next((pool for pool in pools if leads_to([pool], thing)), None)


def _methods(o: object) -> tuple[str, ...]:
    """The methods that end a pool, in order; empty for any other object."""
    return next((_POOLS[name] for cls in foreign.mro(type(o)) if (name := _full_name(cls)) in _POOLS), ())


def _full_name(cls: type) -> str:
    return f"{foreign.class_module(cls)}.{foreign.class_qualname(cls)}"


def leads_to(starts: Sequence[Any], thing: object) -> bool:
    """Whether some objects have one in their own parts: their lists and queues, not the code that they run."""
    level, seen = list(starts), set(map(id, starts))
    for _ in range(_STEPS):
        below = []
        for o in gc.get_referents_of_all(*level):
            if o is thing:
                return True
            if id(o) not in seen and not foreign.is_exactly(o, _CODE) and not foreign.is_class(o):
                seen.add(id(o))
                below.append(o)
        if len(seen) > _MOST:
            return False
        level = below
    return False


_CODE = foreign.type_ids(types.ModuleType, types.FunctionType, types.MethodType, types.FrameType)


def child(clue: Clue, names: Names) -> list[str] | None:
    """The lines that end a child process and wait for it; `None` where the target has no name for it."""
    if not clue.values:
        return None
    pool = of_pool(clue, names)
    if pool is not None:
        return pool
    name = names.bound(clue.values[0])
    if name is not None and function_of(clue.values[0], "terminate") is not None:
        wait = "join" if function_of(clue.values[0], "join") is not None else "wait"
        return [f"{name}.terminate()", f"{name}.{wait}()"]
    for value in clue.values:
        command = dict.get(foreign.instance_dict(value) or {}, "args")
        found = reading.list_with(value) if type(command) is list and all(map(_is_text, command)) else None
        if found is not None and type(command) is list:
            container, item = f"{names.need(found[0])}.{found[1]}", names.variable("item")
            words = f"[{', '.join(map(foreign.quoted, command))}]"
            return [
                f"for {item} in [{item} for {item} in {container} if getattr({item}, 'args', None) == {words}]:",
                f"    {item}.terminate()",
                f"    {item}.wait()",
                f"    {container}.remove({item})",
            ]
    return None


def _is_text(o: object) -> bool:
    return type(o) is str


def descriptor(clue: Clue, names: Names) -> list[str] | None:
    """The lines that close a descriptor; `None` where the target has no name for it or its file."""
    pool = of_pool(clue, names)
    if pool is not None:
        return pool
    for value in clue.values:
        name = names.bound(value)
        if name is not None and _has_close(value):
            unlink = [f"{name}.unlink()"] if _is_made_segment(value, name, names) else []
            return [f"{name}.close()", *unlink]
    kept = _kept_file(clue, names) or _ended_by_owner(clue, names)
    if kept is not None:
        return kept
    number = next((part for part in clue.identity if type(part) is int), None)
    known = dict(_numbers(names))
    if number is None or number not in known.values():
        return _closed_in_c(clue, names)
    both = {number, *_other_ends(number, known.values())}
    return [f"{names.need('os')}.close({text})" for text, value in known.items() if value in both]


def _closed_in_c(clue: Clue, names: Names) -> list[str] | None:
    """Close the one object of the target whose file only C code knows, and take it out of the list that has it."""
    files = [
        (name, value)
        for name, value in list(names.namespace.items())
        if is_name(name) and foreign.type_name(value) in _WITH_FILES
    ]
    if len(files) != 1 or " file " not in clue.path:
        return None
    ((name, value),) = files
    found = reading.list_with(value)
    removed = [f"{names.need(found[0])}.{found[1]}.remove({name})"] if found is not None else []
    return [f"{name}.close()", *removed]


def _numbers(names: Names) -> Iterator[tuple[str, int]]:
    """The numbers that may be descriptors among the globals, and in pairs as `os.pipe` returns them."""
    seen: set[int] = set()
    for name, value in list(names.namespace.items()):
        parts = [(name, value)]
        if type(value) is tuple and len(value) == 2:
            parts = [(f"{name}[{at}]", part) for at, part in enumerate(value)]
        for text, part in parts if is_name(name) else ():
            if type(part) is int and part > 2 and part not in seen:
                seen.add(part)
                yield text, part


def _other_ends(number: int, others: Iterable[int]) -> Iterator[int]:
    """The descriptors that are ends of the same pipe."""
    try:
        pipe = _fstat(number)
    except OSError:
        return
    for other in others if stat.S_ISFIFO(pipe.st_mode) else ():
        try:
            found = _fstat(other)
        except (OSError, OverflowError):
            continue
        if (found.st_dev, found.st_ino) == (pipe.st_dev, pipe.st_ino):
            yield other


def _is_made_segment(o: Any, name: str, names: Names) -> bool:
    """Whether a global is a shared memory segment that the source makes, rather than one that it attaches to."""
    if foreign.type_name(o) != "multiprocessing.shared_memory.SharedMemory":
        return False
    made = reading.value_of(names.module, name)
    keywords = made.keywords if type(made) is ast.Call else []
    return any(
        k.arg == "create" and type(k.value) is ast.Constant and k.value.value is True for k in keywords
    )


def _ended_by_owner(clue: Clue, names: Names) -> list[str] | None:
    """End the object of a library that a global is and whose descriptor it is, such as a port of Twisted."""
    for name, value in list(names.namespace.items()):
        kinds = {foreign.class_name(cls) for cls in foreign.mro(type(value))} if is_name(name) else set()
        end = next((end for end in ENDED_BY if end.type in kinds), None)
        parts = (foreign.instance_dict(value) or {}).values() if end is not None else ()
        if end is not None and any(part is thing for part in parts for thing in clue.values):
            return [f"{name}.{end.method}()"]
    return None


def _kept_file(clue: Clue, names: Names) -> list[str] | None:
    """Close the files of one name that a global list has, and take them out."""
    for value in clue.values:
        raw: Any = value
        for attribute, kind in (
            ("buffer", io.TextIOWrapper),
            ("raw", io.BufferedReader),
            ("raw", io.BufferedWriter),
        ):
            raw = object.__getattribute__(raw, attribute) if type(raw) is kind else raw
        name = dict.get(foreign.instance_dict(raw) or {}, "name") if type(raw) is io.FileIO else None
        found = reading.list_with(value) if type(name) is str else None
        if found is not None and name is not None:
            container = f"{names.need(found[0])}.{found[1]}"
            item = names.variable("item")
            test = f"getattr({item}, 'name', None) == {registrations.directory(name, names)}"
            items = f"[{item} for {item} in {container} if {test}]"
            return [f"for {item} in {items}:", f"    {item}.close()", f"    {container}.remove({item})"]
    return None


def _has_close(o: Any) -> bool:
    return foreign.defines(type(o), "close")

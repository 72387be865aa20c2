"""Find the objects that own descriptors and child processes, in one walk over what the collector tracks.

Only types of the standard library are read, through their methods in C or the attributes in their dict. A subclass may
define `fileno` or `__getattribute__`: neither runs. An object that the collector does not track (`select.epoll`,
`os.scandir`) is found through one that it tracks, if at all. An `mmap` has a descriptor but does not say which.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from pytest_reloadleak.effects.loops import asyncio_children
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.foreign import loaded_class
from pytest_reloadleak.heap.instances import instances, with_subclasses

_FILENO = io.FileIO.fileno
_CLOSES = vars(io.FileIO)["closefd"].__get__
_BUFFERED = (io.BufferedReader, io.BufferedWriter, io.BufferedRandom)
_RAWS = tuple(vars(cls)["raw"].__get__ for cls in _BUFFERED)
_BUFFER = vars(io.TextIOWrapper)["buffer"].__get__

_IN_DICT = (
    ("multiprocessing.connection", "_ConnectionBase", "_handle"),
    ("multiprocessing.shared_memory", "SharedMemory", "_fd"),
)
"""Python classes that keep the number of their descriptor in their dict."""
_SELECTORS = ("selectors", "BaseSelector")
_POLLS = ("epoll", "kqueue", "devpoll")


def of_descriptors(numbers: Collection[int]) -> dict[int, tuple[Any, ...]]:
    """The program's objects for the descriptors `numbers`, the outermost first: a text file before its buffer."""
    in_dict = [loaded_class(module, name) for module, name, _ in _IN_DICT]
    found = _instances(
        io.FileIO,
        *_BUFFERED,
        io.TextIOWrapper,
        loaded_class("_socket", "socket"),
        loaded_class(*_SELECTORS),
        *in_dict,
    )
    files, *buffers, texts, sockets, selectors = found[: len(found) - len(in_dict)]
    owned: dict[int, list[Any]] = {}
    of_file: dict[int, int] = {}
    for o in files:
        number = _called(_FILENO, o)
        if number in numbers and _called(_CLOSES, o) is True:
            of_file[id(o)] = number
            owned.setdefault(number, []).append(o)
    for getter, outer in (*zip(_RAWS, buffers, strict=True), (_BUFFER, texts)):
        for o in outer:
            number = of_file.get(id(_called(getter, o)))
            if number is not None:
                of_file[id(o)] = number
                owned[number].insert(0, o)
    others = [*_sockets(sockets), *_polls(selectors)]
    for (_, _, key), objects in zip(_IN_DICT, found[len(found) - len(in_dict) :], strict=True):
        others += [(dict.get(foreign.instance_dict(o) or {}, key), o) for o in objects]
    for number, o in others:
        if type(number) is int and number in numbers:
            owned.setdefault(number, []).insert(0, o)
    return {number: tuple(objects) for number, objects in owned.items()}


def _sockets(sockets: list[Any]) -> list[tuple[object, Any]]:
    if not sockets:
        return []
    fileno = foreign.class_dict(loaded_class("_socket", "socket"))["fileno"]
    return [(_called(fileno, o), o) for o in sockets]


def _polls(selectors: list[Any]) -> Iterator[tuple[object, Any]]:
    """The descriptors of selectors. The collector tracks selectors, but not the objects inside them."""
    kinds = [cls for cls in (loaded_class("select", poll) for poll in _POLLS) if cls is not None]
    for o in selectors:
        inner = dict.get(foreign.instance_dict(o) or {}, "_selector")
        for cls in kinds:
            if type(inner) is cls:
                yield _called(foreign.class_dict(cls)["fileno"], inner), o


@dataclass(slots=True, eq=False, repr=False)
class Child:
    """What the program keeps of a child process. Lives only while the process is inspected."""

    objects: list[Any] = field(default_factory=list)
    """The program's object for it first, then those that this object is made of."""
    descriptors: set[int] = field(default_factory=set)
    """Descriptors of the pipes to the child and of the waiter for its end: they close with it."""
    name: str | None = None
    """Its name, if `multiprocessing` gave it one."""
    command: tuple[str, ...] | None = None
    """What `subprocess` was asked to run."""
    transport: tuple[Any, ...] = ()
    """What an event loop has for it, the protocol that this calls, and what the program was given."""


def of_children() -> dict[int, Child]:
    """What the program keeps of its children, by their number: those of the standard library, and of uvloop."""
    popens, starters, processes, handles, facades, *transports = _instances(
        loaded_class("subprocess", "Popen"),
        loaded_class("multiprocessing.popen_fork", "Popen"),
        loaded_class("multiprocessing.process", "BaseProcess"),
        loaded_class("asyncio.events", "Handle"),
        asyncio_children.facade(),
        *asyncio_children.classes(),
    )
    found: dict[int, Child] = {}
    for o in (*popens, *starters):
        own = foreign.instance_dict(o) or {}
        pid = dict.get(own, "pid")
        if type(pid) is int:
            pipes = (_number(dict.get(own, name)) for name in ("stdin", "stdout", "stderr"))
            numbers = {*(n for n in pipes if n is not None), *_sentinels(own)}
            found[pid] = Child([o], numbers, command=_command(dict.get(own, "args")))
    for number, pid in asyncio_children.waiting(handles).items():
        if pid in found:
            found[pid].descriptors.add(number)
    for o in chain(*transports):
        pid, parts = asyncio_children.transported(o)
        if pid is not None:
            child = found.setdefault(pid, Child())
            child.transport = (*parts, *(f for f in facades if asyncio_children.transport_of(f) is o))
            child.descriptors |= asyncio_children.descriptors(o)
    for o in processes:
        own = foreign.instance_dict(o) or {}
        starter = dict.get(own, "_popen")
        of = next((c for c in found.values() if c.objects and c.objects[-1] is starter), None)
        if of is not None:
            of.objects.insert(0, o)
            name = dict.get(own, "_name")
            of.name = foreign.text(name) if foreign.is_text(name) else None
    return found


def _sentinels(own: dict[Any, Any]) -> Iterator[int]:
    """The descriptors that `multiprocessing` closes when a process is over."""
    closing = foreign.instance_dict(dict.get(own, "finalizer")) or {}
    arguments = dict.get(closing, "_args")
    numbers = arguments if type(arguments) is tuple or type(arguments) is list else ()
    yield from (n for n in (dict.get(own, "sentinel"), *numbers) if type(n) is int)


def _command(args: object) -> tuple[str, ...] | None:
    if foreign.is_text(args):
        return (foreign.text(args),)
    if type(args) is list or type(args) is tuple:
        return tuple(foreign.text(part) if foreign.is_text(part) else "*" for part in args)
    return None


def _number(o: Any) -> int | None:
    """The descriptor of a file, text or binary."""
    if issubclass(type(o), io.TextIOWrapper):
        o = _called(_BUFFER, o)
    raws = zip(_BUFFERED, _RAWS, strict=True)
    getter = next((raw for cls, raw in raws if issubclass(type(o), cls)), None)
    o = _called(getter, o) if getter is not None else o
    number = _called(_FILENO, o) if issubclass(type(o), io.FileIO) else None
    return number if type(number) is int else None


def _instances(*classes: Any) -> list[list[Any]]:
    """Live instances of each class and its subclasses, found in one walk; none for `None`."""
    found: list[list[Any]] = [[] for _ in classes]
    kinds = {
        id(kind): of_class
        for cls, of_class in zip(classes, found, strict=True)
        if cls is not None
        for kind in with_subclasses([cls])
    }
    for o in instances(cls for cls in classes if cls is not None):
        kinds[id(type(o))].append(o)
    return found


def _called(method: Any, o: Any) -> Any:
    """Call a C method on an object; `None` if the object is closed, detached or not yet initialised."""
    try:
        return method(o)
    except (ValueError, AttributeError, OSError):
        return None


def of_loops() -> set[int]:
    """Descriptors that `asyncio` event loops opened for themselves. Closing the loop closes them."""
    (loops,) = _instances(loaded_class("asyncio.base_events", "BaseEventLoop"))
    found: set[int] = set()
    for loop in loops:
        own = foreign.instance_dict(loop) or {}
        parts = _sockets([o for o in map(own.get, ("_ssock", "_csock")) if socket_family(o) is not None])
        selector = dict.get(own, "_selector")
        parts += _polls([selector]) if selector is not None else ()
        found.update(number for number, _ in parts if type(number) is int)
    return found


def socket_family(o: Any) -> int | None:
    """The address family of a socket object; `None` for anything else."""
    cls = loaded_class("_socket", "socket")
    if cls is None or not issubclass(type(o), cls):
        return None
    family = foreign.class_dict(cls)["family"].__get__(o)
    return family if type(family) is int else None

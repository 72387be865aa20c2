"""Serve one generation in its worker: import the target, answer requests one by one, dispose, and end.

Requests run in the main thread, as most code of a program does, so a function may set a signal handler or run an event
loop. The interpreter then ends like any other, exit hooks included.
"""

from __future__ import annotations

import contextlib
import faulthandler
import inspect
import os
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from typing import IO, Any

from pytest_reloadleak.errors import TargetError
from pytest_reloadleak.heap.failure import failure_text
from pytest_reloadleak.strategies.dispose import DATA, HOOK, Call, Disposal
from pytest_reloadleak.strategies.imports.handover import given
from pytest_reloadleak.strategies.imports.unit import Unit
from pytest_reloadleak.strategies.strategy import children_first
from pytest_reloadleak.strategies.workers import messages


def main(job: dict[str, Any], made: list[str] | None = None) -> None:
    """Serve until a request says to end.

    Args:
        job: `targets`, the modules to import, and `tether`, the descriptor that ends this process with its parent.
        made: receives the name of each shared memory segment that this process makes.
    """
    faulthandler.enable()
    if os.name == "posix":
        os.set_inheritable(job["tether"], False)
    requests, answers = _streams()
    made = [] if made is None else made
    _watch_segments(made)
    Served(Unit(tuple(job["targets"])), requests, answers, made).run()


def _streams() -> tuple[IO[bytes], IO[bytes]]:
    """The pipes to the check, which the target no longer has: its output goes to standard error."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    if hasattr(os, "register_at_fork"):

        def part() -> None:
            # A fork that kept the pipes would answer too, and keep the check waiting for a worker that has ended.
            for stream in (requests, answers):
                os.dup2(nothing, stream.fileno(), inheritable=False)

        os.register_at_fork(after_in_child=part)
    return requests, answers


def _watch_segments(names: list[str]) -> None:
    """Add the name of each shared memory segment that this process makes to a list."""
    try:
        module: Any = import_module("_posixshmem")
    except ImportError:  # Windows, where a segment ends with its last user
        return
    opened = module.shm_open

    def shm_open(path: str, flags: int, mode: int = 0o777) -> int:
        descriptor: int = opened(path, flags, mode)
        if flags & os.O_CREAT:
            names.append(path)
        return descriptor

    module.shm_open = shm_open


class Served:
    """The worker's side of the exchange.

    Args:
        unit: the target.
        requests: the stream of messages from the check.
        answers: the stream of answers to it.
        segments: names of the shared memory segments that were made.
    """

    def __init__(self, unit: Unit, requests: IO[bytes], answers: IO[bytes], segments: list[str]) -> None:
        self._unit = unit
        self._requests = requests
        self._answers = answers
        self._segments = segments
        self._loop: Any = None
        self._disposal = Disposal()

    def run(self) -> None:
        """Answer until the request `end`, or until the check has ended."""
        actions: dict[str, Callable[..., Any]] = {
            "load": self._load,
            "kind": self._kind,
            "value": self._value,
            "call": self._call,
        }
        while True:
            try:
                name, *arguments = messages.receive(self._requests)
            except (EOFError, OSError):  # the check has ended, or the target has closed all descriptors
                return
            except KeyboardInterrupt:  # Ctrl-C reaches the check as well, which then ends
                return
            if name == "end":
                self._answer(True, self._end())
                return
            try:
                answer = (True, actions[name](*arguments))
            except BaseException as error:  # noqa: BLE001 - whatever the target raises is the answer
                answer = (False, _raised(error))
            self._answer(*answer)

    def _answer(self, is_good: bool, content: Any) -> None:
        with contextlib.suppress(OSError):
            messages.send(self._answers, (is_good, content))

    def _load(self, data: dict[str, bytes], submodules: tuple[str, ...] = ()) -> None:
        handed = {name: {DATA: messages.unpack(d, _handover(name), _is_missing)} for name, d in data.items()}
        with given(handed):
            for name in self._unit.names:
                import_module(name)
            for name in submodules:
                with contextlib.suppress(Exception):  # what cannot be imported is left out
                    import_module(name)
        self._disposal.note_executed(self._unit.loaded())

    def _find(self, module: str, path: str) -> Any:
        found: Any = sys.modules[module]
        for part in path.split("."):
            found = getattr(found, part)
        return found

    def _kind(self, module: str, path: str) -> str:
        found = self._find(module, path)
        if inspect.iscoroutinefunction(found):
            return "async"
        return "function" if callable(found) or inspect.ismodule(found) else "value"

    def _value(self, module: str, path: str) -> bytes:
        return messages.pack(self._find(module, path), f"{module}.{path}")

    def _call(self, module: str, path: str, content: bytes) -> tuple[bool, bytes]:
        """Call a function. Returns whether its result was awaited, and the result."""
        args, kwargs = messages.unpack(content, f"an argument of {module}.{path}", _is_missing)
        result = self._find(module, path)(*args, **kwargs)
        is_awaitable = inspect.isawaitable(result)
        if is_awaitable:
            result = self._awaited(result)
        return is_awaitable, messages.pack(result, f"the result of {module}.{path}")

    def _awaited(self, result: Any) -> Any:
        import asyncio

        if self._loop is None:
            self._loop = asyncio.new_event_loop()

        async def wait() -> Any:
            return await result

        return self._loop.run_until_complete(wait())

    def _end(self) -> dict[str, Any]:
        """Dispose. Returns the data to hand over, the errors, the new segments and the remaining threads."""
        calls = self._disposal.calls(children_first(self._unit.loaded()), self._unit.names)
        errors = [text for call in calls for text in self._disposed(call)]
        errors += self._disposal.errors
        packed = {
            name: self._packed(names[DATA], _handover(name))
            for name, names in self._disposal.handover().items()
        }
        data = {name: content for name, content in packed.items() if isinstance(content, bytes)}
        errors += [text for text in packed.values() if isinstance(text, str)]
        if self._loop is not None:
            self._loop.close()
        return {"data": data, "errors": errors, "segments": self._segments, "threads": _lasting_threads()}

    def _packed(self, data: Any, what: str) -> bytes | str:
        """The data to hand over, if it can be read before the next generation is loaded; otherwise why it cannot."""
        try:
            content = messages.pack(data, what)
            messages.unpack(content, what, self._unit.owns)
        except TargetError as error:
            return str(error)
        return content

    def _disposed(self, call: Call) -> list[str]:
        try:
            result = call.start()
            if inspect.isawaitable(result):
                self._awaited(result)
        except BaseException as error:  # noqa: BLE001 - it is reported, and stops no other hook
            return [f"{call.where} raised: {failure_text(error)}"]
        return []


def _raised(error: BaseException) -> tuple[bytes | None, str]:
    """An exception if it can be pickled, and its text with the user's frames."""
    if isinstance(error, TargetError):
        return None, str(error)
    text = failure_text(error)
    error.__traceback__ = error.__context__ = error.__cause__ = None
    try:
        return messages.pack(error, text), text
    except TargetError:
        return None, text


def _lasting_threads() -> list[str]:
    """Names of the threads that the interpreter waits for when it ends."""
    threads = [t for t in threading.enumerate() if not t.daemon and t is not threading.current_thread()]
    return [thread.name for thread in threads]


def _is_missing(module: str) -> bool:
    """Whether a module of the target must not be imported here: never, since this process exists to load it."""
    del module
    return False


def _handover(name: str) -> str:
    return f"the data from {name}.{HOOK}"

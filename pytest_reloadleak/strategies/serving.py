"""The worker of one generation: imports the target, answers requests one after the other, disposes, and ends.

Requests run in the main thread, as a program's own code mostly does: a function that sets a signal handler or runs an
event loop may be called. The interpreter then ends as any other does, exit hooks and all.
"""

from __future__ import annotations

import inspect
import os
import pickle
import sys
from collections.abc import Callable
from importlib import import_module
from typing import IO, Any

from pytest_reloadleak.strategies import frames
from pytest_reloadleak.strategies.base import children_first
from pytest_reloadleak.strategies.dispose import DATA, Call, Disposal
from pytest_reloadleak.strategies.failure import failure_text
from pytest_reloadleak.strategies.handover import given
from pytest_reloadleak.strategies.unit import Unit


def main(job: dict[str, Any]) -> None:
    """Serve until told to end.

    Args:
        job: `targets`, the modules to import.
    """
    requests, answers = _streams()
    made = _watch_segments()
    Served(Unit(tuple(job["targets"])), requests, answers, made).run()


def _streams() -> tuple[IO[bytes], IO[bytes]]:
    """The pipes to the check, taken away from the target: what that prints goes to standard error."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, answers


def _watch_segments() -> list[str]:
    """Names of the shared memory segments that this process makes, as they come."""
    names: list[str] = []
    try:
        module: Any = import_module("_posixshmem")
    except ImportError:  # Windows, where a segment ends with its last user
        return names
    opened = module.shm_open

    def shm_open(path: str, flags: int, mode: int = 0o777) -> int:
        descriptor: int = opened(path, flags, mode)
        if flags & os.O_CREAT:
            names.append(path)
        return descriptor

    module.shm_open = shm_open
    return names


class Served:
    """The worker's side.

    Args:
        unit: the target.
        requests: where messages come from.
        answers: where they go to.
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
        """Answer until `end`, or until the check is gone."""
        actions: dict[str, Callable[..., Any]] = {
            "load": self._load,
            "kind": self._kind,
            "value": self._value,
            "call": self._call,
        }
        while True:
            try:
                name, *arguments = frames.receive(self._requests)
            except EOFError:
                return
            if name == "end":
                self._answer(True, self._end())
                return
            try:
                answer = (True, actions[name](*arguments))
            except BaseException as error:  # noqa: BLE001 - whatever the target raises is the answer
                answer = (False, self._raised(error))
            self._answer(*answer)

    def _answer(self, is_good: bool, content: Any) -> None:
        try:
            frames.send(self._answers, (is_good, content))
        except BrokenPipeError:
            return
        except Exception as error:  # noqa: BLE001 - an object that cannot be pickled
            text = f"the result cannot be passed on to another process: {type(error).__name__}: {error}"
            frames.send(self._answers, (False, (None, text)))

    def _raised(self, error: BaseException) -> tuple[BaseException | None, str]:
        text = failure_text(error)
        error.__traceback__ = error.__context__ = error.__cause__ = None
        return error, text

    def _load(self, data: dict[str, dict[str, Any]]) -> int:
        with given({name: {DATA: content} for name, content in data.items()}):
            for name in self._unit.names:
                import_module(name)
        self._disposal.born(self._unit.loaded())
        return os.getpid()

    def _find(self, module: str, path: str) -> Any:
        found: Any = sys.modules[module]
        for part in path.split("."):
            found = getattr(found, part)
        return found

    def _kind(self, module: str, path: str) -> str:
        found = self._find(module, path)
        if inspect.iscoroutinefunction(found):
            return "async"
        return "function" if callable(found) else "value"

    def _value(self, module: str, path: str) -> Any:
        return self._find(module, path)

    def _call(self, module: str, path: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = self._find(module, path)(*args, **kwargs)
        return self._awaited(result) if inspect.isawaitable(result) else result

    def _awaited(self, result: Any) -> Any:
        import asyncio

        if self._loop is None:
            self._loop = asyncio.new_event_loop()

        async def wait() -> Any:
            return await result

        return self._loop.run_until_complete(wait())

    def _end(self) -> dict[str, Any]:
        """Dispose, and say what is handed over, what went wrong and which segments were made."""
        calls = self._disposal.calls(children_first(self._unit.loaded()), self._unit.names)
        errors = [text for call in calls for text in self._disposed(call)]
        errors += self._disposal.errors
        handed = self._disposal.handover()
        data = {name: names[DATA] for name, names in handed.items() if _is_portable(names[DATA])}
        errors += [
            f"{name}: its data cannot be handed to another process, since pickle refuses it"
            for name in handed
            if name not in data
        ]
        if self._loop is not None:
            self._loop.close()
        return {"data": data, "errors": errors, "segments": self._segments}

    def _disposed(self, call: Call) -> list[str]:
        try:
            result = call.start()
            if inspect.isawaitable(result):
                self._awaited(result)
        except BaseException as error:  # noqa: BLE001 - as everywhere: it is reported, and stops no other hook
            return [f"{call.where} raised: {failure_text(error)}"]
        return []


def _is_portable(data: Any) -> bool:
    try:
        pickle.dumps(data)
    except Exception:  # noqa: BLE001 - objects pickle themselves, and may raise what they like
        return False
    return True

"""Run each generation in its own interpreter: a fresh process, shared within the round and ended with it.

The outgoing worker is drained (it answers a pending request), disposes, and ends as any interpreter does. The next one
loads the target with the data handed over, and callers wait meanwhile. Nothing of the target is loaded here. The check
watches what a worker may leave behind: processes without a parent, shared memory and temporary files.

Rejected: a sub-interpreter (`concurrent.interpreters`, since 3.14), which would start faster. It shares descriptors,
child processes, environment and working directory with its host, where leftovers of a generation stay: see
`docs/strategies.md`.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_reloadleak.effects.probe import Probe
from pytest_reloadleak.errors import TargetError
from pytest_reloadleak.strategies.imports.unit import Unit
from pytest_reloadleak.strategies.strategy import Strategy
from pytest_reloadleak.strategies.workers import interpreter, messages
from pytest_reloadleak.strategies.workers.leftovers import WorkerLeftovers
from pytest_reloadleak.strategies.workers.process import Process

_PATIENCE_S = 5.0
"""Seconds that a worker may take to end, which includes the end of its non-daemon threads."""
_IMPATIENCE_S = 0.5
"""The same for workers after one that took longer: the same cause delays the others, and it is already reported."""


class Worker(Strategy):
    """The strategy `worker`."""

    name = "worker"
    loads_here = False

    def __init__(self) -> None:
        super().__init__()
        self._process: Process | None = None
        self._unit = Unit(())
        self._turn = threading.RLock()
        """Held by a caller of the worker, and while the next worker replaces it."""
        self._leftovers = WorkerLeftovers()
        self._count = 0
        self._patience_s = _PATIENCE_S
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._traced: dict[str, Any] = {}
        """The additional instructions of the next worker, if it is traced."""

    def begin(self) -> None:
        """Create a folder for the workers' temporary files, which shows that they are theirs."""
        self._folder = tempfile.TemporaryDirectory(prefix="reloadleak-", ignore_cleanup_errors=True)

    def end(self) -> None:
        """End the last worker, and remove what all of them left behind."""
        with self._turn:
            self._stop()
        self._leftovers.remove()
        if self._folder is not None:
            self._folder.cleanup()

    def widen(self, unit: Unit) -> Unit:
        """Load the first generation."""
        self._unit = unit
        self._replace({})
        return unit

    def probes(self) -> list[Probe]:
        """The probe for what workers leave on the machine."""
        return [self._leftovers]

    def reload(self, names: list[str]) -> None:
        """Replace the worker."""
        del names
        with self._turn:
            self._replace(self._stop())

    def trace_next(self, module: str, job: dict[str, Any]) -> str:
        """Let the next worker run another module, which traces what it serves."""
        assert self._folder is not None
        told = str(Path(self._folder.name, "told"))
        self._traced = {**job, "module": module, "told": told}
        return told

    def end_traced(self) -> None:
        """End the worker that is traced. Its dispose hooks have been judged in other rounds."""
        failures = list(self.failures)
        with self._turn:
            self._stop()
        self._traced = {}
        self.failures[:] = failures

    def unload(self, names: list[str]) -> None:
        """End the last worker."""
        del names
        with self._turn:
            self._stop()

    def proof(self) -> set[str]:
        """The targets: a process that has just been started has imported them."""
        return set(self._unit.names)

    def outgoing(self, names: list[str]) -> list[str]:
        """None: this process reloads nothing, and the worker disposes of its own modules."""
        del names
        return []

    def not_reloaded(self, unit: Unit, same: list[str]) -> list[str]:
        """None: a new interpreter has no old modules."""
        del unit, same
        return []

    def module(self, name: str) -> Any:
        """A stand-in whose functions run in the worker."""
        return RemoteModule(self, name)

    def request(self, *message: Any) -> Any:
        """Send a request to the present worker, and wait for the answer.

        Raises:
            Exception: what the target raised there, if it can be pickled; its cause is a `TargetError` that names the
                place in the target's files. Otherwise that `TargetError` itself.
        """
        __tracebackhide__ = True
        with self._turn:
            if self._process is None:
                raise TargetError(
                    "the worker has ended because the check is over; call the target only during the check"
                )
            is_good, content = self._process.request(*message)
        if is_good:
            return content
        packed, text = content
        try:
            error = None if packed is None else self.unpacked(packed, text)
        except TargetError:  # an exception of the target's own class
            error = None
        if error is None:
            raise TargetError(text)
        raise error from TargetError(text)

    def unpacked(self, content: bytes, what: str) -> Any:
        """What the worker packed. Raises `TargetError` if it needs the target, which is not loaded here."""
        __tracebackhide__ = True
        return messages.unpack(content, what, lambda name: name not in sys.modules and self._unit.owns(name))

    def _replace(self, data: dict[str, bytes]) -> None:
        self._count += 1
        folder = self._temporary()
        folder.mkdir(exist_ok=True)
        job = {
            "path": interpreter.search_path(),
            "module": "pytest_reloadleak.strategies.workers.serving",
            "targets": self._unit.names,
            **self._traced,
        }
        process = Process(job, folder, folder.with_name(f"{self._count}.json"))
        try:
            is_good, content = process.request("load", data, self._unit.submodules)
            if not is_good:
                raise TargetError(content[1])
        except BaseException:
            self._leftovers.note(folder, process.stop(self._patience_s)["segments"])
            raise
        self._process = process

    def _temporary(self) -> Path:
        """The folder for the temporary files of all workers: a file that each worker overwrites counts as one."""
        assert self._folder is not None
        return Path(self._folder.name, "temporary")

    def _stop(self) -> dict[str, bytes]:
        """Drain and end the present worker. Returns the data that it handed over."""
        process, self._process = self._process, None
        if process is None:
            return {}
        said = process.stop(self._patience_s)
        if process.was_slow:
            self._patience_s = min(self._patience_s, _IMPATIENCE_S)
        generation = self._leftovers.generation()
        self.failures += [f"disposing generation {generation}: {text}" for text in said["errors"]]
        self._leftovers.note(self._temporary(), said["segments"])
        data: dict[str, bytes] = said["data"]
        return data


class _Remote:
    """A stand-in for something in the worker."""

    def __init__(self, worker: Worker, module: str, path: str = "") -> None:
        vars(self).update(_worker=worker, _module=module, _path=path)
        self._worker: Worker
        self._module: str
        self._path: str

    def __getattr__(self, name: str) -> Any:
        __tracebackhide__ = True
        path = f"{self._path}.{name}" if self._path else name
        if self._path and name.startswith("__") and name.endswith("__"):
            raise AttributeError(
                f"{self._module}.{path} is only in the worker; read it there, in a function of the target"
            )
        kind = self._worker.request("kind", self._module, path)
        if kind == "value":
            content = self._worker.request("value", self._module, path)
            return self._worker.unpacked(content, f"{self._module}.{path}")
        return RemoteFunction(self._worker, self._module, path, is_async=kind == "async")

    def __setattr__(self, name: str, value: object) -> None:
        __tracebackhide__ = True
        where = ".".join(filter(None, (self._module, self._path, name)))
        raise AttributeError(
            f"{where} cannot be set from here: the strategy worker runs the target in another process; "
            "call a function of the target that sets it"
        )


class RemoteModule(_Remote):
    """A stand-in for the target's module: its functions run in the worker, and its values are copies.

    Arguments and results are pickled. An instance of the target's own class cannot pass unless the target is loaded on
    this side as well.
    """


class RemoteFunction(_Remote):
    """A stand-in for a function or class of the target, called in the worker; or for a submodule."""

    def __init__(self, worker: Worker, module: str, path: str, *, is_async: bool) -> None:
        super().__init__(worker, module, path)
        vars(self).update(_is_async=is_async)
        self._is_async: bool

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it in the worker of the present round."""
        __tracebackhide__ = True
        name = f"{self._module}.{self._path}"
        content = messages.pack((args, kwargs), f"an argument of {name}")
        message = ("call", self._module, self._path, content)

        def call() -> tuple[bool, Any]:
            __tracebackhide__ = True
            was_awaited, result = self._worker.request(*message)
            return was_awaited, self._worker.unpacked(result, f"the result of {name}")

        if self._is_async:
            return _in_thread(call)
        was_awaited, result = call()
        return _awaitable(result) if was_awaited else result


async def _in_thread(call: Callable[[], tuple[bool, Any]]) -> Any:
    """Call in a thread, so that the event loop (asyncio's or trio's) keeps running."""
    __tracebackhide__ = True
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        trio: Any = sys.modules.get("trio")
        if trio is None:
            raise
        return (await trio.to_thread.run_sync(call))[1]
    return (await asyncio.to_thread(call))[1]


async def _awaitable(result: Any) -> Any:
    """The result of a function that returned an awaitable without being a known coroutine function."""
    return result

"""Each generation in an interpreter of its own: a fresh process, shared within the round and ended with it.

The outgoing worker is drained (a request that is in flight is answered), disposes, and ends as any interpreter does;
the next one is loaded with what it handed over, and whoever asks meanwhile waits for that. Nothing of the target is
loaded here. What it may leave behind is watched for: processes without a parent, shared memory and temporary files.

Sub-interpreters (`concurrent.interpreters`, since 3.14) would start faster, and leak by themselves: see
`docs/strategies.md`.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Any

from pytest_reloadleak.effects.base import Probe
from pytest_reloadleak.errors import TargetError
from pytest_reloadleak.strategies import frames, interpreter
from pytest_reloadleak.strategies.base import Strategy
from pytest_reloadleak.strategies.leavings import Leavings
from pytest_reloadleak.strategies.unit import Unit

_PATIENCE_S = 5.0
"""How long a worker that was told to end may take: its threads that are no daemons are waited for."""


class Worker(Strategy):
    """The strategy `worker`."""

    name = "worker"
    loads_here = False

    def __init__(self) -> None:
        super().__init__()
        self._process: _Process | None = None
        self._targets: tuple[str, ...] = ()
        self._turn = threading.RLock()
        """Held by whoever talks to the worker, and while one takes the other's place."""
        self._leavings = Leavings()
        self._generation = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def begin(self) -> None:
        """Make room for the workers' temporary files, which tells whose they are."""
        self._folder = tempfile.TemporaryDirectory(prefix="reloadleak-", ignore_cleanup_errors=True)

    def end(self) -> None:
        """End the last worker, and remove what all of them left behind."""
        with self._turn:
            self._stop()
        self._leavings.remove()
        if self._folder is not None:
            self._folder.cleanup()

    def widen(self, unit: Unit) -> Unit:
        """Load the first generation."""
        self._targets = unit.names
        self._replace({})
        return unit

    def probes(self) -> list[Probe]:
        """What the workers leave on the machine."""
        return [self._leavings]

    def reload(self, names: list[str]) -> None:
        """Replace the worker."""
        del names
        with self._turn:
            self._replace(self._stop())

    def unload(self, names: list[str]) -> None:
        """End the last worker."""
        del names
        with self._turn:
            self._stop()

    def proof(self) -> set[str]:
        """The targets: a process that has just been started has imported them."""
        return set(self._targets)

    def outgoing(self, names: list[str]) -> list[str]:
        """None here: what is loaded in this process is not reloaded, and the worker disposes its own."""
        del names
        return []

    def not_reloaded(self, unit: Unit, same: list[str]) -> list[str]:
        """None: an interpreter starts with nothing."""
        del unit, same
        return []

    def module(self, name: str) -> Any:
        """A stand-in whose functions run in the worker."""
        return RemoteModule(self, name)

    def request(self, *message: Any) -> Any:
        """Ask the present worker, and wait for the answer.

        Raises:
            Exception: what the target raised there, if it can be passed on; `TargetError` with its text otherwise.
        """
        with self._turn:
            if self._process is None:
                raise TargetError("the worker has ended: the check is over")
            return self._process.request(*message)

    def _replace(self, data: dict[str, Any]) -> None:
        assert self._folder is not None
        self._generation += 1
        folder = Path(self._folder.name, str(self._generation))
        folder.mkdir()
        process = _Process(self._targets, folder)
        try:
            process.request("load", data)
        except BaseException:
            process.kill()
            raise
        self._process = process

    def _stop(self) -> dict[str, Any]:
        """Drain and end the present worker; returns what it handed over."""
        process, self._process = self._process, None
        if process is None:
            return {}
        said = process.stop()
        self.failures += said["errors"]
        self._leavings.note(process.folder, said["segments"])
        data: dict[str, Any] = said["data"]
        return data


class _Process:
    """One worker, seen from here."""

    def __init__(self, targets: tuple[str, ...], folder: Path) -> None:
        self.folder = folder
        job = folder.with_suffix(".json")
        content = {
            "path": interpreter.search_path(),
            "module": "pytest_reloadleak.strategies.serving",
            "targets": targets,
        }
        job.write_text(json.dumps(content), encoding="utf-8")
        variables = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
        self._popen = subprocess.Popen(  # noqa: S603 - our own interpreter with our own code
            interpreter.command(str(job)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **variables},
        )

    def request(self, *message: Any) -> Any:
        """Send a message and wait for the answer; raises what the target raised."""
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        try:
            frames.send(self._popen.stdin, message)
            is_good, content = frames.receive(self._popen.stdout)
        except (EOFError, BrokenPipeError):
            raise TargetError(f"the worker ended by itself, with status {self._popen.wait()}") from None
        if is_good:
            return content
        error, text = content
        if error is None or message[0] == "load":
            raise TargetError(text)
        raise error

    def stop(self) -> dict[str, Any]:
        """Let it dispose and end; returns what it said at the end."""
        nothing: dict[str, Any] = {"data": {}, "errors": [], "segments": []}
        try:
            said: dict[str, Any] = self.request("end")
        except TargetError as error:
            said = {**nothing, "errors": [str(error)]}
        try:
            self._popen.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            said["errors"].append(
                f"the worker did not end within {_PATIENCE_S:g} s of being told to: a thread that is no daemon "
                "runs on; end it in __reload_dispose__"
            )
        self.kill()
        return said

    def kill(self) -> None:
        """End it at once, if it has not ended."""
        self._popen.kill()
        self._popen.wait()
        for stream in (self._popen.stdin, self._popen.stdout):
            if stream is not None:
                stream.close()


class RemoteModule:
    """Stands for the target's module: its functions run in the worker, and its values are copies.

    Arguments and results are passed by pickle; an instance of a class of the target's cannot be, unless the target is
    loaded on this side as well.
    """

    def __init__(self, worker: Worker, name: str) -> None:
        self._worker = worker
        self._name = name

    def __getattr__(self, path: str) -> Any:
        kind = self._worker.request("kind", self._name, path)
        if kind == "value":
            return self._worker.request("value", self._name, path)
        return RemoteFunction(self._worker, self._name, path, is_async=kind == "async")


class RemoteFunction:
    """Stands for a function of the target's, or a class, which is called there."""

    def __init__(self, worker: Worker, module: str, path: str, *, is_async: bool) -> None:
        self._worker = worker
        self._module = module
        self._path = path
        self._is_async = is_async

    def __getattr__(self, name: str) -> Any:
        return getattr(RemoteModule(self._worker, self._module), f"{self._path}.{name}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it in the worker of the present round."""
        message = ("call", self._module, self._path, args, kwargs)
        if self._is_async:
            import asyncio

            return asyncio.to_thread(self._worker.request, *message)
        return self._worker.request(*message)

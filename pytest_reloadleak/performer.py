"""Perform the steps of a run: at once, or on the running event loop, which is then the same for all rounds."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from pytest_reloadleak.errors import RoundError
from pytest_reloadleak.rounds import Run, Step
from pytest_reloadleak.strategies.dispose import Call
from pytest_reloadleak.strategies.failure import failure_text

if TYPE_CHECKING:
    import asyncio

Reloader = Callable[[], object]

_CANCELLATIONS = frozenset({"CancelledError", "Cancelled"})
"""What asyncio and trio raise into whoever waits when the waiting is to end; their modules need not be loaded."""


class Performer:
    """Performs one run.

    Args:
        run: the run.
        reload: the application's own reload, sync or async; `None` if the run has a strategy.
    """

    def __init__(self, run: Run, reload: Reloader | None) -> None:
        self._run = run
        self._reload = reload
        self._loop: asyncio.AbstractEventLoop | None = None

    def perform(self, exercise: Callable[[], object] | None) -> None:
        """All steps, at once.

        Raises:
            RoundError: a reload failed. What the exercise raises goes to the caller as well.
        """
        for step in self._run.steps():
            if step is Step.DISPOSE:
                self.dispose()
            elif step is Step.RELOAD:
                self._perform_reload()
            elif step is Step.EXERCISE and exercise is not None:
                exercise()
            elif step is Step.SETTLE:
                self._run.settle()

    async def aperform(self, exercise: Callable[[], Awaitable[object]] | None) -> None:
        """`perform` on the running loop."""
        pause = pause_of_running_loop()
        for step in self._run.steps():
            if step is Step.DISPOSE:
                await self.adispose()
            elif step is Step.RELOAD:
                await self._aperform_reload()
            elif step is Step.EXERCISE and exercise is not None:
                await exercise()
            elif step is Step.SETTLE:
                await self._run.asettle(pause)

    def end(self) -> None:
        """Close the loop that was made for coroutines, if one was."""
        if self._loop is not None:
            self._loop.close()
            self._loop = None

    # -- dispose ------------------------------------------------------------------------------------------------------

    def dispose(self) -> None:
        """Call the hooks of the outgoing generation that are due. What they raise is noted, and stops none of them."""
        for call in self._run.disposers():
            self._dispose_one(call)

    async def adispose(self) -> None:
        """`dispose` on the running loop."""
        for call in self._run.disposers():
            await self._adispose_one(call)

    def _dispose_one(self, call: Call) -> None:
        try:
            result = call.start()
            if inspect.isawaitable(result):
                self._wait_for(result)
        except BaseException as error:
            if self._disposed(call, error):
                raise
        else:
            self._disposed(call, None)

    async def _adispose_one(self, call: Call) -> None:
        try:
            result = call.start()
            if inspect.isawaitable(result):
                await result
        except BaseException as error:
            if self._disposed(call, error):
                raise
        else:
            self._disposed(call, None)

    def _disposed(self, call: Call, error: BaseException | None) -> bool:
        """Note how a hook ended; returns whether what it raised is meant for whoever runs the check."""
        self._run.disposed(call, error)
        call.function, call.arguments = None, ()  # a frame of ours may live on in what the hook raised
        if isinstance(error, KeyboardInterrupt):
            return self._run.surroundings.is_interruptible
        return isinstance(error, GeneratorExit) or type(error).__name__ in _CANCELLATIONS

    # -- reload -------------------------------------------------------------------------------------------------------

    def _perform_reload(self) -> None:
        if self._reload is None:
            self._run.reload()
            return
        with self._run.reloading():
            result = self._call()
            if inspect.isawaitable(result):
                self._finish(result)

    async def _aperform_reload(self) -> None:
        if self._reload is None:
            self._run.reload()
            return
        with self._run.reloading():
            result = self._call()
            if inspect.isawaitable(result):
                try:
                    await result
                except Exception as error:  # noqa: BLE001 - what the application's reload raises is the outcome
                    text = failure_text(error)
                else:
                    return
                raise RoundError(self._run.raised(text))

    def _call(self) -> object:
        assert self._reload is not None
        try:
            return self._reload()
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 - what the application's reload raises, `SystemExit` too, is the outcome
            text = failure_text(error)
        raise RoundError(self._run.raised(text))

    def _finish(self, result: Awaitable[object]) -> None:
        try:
            self._wait_for(result)
        except Exception as error:  # noqa: BLE001 - as above
            text = failure_text(error)
        else:
            return
        raise RoundError(self._run.raised(text))

    def _wait_for(self, result: Awaitable[object]) -> None:
        """Await on a loop of the check's own, the same for all rounds."""
        import asyncio

        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(_awaited(result))


async def _awaited(result: Awaitable[object]) -> object:
    return await result


def pause_of_running_loop() -> Callable[[float], Any]:
    """The sleep of the async library that runs."""
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        trio = sys.modules.get("trio")
        if trio is not None:
            return trio.sleep  # type: ignore[no-any-return]  # trio is no dependency, so its types are not at hand
        raise
    return asyncio.sleep

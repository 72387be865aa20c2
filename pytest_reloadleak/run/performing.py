"""Perform the steps of a run, at once or on the running event loop, which is then the same for all rounds."""

from __future__ import annotations

import inspect
import sys
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from pytest_reloadleak.errors import RoundError
from pytest_reloadleak.heap.failure import failure_text
from pytest_reloadleak.run.protocol import Run, Step
from pytest_reloadleak.strategies.dispose import Call

if TYPE_CHECKING:
    import asyncio

Reloader = Callable[[], object]

_PHASES = {Step.RELOAD: "reloading", Step.EXERCISE: "exercising", Step.SETTLE: "settling"}
"""Names of the steps that may take long."""
_TURNS = 3
"""Turns of the check's own loop before the process settles. A running loop gets the same number."""
_PATIENCE_S = 1.0
"""Seconds that the tasks cancelled at the end may take to end, and after them the threads of the loop's executor."""
_CANCELLATIONS = frozenset({"CancelledError", "Cancelled"})
"""Names of the exceptions that cancel a waiting task of asyncio or trio, whose modules need not be loaded."""
_now_s = time.monotonic  # the target may patch it


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
        """Perform all steps at once.

        Raises:
            RoundError: a reload failed. Exceptions of the exercise reach the caller as well.
        """
        unused = exercise = self._with_load(exercise)
        for step in self._run.steps():
            self._note(step)
            try:
                if step is Step.DISPOSE:
                    self.dispose(unused)
                    unused = None
                elif step is Step.RELOAD:
                    self._perform_reload()
                elif step is Step.EXERCISE and exercise is not None:
                    exercise()
                elif step is Step.TURN:
                    self._turn()
                elif step is Step.SETTLE:
                    self._turn()
                    self._run.looks.settle()
            except BaseException as error:
                if not self._run.explaining.forgives(error):
                    raise

    async def aperform(self, exercise: Callable[[], Awaitable[object]] | None) -> None:
        """Perform all steps on the running loop."""
        pause = pause_of_running_loop()
        unused = exercise = self._awith_load(exercise)
        for step in self._run.steps():
            self._note(step)
            try:
                if step is Step.DISPOSE:
                    await self.adispose(unused)
                    unused = None
                elif step is Step.RELOAD:
                    await self._aperform_reload()
                elif step is Step.EXERCISE:
                    if exercise is not None:
                        await exercise()
                    # A program that reloads on its loop returns to it. What a generation started there begins before
                    # the next one replaces what it uses.
                    await pause(0)
                elif step is Step.TURN:
                    await _turns(pause)
                elif step is Step.SETTLE:
                    await self._run.looks.asettle(pause)
            except BaseException as error:
                if _is_cancelled(error) or not self._run.explaining.forgives(error):
                    raise

    def _note(self, step: Step) -> None:
        """Tell the test runner which step begins."""
        if step in _PHASES:
            number = self._run.record.generation + (step is Step.RELOAD)
            self._run.subject.runner.progress(number, _PHASES[step])

    def _with_load(self, exercise: Callable[[], object] | None) -> Callable[[], object] | None:
        """The exercise of a round, preceded by what the host does with the fresh plugin."""
        load = self._run.subject.runner.loaded
        if load is None:
            return exercise

        def whole() -> object:
            result = load()
            if inspect.isawaitable(result):
                self._wait_for(result)
            return exercise() if exercise is not None else None

        return whole

    def _awith_load(
        self, exercise: Callable[[], Awaitable[object]] | None
    ) -> Callable[[], Awaitable[object]] | None:
        """Do as `_with_load` does, on the running loop."""
        load = self._run.subject.runner.loaded
        if load is None:
            return exercise

        async def whole() -> object:
            result = load()
            if inspect.isawaitable(result):
                await result
            return await exercise() if exercise is not None else None

        return whole

    def leave(self) -> None:
        """End the host of the plugin, if there is one."""
        ended = self._run.subject.runner.ended
        result = ended() if ended is not None else None
        if inspect.isawaitable(result):
            self._wait_for(result)

    async def aleave(self) -> None:
        """Do as `leave` does, on the running loop."""
        ended = self._run.subject.runner.ended
        result = ended() if ended is not None else None
        if inspect.isawaitable(result):
            await result

    def end(self) -> None:
        """Close the loop that was created for coroutines, if any."""
        loop, self._loop = self._loop, None
        if loop is None:
            return
        import asyncio

        # As `asyncio.run` does, since tasks that outlive their loop complain when they are freed.
        left = asyncio.all_tasks(loop) if asyncio._get_running_loop() is None else set()
        for task in left:
            task.cancel()
        try:
            if left:
                loop.run_until_complete(asyncio.wait(left, timeout=_PATIENCE_S))
            _end_executor(loop)
        finally:
            loop.close()

    def _turn(self) -> None:
        """Give the loop that was created for coroutines a few turns, since cancelled tasks end in the next one."""
        if self._loop is not None:
            for _ in range(_TURNS):
                self._loop.call_soon(self._loop.stop)
                self._loop.run_forever()

    # -- dispose ------------------------------------------------------------------------------------------------------

    def dispose(self, unused: Callable[[], object] | None = None) -> None:
        """Call the due hooks of the outgoing generation. A hook that raises is noted, and the others still run.

        Args:
            unused: the exercise, if the generation was loaded before the first round and so has not been exercised. If
                a hook is due, this calls the exercise first: the hook may undo what the exercise does, or else raise.
        """
        calls = self._run.subject.hooks_due()
        try:
            if calls and unused is not None:
                unused()
        finally:
            for call in calls:
                self._dispose_one(call)

    async def adispose(self, unused: Callable[[], Awaitable[object]] | None = None) -> None:
        """Do as `dispose` does, on the running loop."""
        calls = self._run.subject.hooks_due()
        try:
            if calls and unused is not None:
                await unused()
        finally:
            for call in calls:
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
            if self._disposed(call, error) or _is_cancelled(error):
                raise
        else:
            self._disposed(call, None)

    def _disposed(self, call: Call, error: BaseException | None) -> bool:
        """Note how a hook ended. Returns whether the error is the user's interrupt, which ends the whole run."""
        if error is not None:
            self._run.subject.disposal.raised(self._run.record.generation, call, failure_text(error))
        call.function, call.arguments = None, ()  # the hook's exception may keep a frame of ours alive
        return isinstance(error, KeyboardInterrupt) and self._run.subject.runner.is_interruptible

    # -- reload -------------------------------------------------------------------------------------------------------

    def _perform_reload(self) -> None:
        if self._reload is None:
            self._run.reloads.reload()
            return
        with self._run.reloads.one():
            result = self._call()
            if inspect.isawaitable(result):
                self._finish(result)

    async def _aperform_reload(self) -> None:
        if self._reload is None:
            self._run.reloads.reload()
            return
        with self._run.reloads.one():
            result = self._call()
            if inspect.isawaitable(result):
                try:
                    await result
                except Exception as error:  # noqa: BLE001 - an exception of the reload is the outcome
                    text = failure_text(error)
                else:
                    return
                raise RoundError(self._run.reloads.raised(text))

    def _call(self) -> object:
        assert self._reload is not None
        try:
            return self._reload()
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 - an exception of the reload, `SystemExit` too, is the outcome
            text = failure_text(error)
        raise RoundError(self._run.reloads.raised(text))

    def _finish(self, result: Awaitable[object]) -> None:
        try:
            self._wait_for(result)
        except Exception as error:  # noqa: BLE001 - as above
            text = failure_text(error)
        else:
            return
        raise RoundError(self._run.reloads.raised(text))

    def _wait_for(self, result: Awaitable[object]) -> None:
        """Await a result on the check's own loop, which is the same for all rounds."""
        import asyncio

        if asyncio._get_running_loop() is not None:
            getattr(result, "close", list)()  # a coroutine that is never awaited warns
            raise RuntimeError(
                "an event loop is running, so a sync check cannot await: use `await reload_leaks.acheck(...)`, "
                "or `async with reload_leaks.watch(...)` and `watch.arounds`"
            )
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(_awaited(result))


async def _turns(pause: Callable[[float], Any]) -> None:
    for _ in range(_TURNS):
        await pause(0)


async def _awaited(result: Awaitable[object]) -> object:
    return await result


def _end_executor(loop: asyncio.AbstractEventLoop) -> None:
    """Let the threads of a loop's executor end before the loop closes. `asyncio` itself would wait without limit."""
    executor = getattr(loop, "_default_executor", None)
    if executor is None:
        return
    executor.shutdown(wait=False)
    until_s = _now_s() + _PATIENCE_S
    for thread in list(getattr(executor, "_threads", ())):
        thread.join(max(until_s - _now_s(), 0))


def _is_cancelled(error: BaseException) -> bool:
    """Whether an exception from an `await` cancels the task that runs the check.

    It may also come from a task that a hook cancelled and awaited. Before 3.11 the two cases cannot be distinguished.
    """
    if isinstance(error, GeneratorExit):
        return True
    if isinstance(error, Exception) or type(error).__name__ not in _CANCELLATIONS:
        return False
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or not isinstance(error, asyncio.CancelledError):
        return True  # trio cancels only tasks within a scope
    cancelling = getattr(asyncio.current_task(), "cancelling", None)
    return cancelling is None or cancelling() > 0


def pause_of_running_loop() -> Callable[[float], Any]:
    """The sleep function of the running async library."""
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        trio = sys.modules.get("trio")
        if trio is not None:
            return trio.sleep  # type: ignore[no-any-return]  # trio is no dependency, so its types are missing
        raise
    return asyncio.sleep

"""Things that a target leaves on an event loop of its host's: leaking twins and their cured ones.

Each host has a `loop` and a list `kept`; a cured twin ends what the generation before it began, by the same mechanism.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cases.edges import source

BOTH = ("reimport", "reload")
ROUNDS = 3
JUDGED = (-1, 0, 1)
"""Three rounds after one of warm-up: the last two generations are within the grace."""

STANDING = """\
import asyncio, signal, socket, threading

loop = asyncio.new_event_loop()
kept = []
event = threading.Event()
pairs = []

def turn(times=1):
    for _ in range(times):
        loop.run_until_complete(asyncio.sleep(0))

def do(function, *args):
    return function(*args)

def stop():
    event.set()
    for one in kept:
        if type(one) is tuple:
            one[0].set()
    for task in asyncio.all_tasks(loop):
        task.cancel()
    turn(3)
    for number in list(loop._signal_handlers):
        loop.remove_signal_handler(number)
    for pair in pairs:
        for end in pair:
            loop.remove_reader(end)
            loop.remove_writer(end)
            end.close()
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()

def cancel():
    for one in kept:
        do(one.cancel)
    turn(4)
    kept.clear()

def socketpair():
    pairs.append(socket.socketpair())
    return pairs[-1][0]
"""
"""A host whose loop runs only on request."""

RUNNING = """\
import asyncio, concurrent.futures, threading

loop = asyncio.new_event_loop()
kept = []
thread = threading.Thread(target=loop.run_forever, name="host's loop")
thread.start()

def do(function, *args):
    done = concurrent.futures.Future()
    loop.call_soon_threadsafe(lambda: done.set_result(function(*args)))
    return done.result(5)

def turn(times=1):
    for _ in range(times):
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(5)

def stop():
    async def end():
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)
    asyncio.run_coroutine_threadsafe(end(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()

def cancel():
    for one in kept:
        do(one.cancel)
    turn(4)
    kept.clear()
"""
"""A host whose loop runs in a thread."""

FUNCTION = """\
import asyncio, host

def on_event(*args):
    pass

"""
COROUTINE = """\
import asyncio, host

async def poll():
    await asyncio.sleep(60)

"""


@dataclass(frozen=True, kw_only=True)
class Twins:
    """A leaking target and its cured twin, and the one finding of the former."""

    name: str
    leaking: str
    cured: str
    path: str
    type: str
    held: str = "plugin.on_event"
    kind: str = "pending-task"
    root: str = "loop"
    growth: str = "growing"
    per_round: float = 1.0
    generations: tuple[int, ...] = JUDGED
    retains: bool = True
    host: str = STANDING
    before: str = FUNCTION
    harmless: tuple[str, ...] = field(default=())
    """Findings of other probes' for other causes of the same twin, by kind."""

    is_code: bool = False
    """Whether it refers to suspended code of the target's and to nothing else."""

    def files(self, twin: str) -> Mapping[str, str]:
        """Sources of a twin by module name."""
        line = self.leaking if twin == "leaking" else self.cured
        return {"host": self.host, "plugin": self.before + source(line)}


TASK, TIMER, HANDLE = "_asyncio.Task", "asyncio.events.TimerHandle", "asyncio.events.Handle"

NEXT_TASK = """
    host.cancel()
    host.kept[:] = [host.do(host.loop.create_task, {}())]
    host.turn()
"""
NEXT_TIMER = """
    host.cancel()
    host.kept[:] = [host.do(host.loop.call_later, 60, on_event)]
"""
STREAM = """\
import asyncio, host

async def stream():
    yield 1
    yield 2

async def first(generator):
    await generator.__anext__()  # leak here

generator = stream()
host.loop.run_until_complete(first(generator))
"""

GROUP = """\
import asyncio, host

async def poll():
    await asyncio.sleep(60)

async def wait():
    await asyncio.wait_for(asyncio.Event().wait(), 60)

async def run():
    await asyncio.gather(poll(), wait())

"""

SERVER = """\
import asyncio, host

async def on_client(reader, writer):
    pass

async def serve():
    server = await asyncio.start_server(on_client, "127.0.0.1", 0)
    async with server:
        await server.serve_forever()

"""

TWINS = (
    Twins(
        name="task that nobody cancels",
        is_code=True,
        before=COROUTINE,
        leaking="host.loop.create_task(poll()); host.turn()",
        cured=NEXT_TASK.format("poll"),
        path="task 'Task-*' poll",
        type=TASK,
        root="task",
        held="plugin.poll",
    ),
    Twins(
        name="task with a name, on a loop of another thread",
        is_code=True,
        before=COROUTINE,
        host=RUNNING,
        leaking="host.do(lambda: host.loop.create_task(poll(), name='poller 1') and None); host.turn()",
        cured=NEXT_TASK.format("poll"),
        path="task 'poller *'",
        type=TASK,
        root="task",
        held="plugin.poll",
    ),
    Twins(
        name="task that never had its turn",
        is_code=True,
        before=COROUTINE,
        leaking="host.loop.create_task(poll())",
        cured=NEXT_TASK.format("poll"),
        path="task 'Task-*' poll",
        type=TASK,
        root="task",
        held="plugin.poll",
    ),
    Twins(
        name="task that waits for others of the target's",
        is_code=True,
        before=GROUP,
        leaking="host.loop.create_task(run()); host.turn(4)",
        cured=NEXT_TASK.format("run"),
        path="task 'Task-*' run",
        type=TASK,
        root="task",
        held="plugin.run",
        per_round=3.0,
    ),
    Twins(
        name="task of the host's that runs the target's function",
        host=STANDING
        + source("""
            async def repeat(function):
                while True:
                    function()
                    await asyncio.sleep(60)
        """),
        leaking="host.loop.create_task(host.repeat(on_event), name='repeat'); host.turn()",
        cured="""
            host.cancel()
            host.kept[:] = [host.loop.create_task(host.repeat(on_event), name='repeat')]
            host.turn()
        """,
        path="task 'repeat'",
        type=TASK,
        root="task",
    ),
    Twins(
        name="call_later on a loop that does not run",
        leaking="host.loop.call_later(60, on_event)",
        cured=NEXT_TIMER,
        path="call_later timer on_event",
        type=TIMER,
        root="timer",
        kind="live-timer",
    ),
    Twins(
        name="call_later on a loop that runs",
        host=RUNNING,
        leaking="host.do(host.loop.call_later, 60, on_event)",
        cured=NEXT_TIMER,
        path="call_later timer on_event",
        type=TIMER,
        root="timer",
        kind="live-timer",
    ),
    Twins(
        name="call_at of a builtin, which has no known owner",
        leaking="host.loop.call_at(host.loop.time() + 60, print)",
        cured="""
            host.cancel()
            host.kept[:] = [host.loop.call_later(60, print)]
        """,
        path="call_later timer print",
        type=TIMER,
        root="timer",
        kind="live-timer",
        held="plugin",
        retains=False,
    ),
    Twins(
        name="timer that was cancelled and is kept",
        leaking="""
            for handle in host.kept:
                handle.cancel()
            host.kept.append(host.loop.call_later(60, on_event))
        """,
        cured=NEXT_TIMER,
        path="call_later timer on_event (cancelled)",
        type=TIMER,
        root="timer",
        kind="live-timer",
        retains=False,
    ),
    Twins(
        name="call_soon on a loop that does not run",
        leaking="host.loop.call_soon(on_event)",
        cured="host.loop.call_soon(on_event); host.turn()",
        path="handle on_event",
        type=HANDLE,
    ),
    Twins(
        name="reader",
        host=STANDING + "for _ in range(20):\n    socketpair()\nends = iter([pair[0] for pair in pairs])\n",
        leaking="host.loop.add_reader(next(host.ends), on_event)",
        cured="host.loop.add_reader(host.pairs[0][0], on_event)",
        path="reader on_event",
        type=HANDLE,
    ),
    Twins(
        name="writer",
        host=STANDING + "for _ in range(20):\n    socketpair()\nends = iter([pair[0] for pair in pairs])\n",
        leaking="host.loop.add_writer(next(host.ends), on_event, 'ready')",
        cured="""
            for end in host.kept:
                host.loop.remove_writer(end)
            host.kept[:] = [next(host.ends)]
            host.loop.add_writer(host.kept[0], on_event, 'ready')
        """,
        path="writer on_event",
        type=HANDLE,
    ),
    Twins(
        name="signal handler on a loop",
        leaking="""
            import signal
            if not host.kept:
                host.kept.append(True)
                host.loop.add_signal_handler(signal.SIGUSR1, on_event)
        """,
        cured="""
            import signal
            host.loop.add_signal_handler(signal.SIGUSR1, on_event)
        """,
        path="signal handler SIGUSR1 on loop on_event",
        type=HANDLE,
        growth="bounded",
        per_round=0.0,
        generations=(-1,),
    ),
    Twins(
        name="future with a callback",
        leaking="""
            future = host.loop.create_future()
            future.add_done_callback(on_event)  # leak here
            host.kept.append(future)
        """,
        cured="""
            host.cancel()
            future = host.loop.create_future()
            future.add_done_callback(on_event)
            host.kept[:] = [future]
        """,
        path="future with callback on_event",
        type="_asyncio.Future",
    ),
    Twins(
        name="suspended async generator",
        is_code=True,
        before=STREAM,
        leaking="host.kept.append(generator)",
        cured="""
            for old in host.kept:
                host.loop.run_until_complete(old.aclose())
            host.kept[:] = [generator]
        """,
        path="async generator stream",
        type="async_generator",
        held="plugin.stream",
    ),
    Twins(
        name="run_in_executor",
        leaking="""
            def work():
                host.event.wait(60)
            host.loop.run_in_executor(None, work)
        """,
        cured="""
            import threading
            def work(event):
                event.wait(60)
            for event, future in host.kept:
                event.set()
                host.loop.run_until_complete(future)
            event = threading.Event()
            host.kept[:] = [(event, host.loop.run_in_executor(None, work, event))]
            event.set()
            host.loop.run_until_complete(host.kept[0][1])
        """,
        path="thread 'asyncio_*'",
        type="threading.Thread",
        root="thread",
        kind="live-thread",
        held="plugin.work",
    ),
    Twins(
        name="server",
        before=SERVER,
        leaking="host.loop.create_task(serve()); host.turn(4)",
        cured="""
            host.cancel()
            host.kept[:] = [host.loop.create_task(serve())]
            host.turn(4)
        """,
        path="task 'Task-*' serve",
        type=TASK,
        root="task",
        held="plugin.serve",
        per_round=2.0,
        harmless=("open-fd",),
    ),
)

SERVING = STANDING + source("""
    current = []

    async def serve():
        while True:
            future = loop.create_future()
            kept[:] = [future]
            await current[0](future)

    def use(function):
        current[:] = [function]
        if kept:
            kept[0].set_result(None)
        else:
            loop.create_task(serve())
        turn(4)
""")
"""A host with one task, begun for the first generation, that runs whatever generation is the present one."""

INNOCENT = {
    "a task that has ended": COROUTINE.replace("60", "0") + "host.loop.run_until_complete(poll())\n",
    "a loop of its own, closed": FUNCTION
    + "loop = asyncio.new_event_loop()\nloop.call_later(60, on_event)\nloop.close()\n",
    "a future that is done": FUNCTION
    + source("""
        future = host.loop.create_future()
        future.add_done_callback(on_event)
        future.set_result(None)
        host.turn(2)
    """),
    "what only its own generation keeps": FUNCTION
    + source("""
        future = host.loop.create_future()
        future.add_done_callback(on_event)
    """),
    "a timer that was cancelled and not kept": FUNCTION
    + "handle = host.loop.call_later(60, on_event)\nhandle.cancel()\n",
    "an async generator that has ended": STREAM
    + "host.loop.run_until_complete(generator.aclose())\nhost.kept[:] = [generator]\n",
    "an idle executor": FUNCTION
    + "host.loop.run_until_complete(host.loop.run_in_executor(None, on_event))\n",
    "a task of the host's that runs each generation in turn": source("""
        import host

        async def wait(future):
            await future

        host.use(wait)
    """),
    "asyncio.run": COROUTINE.replace("60", "0") + "asyncio.run(poll())\n",
}
"""Targets that leave nothing on a loop."""

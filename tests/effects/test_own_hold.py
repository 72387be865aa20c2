"""What lives only because the check keeps the original generation is no finding: the interpreter would collect it."""

import asyncio
import importlib
import sys

import pytest
from cases import run

from pytest_reloadleak.check import Check, settings_for

HOST = """
import asyncio

waiters = []
kept = []
entries = []

class Owner: pass

async def parked():
    future = asyncio.get_running_loop().create_future()
    waiters.append(future)
    await future
"""
APP = """
import asyncio
import host

async def inner():
    await {}

async def work():
    await asyncio.gather(inner(), inner())

waiting = asyncio.get_running_loop().create_task({}())
"""
NOBODY, SOMEBODY, TIMER = "asyncio.get_running_loop().create_future()", "host.parked()", "asyncio.sleep(600)"


@pytest.fixture
def checked(tmp_path):
    """Checks a target that starts a task, on a loop that runs; the original was loaded on that loop before."""
    with run.importable(tmp_path):

        def check(awaited, task, way):
            run.write(tmp_path, {"host": HOST, "app": APP.format(awaited, task)})
            return asyncio.run(perform(way))

        yield check


async def perform(way):
    """The report of one check."""

    def reload():
        importlib.reload(sys.modules["app"])

    importlib.import_module("app")
    callables = {"callable": lambda: run.import_again("app"), "callable in place": reload}
    keywords = {"reload": callables[way]} if way in callables else {"strategy": way}
    return await Check(["app"], settings_for(**keywords), keywords.get("reload")).aperform()


WAYS = ("reload", "reimport", "decache", "callable")
IN_PLACE = ("reload", "callable in place")


@pytest.mark.parametrize(
    ("task", "way"), [(task, way) for task in ("inner", "work") for way in (*WAYS, "callable in place")]
)
@pytest.mark.filterwarnings("ignore")
def test_a_task_that_nobody_can_wake_is_collected(checked, task, way):
    """The task of each later generation is gone, and that of the original would be."""
    report = checked(NOBODY, task, way)

    assert (report.outcome, report.findings) == ("clean", ())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("awaited", [SOMEBODY, TIMER], ids=["future", "timer"])
@pytest.mark.filterwarnings("ignore")
def test_a_task_that_somebody_can_wake_is_found(checked, awaited, way):
    """The original's as well, except under `reload` on 3.10, where nothing dates it."""
    report = checked(awaited, "inner", way)

    (finding,) = report.findings
    assert (finding.kind, finding.growth) == ("pending-task", "growing")
    assert finding.generations[-4:] == (0, 1, 2, 3)
    assert finding.generations[0] == -1 or (way == "reload" and sys.version_info < (3, 11))


OWN = {
    "a task on an event": (
        (
            "event = asyncio.Event()\n"
            "async def inner():\n    await event.wait()\n"
            "task = asyncio.get_running_loop().create_task(inner())"
        ),
        "event",
    ),
    "a task on a queue": (
        (
            "queue = asyncio.Queue()\n"
            "async def inner():\n    await queue.get()\n"
            "task = asyncio.get_running_loop().create_task(inner())"
        ),
        "queue",
    ),
    "a future's callback": (
        "def ready(done): pass\nfuture = asyncio.get_running_loop().create_future()\nfuture.add_done_callback(ready)",
        "future",
    ),
    "an async generator": (
        (
            "async def steps():\n    yield 1\n    yield 2\n"
            "generator = steps()\n"
            "try:\n    generator.asend(None).send(None)\nexcept StopIteration:\n    pass"
        ),
        "generator",
    ),
    "a cancelled timer": (
        "def late(): pass\ntimer = asyncio.get_running_loop().call_later(600, late)\ntimer.cancel()",
        "late",
    ),
    "a generator with a file": (
        "def lines():\n    with open(__file__) as file:\n        yield from file\ngenerator = lines()\nnext(generator)",
        "generator",
    ),
    "a thread that ended": (
        "def run(): pass\nthread = threading.Thread(target=run)\nthread.start()\nthread.join()\nthread.code = run",
        "thread",
    ),
    "a timer that ended": (
        "def run(): pass\ntimer = threading.Timer(600, run)\ntimer.start()\ntimer.cancel()\ntimer.join()",
        "timer",
    ),
    "a socket": (
        "class Connection(socket.socket): pass\nconnection = Connection()\nconnection.bind(('127.0.0.1', 0))",
        "connection",
    ),
    "a loop of its own": (
        "def late(): pass\nloop = asyncio.new_event_loop()\nloop.call_later(600, late)",
        "loop",
    ),
}
"""By name: a target's source, and the name of the object in it that keeps all of it alive."""
HEADER = "import asyncio, gc, socket, threading, time, weakref\nimport concurrent.futures\nimport host\n"


@pytest.fixture
def measured(tmp_path):
    """Checks a target on a loop that runs; the original was loaded on that loop before."""
    with run.importable(tmp_path):

        def measure(source, way):
            run.write(tmp_path, {"host": HOST, "app": f"{HEADER}{source}\n"})
            return asyncio.run(perform(way))

        yield measure


@pytest.mark.parametrize("way", ["reload", "reimport", "callable"])
@pytest.mark.parametrize("name", OWN)
@pytest.mark.filterwarnings("ignore")
def test_what_only_the_original_has_ends_with_it(measured, name, way):
    """Each later one ended with its generation, so the original's would end as well."""
    report = measured(OWN[name][0], way)

    assert (report.outcome, report.findings) == ("clean", ())


@pytest.mark.parametrize("way", ["reload", "callable"])
@pytest.mark.parametrize("name", OWN)
@pytest.mark.filterwarnings("ignore")
def test_what_somebody_else_has_is_found(measured, name, way):
    """The twins: the host has them too, of every generation."""
    source, held = OWN[name]

    report = measured(f"{source}\nhost.kept.append({held})", way)

    assert report.outcome == "leaking"
    assert "growing" in {finding.growth for finding in report.findings}
    assert {0, 1, 2, 3} <= {g for finding in report.findings for g in finding.generations}


WATCHING = {
    "a thread that looks whether its owner lives": """
class Owner: pass
owner = Owner()
def run(owner):
    while owner() is not None: time.sleep(0.005)
threading.Thread(target=run, args=(weakref.ref(owner),), daemon=True).start()
""",
    "a thread that its owner stops": """
class Owner:
    def __init__(self):
        self.stopped = threading.Event()
        threading.Thread(target=run, args=(self.stopped,), daemon=True).start()
    def __del__(self): self.stopped.set()
def run(stopped): stopped.wait()
owner = Owner()
""",
    "a thread that a finalizer stops": """
class Owner: pass
owner = Owner()
def run(stopped): stopped.wait()
stopped = threading.Event()
weakref.finalize(owner, stopped.set)
threading.Thread(target=run, args=(stopped,), daemon=True).start()
del stopped
""",
    "a task that looks whether its owner lives": """
class Owner: pass
owner = Owner()
async def look(owner):
    while owner() is not None: await asyncio.sleep(0.001)
asyncio.get_running_loop().create_task(look(weakref.ref(owner)))
""",
    "the thread of a pool": """
def begin(): pass
owner = concurrent.futures.ThreadPoolExecutor(1, initializer=begin)
owner.submit(int).result()
""",
    "a finalizer": """
class Owner: pass
owner = Owner()
def end(): pass
weakref.finalize(owner, end)
""",
    "an entry that a finalizer removes": """
class Owner: pass
owner = Owner()
def on_event(): pass
host.entries.append(on_event)
weakref.finalize(owner, host.entries.remove, on_event)
""",
    "an entry that a callback removes": """
class Owner: pass
owner = Owner()
def on_event(): pass
def gone(reference): host.entries[:] = [entry for entry in host.entries if entry[0] is not reference]
host.entries.append((weakref.ref(owner, gone), on_event))
""",
}
"""Sources of targets that end what they started when `owner` dies, which each in-place reload replaces."""


@pytest.mark.parametrize("way", IN_PLACE)
@pytest.mark.parametrize("name", WATCHING)
@pytest.mark.filterwarnings("ignore")
def test_what_ends_when_its_owner_dies_ends_with_the_original(measured, name, way):
    """The check keeps the original's owner, and so what that would end."""
    report = measured(WATCHING[name], way)

    assert (report.outcome, report.findings) == ("clean", ())


@pytest.mark.parametrize("way", IN_PLACE)
@pytest.mark.parametrize("name", WATCHING)
@pytest.mark.filterwarnings("ignore")
def test_what_waits_for_an_owner_that_lives_on_is_found(measured, name, way):
    """The twins: the host keeps each owner, so that none of it ever ends."""
    report = measured(f"{WATCHING[name]}host.kept.append(owner)", way)

    assert report.outcome == "leaking"
    assert "growing" in {finding.growth for finding in report.findings}
    assert {0, 1, 2, 3} <= {g for finding in report.findings for g in finding.generations}


FIRST = """
def run(): host.stopped.wait()
if not hasattr(host, 'stopped'):
    host.stopped = threading.Event()
    threading.Thread(target=run, daemon=True).start()
"""


@pytest.mark.parametrize("way", [*WAYS, "callable in place"])
def test_what_only_the_first_generation_started_is_found(measured, way):
    """The original's own thread, which nothing of it ends, is a leak although no later generation has one."""
    report = measured(FIRST, way)
    sys.modules["host"].stopped.set()

    (finding,) = report.findings
    assert (finding.kind, finding.growth, finding.generations) == ("live-thread", "bounded", (-1,))


FIRST_WATCHING = """
def run(owner):
    while owner() is not None: time.sleep(0.005)
if not hasattr(host, 'owner'):
    host.owner = host.Owner()
    threading.Thread(target=run, args=(weakref.ref(host.owner),), daemon=True).start()
"""


@pytest.mark.parametrize("way", IN_PLACE)
def test_a_thread_of_the_first_generation_that_watches_what_the_host_keeps_is_found(measured, way):
    """It ends when the host drops what it watches, and not with the original."""
    report = measured(FIRST_WATCHING, way)
    del sys.modules["host"].owner

    (finding,) = report.findings
    assert (finding.kind, finding.growth, finding.generations) == ("live-thread", "bounded", (-1,))

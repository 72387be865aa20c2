"""The strategy `worker`: each generation in a process of its own, which is drained, disposed and ended."""

import asyncio
import io
import os
import signal
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial

import psutil
import pytest
import trio
from cases import run
from support import assert_no_traceback, target

from pytest_reloadleak.check import Check, settings_for
from pytest_reloadleak.errors import TargetError
from pytest_reloadleak.strategies.workers import messages, worker_strategy

BORN = """\
import asyncio, atexit, functools, os, subprocess, sys, tempfile, threading, time
from pathlib import Path
HERE = Path(__file__).parent
(HERE / "born").open("a").write(f"{os.getpid()} ")
number = len((HERE / "born").read_text().split())
def wait_for(name):
    while not (HERE / name).exists(): time.sleep(0.01)
"""
"""What targets begin with: it notes in which processes they are loaded."""
APP = f"""{BORN}
class Own(ValueError): __init__ = lambda self, text, code: ValueError.__init__(self, text)
class Thing: use = staticmethod(lambda x, *, times=1: x * times)
thing, items, lock, read = Thing(), [1], threading.Lock, input
def echo(*args, **kwargs): return args, kwargs
def fail(kind, *args): raise kind(*args)
def own(): raise Own("my text", 3)
def holds(): raise ValueError(lock())
async def double(x): return (await asyncio.sleep(0)) or 2 * x
@functools.wraps(double)
def wrapped(x): return double(x)
os.write(1, b"direct ")
print("printed ", os.system("echo child"))
"""
SEGMENT = """\
from multiprocessing import resource_tracker, shared_memory
name, untracked = f"app{os.getppid()}_{os.getpid()}", sys.version_info >= (3, 13)
segment = shared_memory.SharedMemory(name, create=True, size=64, **{"track": False} if untracked else {})
if not untracked: resource_tracker.unregister(segment._name, "shared_memory")
"""
FILE = "file = tempfile.mkstemp(suffix='.log')[1]\n"


@pytest.fixture(autouse=True)
def nothing_left_behind(tmp_path_factory, monkeypatch):
    """After each test nothing of ours is left: no process, thread, descriptor, file or shared memory."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    before = left()
    yield
    assert (list(folder.iterdir()), left()) == ([], before)


def left():
    """Children, threads (trio keeps one of its own), and on Linux descriptors and the segments of our workers."""
    listed = [os.listdir(path) if os.path.isdir(path) else [] for path in ("/proc/self/fd", "/dev/shm")]
    threads = {t for t in threading.enumerate() if not t.name.startswith("Trio thread")}
    segments = [name for name in listed[1] if name.startswith(f"app{os.getpid()}_")]
    return psutil.Process().children(recursive=True), threads, len(listed[0]), segments


@pytest.fixture
def check(tmp_path):
    """Check a target; `exercise` is called in each round with what stands for it."""

    def check(source, exercise=None, **keywords):
        run.write(tmp_path, {"app": source} if isinstance(source, str) else source)
        check = Check(["app"], settings_for(strategy="worker", **{"rounds": 2, **keywords}))
        return check.perform(exercise and (lambda: exercise(check.run.subject.module("app"))))

    with run.importable(tmp_path):
        yield check


def born(directory):
    """The processes in which targets were loaded, in order."""
    return [int(pid) for pid in (directory / "born").read_text().split()]


REPORT = """\
filed (worker) leaks on reload: *
  [*] temporary files: file .log is left behind, 1 more per reload (*)
    kind    registration *, growing by 1 per round, generations -1, 0
    holder  temporary files: file .log (file, root temporary files)
    detail  *.log: outlived its process
    fix     remove the file before the worker ends, in __reload_dispose__ or an exit hook (atexit); nothing else does
"""
LEAKS = {
    "threaded": "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
    "hooked": "atexit.register(leak)",
    "listed": "import host; host.listeners.append(leak)",
    "filed": FILE,
}


@pytest.mark.parametrize(
    ("isolation", "strategies"), [("process", ["reimport", "worker"]), ("none", ["worker"])]
)
def test_targets(isolation, strategies, project):
    """A thread, an exit hook and an entry in a foreign list leak in one process only; a file does in any."""
    project.write({f"{name}.py": f"{BORN}def leak(): pass\n{line}" for name, line in LEAKS.items()})
    options = ["--reload-leak-rounds=2", f"--reload-leak-isolation={isolation}", "--reload-leak-unload"]
    options += [f"--reload-leak-strategy={name}" for name in strategies]

    result = project.check_apart(*target(*LEAKS), *options)

    assert_no_traceback(result)
    result.stdout.fnmatch_lines(REPORT.splitlines())
    assert {(c["nodeid"], c["strategy"]): c["outcome"] for c in project.checks()} == {
        (f"reload-leak::{name}[{s}]", s): "leaking" if s == "reimport" or name == "filed" else "clean"
        for name in LEAKS
        for s in strategies
    }


def test_marked_tests(project):
    """`reloaded` is the stand-in; what fails shows the test's own lines and none of ours."""
    test = """
        import os, pytest
        pytestmark = pytest.mark.reloadable("app", strategy="worker", rounds=2)
        @pytest.mark.asyncio
        async def test_async(reloaded):
            assert await reloaded.double(1) == 2 and reloaded.os.getpid() != os.getpid()
        def test_fails(reloaded):
            reloaded.fail(KeyError, "gone")
    """
    project.write({"app.py": APP, "test_it.py": test})

    result = project.check_apart("-Wignore", plugins=("asyncio",))

    result.assert_outcomes(passed=1, failed=1)
    assert [(c["strategy"], c["outcome"]) for c in project.checks()] == [
        ("worker", "clean"),
        ("worker", "error"),  # its body raised
    ]
    result.stdout.fnmatch_lines(["*KeyError: 'gone' (*app.py:* in fail)", ">*.fail(*", "E*KeyError: 'gone'"])
    assert "pytest_reloadleak/" not in result.stdout.str()


def test_each_round_has_a_process_and_a_state_of_its_own(check, tmp_path):
    """Shared within the round, by what the target imports too; what a hook hands over goes on. Nothing happens here."""
    counts = "calls = 0\ndef call():\n    global calls\n    calls += 1\n    return calls\n"
    both = "def both(): return call(), dep.call(), age, os.getpid()\nhost.listeners.append(both)\n"
    hands = "age = globals().get('__reload_data__', {}).get('age', 0) + 1\n"
    hands += "def __reload_dispose__(data): data['age'] = age\n"
    run.write(tmp_path, {"host": "listeners = []", "dep": counts})
    host, rounds = __import__("host"), []

    def exercise(reloaded):
        # No list per round: ten objects more ask for a closer look, which takes rounds.
        rounds.extend((reloaded.both(), reloaded.both()))
        assert {"app", "dep"} & set(sys.modules) == set()

    report = check(f"{BORN}import dep, host\n{counts}{both}{hands}", exercise, rounds=3, unload=True)

    assert (report.outcome, report.findings, report.notes, report.error) == ("clean", (), (), None)
    pids = born(tmp_path)
    assert len({*pids, os.getpid()}) == 1 + 5
    assert rounds == [(n, n, age, pid) for age, pid in enumerate(pids[1:], 2) for n in (1, 2)]
    assert host.listeners == []


def test_without_its_own_probe(check, tmp_path):
    """The strategy asks its probe for the number of a generation, whether or not a user wants what it finds."""
    report = check(BORN + FILE, probes=["references"])

    assert (report.outcome, report.error) == ("clean", None)


def test_requests_in_flight_are_answered(check, tmp_path, monkeypatch):
    """One that is under way by the worker that it was made to, one that comes during its replacement by the next."""
    slow = "def slow(): return (HERE / 'asked').touch(), wait_for('answer'), os.getpid()\n"
    slow += "if number == 3: (HERE / 'loading').touch(), wait_for('go')\n"
    begun, reload, asked = threading.Event(), worker_strategy.Worker.reload, []
    monkeypatch.setattr(worker_strategy.Worker, "reload", lambda *args: [begun.set(), reload(*args)])

    def wait_for(name):
        while not (tmp_path / name).exists():
            time.sleep(0.01)

    def replace(reloaded):
        begun.wait(20)
        (tmp_path / "answer").touch()
        wait_for("loading")
        during = pool.submit(getattr, reloaded, "number")
        assert not wait([during], 0.1).done
        (tmp_path / "go").touch()
        return during.result(20)

    def exercise(reloaded):
        if not asked:
            begun.clear()
            asked.extend((pool.submit(reloaded.slow), pool.submit(replace, reloaded)))
            wait_for("asked")
        wait(asked[1:], 20 if len(born(tmp_path)) > 2 else 0)

    with ThreadPoolExecutor() as pool:
        assert check(BORN + slow, exercise).outcome == "clean"
    assert [asked[0].result()[2], asked[1].result()] == [born(tmp_path)[1], 3]


CANNOT = "{} cannot pass between processes (strategy worker): {}; use plain values"
OWN = "app.it.Thing belongs to the target, which the receiver has not loaded"
LOCK = "TypeError: cannot pickle '_thread.lock' object"


def test_what_is_passed(check, tmp_path, capfd):
    """Values and exceptions as they are; one of the target's own by its text; or with a clear error. Output aside."""
    large = os.urandom(5_000_000)
    line = APP.split("\n").index("def fail(kind, *args): raise kind(*args)") + 1
    where = f"({tmp_path / 'app' / 'it.py'}:{line} in fail)"

    def told(call, *arguments, kind=TargetError):
        with pytest.raises(kind) as raised:
            call(*arguments)
        return str(raised.value.__cause__ or raised.value)

    async def use(it):
        assert [await it.double(2), await it.wrapped(3)] == [4, 6]

    ran = []

    def exercise(reloaded):
        ran.append(1)
        it = reloaded.it
        assert it.echo(1, large, key={"a": (None, 2.5)}) == ((1, large), {"key": {"a": (None, 2.5)}})
        it.items.append(2)
        assert (it.items, it.Thing.use("a", times=2), hasattr(it, "nothing")) == ([1], "aa", False)
        assert told(it.fail, KeyError, "gone", kind=KeyError) == f"KeyError: 'gone' {where}"
        assert told(it.fail, SystemExit, 2, kind=SystemExit) == f"SystemExit: 2 {where}"
        assert told(it.read, kind=EOFError).startswith("EOFError: EOF when reading a line")
        assert told(it.own).startswith("Own: my text (")
        assert told(it.holds).startswith("ValueError: <unlocked _thread.lock object")
        assert told(it.lock) == CANNOT.format("the result of app.it.lock", LOCK)
        assert told(it.Thing) == CANNOT.format("the result of app.it.Thing", OWN)
        assert told(getattr, it, "thing") == CANNOT.format("app.it.thing", OWN)
        assert "an argument of app.it.echo cannot pass between processes" in told(it.echo, exercise)
        assert "app.it.items cannot be set from here" in told(setattr, it, "items", [], kind=AttributeError)
        asyncio.run(use(it))
        trio.run(use, it)

    report = check({"app.__init__": "from app import it", "app.it": APP}, exercise, warmup=0)

    assert (report.outcome, report.error) == ("clean", None)
    assert os.getpid() not in born(tmp_path / "app")
    out, err = capfd.readouterr()
    assert (out, sorted(err.split())) == ("", sorted(["direct", "child", "printed", "0"] * (1 + len(ran))))


HANDS = "def __reload_dispose__(data): data['x'] = {}"
HANDED = f"disposing generation -1: {CANNOT.format('the data from app.__reload_dispose__', '{}')}"
RAISES = "def __reload_dispose__(): raise LookupError('no')"
RAISED = "app.__reload_dispose__ raised: LookupError: no ({} in __reload_dispose__)"
LINE = "LookupError: no ({} in <module>)"
SLOW = "disposing generation {n}: the worker did not end within {s} s and was killed: "
THREAD = "it waited for the non-daemon thread 'poller'; stop it in __reload_dispose__"
EXIT = "look for an exit hook (atexit) that waits"
POLLS = "told = threading.Event()\nthreading.Thread(target=told.wait, name='poller').start()\n"
NOW, LATER = "the target could not be imported: {}", "round 2: the reload raised: {}"
DIED = "the worker {} before it answered"
ENDS = {
    "os._exit(3)": DIED.format("exited with status 3"),
    "os.kill(os.getpid(), 9)": DIED.format("was killed by SIGKILL"),
    "os.fork() or time.sleep(3); os._exit(3)": DIED.format("exited with status 3"),
}
"""The last one leaves a process that was forked, and that must keep nobody waiting."""
ERRORS = {
    "hands over a lock": (HANDS.format("lock()"), HANDED.format(LOCK)),
    "hands over its own": (HANDS.format("thing"), HANDED.format(OWN.replace(".it", ""))),
    "hook raises": (RAISES, f"disposing generation -1: {RAISED}"),
    "is kept by a thread": (POLLS, SLOW + THREAD),
    "ends a thread": (f"{POLLS}def __reload_dispose__(): told.set()", None),
    "is kept by a hook": ("atexit.register(time.sleep, 60)", SLOW + EXIT),
    "raises": (f"{SEGMENT}raise LookupError('no')", NOW.format(LINE)),
    "raises later": ("if number == 4: raise LookupError('no')", LATER.format(LINE)),
    **{f"{end} in body": (end, NOW.format(text)) for end, text in ENDS.items()},
    **{f"{end} in body later": (f"if number == 4: {end}", LATER.format(text)) for end, text in ENDS.items()},
}


@pytest.mark.parametrize("what", ERRORS)
def test_errors(what, check, tmp_path, monkeypatch):
    """Each says where, or what to do, beside the findings; no worker runs on, and those after it get less time."""
    monkeypatch.setattr(worker_strategy, "_PATIENCE_S", 1.0)
    source, text = ERRORS[what]

    report = check(f"{APP}{FILE if 'hook' in what else ''}{source}\n")

    last = f"{tmp_path / 'app.py'}:{(tmp_path / 'app.py').read_text().count(chr(10))}"
    expected = ("error", text.format(last, n=-1, s=1)) if text else ("clean", None)
    assert (report.outcome, report.error) == expected
    assert [finding.registry for finding in report.findings] == ["temporary files"] * ("hook" in what)
    assert "is kept" not in what or text.format(n=1, s=0.5) in report.notes
    assert [pid for pid in born(tmp_path) if psutil.pid_exists(pid)] == []


@pytest.mark.parametrize("end", ENDS)
def test_a_worker_that_ends_in_a_request(end, check):
    """Whoever asks is told at once, and so is who reads the report only."""

    def exercise(reloaded):
        for _ in range(2):
            begun_s = time.monotonic()
            with pytest.raises(TargetError, match=f"^{ENDS[end]}$"):
                reloaded.end()
            assert time.monotonic() - begun_s < 2

    assert check(f"{BORN}def end(): {end}\n", exercise).error == f"disposing generation 0: {ENDS[end]}"


def test_a_worker_that_ends_between_requests(check):
    """The next one to ask is told: here it is the check, which wants it to end."""

    def exercise(reloaded):
        worker = psutil.Process(reloaded.os.getpid())
        worker.kill()
        while worker.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)

    assert check(BORN, exercise).error == f"disposing generation 0: {DIED.format('was killed by SIGKILL')}"


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="interrupted by a signal")
def test_a_request_that_is_interrupted(check, request):
    """As by Ctrl-C, or by a plugin with a timeout: nobody waits for the answer, now or later, and the worker ends."""
    begun_s = time.monotonic()

    def interrupt(*_):
        raise TimeoutError("interrupted")

    def exercise(reloaded):
        threading.Timer(0.5, signal.pthread_kill, (threading.get_ident(), signal.SIGUSR1)).start()
        reloaded.time.sleep(60)

    request.addfinalizer(partial(signal.signal, signal.SIGUSR1, signal.signal(signal.SIGUSR1, interrupt)))
    with pytest.raises(TimeoutError, match="interrupted"):
        check(BORN, exercise)
    assert time.monotonic() - begun_s < 10


FOLDER = "(folder := Path(tempfile.gettempdir(), 'app')).mkdir(exist_ok=True)\nfile = tempfile.mkstemp(dir=folder)[1]\n"
CHILD = """\
child = subprocess.Popen(['sleep', '60'])
(HERE / f'pid{child.pid}').touch()
while not Path(f'/proc/{child.pid}/environ').read_bytes(): pass  # as long as it is empty nobody could tell whose it is
"""
UNLINK = "segment.close(); resource_tracker.unregister = print; segment.unlink()"
LEAVES = {
    "file": (FILE, "os.unlink(file)", "temporary files: file .log"),
    "directory": ("folder = tempfile.mkdtemp()\n", "os.rmdir(folder)", "temporary files: directory"),
    "file in it": (FOLDER, "os.unlink(file)", "temporary files: file"),
    "fixed name": ("Path(tempfile.gettempdir(), 'app.lock').write_text('locked')\n", "pass", None),
    "segment": (SEGMENT, UNLINK, "shared memory"),
    "process": (CHILD, "child.kill(), child.wait()", "orphaned process 'sleep 60'"),
}


def end_left(directory):
    """End the processes whose numbers are in a directory."""
    for file in directory.glob("pid*"):
        if psutil.pid_exists(pid := int(file.name[3:])):
            os.kill(pid, signal.SIGKILL)


MAKES = ("mkstemp", "mkdtemp", "SharedMemory(", "Popen(")


@pytest.mark.skipif(sys.platform != "linux", reason="processes and shared memory are listed by Linux only")
@pytest.mark.parametrize("cure", ["", "__reload_dispose__ = end", "atexit.register(end)"])
@pytest.mark.parametrize("what", LEAVES)
def test_what_workers_leave_on_the_machine(what, cure, check, tmp_path):
    """With the generations; a file of a fixed name does not grow. Afterwards all but processes is gone."""
    source, undo, path = LEAVES[what]

    report = check(f"{BORN}{source}\ndef end(): {undo}\n{cure}\n", unload=bool(cure))

    end_left(tmp_path)
    assert report.error is None
    assert [f.holder.path for f in report.findings] == ([] if cure or path is None else [path])
    for f in report.findings:
        assert (f.growth, f.per_round, f.generations[-1]) == ("growing", 1, 0)
        registered = ("registration", path.partition(":")[0])
        assert (f.kind, f.registry) == (registered if what != "process" else ("child-process", None))
        made = [line for line in source.splitlines() if any(call in line for call in MAKES)]
        assert (f.site.code, f.site.function, f.site_reason) == (made[-1], "<module>", None)


DAEMON = """
if not os.fork():
    os.fork() and os._exit(0)
    (HERE / f'pid{os.getpid()}').touch()
    os.execvp('sleep', ['sleep', '60'])
os.wait()
"""
MADE_BY = {
    "function": ("def make(): return tempfile.mkstemp(suffix='.log')\nfile = make()", "make", "mkstemp"),
    "thread": (
        "def work():\n    tempfile.mkdtemp()\nthreading.Thread(target=work).start()",
        "work",
        "mkdtemp",
    ),
    "exit hook": ("@atexit.register\ndef last():\n    tempfile.mkstemp()", "last", "mkstemp"),
    "dispose hook": ("def __reload_dispose__():\n    tempfile.mkstemp()", "__reload_dispose__", "mkstemp"),
    "child": ("subprocess.run(['mktemp', '-t', 'app-XXXXXXX.log'], stdout=-3)", "<module>", "subprocess.run"),
    "end without hooks": ("tempfile.mkstemp()\ndef __reload_dispose__(): os._exit(3)", "<module>", "mkstemp"),
    "daemon": (
        DAEMON,
        "<module>",
        "fork",
    ),
    "a timer of the library": ("threading.Timer(0.01, tempfile.mkstemp).start()", None, None),
}


@pytest.mark.skipif(sys.platform != "linux", reason="processes without a parent are listed by Linux only")
@pytest.mark.parametrize("what", MADE_BY)
def test_the_line_in_the_worker_is_named(what, check, tmp_path):
    """Whatever thread, hook or process of the worker runs it, however that ends; or the reason why none is."""
    source, function, code = MADE_BY[what]

    findings = check(f"{BORN}{source}\n").findings

    end_left(tmp_path)
    (finding,) = findings
    if code is None:
        assert (finding.site, finding.site_reason) == (
            None,
            "it appeared while no first-party line was running",
        )
    else:
        assert code in finding.site.code
        assert finding.site.function == function
        assert finding.site.file == str(tmp_path / "app.py")


def test_a_call_from_the_check_is_charged_to_the_worker_s_line(check, tmp_path):
    """The exercise runs in this process, and what it calls runs in the worker."""
    source = f"{BORN}def use():\n    tempfile.mkstemp()\n    return os.getpid()\n"

    (finding,) = check(source, lambda reloaded: reloaded.use()).findings

    assert (finding.site.code, finding.site.function) == ("tempfile.mkstemp()", "use")


class Drops(io.BytesIO):
    def read(self, count=-1):
        return super().read(min(count, 1))


@pytest.mark.parametrize("make", [io.BytesIO, Drops])
def test_messages_are_read_as_they_were_sent(make):
    """In whatever pieces they arrive; where they end, be it within one, is the end of the file."""
    originals, sent = [("call", "app", bytes(300)), (True, None), ""], io.BytesIO()
    for message in originals:
        messages.send(sent, message)
    stream = make(sent.getvalue())

    assert [messages.receive(stream) for _ in originals] == originals
    for cut in (0, 3, 8, 20):
        with pytest.raises(EOFError):
            messages.receive(make(sent.getvalue()[:cut]))

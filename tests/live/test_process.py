"""`watch_process`: what it tells after the reloads of a running program, and that the program does not notice it."""

import asyncio
import gc
import importlib
import importlib.machinery
import importlib.util
import logging
import os
import signal
import sys
import textwrap
import threading
import time
import weakref
from contextlib import suppress

import pytest

from pytest_reloadleak import StillAlive, UsageError, watch_process

HOST = "kept = []\nslot = None\ncount = 0\n"
LEAKY = """
    import host

    def on_event():
        return "event"

    class Handler:
        def handle(self):
            return on_event

    host.kept.append({kept})
"""
CURED = LEAKY.replace("host.kept.append({kept})", "host.kept[:] = [{kept}]")
PREVIOUS = LEAKY.replace("host.kept.append({kept})", "host.kept[:] = [*host.kept[-1:], {kept}]")
BUSY_S = 10
"""How long to wait for another thread on a busy machine."""


def reload(name):
    """Execute a module again in its namespace."""
    return importlib.reload(sys.modules[name])


def reimport(name):
    """Drop the name of a module, and import it again."""
    sys.modules.pop(name, None)
    return importlib.import_module(name)


def load_file(name):
    """Load a module as hosts do that know files only: no finder is asked, and the import system locks nothing."""
    spec = importlib.util.spec_from_file_location(name, f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def empty_and_reload(name):
    """Do as IPython's `%autoreload` does: empty the namespace first."""
    module = sys.modules[name]
    kept = {key: vars(module)[key] for key in ("__name__", "__loader__")}
    vars(module).clear()
    vars(module).update(kept)
    module.__spec__ = importlib.machinery.ModuleSpec(name, kept["__loader__"])
    return importlib.reload(module)


class Program:
    """A program of a `host` and modules that it reloads, and what the watch has told of them."""

    def __init__(self, directory):
        self.directory = directory
        self.told = []
        self._is_told = threading.Condition()

    def write(self, name, source):
        """Write a module, and load it."""
        self.directory.joinpath(f"{name}.py").write_text(textwrap.dedent(source), encoding="utf-8")
        importlib.invalidate_caches()
        return importlib.import_module(name)

    def tell(self, one):
        with self._is_told:
            self.told.append(one)
            self._is_told.notify_all()

    def wait(self, current):
        """What was told of the generation `current` or a later one."""
        with self._is_told:
            assert self._is_told.wait_for(lambda: self.told and self.told[-1].current >= current, BUSY_S)
            return self.told[-1]

    def watch(self, *names, grace_s=0.02):
        return watch_process(names, grace_s=grace_s, on_reload=self.tell)


@pytest.fixture
def program(tmp_path, monkeypatch):
    """An empty program in the current directory; its modules are dropped at the end."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    made = Program(tmp_path)
    made.write("host", HOST)
    yield made
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


WAYS = pytest.mark.parametrize("how", [reload, reimport, load_file, empty_and_reload])


KEPT = pytest.mark.parametrize(
    "kept", ["on_event", "Handler", "Handler()", "Handler().handle", "lambda: host"]
)


@WAYS
@KEPT
def test_a_leak_is_told(program, how, kept):
    """Each reload leaves one generation, whichever way and object: all but the previous one should be dead."""
    program.write("app", LEAKY.format(kept=kept))

    with program.watch("app"):
        for generation in range(1, 4):
            how("app")
            assert program.wait(generation) == StillAlive(
                target="app",
                current=generation,
                generations=tuple(range(generation)),
                retained=tuple(range(generation - 1)),
            )


@WAYS
@KEPT
def test_a_cured_program_is_silent(program, how, kept):
    """Nothing old is alive, although nothing has collected the cycles of classes yet."""
    program.write("app", CURED.format(kept=kept))

    with program.watch("app"):
        for generation in range(1, 4):
            how("app")
            assert program.wait(generation) == StillAlive(
                target="app", current=generation, generations=(), retained=()
            )


def test_a_list_of_the_previous_generation_is_no_leak(program):
    """Somebody may use the generation that was just replaced: it is told as alive, and not as retained."""
    program.write("app", PREVIOUS.format(kept="on_event"))

    with program.watch("app"):
        for generation in range(1, 4):
            reimport("app")
            told = program.wait(generation)
            assert (told.generations, told.retained) == ((generation - 1,), ())


@pytest.mark.parametrize("how", [reload, reimport])
def test_reloads_without_a_pause_are_all_seen(program, how):
    """Each generation is noted before the next one replaces it."""
    program.write("app", LEAKY.format(kept="on_event"))

    with program.watch("app") as watch:
        for _ in range(5):
            how("app")
        (told,) = watch.look()

    assert told == StillAlive(target="app", current=5, generations=(0, 1, 2, 3, 4), retained=(0, 1, 2, 3))


def test_a_stale_import_is_told(program):
    """A name that another module bound once keeps the first generation, and no other."""
    program.write("app", CURED.format(kept="on_event"))
    program.write("user", "from app import Handler")

    with program.watch("app") as watch:
        for _ in range(3):
            reimport("app")
        (told,) = watch.look()
        text = watch.explain()

    assert told.retained == (0,)
    assert "stale-reference" in text
    assert "user.Handler" in text


def test_a_package_is_followed_with_its_submodules(program):
    """A submodule that is reloaded makes a new generation of its package's target."""
    (program.directory / "pack").mkdir()
    (program.directory / "pack" / "__init__.py").touch()
    (program.directory / "pack" / "part.py").write_text(textwrap.dedent(LEAKY.format(kept="on_event")))
    importlib.import_module("pack.part")

    with program.watch("pack") as watch:
        for _ in range(3):
            reimport("pack.part")
        (told,) = watch.look()

    assert (told.target, told.current, told.retained) == ("pack", 3, (0, 1))


def test_a_glob_follows_what_is_loaded_later(program):
    """Each module that matches is a target of its own, whenever it is loaded."""
    with program.watch("plug_*") as watch:
        program.write("plug_a", LEAKY.format(kept="on_event"))
        program.write("plug_b", "def on_event(): pass")
        for name in ("plug_a", "plug_b") * 2:
            reimport(name)
        told = watch.look()

    assert [(one.target, one.retained) for one in told] == [("plug_a", (0,)), ("plug_b", ())]


def test_a_reload_that_raises_makes_no_false_alarm(program):
    """After an error and its mending, only whole generations count."""
    program.write("app", CURED.format(kept="on_event"))
    path = program.directory / "app.py"
    good = path.read_text()

    with program.watch("app") as watch:
        for source in ("def broken(", good + "\nraise LookupError\n", good):
            path.write_text(source + "\n" * len(source))
            with suppress(SyntaxError, LookupError):
                reload("app")
        told = watch.look()

    assert all(one.retained == () for one in told)


def test_the_holders_are_named(program):
    """`explain` gives each holder with its path and cure; nobody has to be asked before."""
    program.write("app", LEAKY.format(kept="on_event"))
    program.write("quiet", "")

    with program.watch("app", "quiet") as watch:
        for _ in range(3):
            reimport("app")
        (report,) = watch.reports()
        text = watch.explain()

    (finding,) = report.findings
    assert (report.target, report.outcome, report.rounds) == ("app", "leaking", 3)
    assert (finding.kind, finding.holder.path, finding.held.name) == (
        "retained-generation",
        "host.kept[*]",
        "app.on_event",
    )
    assert (finding.generations, finding.growth, finding.cure) == (
        (0, 1),
        "growing",
        "host.kept.remove(on_event)",
    )
    assert "host.kept[*]" in text
    assert text.endswith("quiet: no reload was seen")


def test_the_holder_of_the_previous_generation_is_named_on_request(program):
    """After one reload, nothing is retained yet; who wants to know asks for the previous generation."""
    program.write("app", LEAKY.format(kept="on_event"))

    with program.watch("app") as watch:
        reimport("app")
        assert [report.outcome for report in watch.reports()] == ["clean"]
        (report,) = watch.reports(previous=True)

    assert [finding.holder.path for finding in report.findings] == ["host.kept[*]"]


def test_a_thread_that_runs_old_code_is_named(program):
    """The effect is the finding, as in a check."""
    control = program.write("control", "import threading\nstop = threading.Event()")
    program.write(
        "app",
        """
        import control, threading
        def run():
            control.stop.wait()
        threading.Thread(target=run, name="app-worker").start()
        """,
    )
    try:
        with program.watch("app") as watch:
            for _ in range(3):
                reimport("app")
            (report,) = watch.reports()
    finally:
        control.stop.set()

    assert [(f.kind, f.generations) for f in report.findings] == [("live-thread", (0, 1))]


@pytest.mark.parametrize(("end", "expected"), [("", ["pending-task"]), ("server.task.cancel()", [])])
def test_a_server_on_a_loop(program, end, expected):
    """A task of old code is found while the server's loop runs, and asking does not stop it."""
    program.write("server", "task = None")
    source = f"""
        import asyncio, server
        async def serve():
            await asyncio.sleep(60)
        if server.task is not None:
            {end or "pass"}
        server.task = asyncio.get_running_loop().create_task(serve())
    """

    async def main():
        program.write("app", source)
        with program.watch("app") as watch:
            for _ in range(3):
                reimport("app")
                await asyncio.sleep(0.03)
            reports = await asyncio.to_thread(watch.reports) if expected == [] else watch.reports()
        return [finding.kind for report in reports for finding in report.findings]

    assert asyncio.run(main()) == expected


def test_reloads_in_many_threads(program):
    """Threads that reload different targets at once neither wait for each other for ever nor lose a target."""
    for number in range(4):
        program.write(f"app{number}", LEAKY.format(kept="on_event"))

    def work(name):
        for _ in range(5):
            reimport(name)

    with program.watch("app*", grace_s=0.05) as watch:
        threads = [threading.Thread(target=work, args=(f"app{number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(BUSY_S)
        assert not any(thread.is_alive() for thread in threads)
        told = watch.look()

    assert [one.target for one in told] == ["app0", "app1", "app2", "app3"]
    assert all(0 in one.retained for one in told)


def test_nothing_is_left_behind(program):
    """Between reloads there is no thread; after the watch no marker, finder or signal handler, and nothing is kept."""
    module = program.write("app", CURED.format(kept="on_event"))
    names, finders, handler = set(vars(module)), list(sys.meta_path), signal.getsignal(signal.SIGUSR1)
    old = weakref.ref(module.on_event)
    del module

    with watch_process("app", grace_s=0.02, on_reload=program.tell, explain_on=signal.SIGUSR1):
        reimport("app")
        program.wait(1)
        wait_for(lambda: "pytest-reloadleak watch" not in {thread.name for thread in threading.enumerate()})
        gc.collect()
        assert old() is None

    assert set(vars(sys.modules["app"])) == names
    assert sys.meta_path == finders
    assert signal.getsignal(signal.SIGUSR1) is handler


def wait_for(condition):
    """Wait until a condition of another thread holds."""
    end = time.monotonic() + BUSY_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_signal_explains(program, capsys):
    """The signal writes the holders to standard error, from the thread that works."""
    program.write("app", LEAKY.format(kept="on_event"))
    said = []

    with watch_process("app", grace_s=0.02, explain_on=signal.SIGUSR1):
        for _ in range(2):
            reimport("app")
        os.kill(os.getpid(), signal.SIGUSR1)
        wait_for(lambda: said.append(capsys.readouterr().err) or "host.kept[*]" in "".join(said))


def test_a_watch_may_be_entered_again(program):
    """The same watch twice, and another one of the same target: each tells the same, and the outer one goes on."""
    program.write("app", LEAKY.format(kept="on_event"))
    expected = StillAlive(target="app", current=2, generations=(0, 1), retained=(0,))

    with program.watch("app") as outer:
        with outer as same, program.watch("app") as inner:
            for _ in range(2):
                reimport("app")
            assert inner.look() == same.look() == (expected,)
        reimport("app")
        assert outer.look()[0].current == 3
    assert not [name for name in vars(sys.modules["app"]) if "reloadleak" in name]


def test_a_callback_may_raise_and_may_end_the_watch(program, caplog):
    """An error of the callback is logged; a callback that ends the watch does not wait for itself."""
    program.write("app", CURED.format(kept="on_event"))
    ended = threading.Event()

    def tell(one):
        watch.stop()
        ended.set()
        raise LookupError("not mine")

    watch = watch_process("app", grace_s=0.01, on_reload=tell).start()
    reimport("app")

    assert ended.wait(BUSY_S)
    wait_for(lambda: "not mine" in caplog.text)


def test_without_a_callback_it_is_logged(program, caplog):
    """A warning where something is retained, once for the same generations; otherwise below a warning."""
    caplog.set_level(logging.DEBUG, "pytest_reloadleak")
    program.write("app", CURED.format(kept="on_event"))
    program.write("user", "import app")

    with watch_process("app", grace_s=0.01):
        for generation in range(1, 4):
            reimport("app")
            wait_for(lambda: f"(generation {generation})" in caplog.text)  # noqa: B023 - called at once

    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING", "INFO"]
    assert caplog.messages[0] == (
        "app was reloaded (generation 1), and an older generation is still alive 0.01 s later: 0; "
        "it may still be in use, so this is no leak yet"
    )
    assert caplog.messages[1] == (
        "app was reloaded (generation 2), and an older generation is still alive 0.01 s later: 0; "
        "watch.explain() names what holds it"
    )


@pytest.mark.parametrize(
    ("arguments", "keywords", "text"),
    [
        (([],), {}, "no target given"),
        (("nowhere",), {}, "unknown target 'nowhere': no such module"),
        (("threading",), {}, "target 'threading' is refused"),
        (("host",), {"grace_s": 0}, "grace_s must be a positive number of seconds"),
        (("host",), {"on_reload": "log"}, "on_reload must be a callable, not 'log'"),
    ],
)
def test_wrong_arguments(program, arguments, keywords, text):
    """Each is refused before anything is watched."""
    with pytest.raises(UsageError, match=text):
        watch_process(*arguments, **keywords)

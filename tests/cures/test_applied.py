"""The printed cure, pasted into the dispose hook of the leaking twin, makes it clean."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest
from cases import edges, loops, registries, run, undoing, watched
from cases.without_cure import WITHOUT

from pytest_reloadleak.report.jsonfile import to_dict

ROUNDS = 3


def pasted(files: Mapping[str, str], cures: list[str], target: str) -> dict[str, str]:
    """The sources of a target with cures in its dispose hook, as a user would paste them."""
    hook = "\n\ndef __reload_dispose__(data):\n" + indent("\n".join(cures), "    ") + "\n"
    return {**files, target: files[target] + hook}


def measured(
    directory: Path, files: Mapping[str, str], target: str, strategy: str, apart: bool
) -> dict[str, Any]:
    """The report as JSON gives it back; `apart` from this process where it could not be undone here."""
    directory.mkdir()
    run.write(directory, files)
    if not apart:
        return json.loads(json.dumps(to_dict(run.measure_and_undo(directory, target, strategy, ROUNDS))))
    command = [sys.executable, run.__file__, str(directory), target, strategy, str(ROUNDS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def cured(
    directory: Path, files: Mapping[str, str], strategy: str, apart: bool, target: str = "plugin"
) -> list[str]:
    """Check a leaking target, apply the cures of all its findings, and check again; returns the cures."""
    report = measured(directory / "leaking", files, target, strategy, apart)
    assert report["outcome"] == "leaking"
    cures = [finding["cure"] for finding in report["findings"]]
    assert None not in cures
    for cure in cures:
        ast.parse(cure)

    again = measured(directory / "cured", pasted(files, cures, target), target, strategy, apart)

    assert (again["outcome"], again["error"], again["findings"]) == ("clean", None, [])
    return cures


@pytest.mark.parametrize(
    ("case", "strategy"),
    [
        pytest.param(case, strategy, id=f"{case.name}-{strategy}")
        for case in undoing.CASES
        for strategy in case.strategies
    ],
)
def test_the_method_that_undoes_is_found_on_the_holder(case, strategy, tmp_path):
    """The cure calls it with the arguments of the registration, in the names of the target."""
    assert cured(tmp_path, case.files(), strategy, apart=False) == [dedent(case.cure).strip("\n")]


@pytest.mark.parametrize(
    ("twins", "strategy"),
    [
        pytest.param(twins, strategy, id=f"{twins.name}-{strategy}")
        for twins in edges.TWINS
        for strategy in twins.strategies
        if twins.expected.kind != "stale-reference" and twins.name not in WITHOUT
    ],
)
def test_each_kind_of_edge_can_be_cut(twins, strategy, tmp_path):
    """The cure removes the target's object from its holder, for each kind of reference."""
    cured(tmp_path, twins.leaking, strategy, twins.own_process, twins.target)


@pytest.mark.parametrize("strategy", edges.BOTH)
@pytest.mark.parametrize(
    "case", [c for c in registries.CASES if c.name not in WITHOUT], ids=lambda case: case.name
)
def test_each_registration_can_be_undone(case, strategy, tmp_path):
    """The cure calls what the registry's module offers."""
    cured(tmp_path, case.files("leaking"), strategy, apart=True)


@pytest.mark.parametrize("strategy", edges.BOTH)
@pytest.mark.parametrize(
    "twins", [t for t in watched.APPLICABLE if t.name not in WITHOUT], ids=lambda twins: twins.name
)
def test_each_watched_registration_can_be_undone(twins, strategy, tmp_path):
    """The cure calls the function that undoes the watched one."""
    cured(tmp_path, twins.files("leaking"), strategy, apart=True)


@pytest.mark.parametrize("strategy", edges.BOTH)
@pytest.mark.parametrize(
    "twins", [t for t in loops.TWINS if t.name not in WITHOUT], ids=lambda twins: twins.name
)
def test_what_is_pending_on_a_loop_can_be_ended(twins, strategy, tmp_path):
    """The cure cancels it, and lets a loop turn that does not run."""
    cured(tmp_path, twins.files("leaking"), strategy, apart=False)


def test_a_server_on_the_loop_of_its_host_is_closed(tmp_path):
    """Its reader calls asyncio's own function; what the target has is the server."""
    plugin = """
        import asyncio, host
        async def handle(reader, writer): pass
        server = host.loop.run_until_complete(asyncio.start_server(handle, "127.0.0.1", 0))
        """
    files = {"host": "import asyncio\nloop = asyncio.new_event_loop()\n", "plugin": dedent(plugin)}

    assert cured(tmp_path, files, "reimport", apart=True) == ["server.close()"]


def test_an_exception_in_a_name_is_let_go_as_a_whole(tmp_path):
    """Nothing can be removed from its traceback. Its class is the interpreter's, so the cure must not look it up."""
    host = """
        error = None
        def run(function):
            global error
            try: function()
            except ValueError as caught: error = error or caught
        """
    plugin = """
        import host
        def fail(): raise ValueError
        host.run(fail)
        """
    files = {"host": dedent(host), "plugin": dedent(plugin)}

    (cure,) = cured(tmp_path, files, "reimport", apart=True)

    assert cure.endswith("    host.error = None")
    (finding,) = measured(tmp_path / "again", files, "plugin", "reimport", apart=True)["findings"]
    assert finding["advice"].startswith(
        "host.error was bound once, and its ValueError still leads to the old version"
    )


CHILDREN = """\
import asyncio, atexit, os, psutil

loop = asyncio.new_event_loop()
ends = (os.pipe()[0] for _ in iter(int, 1))

def end():
    for child in psutil.Process().children():
        child.kill()
    loop.run_until_complete(asyncio.sleep(0.3))

atexit.register(end)
"""
"""A host whose loop starts children; they end with its process."""


@pytest.mark.parametrize("strategy", ["reimport", "reload"])
@pytest.mark.parametrize("pipe", ["", ", stdout=asyncio.subprocess.PIPE", ", stdin=-1, stdout=-1, stderr=-1"])
def test_a_child_of_a_loop_is_one_finding_with_all_that_serves_it(pipe, strategy, tmp_path):
    """Its pipes, their readers, and the thread or descriptor that waits for it end with it."""
    plugin = f"""
        import asyncio, host
        async def start():
            return await asyncio.create_subprocess_exec("sleep", "60"{pipe})
        process = host.loop.run_until_complete(start())
        """
    files = {"host": CHILDREN, "plugin": dedent(plugin)}

    (finding,) = measured(tmp_path / "once", files, "plugin", strategy, apart=True)["findings"]

    assert (finding["kind"], finding["holder"]["path"]) == ("child-process", "child process 'sleep 60'")
    assert (finding["growth"], finding["site"]["function"]) == ("growing", "start")
    assert cured(tmp_path, files, strategy, apart=True) == [
        "process.terminate()\nif not host.loop.is_running():\n    host.loop.run_until_complete(process.wait())"
    ]


LINES = """
import asyncio, host
class Lines(asyncio.SubprocessProtocol):
    def pipe_data_received(self, number, data): pass
async def start():
    return await host.loop.subprocess_exec(Lines, "sleep", "60")
transport, protocol = host.loop.run_until_complete(start())
"""


@pytest.mark.parametrize("strategy", edges.BOTH)
@pytest.mark.parametrize("made", ["asyncio.new_event_loop()", "__import__('uvloop').new_event_loop()"])
def test_a_child_of_which_the_target_has_the_transport_is_one_finding(made, strategy, tmp_path):
    """The protocol is the target's: whatever of the loop leads to it is the child's."""
    if "uvloop" in made:
        pytest.importorskip("uvloop")
    files = {"host": CHILDREN.replace("asyncio.new_event_loop()", made), "plugin": LINES}

    (finding,) = measured(tmp_path / "once", files, "plugin", strategy, apart=True)["findings"]

    assert (finding["kind"], finding["holder"]["path"]) == ("child-process", "child process 'sleep 60'")
    assert (finding["held"]["name"], finding["site"]["function"]) == ("plugin.Lines", "start")
    (cure,) = cured(tmp_path, files, strategy, apart=True)
    assert cure.splitlines() == [
        "transport.close()",
        "while transport.get_returncode() is None and not host.loop.is_running():",
        "    host.loop.run_until_complete(asyncio.sleep(0.01))",
    ]


@pytest.mark.parametrize("kept", ["transport", "process"])
def test_a_table_of_children_of_a_loop_is_emptied_as_well(kept, tmp_path):
    """The child ends; what stands for it stays in the table."""
    process = LINES.replace("host.loop.subprocess_exec(Lines, ", "asyncio.create_subprocess_exec(").replace(
        "transport, protocol", "process"
    )
    source = LINES if kept == "transport" else process
    files = {"host": f"{CHILDREN}\nkept = []\n", "plugin": f"{source}\nhost.kept.append({kept})\n"}

    (cure,) = cured(tmp_path, files, "reimport", apart=True)

    assert cure.splitlines()[-1] == f"host.kept.remove({kept})"


OF_THE_TARGET = {
    "timer": "host.loop.call_later(600, process.terminate)",
    "reader": "host.loop.add_reader(next(host.ends), functools.partial(print, process))",
}


@pytest.mark.parametrize("kind", OF_THE_TARGET)
def test_a_callback_that_knows_a_child_is_no_part_of_it(kind, tmp_path):
    """It was set by the target, and stays when the child has ended."""
    plugin = f"""
        import asyncio, functools, host
        async def start():
            return await asyncio.create_subprocess_exec("sleep", "60")
        process = host.loop.run_until_complete(start())
        {OF_THE_TARGET[kind]}
        """
    files = {"host": CHILDREN, "plugin": dedent(plugin)}

    found = measured(tmp_path / "leaking", files, "plugin", "reimport", apart=True)["findings"]

    kinds = {finding["kind"] for finding in found}
    assert kinds >= {"child-process", {"timer": "live-timer", "reader": "pending-task"}[kind]}


def test_the_globals_of_an_old_generation_are_no_table_of_the_host(tmp_path):
    """The sockets are in them because the host keeps the function; the advice for the sockets names no place there."""
    plugin = """
        import host, socket, types
        one, other = socket.socketpair()
        def on_read(): pass
        host.selector.register(one, 1, types.SimpleNamespace(callback=on_read))
        """
    files = {"host": "import selectors\nselector = selectors.DefaultSelector()\n", "plugin": dedent(plugin)}

    report = measured(tmp_path / "leaking", files, "plugin", "reimport", apart=True)

    assert {finding["kind"] for finding in report["findings"]} == {"open-fd", "retained-generation"}
    assert not any("__globals__" in finding["advice"] for finding in report["findings"])


def test_a_segment_of_shared_memory_is_removed_by_who_made_it(tmp_path):
    """Closing it leaves it in the system."""
    host = """
        kept = []
        def stop():
            for segment in kept:
                segment.close()
                segment.unlink()
        """
    plugin = """
        import host
        from multiprocessing.shared_memory import SharedMemory
        segment = SharedMemory(create=True, size=64)
        host.kept.append(segment)
        """
    files = {"host": dedent(host), "plugin": dedent(plugin)}

    (cure,) = cured(tmp_path, files, "reimport", apart=False)

    assert cure.splitlines() == ["segment.close()", "segment.unlink()", "host.kept.remove(segment)"]


def test_a_patch_of_a_dict_is_stopped_by_its_name(tmp_path):
    """Unlike one of an attribute, it has no new object by which it could be told."""
    plugin = """
        import unittest.mock
        patch = unittest.mock.patch.dict("os.environ", {"KIND": "1"})
        patch.start()
        """
    files = {"plugin": dedent(plugin)}

    assert cured(tmp_path, files, "reimport", apart=True) == ["import unittest.mock\npatch.stop()"]


ALIASED = {
    "fnmatch": "import fnmatch as match, sys\nsys.path.append(f'/nowhere/plugin-{next(host.count)}')",
    "gc and types": (
        "import atexit, gc as collector, types as kinds\n"
        "def made():\n    def inner(): pass\n    return inner\n"
        "atexit.register(made())"
    ),
    "traceback": (
        "import traceback as stacks\n"
        "try:\n    raise LookupError\nexcept LookupError as error:\n    host.kept.append(error)"
    ),
}
"""By the modules that the cure needs: targets that know them under other names."""


@pytest.mark.parametrize("strategy", edges.BOTH)
@pytest.mark.parametrize("modules", ALIASED)
def test_a_module_that_the_target_imports_under_another_name_can_be_used(modules, strategy, tmp_path):
    """The cure says what the target says, or imports the module itself."""
    host = "import itertools\ncount, kept = itertools.count(1000), []\n"

    cured(tmp_path, {"host": host, "plugin": f"import host\n{ALIASED[modules]}\n"}, strategy, apart=True)


@pytest.mark.parametrize("strategy", edges.BOTH)
@pytest.mark.parametrize(
    ("made", "method"),
    [("queue.Queue()", "put"), ("[]", "append"), ("Log()", "write")],
    ids=["of a library", "in C", "inherited"],
)
def test_a_method_of_an_object_with_a_name_is_unregistered_by_it(made, method, strategy, tmp_path):
    """The advice names the class's method, which `atexit` does not know."""
    source = (
        "import atexit, io, queue\n\nclass Log(io.StringIO):\n    pass\n\n"
        f"thing = {made}\natexit.register(thing.{method}, '1')\n"
    )

    assert cured(tmp_path, {"plugin": source}, strategy, apart=True) == [f"atexit.unregister(thing.{method})"]


POOL = """
import concurrent.futures, host
def start(): pass
def work(): pass
pool = concurrent.futures.ThreadPoolExecutor(1, initializer=start)
pool.submit(work).result()
host.pools.append(pool)
"""


def test_what_runs_is_ended_and_what_owns_it_is_removed(tmp_path):
    """A pool that was shut down still has its initializer, so the holder of the pool keeps the old generation."""
    (cure,) = cured(tmp_path, {"host": "pools = []", "plugin": POOL}, "reimport", apart=True)

    assert cure.splitlines()[0] == "pool.shutdown()"


WRAPPED = """
import host
def install():
    previous = {get}
    def hook(*args):
        if previous: previous(*args)
    {set}
install()
"""


@pytest.mark.parametrize("first", ["None", "print"])
@pytest.mark.parametrize(
    ("get", "set_", "slot"),
    [
        ("host.app.on_error", "host.app.on_error = hook", "host.app.on_error"),
        ("host.hook", "host.hook = hook", "host.hook"),
        ("host.hooks['error']", "host.hooks['error'] = hook", "host.hooks['error']"),
        (
            "host.loop.get_exception_handler()",
            "host.loop.set_exception_handler(hook)",
            "host.loop._exception_handler",
        ),
    ],
    ids=["attribute", "global", "key", "loop"],
)
def test_a_hook_whose_closure_has_the_one_before_is_unlinked(get, set_, slot, first, tmp_path):
    """The host gets back what it had; no later generation finds the hook of this one."""
    host = f"""
        import asyncio
        class App: pass
        app, hook, hooks, loop = App(), {first}, {{"error": {first}}}, asyncio.new_event_loop()
        app.on_error = {first}
        loop.set_exception_handler({first})
        """
    files = {"host": dedent(host), "plugin": WRAPPED.format(get=get, set=set_)}

    (cure,) = cured(tmp_path, files, "reimport", apart=True)

    assert cure.splitlines()[-1].strip() == f"{slot} = {slot}.__closure__[0].cell_contents"


@pytest.mark.parametrize("strategy", edges.BOTH)
def test_a_callback_of_a_selector_is_unregistered_by_its_file(strategy, tmp_path):
    """To take it out of the selector's own table would leave the file in the kernel's."""
    plugin = """
        import host, selectors, socket
        server = socket.create_server(("127.0.0.1", 0))
        def accept(key): pass
        host.selector.register(server, selectors.EVENT_READ, accept)
        """
    files = {"host": "import selectors\nselector = selectors.DefaultSelector()\n", "plugin": dedent(plugin)}

    cures = cured(tmp_path, files, strategy, apart=True)

    assert "host.selector.unregister(server)" in "\n".join(cures).splitlines()


MANAGER = """
class Manager:
    def __init__(self):
        self.plugins, self.hooks = [], {}
    def register(self, plugin):
        self.plugins.append(plugin)
        for name in dir(plugin):
            if name.startswith("on_"):
                self.hooks.setdefault(name, []).append(getattr(plugin, name))
    def unregister(self, plugin):
        self.plugins.remove(plugin)
        for name, hooks in self.hooks.items():
            self.hooks[name] = [hook for hook in hooks if hook.__self__ is not plugin]
manager = Manager()
"""
PLUGIN = """
from host import manager
class Plugin:
    def on_start(self): pass
    def on_stop(self): pass
plugin = Plugin()
manager.register(plugin)
"""


@pytest.mark.parametrize("strategy", edges.BOTH)
def test_what_was_registered_as_a_whole_is_unregistered_as_a_whole(strategy, tmp_path):
    """The holder has the methods, each by its name; the target never registered one of these."""
    files = {"host": MANAGER, "plugin": PLUGIN}

    found = measured(tmp_path / "leaking", files, "plugin", strategy, apart=True)["findings"]
    cures = {finding["cure"] for finding in found}
    again = measured(tmp_path / "cured", pasted(files, [*cures], "plugin"), "plugin", strategy, apart=True)

    assert cures == {"manager.unregister(plugin)"}
    assert again["outcome"] == "clean"


def test_a_context_variable_is_reset_by_its_token(tmp_path):
    """Each token has the value before it, and through that the generation before."""
    plugin = """
        import host
        class Session:
            def close(self): pass
        token = host.current.set(Session())
        """
    host = "import contextvars\ncurrent = contextvars.ContextVar('current', default=None)\n"
    files = {"host": host, "plugin": dedent(plugin)}

    assert cured(tmp_path, files, "reimport", apart=True) == ["host.current.reset(token)"]

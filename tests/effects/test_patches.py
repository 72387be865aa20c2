"""What a reload puts into other people's modules and classes: patches, told from bindings and from containers."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from dataclasses import dataclass

import pytest
from cases import run
from cases.edges import KEEPS, source

from pytest_reloadleak.holders import patches
from pytest_reloadleak.isolation import worker
from pytest_reloadleak.settings import Settings

ROUNDS = 3
BOTH = ("reimport", "reload")


@dataclass(frozen=True, kw_only=True)
class Twins:
    """A target that leaves a patch, and one that does not."""

    name: str
    leaking: str
    cured: str
    path: str
    held: str
    growth: str = "growing"
    type: str = "module"
    host: str = ""
    strategies: tuple[str, ...] = BOTH


ONION = """
    import {module}
    def wrap(previous):
        def {name}(*args, **keywords):
            return previous(*args, **keywords)
        {module}.{name} = {name}
    wrap({module}.{name})
"""
GLOBAL_ONION = """
    import {module}
    previous = {module}.{name}
    def wrapper(*args, **keywords):
        return previous(*args, **keywords)
    {module}.{name} = wrapper
"""
GLOBAL_PEELED = """
    import {module}
    original = getattr({module}.{name}, 'original', {module}.{name})
    def wrapper(*args, **keywords):
        return original(*args, **keywords)
    wrapper.original = original
    {module}.{name} = wrapper
"""
PEELED = """
    import {module}
    def wrap(previous):
        original = getattr(previous, 'original', previous)
        def {name}(*args, **keywords):
            return original(*args, **keywords)
        {name}.original = original
        {module}.{name} = {name}
    wrap({module}.{name})
"""


def onion(module: str, name: str, **more: str) -> Twins:
    """Twins that wrap what stands there, and that wrap the original."""
    return Twins(
        name=f"{module}.{name}",
        leaking=ONION.format(module=module, name=name),
        cured=PEELED.format(module=module, name=name),
        path=f"{module}.{name}",
        held=f"plugin.wrap.<locals>.{name}",
        **more,
    )


def global_onion(module: str, name: str, **more: str) -> Twins:
    """Twins that keep what stood there in a global, which under `reload` each generation overwrites."""
    return Twins(
        name=f"{module}.{name}, through a global",
        leaking=GLOBAL_ONION.format(module=module, name=name),
        cured=GLOBAL_PEELED.format(module=module, name=name),
        path=f"{module}.{name}",
        held="plugin.wrapper",
        strategies=("reimport",),
        **more,
    )


TWINS = (
    global_onion("json", "dumps"),
    global_onion("sys", "excepthook"),
    global_onion("builtins", "ascii"),
    global_onion("builtins", "__import__"),
    global_onion("host", "act", host="def act(*args):\n    pass\n"),
    global_onion("host", "Host.act", host="class Host:\n    def act(self): pass\n", type="class"),
    onion("json", "dumps"),
    onion("os", "open"),
    onion("builtins", "ascii"),
    onion("builtins", "__import__"),
    onion("gc", "collect"),
    onion("sys", "excepthook"),
    onion("sys", "displayhook"),
    onion("time", "perf_counter"),
    onion("host", "act", host="def act(*args):\n    pass\n"),
    Twins(
        name="stream",
        leaking="""
            import sys
            class Wrapper:
                def __init__(self, inner):
                    self.inner = inner
                def write(self, text):
                    return self.inner.write(text)
                def flush(self):
                    self.inner.flush()
            sys.stdout = Wrapper(sys.stdout)
        """,
        cured="""
            import sys
            class Wrapper:
                def __init__(self, inner):
                    self.inner = inner
                def write(self, text):
                    return self.inner.write(text)
                def flush(self):
                    self.inner.flush()
            sys.stdout = Wrapper(getattr(sys.stdout, 'inner', sys.stdout))
        """,
        path="sys.stdout",
        held="plugin.Wrapper",
    ),
    Twins(
        name="method of a class of the library",
        leaking="""
            import json
            def wrap(previous):
                def encode(self, o):
                    return previous(self, o)
                json.JSONEncoder.encode = encode
            wrap(json.JSONEncoder.encode)
        """,
        cured="""
            import json
            def wrap(previous):
                original = getattr(previous, 'original', previous)
                def encode(self, o):
                    return original(self, o)
                encode.original = original
                json.JSONEncoder.encode = encode
            wrap(json.JSONEncoder.encode)
        """,
        path="json.encoder.JSONEncoder.encode",
        held="plugin.wrap.<locals>.encode",
        type="class",
    ),
    Twins(
        name="patched once",
        leaking="""
            import json
            def load(*args):
                pass
            if json.load.__module__ == 'json':
                json.load = load
        """,
        cured="""
            import json
            def load(*args):
                pass
            json.load = load
        """,
        path="json.load",
        held="plugin.load",
        growth="bounded",
    ),
    Twins(
        name="function of the host replaced once",
        leaking="""
            import host
            def act(*args):
                pass
            if host.act.__module__ == 'host':
                host.act = act
        """,
        cured="""
            import host
            def act(*args):
                pass
            host.act = act
        """,
        path="host.act",
        held="plugin.act",
        growth="bounded",
        host="def act(*args):\n    pass\n",
    ),
)


def pairs():
    """Each pair of twins with its strategies."""
    return [
        pytest.param(twins, strategy, id=f"{twins.name}-{strategy}")
        for twins in TWINS
        for strategy in run.ways(twins.strategies)
    ]


def measured(directory, host, target, strategy):
    """The report of a target, from a process of its own: what it patches is the process's."""
    run.write(directory, {"host": host, "plugin": source(target)})
    command = [sys.executable, run.__file__, str(directory), "plugin", strategy, str(ROUNDS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.mark.parametrize(("twins", "strategy"), pairs())
def test_a_patch_is_found(twins, strategy, tmp_path):
    """One finding names the attribute, not the closures below it; and the report comes out although it is patched."""
    report = measured(tmp_path, twins.host, twins.leaking, strategy)

    (finding,) = report["findings"]
    assert (finding["kind"], finding["growth"]) == ("patched-global", twins.growth)
    assert (finding["holder"]["path"], finding["holder"]["type"]) == (twins.path, twins.type)
    assert finding["held"]["name"] == twins.held
    assert finding["also_retains"]
    assert twins.path in finding["advice"]


@pytest.mark.parametrize(("twins", "strategy"), pairs())
def test_a_patch_that_each_generation_renews_is_clean(twins, strategy, tmp_path):
    """A wrapper around the original, whatever stood there before, is the present generation's alone."""
    report = measured(tmp_path, twins.host, twins.cured, strategy)

    assert (report["outcome"], report["findings"], report["error"]) == ("clean", [], None)


RAISING = (
    "json.dumps",
    "json.JSONEncoder.default",
    "os.open",
    "os.write",
    "os.listdir",
    "os.readlink",
    "os.stat",
    "os.replace",
    "builtins.open",
    "io.open",
    "time.perf_counter",
    "time.monotonic",
    "time.sleep",
    "gc.collect",
    "gc.get_objects",
    "gc.get_referents",
    "threading.enumerate",
    "threading.get_ident",
    "sys._current_frames",
    "sys.getrefcount",
    "sys.stdout",
    "sys.stderr",
    "importlib.import_module",
    "importlib.invalidate_caches",
)


@pytest.mark.parametrize("name", RAISING)
def test_the_tool_survives_what_the_target_patched(name, tmp_path, monkeypatch):
    """Whatever the target puts there raises; the leak beside it is found and told all the same."""
    module, _, attribute = name.partition(".")
    run.write(
        tmp_path,
        {
            "host": KEEPS,
            "plugin": source(f"""
                import {module}, host
                class Broken:
                    def __call__(self, *args, **keywords):
                        raise RuntimeError('patched')
                    def write(self, text):
                        raise RuntimeError('patched')
                    flush = write
                {module}.{attribute} = Broken()
                host.keep(Broken)
            """),
        },
    )
    monkeypatch.syspath_prepend(tmp_path)

    outcome = worker.run("plugin", Settings(rounds=2), timeout_s=60)

    assert outcome.report.error is None
    assert "host.kept[*]" in {f.holder.path for f in outcome.report.findings}


@pytest.mark.parametrize("owned", ["", "psutil"])
def test_what_is_noted_before_a_fork_is_what_a_check_would_note(owned, monkeypatch):
    """A check in a fork reuses the noted names of functions, unless the target owns some of these modules."""
    import psutil  # one that is not of the standard library

    guest = types.ModuleType("guest")
    guest.count = psutil.cpu_count
    monkeypatch.setitem(sys.modules, "guest", guest)

    def owns(name: str) -> bool:
        return bool(owned) and name.partition(".")[0] == owned

    monkeypatch.setattr(patches, "_early", {})
    expected = patches.own_callables(owns)
    patches.note_early()
    taken = dict(patches._early)

    assert patches.own_callables(owns) == expected
    assert ("psutil" in expected) is not bool(owned)
    assert expected["guest"] == (set() if owned else {"count"})
    patches._early["psutil"] = frozenset({"noted"})
    assert patches.own_callables(lambda _: False) == {**taken, "psutil": {"noted"}}

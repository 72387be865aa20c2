"""Modules that a pattern matched before the check began: no generations of its target."""

import importlib
import sys
import threading
import types

import pytest
from cases import run

from pytest_reloadleak.check import measure_reload

APP = """
import host

class Document:
    pass

def on_event():
    pass

def __reload_dispose__(data):
    if __name__ in host.before:
        host.disposed.append(__name__)
"""


@pytest.fixture
def host(monkeypatch):
    """A server that makes a module of its own for each session; `kept` is what it keeps of them, `disposed` a log."""
    module = types.ModuleType("host")
    module.kept, module.disposed, module.current, module.count = [], [], None, 0
    module.before = set()

    def create(leaks=False):
        if module.current is not None and not leaks:
            del sys.modules[module.current]
        module.count += 1
        name = module.current = f"session_{module.count}"
        session = types.ModuleType(name)
        exec(compile(APP, "session.py", "exec"), vars(session))
        sys.modules[name] = session
        if leaks:
            module.kept += [session.on_event, session.Document()]

    module.create = create
    monkeypatch.setitem(sys.modules, "host", module)
    yield module
    for name in [name for name in sys.modules if name.startswith("session_")]:
        del sys.modules[name]


def leak_before(host):
    """What an application leaves that ran earlier in the same process."""
    for _ in range(3):
        host.create(leaks=True)
    timer = threading.Timer(60, host.kept[0])
    timer.daemon = True
    timer.start()
    host.current = None
    return timer


def test_what_was_there_before_is_no_generation(host):
    """Neither the modules nor what an earlier application left running, registered or kept counts."""
    timer = leak_before(host)
    before = host.before = {name for name in sys.modules if name.startswith("session_")}
    try:
        report = measure_reload("session_*", reload=host.create, probes=run.BESIDES_GROWTH)
    finally:
        timer.cancel()
        timer.join()

    assert (report.outcome, report.findings, report.not_reloaded) == ("clean", (), ())
    assert before == {name for name in sys.modules if name.startswith("session_")}
    assert host.disposed == []


def test_what_leaks_among_them_is_found(host):
    """The same with a session that leaks: its own generations are told, and no others."""
    leak_before(host).cancel()

    report = measure_reload("session_*", reload=lambda: host.create(leaks=True))

    assert report.outcome == "leaking"
    kept = {f.holder.path: f for f in report.findings if f.kind == "retained-generation"}
    assert set(kept) == {"host.kept[*]"}
    assert all(f.generations == (0, 1, 2, 3) and f.growth == "growing" for f in report.findings)


def test_a_session_from_before_is_no_generation_either(host):
    """The reload itself ends it, which is no proof that the check made it."""
    host.create()
    host.kept.append(sys.modules[host.current].on_event)

    report = measure_reload("session_*", reload=host.create, probes=run.BESIDES_GROWTH)

    assert report.outcome == "clean"


PLUGIN = "import host\n\ndef on_event():\n    pass\n\nhost.kept{}\n"
LEAKING, CURED = PLUGIN.format(".append(on_event)"), PLUGIN.format("[:] = [on_event]")


def in_place():
    """As `importlib.reload` does it."""
    importlib.reload(sys.modules["plug_a"])


def anew():
    """As most hosts do it."""
    run.import_again("plug_a")


@pytest.fixture
def plugins(host, tmp_path, monkeypatch):
    """Two loaded plugins with files."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(source):
        importlib.invalidate_caches()
        for name in ("plug_a", "plug_b"):
            (tmp_path / f"{name}.py").write_text(source)
            importlib.import_module(name)

    yield write
    for name in ("plug_a", "plug_b"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("reload", [in_place, anew])
@pytest.mark.parametrize("source", [LEAKING, CURED], ids=["leaking", "cured"])
def test_a_module_counts_once_it_is_executed_again(plugins, reload, source, host):
    """The reload is proven, and judged from its first own generation on; the other plugin is left alone."""
    plugins(source)
    before = sys.modules["plug_a"], sys.modules["plug_b"]

    report = measure_reload("plug_*", reload=reload)

    assert (sys.modules["plug_a"], sys.modules["plug_b"]) == before
    assert report.not_reloaded == ()
    if source is CURED:
        assert report.outcome == "clean"
    else:
        (finding,) = report.findings
        assert (finding.holder.path, finding.generations) == ("host.kept[*]", (0, 1, 2, 3))


def test_what_such_a_check_leaves_is_not_held_against_the_next(plugins):
    """The functions that it made live in a namespace that was put back."""
    plugins(LEAKING)
    assert measure_reload("plug_*", reload=in_place).outcome == "leaking"
    plugins(PLUGIN.replace("host.kept{}", ""))

    assert measure_reload("plug_a", strategy="reload").outcome == "clean"

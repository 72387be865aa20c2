"""Registrations that cannot be listed are watched while a check runs, and the functions are themselves again after."""

from __future__ import annotations

import atexit
import codecs
import inspect
import json
import os
import pickle
import subprocess
import sys
import threading
import types
from typing import Any

import pytest
from cases import lines, run, watched

from pytest_reloadleak import measure_reload
from pytest_reloadleak.effects.probe import Scope
from pytest_reloadleak.effects.registries import stand_ins
from pytest_reloadleak.effects.registries.watched import Watched
from pytest_reloadleak.effects.registries.watched_functions import WATCHES
from pytest_reloadleak.report.jsonfile import from_dict

PLACES = [(codecs, "register"), (codecs, "unregister"), (codecs, "register_error"), (sys, "addaudithook")]
PLACES += [(atexit, "register"), (atexit, "unregister"), (os, "register_at_fork")]
BUILTINS = {(module, name): vars(module)[name] for module, name in PLACES}


def bye():
    """Stand for a function that is never reloaded."""


def fail(*_):
    """Stand for a part of the tool that has a fault."""
    raise ZeroDivisionError


@pytest.fixture
def probe():
    """A probe that watches for a target called `plugin`, in its first generation."""
    found = Watched()
    found.begin(scope())
    yield found
    found.end()


def scope(generation: int = 0) -> Scope:
    """What the run tells a probe."""
    return Scope(lambda name: name == "plugin", lambda: generation)


def replaced() -> list[str]:
    """Names in loaded modules that are bound to a stand-in."""
    return [
        f"{module}.{name}"
        for module, loaded in list(sys.modules.items())
        if isinstance(loaded, types.ModuleType)
        for name, value in list(vars(loaded).items())
        if type(value) is stand_ins.StandIn
    ]


def assert_untouched() -> None:
    """Every function is the one that it was."""
    assert {key: vars(key[0])[key[1]] for key in BUILTINS} == BUILTINS
    assert replaced() == []


def apart(directory, files, strategy) -> dict[str, Any]:
    """The report of a check of `plugin` in a process of its own, which nothing outlives."""
    run.write(directory, files)
    command = [sys.executable, run.__file__, str(directory), "plugin", strategy, str(watched.ROUNDS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.mark.parametrize("strategy", watched.BOTH)
@pytest.mark.parametrize("twins", watched.APPLICABLE, ids=lambda twins: twins.name)
def test_the_leaking_twin_is_one_finding(twins, strategy, tmp_path):
    """One registration is one finding: whose it is, where it was made, and what it keeps alive."""
    report = apart(tmp_path, twins.files("leaking"), strategy)

    is_growing = twins.growth == "growing"
    found = [(f["kind"], f["registry"], f["holder"]["path"], f["held"]["name"]) for f in report["findings"]]
    assert found == [("registration", twins.registry, twins.path, twins.held)]
    (finding,) = report["findings"]
    assert (finding["growth"], finding["per_round"]) == (twins.growth, 1.0 if is_growing else 0.0)
    assert finding["generations"] == (list(watched.JUDGED) if is_growing else [-1])
    assert finding["holder"]["root"] == twins.registry
    assert bool(finding["also_retains"]) is twins.retains
    assert finding["details"][0].startswith(f"registered at {tmp_path / 'plugin.py'}:")
    assert finding["details"][0].endswith(f" in {twins.where}")
    wanted = lines.expected(twins.files("leaking"), twins.files("cured"))
    lines.assert_named(from_dict(report).findings[0], wanted, twins.name)
    if twins.registry in {"fork", "audit"}:
        assert "cannot be unregistered: register it once" in finding["advice"]
    assert (report["outcome"], report["error"]) == ("leaking", None)


@pytest.mark.parametrize("strategy", watched.BOTH)
@pytest.mark.parametrize("twins", watched.APPLICABLE, ids=lambda twins: twins.name)
def test_the_cured_twin_is_clean(twins, strategy, tmp_path):
    """What is undone, overwritten or registered once for all generations is no leak."""
    report = apart(tmp_path, twins.files("cured"), strategy)

    assert (report["outcome"], report["findings"], report["error"]) == ("clean", [], None)


@pytest.mark.parametrize("strategy", watched.BOTH)
@pytest.mark.parametrize("files", watched.INNOCENTS.values(), ids=watched.INNOCENTS)
def test_what_is_not_the_targets_doing_is_silent(files, strategy, tmp_path):
    """Neither what happens once per process nor what other threads do is held against the target."""
    report = apart(tmp_path, files, strategy)

    assert (report["outcome"], report["findings"], report["error"]) == ("clean", [], None)


@pytest.mark.parametrize("strategy", watched.BOTH)
def test_a_target_that_imports_the_functions_by_name_is_clean(strategy, tmp_path):
    """A builtin that a generation took before the check is no old value of the target."""
    files = {
        "host": "import atexit\n\nclass Exit:\n    add = atexit.register\n",
        "plugin": "from atexit import register, unregister\n\ndef bye():\n    pass\n\n"
        "register(bye)\nunregister(bye)\n",
    }
    run.write(tmp_path, files)
    with run.importable(tmp_path):
        __import__("host")
        plugin = __import__("plugin")

        report = measure_reload("plugin", strategy=strategy, rounds=watched.ROUNDS)

        assert [f.holder for f in report.findings] == []
        assert report.outcome == "clean"
        assert plugin.register is BUILTINS[atexit, "register"]
    assert_untouched()


def test_every_function_is_replaced_and_put_back(probe):
    """Within a check each loaded module's name for a function is the stand-in's; after it they are what they were."""
    assert [key for key in BUILTINS if type(vars(key[0])[key[1]]) is not stand_ins.StandIn] == []

    probe.end()

    assert_untouched()


def test_a_name_that_a_module_imported_is_replaced_and_put_back(probe, monkeypatch):
    """Imported before or during the check, under whatever name, a function is the original afterwards."""
    before, during = types.ModuleType("before"), types.ModuleType("during")
    before.add = BUILTINS[codecs, "register"]
    monkeypatch.setitem(sys.modules, "before", before)
    monkeypatch.setitem(sys.modules, "during", during)
    second = Watched()
    second.begin(scope())
    during.add = codecs.register
    assert before.add is during.add is codecs.register

    second.end()
    probe.end()

    assert before.add is during.add is BUILTINS[codecs, "register"]
    assert_untouched()


def test_what_the_target_put_in_a_functions_place_stays(probe):
    """Only stand-ins are exchanged: a patch that was made during the check stays, and still works."""
    calls = []
    inner = atexit.register

    def patched(function):
        calls.append(function)
        return inner(function)

    atexit.register = patched
    try:
        probe.end()

        assert atexit.register is patched
        assert atexit.register(bye) is bye
        assert calls == [bye]
        atexit.unregister(bye)
    finally:
        atexit.register = BUILTINS[atexit, "register"]
    assert_untouched()


def test_a_patch_from_before_the_check_is_left_and_reported(monkeypatch):
    """Somebody else's function in the place of a builtin is not replaced, and what it hides is not denied."""

    def patched(hook):
        raise NotImplementedError

    monkeypatch.setattr(sys, "addaudithook", patched)
    probe = Watched()
    probe.begin(scope())
    try:
        assert sys.addaudithook is patched
        assert "sys.addaudithook was replaced by the program before the check" in probe.blind()
    finally:
        probe.end()
    assert sys.addaudithook is patched


def test_a_patch_that_calls_the_builtin_is_seen_through(monkeypatch):
    """As in a Jupyter kernel: the calls are recorded, and the patch is as before when the check is over."""
    original = atexit.register

    def patched(callback):
        return original(callback)

    monkeypatch.setattr(atexit, "register", patched)
    probe = Watched()
    probe.begin(scope())
    try:
        assert atexit.register is patched
        atexit.register(bye)
        assert probe.blind() is None
        assert len(list(probe.identities())) == 1
        atexit.unregister(bye)
        assert not list(probe.identities())
    finally:
        probe.end()
    assert original is BUILTINS[atexit, "register"]
    assert patched.__closure__[0].cell_contents is original


def test_a_stand_in_that_was_kept_is_the_function_after_the_check(probe):
    """Whoever took one along has a function that works as the original does, and that holds nothing of the check."""
    kept = atexit.register

    class Exit:
        add = kept

    probe.end()

    assert Exit().add(bye) is bye  # as with a builtin, no instance is bound
    atexit.unregister(bye)
    assert list(probe.identities()) == []
    assert (kept.__name__, kept.__module__, kept.__doc__) == ("register", "atexit", atexit.register.__doc__)
    assert kept.__wrapped__ is atexit.register
    assert repr(kept) == repr(atexit.register)
    with pytest.raises(TypeError, match="callable"):
        kept(1)


def test_a_stand_in_can_be_pickled(probe):
    """By its name, as a builtin is."""
    assert pickle.loads(pickle.dumps(atexit.register)) is atexit.register


def test_a_call_that_raises_registers_nothing(probe):
    """The caller gets the original's exception, and there is no entry."""
    with pytest.raises(TypeError):
        codecs.register(1)

    assert list(probe.identities()) == []


def test_what_was_undone_is_forgotten(probe):
    """An entry lives until it is taken back, and equal methods are one callback."""
    text = []
    atexit.register(text.clear)
    codecs.register(bye)
    assert len(list(probe.identities())) == 2

    atexit.unregister(text.clear)
    codecs.unregister(bye)

    assert list(probe.identities()) == []


def test_a_name_of_an_error_handler_is_one_slot(probe):
    """The newest handler takes the place of the one before."""
    codecs.register_error("pytest-reloadleak", bye)
    codecs.register_error("pytest-reloadleak", codecs.strict_errors)

    assert len(list(probe.identities())) == 1


def test_nothing_that_is_registered_is_kept_alive(probe):
    """The probe holds no function: what the registry lets go of dies, and is no entry any more."""
    import gc
    import weakref

    def own():
        pass

    codecs.register(own)
    inspect.unwrap(codecs.unregister)(own)  # unseen
    alive = weakref.ref(own)
    del own
    gc.collect()

    assert alive() is None
    assert dict(probe.watched()) == {}


def test_other_threads_are_not_blamed(probe):
    """An entry that another thread made without the target is no effect; one of the check's own thread may be."""
    thread = threading.Thread(target=codecs.register, args=(bye,))
    thread.start()
    thread.join()
    try:
        assert len(list(probe.identities())) == 1
        assert probe.effects() == []
    finally:
        codecs.unregister(bye)

    codecs.register(bye)
    try:
        assert [effect.is_certain for effect in probe.effects()] == [False]
    finally:
        codecs.unregister(bye)


@pytest.mark.parametrize("first", [0, 1])
def test_two_checks_do_not_end_each_other(first):
    """Whichever ends first, the other one still sees registrations, and the last one puts everything back."""
    probes = [Watched(), Watched()]
    for probe in probes:
        probe.begin(scope())
    probes.pop(first).end()

    codecs.register(bye)
    codecs.unregister(bye)
    codecs.register(bye)
    assert len(list(probes[0].identities())) == 1
    codecs.unregister(bye)
    probes[0].end()

    assert_untouched()


def test_checks_in_threads_do_not_end_each_other():
    """Begun and ended in any order by several threads, they leave nothing behind."""

    def check():
        for _ in range(5):
            probe = Watched()
            probe.begin(scope())
            probe.end()

    threads = [threading.Thread(target=check) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert_untouched()


def test_a_begin_that_fails_half_way_is_undone(monkeypatch):
    """What was replaced before the failure is put back by it, and `end` may be called all the same."""
    from pytest_reloadleak.effects.registries import watched as module

    monkeypatch.setattr(module.stand_ins, "is_hidden", fail)
    probe = Watched()
    with pytest.raises(ZeroDivisionError):
        probe.begin(scope())
    probe.end()

    assert_untouched()


def test_a_probe_that_never_began_can_be_ended():
    """The run ends all probes, also those that it did not come to."""
    Watched().end()

    assert_untouched()


@pytest.mark.parametrize("body", ["raise ValueError('a')", "pass"])
def test_a_check_puts_all_back_also_after_an_error(body, tmp_path):
    """Whether the target can be imported or not, the functions are themselves again."""
    run.write(tmp_path, {"plugin": f"from codecs import register\n{body}\n"})

    run.measure_and_undo(tmp_path, "plugin", "reimport", 1)

    assert_untouched()


def test_a_fault_of_the_probe_is_not_the_programs(probe, monkeypatch):
    """The program's call succeeds, and the check says that it could not see."""
    monkeypatch.setattr(probe, "_note", fail)

    assert atexit.register(bye) is bye

    atexit.unregister(bye)
    assert "a registration could not be recorded: ZeroDivisionError" in probe.blind()


def test_each_function_exists_here_or_nowhere():
    """The table names builtins of this interpreter, those that came later aside."""
    missing = {w.spelling for w in WATCHES if stand_ins.builtin(w.module, w.name) is None}

    assert missing <= {"codecs._unregister_error"} | {
        w.spelling for w in WATCHES if w.module == "sys.monitoring"
    }

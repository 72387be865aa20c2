"""Registries that can be listed: what is left in them is found, what is overwritten or undone is not."""

import contextvars
import copy
import copyreg
import csv
import doctest
import email.charset
import encodings.aliases
import gc
import locale
import logging
import mimetypes
import os
import pickle
import shutil
import signal
import sqlite3
import sys
import threading
import time
import unittest.mock
import urllib.parse
import warnings
import xml.etree.ElementTree
from collections import Counter
from textwrap import dedent

import pytest
from cases import edges, lines, registries, run

from pytest_reloadleak import measure_reload
from pytest_reloadleak.effects.probe import Scope
from pytest_reloadleak.effects.registries.listed import REGISTRIES, Registrations
from pytest_reloadleak.heap import settle

LISTS = (
    sys.meta_path,
    sys.path_hooks,
    sys.path,
    warnings.filters,
    gc.callbacks,
    urllib.parse.uses_relative,
    urllib.parse.uses_netloc,
    urllib.parse.uses_params,
)
TABLES = (
    doctest.OPTIONFLAGS_BY_NAME,
    email.charset.ALIASES,
    encodings.aliases.aliases,
    xml.etree.ElementTree._namespace_map,
    sys.path_importer_cache,
    logging.Logger.manager.loggerDict,
    logging._nameToLevel,
    logging._levelToName,
    warnings.onceregistry,
    copyreg.dispatch_table,
    copyreg._extension_registry,
    copyreg._inverted_registry,
    copy._deepcopy_dispatch,
    pickle._Pickler.dispatch,
    sqlite3.adapters,
    sqlite3.converters,
    shutil._ARCHIVE_FORMATS,
    locale.locale_alias,
    os.environ,
)


@pytest.fixture(autouse=True)
def everything_undone():
    """Put every registry back that a case writes to."""
    mimetypes.init()
    lists = [(registry, registry[:]) for registry in (*LISTS, logging.root.handlers)]
    tables = [(table, dict(table)) for table in (*TABLES, mimetypes.types_map)]
    dialects = csv.list_dialects()
    names = set(sys.modules)
    hooks = threading.excepthook, threading.gettrace(), threading.getprofile()
    own = sys.gettrace(), sys.getprofile(), sys.get_asyncgen_hooks()
    makers = logging.getLoggerClass(), logging.getLogRecordFactory()
    yield
    sys.settrace(own[0])
    sys.setprofile(own[1])
    sys.set_asyncgen_hooks(*own[2])
    threading.excepthook = hooks[0]
    threading.settrace(hooks[1])
    threading.setprofile(hooks[2])
    logging.setLoggerClass(makers[0])
    logging.setLogRecordFactory(makers[1])
    unittest.mock.patch.stopall()
    for registry, items in lists:
        registry[:] = items
    for table, items in tables:
        for key in [key for key in table if key not in items]:
            del table[key]
        table.update(items)
    for name in set(csv.list_dialects()) - set(dialects):
        csv.unregister_dialect(name)
    for name in [name for name in sys.modules if name not in names and name.startswith(("dynamic", "copy_"))]:
        del sys.modules[name]
    logging.Logger.manager._clear_cache()


@pytest.mark.parametrize("strategy", edges.BOTH)
@pytest.mark.parametrize("case", registries.CASES, ids=lambda case: case.name)
def test_what_each_generation_leaves_behind_is_one_finding(case, strategy, tmp_path):
    """It names the registry, where in it, and what of the target it belongs to, once per reload."""
    run.write(tmp_path, case.files("leaking"))

    report = run.measure_and_undo(tmp_path, "plugin", strategy, edges.ROUNDS)

    found = [(f.kind, f.registry, f.growth, f.holder.path, f.held.name) for f in report.findings]
    assert found == [("registration", case.registry, "growing", case.path, case.held)]
    (finding,) = report.findings
    assert (finding.holder.root, finding.holder.type) == (case.registry, case.type)
    assert finding.per_round == 1.0
    assert finding.generations == tuple(range(-1, edges.ROUNDS - 1))
    assert finding.advice in {r.undo for r in REGISTRIES if r.name == case.registry}
    lines.assert_named(finding, lines.expected(case.files("leaking"), case.files("cured")), case.name)
    assert (report.outcome, report.error) == ("leaking", None)


@pytest.mark.parametrize("strategy", edges.BOTH)
@pytest.mark.parametrize("case", registries.CASES, ids=lambda case: case.name)
def test_what_is_undone_or_overwritten_is_clean(case, strategy, tmp_path):
    """The cured twin uses the same registry, and leaves in it what belongs to the present generation at most."""
    run.write(tmp_path, case.files("cured"))

    report = run.measure_and_undo(tmp_path, "plugin", strategy, edges.ROUNDS)

    assert (report.outcome, report.findings, report.error) == ("clean", (), None)


@pytest.mark.parametrize("strategy", edges.BOTH)
def test_the_same_text_in_several_lists_has_a_line_for_each(strategy, tmp_path):
    """A loop over the lists of `urllib.parse`, as programs teach it a scheme."""
    loop = (
        "for uses in (parse.uses_relative, parse.uses_netloc, parse.uses_params):\n    uses.append('kind')\n"
    )
    run.write(tmp_path, {"plugin": f"from urllib import parse\n{loop}"})

    report = run.measure_and_undo(tmp_path, "plugin", strategy, edges.ROUNDS)

    assert {(f.holder.path, f.per_round, f.site.line) for f in report.findings} == {
        (f"urllib.parse.uses_{what}[*]", 1.0, 3) for what in ("relative", "netloc", "params")
    }


@pytest.mark.parametrize("strategy", edges.BOTH)
@pytest.mark.parametrize("name", registries.INNOCENTS)
def test_the_innocent_are_clean(name, strategy, tmp_path):
    """What the library holds weakly, within bounds, or under one key is no leak."""
    lines = dedent(registries.INNOCENTS[name])
    run.write(tmp_path, {"host": registries.HOST, "plugin": registries.PLUGIN + lines})

    report = run.measure_and_undo(tmp_path, "plugin", strategy, edges.ROUNDS)

    assert (report.outcome, report.findings, report.error) == ("clean", (), None)


def test_a_slot_that_was_set_once_is_a_bounded_finding(tmp_path):
    """The hook of the generation that was loaded first is never replaced."""
    lines = """
        import logging
        if logging.getLoggerClass() is logging.Logger:
            logging.setLoggerClass(type('Own', (logging.Logger,), {'more': on_event}))
    """
    run.write(tmp_path, {"host": registries.HOST, "plugin": registries.PLUGIN + dedent(lines)})

    report = run.measure_and_undo(tmp_path, "plugin", "reimport", edges.ROUNDS)

    found = [(f.kind, f.registry, f.growth, f.generations) for f in report.findings]
    assert found == [("registration", "logging", "bounded", (-1,))]


@pytest.mark.parametrize("strategy", edges.BOTH)
def test_a_slot_that_each_generation_overwrites_pins_the_last_one_when_it_is_unloaded(strategy, tmp_path):
    """A loop of reloads is clean; only the final unload shows it."""
    lines = """
        import logging
        class Logger(logging.Logger):
            def more(self): pass

        logging.setLoggerClass(Logger)
    """
    run.write(tmp_path, {"host": registries.HOST, "plugin": registries.PLUGIN + dedent(lines)})

    with run.importable(tmp_path):
        report = measure_reload("plugin", strategy=strategy, rounds=edges.ROUNDS, unload=True)

    found = [(f.kind, f.registry, f.growth, f.held.name, f.generations) for f in report.findings]
    assert found == [("registration", "logging", "bounded", "plugin.Logger", (edges.ROUNDS,))]


def test_another_holder_of_a_registered_function_is_found_too(tmp_path):
    """What is in a list is passed over there alone, not wherever else the same object is."""
    lines = """
        import sys
        def hook(path): raise ImportError

        sys.path_hooks.append(hook)
        host.last.append(hook)
    """
    run.write(tmp_path, {"host": registries.HOST, "plugin": registries.PLUGIN + dedent(lines)})

    report = run.measure_and_undo(tmp_path, "plugin", "reimport", edges.ROUNDS)

    assert [(f.kind, f.holder.path) for f in report.findings] == [
        ("registration", "sys.path_hooks[*]"),
        ("retained-generation", "host.last[*]"),
    ]


def test_what_an_entry_of_somebody_else_keeps_is_found_as_before(tmp_path):
    """Only entries of the target, and those that grow in number, are effects: the others are what they were."""
    host = """
        import logging
        class Handler(logging.Handler):
            callbacks = []
            def emit(self, record): pass

        logging.getLogger('app').addHandler(Handler())
    """
    lines = """
        import logging
        logging.getLogger('app').handlers[0].callbacks.append(on_event)
        logging.getLogger('app').addFilter(on_event)
    """
    files = {"host": registries.HOST + dedent(host), "plugin": registries.PLUGIN + dedent(lines)}
    run.write(tmp_path, files)

    report = run.measure_and_undo(tmp_path, "plugin", "reimport", edges.ROUNDS)

    assert [(f.kind, f.holder.path) for f in report.findings] == [
        ("registration", "logging.getLogger('app').filters[*]"),
        ("retained-generation", "host.Handler.callbacks[*]"),
    ]


class Hostile:
    """An object none of whose methods may be called."""

    def _fail(self, *_):
        raise AssertionError("asked")

    __eq__ = __hash__ = __repr__ = __bool__ = __len__ = __iter__ = __getattr__ = _fail
    __class__ = property(_fail)


def test_nothing_registered_is_asked_anything():
    """The probe reads what hostile objects are in without running a line of theirs."""
    hostile = Hostile()
    sys.path_hooks.append(hostile)
    sys.meta_path.append(hostile)
    logging.getLogger("app").filters.append(hostile)
    signal_before = signal.getsignal(signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, Hostile._fail)
    try:
        probe = Registrations()
        probe.begin(Scope(lambda name: name == __name__, lambda: 0))
        probe.identities()
        context = contextvars.copy_context()
        context.run(contextvars.ContextVar("hostile", default=hostile).set, hostile)
        found = Counter(effect.cause.registry for effect in context.run(probe.effects))
        list(probe.containers())
    finally:
        sys.path_hooks.pop()
        sys.meta_path.pop()
        logging.getLogger("app").filters.clear()
        signal.signal(signal.SIGUSR1, signal_before)
    assert found["sys.path_hooks"] == found["sys.meta_path"] == found["signal"] == 1
    assert found["contextvars"] == 2


def test_each_round_costs_little():
    """Identities are taken three times per round; the best of some goes is far below a millisecond."""
    probe = Registrations()
    probe.begin(Scope(lambda _: False, lambda: 0))

    def cost_s():
        start = time.perf_counter()
        probe.identities()
        return time.perf_counter() - start

    assert min(cost_s() for _ in range(20)) < 0.003


def test_the_list_of_the_collector_is_the_list_itself():
    """A copy would be no container that could be passed over."""
    assert settle.callbacks() is gc.callbacks


def test_each_registry_says_how_to_undo_an_entry():
    """The advice is the end of a sentence, and identities are those of the entries."""
    for registry in REGISTRIES:
        assert registry.undo[0].islower()
        assert not registry.undo.endswith(".")
    names = {case.registry for case in registries.CASES} | {twins.expected.registry for twins in edges.TWINS}
    assert {registry.name for registry in REGISTRIES} - names == set()


NAMED = {
    "the target's own": ("logging.getLogger(__name__)", "logging.getLogger('plugin2').handlers[*]"),
    "of another module": ("logging.getLogger('host3.more')", "logging.getLogger('host3.more').handlers[*]"),
    "below a module's": (
        "logging.getLogger('plugin2.part7')",
        "logging.getLogger('plugin2.part*').handlers[*]",
    ),
    "of no module": ("logging.getLogger('server-8080')", "logging.getLogger('server-*').handlers[*]"),
    "of a module without a file": ("logging.getLogger('made5')", "logging.getLogger('made*').handlers[*]"),
}
"""Names of loggers with numbers in them, and how a report spells them."""


@pytest.mark.parametrize("unload", [False, True], ids=["reloaded", "unloaded"])
@pytest.mark.parametrize("name", NAMED)
def test_a_number_in_the_name_of_a_module_is_told(name, unload, tmp_path):
    """It is in the name of a file; any other may be the number of a port or process, and another in the next run."""
    logger, path = NAMED[name]
    handlers = f"{logger}.handlers"
    source = f"""
        import logging, host3
        class Handler(logging.Handler):
            pass
        {handlers}[:] = [*({handlers} if host3.KEEPS else ()), Handler()]
    """
    run.write(tmp_path, {"host3": f"KEEPS = {not unload}\n", "plugin2": dedent(source)})
    with run.importable(tmp_path):
        sys.modules["made5"] = type(sys)("made5")
        try:
            report = measure_reload("plugin2", rounds=edges.ROUNDS, unload=unload)
        finally:
            del sys.modules["made5"]

    assert [(f.kind, f.holder and f.holder.path) for f in report.findings] == [("registration", path)]


def test_numbers_that_vary_are_one_finding(tmp_path):
    """A logger of another name in each round is one leak, whatever the numbers."""
    source = "import logging, host3\nhost3.count += 1\nlogging.getLogger(f'plugin2.part{host3.count}')\n"
    run.write(tmp_path, {"host3": "count = 0\n", "plugin2": source})
    with run.importable(tmp_path):
        report = measure_reload("plugin2", rounds=edges.ROUNDS)

    assert [(f.growth, f.holder and f.holder.path) for f in report.findings] == [
        ("growing", "logging.getLogger('plugin2.part*')")
    ]

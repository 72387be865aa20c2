"""Version skew: who sees which generation, and which classes no longer match."""

from __future__ import annotations

import importlib
import sys

import pytest
from cases import run

from pytest_reloadleak import measure_reload

TARGET = """
class Broken(Exception):
    def method(self): pass

class Plain:
    pass

TABLE = {}

def f(): pass
"""


@pytest.fixture
def program(tmp_path):
    """Write the target and modules that import it, and import those."""
    with run.importable(tmp_path):

        def write(**modules):
            run.write(tmp_path, {"plugin": TARGET, **modules})
            return [importlib.import_module(name) for name in modules]

        yield write


def details(report):
    """The lines of each finding, by its holder."""
    return {f.holder.path: f.details for f in report.findings}


@pytest.mark.parametrize("strategy", ["reimport", "decache", "reload"])
@pytest.mark.parametrize("name", ["f", "Broken", "Plain", "TABLE"])
def test_an_importer_that_keeps_what_it_bound_is_told_with_what_it_sees(name, strategy, program):
    """Functions, classes with and without methods, and plain data."""
    program(consumer=f"from plugin import {name}")

    report = measure_reload("plugin", strategy=strategy, rounds=3)

    first = details(report)[f"consumer.{name}"][0]
    assert first == "consumer sees generation -1, sys.modules sees generation 3 of plugin"


def test_who_renewed_its_binding_is_named_beside_who_did_not(program):
    """Row 43: v1 in one module, v2 in the other."""
    *_, app = program(consumer="from plugin import f", app="from plugin import f\n")

    def reload():
        del sys.modules["plugin"]
        app.f = importlib.import_module("plugin").f

    report = measure_reload("plugin", reload=reload, rounds=3)

    assert details(report) == {
        "consumer.f": ("consumer sees generation -1, app sees generation 3 of plugin",)
    }


def test_many_of_one_kind_are_counted(program):
    """The line stays one line."""
    program(**{f"consumer{n}": "from plugin import f" for n in range(6)})

    report = measure_reload("plugin", rounds=3)

    (line,) = {line for lines in details(report).values() for line in lines}
    assert line == (
        "consumer0, consumer1, consumer2 and 3 more see generation -1; sys.modules sees generation 3 of plugin"
    )


def test_a_class_that_is_caught_or_registered_by_an_old_name_no_longer_matches(program):
    """`except` with the old class misses what the new generation raises, by a binding as by a registry."""
    consumer, registry = program(consumer="from plugin import Broken", registry="classes = {}")
    registry.classes["broken"] = consumer.Broken

    report = measure_reload("plugin", rounds=3)

    misses = "isinstance and except with this plugin.Broken do not match objects of generation 3"
    found = details(report)
    assert misses in found["consumer.Broken"]
    assert found["registry.classes['broken']"] == (misses,)


def test_cured_nobody_sees_two(program):
    """The twin: looked up where it is used, there is one generation, and nothing to tell."""
    program(consumer="import plugin\n\ndef use(): return sys.modules['plugin'].f\nimport sys\ndel plugin")

    report = measure_reload("plugin", rounds=3)

    assert (report.outcome, report.findings) == ("clean", ())


def test_what_the_target_took_from_elsewhere_is_not_its_own(program):
    """Who owns a list that the target binds as well sees no generation of the target."""
    *_, consumer = program(owner="SHARED = []", consumer="from plugin import f")
    run_directory = consumer.__spec__.origin.rpartition("/")[0]
    with open(f"{run_directory}/plugin.py", "a", encoding="utf-8") as file:
        file.write("from owner import SHARED\n")
    del sys.modules["plugin"]

    report = measure_reload("plugin", rounds=3)

    assert not any("owner" in line for lines in details(report).values() for line in lines)

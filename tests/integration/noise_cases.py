"""Twins for noise: a test in which a plugin keeps objects of the target, clean, and with a real leak beside them.

All cases of a group run in one pytest process. Each is run in two ways: as the body of a marked test, which is clean,
and by hand, within the reload of `reload_leaks.measure`, with a real leak. There what the plugin keeps stays until the
test is over. So the one shows that nothing is a finding, and the other that nothing hides one.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from support import Project

PLUGIN = """
    import logging
    import warnings

    class Own:
        def method(self):
            pass

        def __repr__(self):
            return "<own>"

    class OwnWarning(UserWarning):
        def method(self):
            pass

    class OwnError(Exception):
        def method(self):
            pass

    def fail():
        raise OwnError("a")

    def on_event():
        return "event"

    def warn():
        warnings.warn(OwnWarning("a"), stacklevel=2)

    def log(value):
        logging.getLogger("app").warning("saw %s", value)

    VALUES = {"own": Own}
"""
"""A target with a class of each kind that a plugin may get hold of; it registers with nobody."""

HOST = """
    listeners = []
    registry = {}
    default = None

    def send(value):
        pass
"""
HEAD = """\
import contextlib
import importlib
import io
import logging
import sys
import threading
import unittest.mock
import warnings

import host
import plugin
import pytest

@pytest.fixture(autouse=True)
def apart():
    yield
    host.listeners.clear()
    host.registry.clear()
    host.default = None
"""
LEAK = "host.listeners.append(plugin.on_event)"
FOUND = [("host.listeners[*]", "plugin.on_event", "growing")]


OTHERS = (
    "site: ",
    "pytest's record of hook calls keeps ",
    " keeps more items after each round",
    "put back after the check",
)
"""In notes that are about something else: the second of warnings in tests that came before, the third of numbers, the
last of what the test set in the process, and monkeypatch would put back a moment later."""


@dataclass(frozen=True)
class Case:
    """One thing that a plugin may keep.

    Attributes:
        body: what the test does in each round; `plugin` is the newest module.
        arguments: the fixtures that it asks for.
        marked: notes of the marked test.
        by_hand: notes of the check by hand; `None` where a marked test leaks instead.
    """

    body: str
    arguments: str = ""
    marked: tuple[str, ...] = ()
    by_hand: tuple[str, ...] | None = ()


Seen = dict[str, tuple[list[tuple[str, str, str]], tuple[str, ...]]]


def run(
    project: Project,
    cases: Mapping[str, Case],
    *arguments: str,
    fixtures: str = "",
    plugins: Iterable[str] = (),
    more: str = "",
    is_async: bool = False,
) -> Seen:
    """Run all cases; returns the findings and notes of each check, by the name of its test.

    Args:
        project: where.
        cases: which.
        arguments: options of pytest.
        fixtures: what the test file has besides.
        plugins: those that pytest loads.
        more: what the target has besides.
        is_async: whether the tests are coroutines.
    """
    tests = [HEAD, textwrap.dedent(fixtures)]
    for name, case in cases.items():
        clean = _marked(name, case, "pass")
        leaking = (_marked if case.by_hand is None else _by_hand)(f"{name}_leaks", case, LEAK)
        tests += [_coroutines(clean), _coroutines(leaking)] if is_async else [clean, leaking]
    project.write({"host.py": HOST, "plugin.py": PLUGIN + more})
    project.write({"test_it.py": ""}).write_text("\n".join(tests), encoding="utf-8")
    result = project.check_apart("-vv", "--tb=short", *arguments, plugins=tuple(plugins))
    failed = [line for line in result.outlines if line.startswith("E  ")]
    seen: Seen = {}
    for check in project.checks():
        if check["error"] is not None:
            raise AssertionError(f"{check['nodeid']}: {check['error']}")
        name = check["nodeid"].partition("::test_")[2].partition("[")[0]
        found = [(f["holder"]["path"], f["held"]["name"], f["growth"]) for f in check["findings"]]
        seen[name] = found, tuple(note for note in check["notes"] if not any(text in note for text in OTHERS))
    assert len(seen) == 2 * len(cases), failed
    return seen


def expected(cases: Mapping[str, Case]) -> Seen:
    """What `run` is to return: nothing but notes, and the one leak where there is one."""
    out: Seen = {}
    for name, case in cases.items():
        out[name] = [], case.marked
        out[f"{name}_leaks"] = FOUND, case.marked if case.by_hand is None else case.by_hand
    return out


def _marked(name: str, case: Case, leak: str) -> str:
    body = textwrap.indent(f"{leak}\n{textwrap.dedent(case.body).strip()}", "    ")
    return f"@pytest.mark.reloadable('plugin', rounds=3)\ndef test_{name}({case.arguments}):\n{body}\n"


def _by_hand(name: str, case: Case, leak: str) -> str:
    body = textwrap.indent(f"{leak}\n{textwrap.dedent(case.body).strip()}", "        ")
    arguments = ", ".join(filter(None, (case.arguments, "reload_leaks")))
    return f"""\
def test_{name}({arguments}):
    def reload():
        del sys.modules["plugin"]
        plugin = importlib.import_module("plugin")
{body}
    reload_leaks.measure("plugin", reload=reload, rounds=3)
"""


def different(seen: Seen, cases: Mapping[str, Case]) -> Seen:
    """What `run` returned where it is not as expected."""
    wanted = expected(cases)
    return {name: found for name, found in seen.items() if wanted[name] != found}


def _coroutines(test: str) -> str:
    return re.sub(r"^( *)def ", r"\1async def ", test, flags=re.MULTILINE).replace(
        "reload_leaks.measure(", "await reload_leaks.acheck("
    )

"""What the tests of the plugin share: small programs to check, and a project to run pytest in."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import shutil
import textwrap
from collections.abc import Mapping
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import psutil
import pytest

HOST = """
    listeners = []
"""
"""A host that keeps whoever registers."""

LEAKY = """
    import host

    def on_event():
        return "event"

    host.listeners.append(on_event)
"""
"""A target that leaves a function in `host.listeners` with each reload."""

CURED = """
    import host

    def on_event():
        return "event"

    host.listeners[:] = [on_event]
"""
"""The cured twin of `LEAKY`: each generation takes the place of the one before."""

TRACEBACK = "Traceback (most recent call last)"

INI = """
    [pytest]
    pythonpath = .
"""


class Project:
    """A project in a directory of its own, and pytest runs in it with our plugin and those that are asked for."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pytester = pytester
        self.path = pytester.path
        self.report = self.path / "report.json"
        # Starting with all that is installed takes seconds.
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        monkeypatch.setenv("COLUMNS", "200")
        for name in ("CI", "BUILD_NUMBER", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"):
            monkeypatch.delenv(name, raising=False)
        self.write({"pytest.ini": INI, "host.py": HOST})

    def write(self, files: Mapping[str, str]) -> Path:
        """Write files by their paths below the project's directory; returns the last one's path."""
        path = self.path
        for name, content in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(content), encoding="utf-8")
        return path

    def _arguments(self, arguments: tuple[str, ...], plugins: tuple[str, ...]) -> list[str]:
        loaded = [f"-p{name}" for name in ("reloadleak", *plugins)]
        return [*loaded, f"--reload-leak-json={self.report}", *arguments]

    def run(self, *arguments: str, plugins: tuple[str, ...] = ()) -> pytest.RunResult:
        """Run pytest in this process: for what is decided here or in a worker process."""
        return self.pytester.runpytest_inprocess(*self._arguments(arguments, plugins))

    def spawn(self, *arguments: str, plugins: tuple[str, ...] = ()) -> pytest.RunResult:
        """Run pytest in a process of its own: for checks that look at the heap around them."""
        return self.pytester.runpytest_subprocess(*self._arguments(arguments, plugins), timeout=120)

    def check(self, *arguments: str, plugins: tuple[str, ...] = ()) -> pytest.RunResult:
        """`run` with the flag."""
        return self.run("--reload-leak-check", *arguments, plugins=plugins)

    def check_apart(self, *arguments: str, plugins: tuple[str, ...] = ()) -> pytest.RunResult:
        """`spawn` with the flag."""
        return self.spawn("--reload-leak-check", *arguments, plugins=plugins)

    def checks(self) -> list[dict[str, Any]]:
        """The entries of the JSON report of the last run."""
        return list(json.loads(self.report.read_text(encoding="utf-8"))["checks"])

    def outcomes(self) -> dict[str, str]:
        """Outcome of each target of the last run."""
        return {check["target"]: check["outcome"] for check in self.checks()}


def target(*names: str) -> list[str]:
    """The options that name targets."""
    return [f"--reload-leak-target={name}" for name in names]


def errors(result: pytest.RunResult) -> list[str]:
    """The lines with which pytest refused to run."""
    lines = [*result.outlines, *result.errlines]
    return [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]


def is_running(pid: int) -> bool:
    """Whether a process of this id runs; one that ended but was not reaped yet does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def assert_no_traceback(result: pytest.RunResult) -> None:
    """Neither a traceback nor a line of our own sources reached the terminal."""
    text = result.stdout.str() + result.stderr.str()
    assert TRACEBACK not in text
    assert "INTERNALERROR" not in text
    assert "pytest_reloadleak/" not in text


SMALL = ("_bisect", "_heapq", "_queue", "_csv", "_json", "_struct", "_opcode", "_random")
"""Extension modules of the standard library that are quickly copied; an interpreter may have some of them built in."""


def extension() -> ModuleSpec:
    """A small extension module of the standard library, with the file that it is in."""
    for name in SMALL:
        spec = importlib.util.find_spec(name)
        if spec is not None and isinstance(spec.loader, importlib.machinery.ExtensionFileLoader):
            return spec
    raise AssertionError("this interpreter has all of them built in: name another one")


def extension_in(directory: Path) -> str:
    """Copy it into a package, which is made; returns its name."""
    spec = extension()
    directory.mkdir(exist_ok=True)
    shutil.copy(str(spec.origin), directory)
    return spec.name

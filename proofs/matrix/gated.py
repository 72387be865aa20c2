"""One small project with a leak and its cure for each way to check: the same under every plugin and option."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import INI, Project, target

LEAKY = """
    import host

    def on_event():
        return "event"

    host.listeners.append(on_event)
"""
CURED = """
    import host

    def on_event():
        return "event"

    host.listeners[__name__] = on_event
"""

FILES = {
    "pytest.ini": INI,
    "host.py": "\n    class Listeners(dict):\n        def append(self, one):\n            self[len(self)] = one\n\n"
    "    listeners = Listeners()\n",
    "app/__init__.py": "",
    **{
        f"app/{way}_{name}.py": source
        for way in ("item", "marked", "called")
        for name, source in (("leaky", LEAKY), ("fine", CURED))
    },
    "tests/deep/conftest.py": """
        import pytest

        @pytest.fixture
        def deep():
            return "deep"
    """,
    "tests/deep/test_marked.py": """
        import pytest

        @pytest.mark.reloadable("app.marked_leaky")
        def test_marked_leaky(reloaded, deep):
            assert reloaded.on_event() == "event"

        @pytest.mark.reloadable("app.marked_fine")
        def test_marked_fine(reloaded, deep):
            assert reloaded.on_event() == "event"
    """,
    "tests/test_called.py": """
        def test_called_leaky(reload_leaks):
            reload_leaks.check("app.called_leaky", rounds=2)

        def test_called_fine(reload_leaks):
            reload_leaks.check("app.called_fine", rounds=2)
    """,
    "tests/test_plain.py": """
        def test_plain():
            pass
    """,
}

ITEMS = ("reload-leak::app.item_fine[reimport]", "reload-leak::app.item_leaky[reimport]")
MARKED = (
    "tests/deep/test_marked.py::test_marked_fine",
    "tests/deep/test_marked.py::test_marked_leaky",
)
CALLED = ("tests/test_called.py::test_called_fine", "tests/test_called.py::test_called_leaky")
PLAIN = "tests/test_plain.py::test_plain"
ALL = (*ITEMS, *MARKED, *CALLED)

Verdict = tuple[str, tuple[tuple[Any, ...], ...]]


def verdict(nodeid: str) -> Verdict:
    """What a check of this test has to say, whatever else runs."""
    if "leaky" not in nodeid:
        return "clean", ()
    way = next(way for way in ("item", "marked", "called") if way in nodeid)
    held = f"app.{way}_leaky.on_event"
    found = ("retained-generation", "growing", "host.listeners[*]", held, f"{way}_leaky.py", 7)
    return "leaking", (found,)


def seen(check: dict[str, Any]) -> Verdict:
    """The same of an entry of the report."""
    found = tuple(
        (
            finding["kind"],
            finding["growth"],
            finding["holder"]["path"],
            finding["held"]["name"],
            Path(finding["site"]["file"]).name,
            finding["site"]["line"],
        )
        for finding in check["findings"]
    )
    return check["outcome"], found


class Gated(Project):
    """The project, written; pytest runs in processes of its own, in a project that is found as a user's is."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(pytester, monkeypatch)
        self.write(FILES)

    def gate(self, *options: str, plugins: tuple[str, ...] = ()) -> pytest.RunResult:
        """Check both items and all tests."""
        names = ("app.item_leaky", "app.item_fine")
        self.report.unlink(missing_ok=True)
        return self.check_apart(*target(*names), "--reload-leak-rounds=2", *options, plugins=plugins)

    def verdicts(self) -> dict[str, Verdict]:
        """What the report says of each test."""
        return {check["nodeid"]: seen(check) for check in self.checks()}

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the interpreter in the project's directory."""
        command = [sys.executable, *arguments]
        return subprocess.run(
            command, cwd=self.path, capture_output=True, text=True, timeout=120, check=False
        )


def expected(*nodeids: str) -> dict[str, Verdict]:
    """The verdicts of these tests."""
    return {nodeid: verdict(nodeid) for nodeid in nodeids}


def assert_whole(result: pytest.RunResult) -> None:
    """Nothing of ours went wrong on the way."""
    text = result.stdout.str() + result.stderr.str()
    for sign in ("INTERNALERROR", "Traceback (most recent call last)", "pytest_reloadleak/"):
        assert sign not in text, text

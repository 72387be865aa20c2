"""A long check shows how far it is, on a line that leaves no trace."""

import contextlib
import io
import os
import re
import subprocess
import sys
import time

import pytest
from _pytest._io import TerminalWriter
from support import target

from pytest_reloadleak.integration.reporting import progress
from pytest_reloadleak.integration.reporting.progress import Controller, Line, Progress
from pytest_reloadleak.report.progress import line


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("", "reload-leak: app[reload], 3 s"),
        ("0 reloading", "reload-leak: app[reload]: warm-up round 1 of 1, reloading, 3 s"),
        ("2 settling", "reload-leak: app[reload]: round 2 of 5, settling, 3 s"),
        ("7 reloading", "reload-leak: app[reload]: round 7, after the 5 of the first pass, reloading, 3 s"),
        ("x y z", "reload-leak: app[reload]: a round, y z, 3 s"),
    ],
)
def test_the_line_says_target_round_and_phase(said, expected):
    """What a target wrote into the file of its worker cannot break it."""
    assert line("app[reload]", 3.2, said, rounds=5, warmup=1) == expected


class Screen:
    """What a terminal shows of a text: enough of its codes for one line that vanishes."""

    def __init__(self, text):
        self.rows, self.row, self.column = [[]], 0, 0
        for part in re.findall(r"\x1b\[(?:\d*[AC]|K)|.|\n", text, re.DOTALL):
            self.take(part)

    def take(self, part):
        """Take one character or code."""
        here = self.rows[self.row]
        if part == "\n":
            self.row, self.column = self.row + 1, 0
            if self.row == len(self.rows):
                self.rows.append([])
        elif part == "\r":
            self.column = 0
        elif part == "\x1b[K":
            del here[self.column :]
        elif part.endswith("A"):
            self.row -= 1
        elif part.endswith("C"):
            self.column += int(part[2:-1])
        else:
            here[self.column : self.column + 1] = [part]
            self.column += 1

    def __str__(self):
        return "\n".join("".join(row) for row in self.rows).rstrip("\n")


class Reporter:
    """Stands in for pytest's reporter on a terminal."""

    def __init__(self, *, isatty=True):
        self.isatty, self.file = isatty, io.StringIO()
        self._tw = TerminalWriter(self.file)
        self._tw.fullwidth = 60

    def ensure_newline(self):
        """As pytest does."""
        if self._tw.width_of_current_line:
            self._tw.write("\n")

    def write_line(self, text):
        """As pytest does."""
        self._tw.line(text)


@pytest.mark.parametrize("begun", ["", "test_one.py ..", "x" * 59])
def test_the_line_leaves_the_screen_as_it_was(begun, monkeypatch):
    """Also below a line that pytest has begun, which goes on where it was."""
    monkeypatch.setenv("TERM", "xterm")
    reporter = Reporter()
    shown = Line(reporter, None)
    reporter._tw.write(f"before\n{begun}")
    for text in ("reload-leak: one", "reload-leak: another that is longer " * 3):
        shown.show(text)
        assert text[:59] in str(Screen(reporter.file.getvalue()))
    shown.hide()
    assert reporter._tw.width_of_current_line == len(begun)
    reporter._tw.write("F")
    assert str(Screen(reporter.file.getvalue())) == f"before\n{begun}F"


class Config:
    """Stands in for pytest's configuration."""

    def __init__(self, reporter):
        self.stash, self.pluginmanager = pytest.Stash(), self
        self._reporter = reporter

    def hasplugin(self, name):
        """As on xdist's controller."""
        return name == "dsession"

    def getplugin(self, name):
        """The terminal reporter."""
        return self._reporter if name == "terminalreporter" else None


@pytest.fixture
def clock(monkeypatch):
    """A clock that only the test moves."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.setenv("TERM", "xterm")
    for name in ("CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)
    return now


def test_a_short_check_shows_nothing(clock):
    """For two seconds; then twice a second."""
    reporter = Reporter()
    shown = Progress(Config(reporter), "app[reload]", 5, 1)
    assert shown.tick(lambda: "1 reloading") == 2
    clock[0] += 1.5
    assert shown.tick(lambda: "1 reloading") == 0.5
    assert reporter.file.getvalue() == ""
    clock[0] += 0.5
    assert shown.tick(lambda: "1 reloading") == 0.5
    assert "app[reload]: round 1 of 5, reloading, 2 s" in reporter.file.getvalue()
    shown.end()
    assert str(Screen(reporter.file.getvalue())) == ""


@pytest.mark.parametrize(("ci", "count"), [("", 0), ("true", 2)])
def test_a_log_has_a_line_every_30_seconds(clock, monkeypatch, ci, count):
    """If it is that of a CI; elsewhere, output that is no terminal has none."""
    monkeypatch.setenv("CI", ci)
    reporter = Reporter(isatty=False)
    reporter._tw.write("test_one.py .")
    shown = Progress(Config(reporter), "app[reload]", 5, 1)
    for _ in range(65):
        clock[0] += 1
        shown.tick(lambda: "3 settling")
    shown.end()
    lines = reporter.file.getvalue().splitlines()
    expected = [f"reload-leak: app[reload]: round 3 of 5, settling, {30 * number} s" for number in (1, 2)]
    assert lines == ["test_one.py .", *expected[:count]]


def test_without_a_reporter_nothing_is_shown(clock):
    """With `-p no:terminal`, and in a process of xdist."""
    shown = Progress(Config(None), "app[reload]", 5, 1)
    clock[0] += 100
    assert shown.tick(lambda: "1 reloading") is None
    shown.end()


def test_the_controller_of_xdist_shows_what_runs_long(monkeypatch):
    """What pytest writes meanwhile finds no line of ours."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(progress, "_PATIENCE_S", 0.05)
    monkeypatch.setattr(progress, "_EVERY_S", 0.02)
    reporter = Reporter()
    controller = Controller(Config(reporter))
    for name in ("reload-leak::a[reload]", "reload-leak::b[reload]", "test_x.py::test"):
        controller.pytest_runtest_logstart(name)
    end = time.monotonic() + 10
    while "a[reload] and 1 more" not in reporter.file.getvalue() and time.monotonic() < end:
        time.sleep(0.01)
    controller.pytest_sessionfinish()
    assert "reload-leak: a[reload] and 1 more, 0 s" in reporter.file.getvalue()
    assert str(Screen(reporter.file.getvalue())) == ""


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal to write to")
@pytest.mark.parametrize("option", ["-q", "--reload-leak-isolation=none", "-pxdist -n1"])
def test_a_terminal_shows_a_long_check(project, option):
    """A whole session on a terminal, whose last state has no trace of the line."""
    import pty

    project.write({"long.py": "import time\ntime.sleep(1.1)\n"})
    mine, other = pty.openpty()
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "reloadleak",
        "--reload-leak-check",
        "--reload-leak-rounds=1",
    ]
    variables = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen(
        [*command, "--color=no", *option.split(), *target("long")],
        cwd=project.path,
        stdout=other,
        env=variables,
    )
    os.close(other)
    seen = b""
    with contextlib.suppress(OSError):  # the end of the terminal's other side
        while more := os.read(mine, 4096):
            seen += more
    os.close(mine)
    assert process.wait() == 0
    text = seen.decode().replace("\r\n", "\n")
    said = "" if "-n1" in option else r": (warm-up )?round \d of \d, \w+"
    assert re.search(rf"reload-leak: long\[reimport\]{said}, \d+ s", text), text
    assert "reload-leak: long[reimport]" not in str(Screen(text))

"""The option --reload-leak-graphs: which files it writes, and what it says."""

from __future__ import annotations

import errno
import os
import shutil
import sys

import pytest
from support import CURED, LEAKY, Project, assert_no_traceback, errors, target

from pytest_reloadleak.integration.reporting import drawing, graphs


@pytest.fixture
def project(pytester, monkeypatch):
    """A project with a leaking target and a cured one."""
    project = Project(pytester, monkeypatch)
    project.write({"leaky.py": LEAKY, "cured.py": CURED})
    return project


def written(project):
    """The names of the files in the directory of graphs."""
    return sorted(path.name for path in (project.path / "out" / "graphs").iterdir())


def test_each_finding_has_a_graph(project):
    """The directory is made. A clean target has no graph, and nothing else is left in the directory."""
    result = project.check("--reload-leak-graphs=out/graphs", *target("leaky", "cured"))

    (check,) = [check for check in project.checks() if check["findings"]]
    name = f"leaky-reimport-{check['findings'][0]['signature']}"
    drawn = shutil.which("dot") is not None
    assert written(project) == [f"{name}.dot", *([f"{name}.svg"] if drawn else [])]
    assert "on_event" in (project.path / "out/graphs" / f"{name}.dot").read_text(encoding="utf-8")
    result.stdout.fnmatch_lines(
        [f"reload-leak graphs: 1 in out/graphs ({'DOT and SVG' if drawn else 'DOT'})"]
    )


def test_the_same_leak_of_two_tests_has_two_graphs(project):
    """No file of one run replaces another of the same run; the next run replaces both."""
    test = "def test_{}(reload_leaks):\n    reload_leaks.measure('leaky', rounds=1)\n"
    project.write({"test_it.py": test.format("a") + test.format("b")})

    for _ in range(2):
        project.spawn("--reload-leak-graphs=out/graphs", "test_it.py")

    assert len([name for name in written(project) if name.endswith(".dot")]) == 2


def test_without_graphviz_the_summary_says_so(project, monkeypatch):
    """The DOT file is there all the same."""
    monkeypatch.setenv("PATH", str(project.path))

    result = project.check("--reload-leak-graphs=out/graphs", *target("leaky"))

    assert [name.rpartition(".")[2] for name in written(project)] == ["dot"]
    result.stdout.fnmatch_lines(["no SVG, since the program dot was not found: install Graphviz*"])


@pytest.mark.skipif(os.name == "nt", reason="a script as a program")
def test_a_failing_graphviz_costs_the_picture_only(project, monkeypatch):
    """The summary names the picture that is missing."""
    script = project.write({"bin/dot": "#!/bin/sh\nexit 3\n"})
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")

    result = project.check("--reload-leak-graphs=out/graphs", *target("leaky"))

    assert [name.rpartition(".")[2] for name in written(project)] == ["dot"]
    result.stdout.fnmatch_lines(["leaky-reimport-*.svg was not drawn: dot failed*"])


@pytest.mark.parametrize("suffix", [".dot", ".svg"])
def test_a_full_disk_is_told_and_fails_the_run_if_the_graph_is_missing(suffix, project, monkeypatch):
    """Only files that are there are counted. A missing picture of a graph that is there fails nothing."""

    def write(path, text):
        if path.suffix == suffix:
            raise OSError(errno.ENOSPC, "the disk is full")

    monkeypatch.setattr(graphs, "write_whole", write)
    monkeypatch.setattr(drawing, "drawer", lambda: "dot")
    monkeypatch.setattr(drawing, "svg", lambda *_: b"<svg/>")

    result = project.check(
        "--reload-leak-graphs=out/graphs",
        "--reload-leak-report-only",
        "--reload-leak-isolation=none",
        *target("leaky"),
    )

    is_missing = suffix == ".dot"
    line = f"leaky-reimport-*{suffix} was not written: the disk is full"
    line = f"--reload-leak-graphs: {line}" if is_missing else f"{line}; the .dot file is there"
    result.stdout.fnmatch_lines([f"reload-leak graphs: {0 if is_missing else 1} in out/graphs (DOT)", line])
    assert result.ret == is_missing


def test_a_directory_that_cannot_be_written_is_a_usage_error(project):
    """One line says what was wrong, and nothing is checked."""
    project.write({"taken": "a file\n"})

    result = project.check("--reload-leak-graphs=taken/graphs", *target("leaky"))

    (line,) = errors(result)
    assert line.startswith("--reload-leak-graphs: cannot write into 'taken/graphs': ")
    assert line.endswith("name a directory in which files can be created")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_no_traceback(result)


HTML_PLUGIN = """
    def pytest_addoption(parser):
        parser.addoption("--html", dest="htmlpath")

    def pytest_runtest_logreport(report):
        for extra in getattr(report, "extras", ()):
            print(report.when, extra["format_type"], extra["name"], extra["extension"], len(extra["content"]) > 500)
"""
"""What pytest-html does: an option, and a look at the extras of each report."""


@pytest.mark.parametrize("drawer", [True, False], ids=["Graphviz", "none"])
def test_the_page_of_pytest_html_gets_the_graphs(project, monkeypatch, drawer):
    """A picture where Graphviz is installed, else the text; the clean target has none."""
    if not drawer:
        monkeypatch.setenv("PATH", str(project.path))
    elif shutil.which("dot") is None:
        pytest.skip("Graphviz is not installed")
    project.write({"page.py": HTML_PLUGIN})
    monkeypatch.syspath_prepend(project.path)

    result = project.check("--html=a.html", "-s", *target("leaky", "cured"), plugins=("page",))

    (check,) = [check for check in project.checks() if check["findings"]]
    name = f"graph {check['findings'][0]['signature']}"
    extra = f"image {name} svg True" if drawer else f"text {name} (DOT) txt True"
    assert [
        line.partition("call ")[2] for line in result.outlines if "call " in line and "graph" in line
    ] == [extra]


def test_without_a_page_no_graph_is_drawn(project, monkeypatch):
    """The plugin that draws is not even imported."""
    monkeypatch.delitem(sys.modules, "pytest_reloadleak.integration.reporting.html_page", raising=False)
    project.check(*target("leaky"))

    assert "pytest_reloadleak.integration.reporting.html_page" not in sys.modules

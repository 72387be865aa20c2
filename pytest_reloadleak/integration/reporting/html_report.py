"""Write the session's own page: draw its graphs with Graphviz, where it is installed, and fill the template."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import pytest

from pytest_reloadleak.integration.reporting import drawing, environment
from pytest_reloadleak.report import graphs
from pytest_reloadleak.report.html import graph, page

_MOST_DRAWN = 50
"""Graphs of a page: each takes a process and some KiB. `--reload-leak-graphs` has them all."""


def assert_possible() -> None:
    """Raise before anything runs if the page cannot be written.

    Raises:
        pytest.UsageError: the library for templates is not installed.
    """
    if not page.is_possible():
        raise pytest.UsageError(f"--reload-leak-html needs Jinja2, which is not installed: {page.NEEDS}")


def document(
    config: pytest.Config,
    checks: Sequence[Mapping[str, Any]],
    rows: Sequence[Mapping[str, Any]] | None,
) -> str:
    """The page of a session.

    Args:
        config: pytest's configuration.
        checks: entries of the JSON report's `checks`.
        rows: the safe strategies of each target, if strategies were compared.
    """
    session = page.Session(
        checks=checks,
        graphs=_drawn(checks),
        rows=rows,
        environment=environment.environment(config),
        version=version("pytest-reloadleak"),
        rootdir=str(config.rootpath),
    )
    return page.document(session)


def _drawn(checks: Sequence[Mapping[str, Any]]) -> dict[tuple[int, int], str]:
    """A drawing of each finding's graph, by its position; none without Graphviz."""
    program = drawing.drawer()
    if program is None:
        return {}
    out: dict[tuple[int, int], str] = {}
    places = [(n, at) for n, check in enumerate(checks) for at in range(len(check["findings"]))]
    for number, at in places[:_MOST_DRAWN]:
        check = checks[number]
        try:
            svg = drawing.svg(graphs.dot(check, check["findings"][at]), program)
        except (subprocess.SubprocessError, OSError):
            continue
        fitted = graph.fitted(svg.decode("utf-8", "replace"))
        if fitted is not None:
            out[number, at] = fitted
    return out

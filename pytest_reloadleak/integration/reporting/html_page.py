"""Show the graph of each finding in the page of pytest-html, beside the text of the failure, which it has anyway."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest

from pytest_reloadleak.integration.reporting import drawing
from pytest_reloadleak.report import graphs

_MOST = 10
"""Graphs of one test: each takes a process and some KiB of the page. `--reload-leak-graphs` has them all."""


class HtmlPage:
    """The graphs of a session whose reports go to a page."""

    def __init__(self) -> None:
        self._drawer = drawing.drawer()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Attach the graphs to a report before pytest-html reads it."""
        found = [
            (check, finding)
            for check in getattr(report, "reload_leak_checks", ())
            for finding in check["findings"]
        ]
        if found:
            added = [self._extra(check, finding) for check, finding in found[:_MOST]]
            report.__dict__["extras"] = [*getattr(report, "extras", ()), *added]

    def _extra(self, check: Mapping[str, Any], finding: Mapping[str, Any]) -> dict[str, str]:
        """One graph in the form of `pytest_html.extras`: a picture, or text where nothing can draw it."""
        dot = graphs.dot(check, finding)
        name = f"graph {finding['signature']}"
        picture = self._picture(dot)
        if picture is None:
            return _extra("text", f"{name} (DOT)", dot, "text/plain", "txt")
        # In base64, pytest-html takes it for content and not for a path.
        return _extra("image", name, base64.b64encode(picture).decode("ascii"), "image/svg+xml", "svg")

    def _picture(self, dot: str) -> bytes | None:
        if self._drawer is None:
            return None
        try:
            return drawing.svg(dot, self._drawer)
        except (subprocess.SubprocessError, OSError):
            return None


def _extra(form: str, name: str, content: str, mime_type: str, extension: str) -> dict[str, str]:
    return {
        "name": name,
        "format_type": form,
        "content": content,
        "mime_type": mime_type,
        "extension": extension,
    }

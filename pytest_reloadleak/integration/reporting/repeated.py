"""Show each leak of a target once, where several strategies are compared and find the same ones."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_reloadleak.integration import places
from pytest_reloadleak.integration.reporting.styled import width_of
from pytest_reloadleak.report.text.layout import Span, plain, wrapped

_Leak = tuple[object, ...]


class Repeated:
    """A pytest plugin that refers to the report of an earlier strategy in place of the same findings."""

    def __init__(self) -> None:
        self._shown: dict[tuple[str, frozenset[_Leak]], str] = {}
        self._is_verbose = False
        self._width: int | None = None

    def pytest_configure(self, config: pytest.Config) -> None:
        """Leave all reports in full with `-v`."""
        self._is_verbose = config.get_verbosity() > 0
        self._width = width_of(config)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Shorten the failure of a check that found what an earlier one did."""
        checks: list[dict[str, Any]] = getattr(report, "reload_leak_checks", [])
        crash = getattr(report.longrepr, "reprcrash", None)
        if self._is_verbose or not report.failed or len(checks) != 1 or crash is None:
            return
        check = checks[0]
        leaks = frozenset(map(_leak, check["findings"]))
        if not leaks:
            return
        earlier = self._shown.setdefault((check["target"], leaks), check["strategy"])
        if earlier != check["strategy"]:
            what = "the same finding" if len(leaks) == 1 else f"the same {len(leaks)} findings"
            text = f"{check['target']} ({check['strategy']}) leaks on reload: {what} as with {earlier}, shown above"
            text = "\n".join(map(plain, wrapped("", [Span(text)], self._width, "  ")))
            report.longrepr = places.shown(text, crash.message, crash.path, crash.lineno)
            vars(report)["reload_leak_shown"] = False  # nothing draws the whole report in its place


def _leak(finding: dict[str, Any]) -> _Leak:
    """What makes a finding the same under another strategy, whose signature differs."""
    holder, held, site = (finding[name] or {} for name in ("holder", "held", "site"))
    place = (site.get("file"), site.get("line"))
    return (
        finding["kind"],
        finding["growth"],
        finding["registry"],
        holder.get("path"),
        held.get("name"),
        place,
    )

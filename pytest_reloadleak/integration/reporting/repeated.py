"""Show each leak of a target once, if several strategies are compared and find the same leaks."""

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
        """Show all reports in full with `-v`."""
        self._is_verbose = config.get_verbosity() > 0
        self._width = width_of(config)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Shorten the failure of a check that found the same as an earlier one."""
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
            vars(report)["reload_leak_shown"] = False  # so that nothing draws the whole report instead


def _leak(finding: dict[str, Any]) -> _Leak:
    """The facts that a finding shares with the same leak under another strategy, where its signature differs."""
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

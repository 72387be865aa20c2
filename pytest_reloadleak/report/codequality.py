"""Write findings as a GitLab code quality report: a JSON list in the Code Climate format that GitLab reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pytest_reloadleak.report.places import place_of, place_of_target, summary


def document(checks: Iterable[Mapping[str, Any]], root: str) -> str:
    """The report of one session. Known findings are left out: GitLab would show them as new problems.

    Args:
        checks: entries of the JSON report's `checks`.
        root: the directory that paths are relative to.
    """
    issues: dict[str, dict[str, Any]] = {}
    for check in checks:
        for finding in check["findings"]:
            if finding["known"] is not None:
                continue
            # GitLab needs a place, and one fingerprint per issue: strategies may find the same leak.
            place = place_of(finding, root) or place_of_target(check["target"])
            issues.setdefault(
                finding["signature"],
                {
                    "description": f"{check['target']}: {summary(finding)}. Fix: {finding['advice']}",
                    "check_name": f"reload-leak/{finding['kind']}",
                    "fingerprint": finding["signature"],
                    "severity": "major" if finding["growth"] == "growing" else "minor",
                    "location": {"path": place.file, "lines": {"begin": place.line}},
                },
            )
    return json.dumps(list(issues.values()), indent=2) + "\n"

"""Write findings as SARIF 2.1.0 (OASIS standard), which code scanning services read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pytest_reloadleak.report.places import place_of, relative, summary, uri
from pytest_reloadleak.report.rules import RULES

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_FINGERPRINT = "reloadLeakSignature/v1"


def document(checks: Iterable[Mapping[str, Any]], root: str, version: str, *, complete: bool = True) -> str:
    """The SARIF log of one session, with one run.

    Args:
        checks: entries of the JSON report's `checks`.
        root: the directory that paths are relative to.
        version: this plugin's version.
        complete: whether every collected check has an entry.
    """
    checks = list(checks)
    kinds = list(RULES)
    results = [
        _result(check, finding, kinds.index(finding["kind"]), root)
        for check in checks
        for finding in check["findings"]
    ]
    run = {
        "tool": {
            "driver": {
                "name": "pytest-reloadleak",
                "version": version,
                "rules": [_rule(kind) for kind in RULES],
            }
        },
        "originalUriBaseIds": {"SRCROOT": {"uri": uri(root).rstrip("/") + "/"}},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {"executionSuccessful": complete, "toolExecutionNotifications": list(_notifications(checks))}
        ],
        "results": results,
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(kind: str) -> dict[str, Any]:
    rule = RULES[kind]  # type: ignore[index]  # iterates over the same dict
    text = f"{rule.meaning} {rule.help}"
    return {
        "id": kind,
        "name": "".join(word.capitalize() for word in kind.split("-")),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.meaning},
        "help": {"text": text, "markdown": f"{rule.meaning}\n\n**Fix:** {rule.help}"},
        "defaultConfiguration": {"level": "error"},
    }


def _result(check: Mapping[str, Any], finding: Mapping[str, Any], rule: int, root: str) -> dict[str, Any]:
    place = place_of(finding, root)
    location: dict[str, Any] = {
        "logicalLocations": [{"fullyQualifiedName": check["target"], "kind": "module"}],
    }
    if place is not None:
        location["physicalLocation"] = _physical(place.file, place.line)
    result: dict[str, Any] = {
        "ruleId": finding["kind"],
        "ruleIndex": rule,
        "level": "error",
        "message": {"text": f"{summary(finding)}. Fix: {finding['advice']}"},
        "locations": [location],
        "partialFingerprints": {_FINGERPRINT: finding["signature"]},
        "properties": {
            "target": check["target"],
            "strategy": check["strategy"],
            "nodeid": check["nodeid"],
            "growth": finding["growth"],
            "trace": finding["trace"],
        },
    }
    held = finding["held"]
    if held is not None and held["file"] and finding["site"] is not None:
        result["relatedLocations"] = [
            {
                "message": {"text": f"{held['name']} is defined here"},
                "physicalLocation": _physical(relative(held["file"], root), held["line"] or 1),
            }
        ]
    stack = _stack(finding, root)
    if stack:
        result["stacks"] = [{"message": {"text": "how the reference was created"}, "frames": stack}]
    if finding["known"] is not None:
        result["suppressions"] = [{"kind": "external", "justification": finding["known"]}]
    return result


def _stack(finding: Mapping[str, Any], root: str) -> Sequence[dict[str, Any]]:
    """The frames of the finding's site, innermost first as SARIF has them."""
    stack = (finding["site"] or {}).get("stack") or ()
    return [
        {
            "location": {
                "message": {"text": frame["function"] or ""},
                "physicalLocation": _physical(relative(frame["file"], root), frame["line"]),
            }
        }
        for frame in reversed(stack)
    ]


def _physical(file: str, line: int) -> dict[str, Any]:
    artifact: dict[str, Any] = {"uri": uri(file)}
    if not artifact["uri"].startswith("file:"):
        artifact["uriBaseId"] = "SRCROOT"
    return {"artifactLocation": artifact, "region": {"startLine": max(line, 1)}}


def _notifications(checks: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The checks that could not be judged: code scanning must not take them for clean."""
    for check in checks:
        if check["outcome"] in {"error", "inconclusive"}:
            yield {
                "level": "error" if check["outcome"] == "error" else "warning",
                "message": {"text": f"{check['target']} ({check['strategy']}): {check['reason']}"},
            }

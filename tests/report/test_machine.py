"""What machines read: SARIF, GitLab's code quality, GitHub's annotations and summary, and the line of counts."""

import dataclasses
import json
from pathlib import Path

import jsonschema
import pytest

from pytest_reloadleak.model import Finding, Frame, Held, Holder, Kind, Report, Site
from pytest_reloadleak.report import codequality, counts, github, jsonfile, sarif
from pytest_reloadleak.report.rules import RULES

SCHEMAS = Path(__file__).parent / "schemas"
SARIF = jsonschema.Draft4Validator(json.loads((SCHEMAS / "sarif-2.1.0.json").read_text(encoding="utf-8")))
# The fields that GitLab's documentation lists under "Code Quality report format"; it publishes no schema.
CODE_QUALITY = jsonschema.Draft202012Validator(
    {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["description", "check_name", "fingerprint", "severity", "location"],
            "properties": {
                "description": {"type": "string", "minLength": 1},
                "check_name": {"type": "string", "minLength": 1},
                "fingerprint": {"type": "string", "minLength": 1},
                "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
                "location": {
                    "type": "object",
                    "required": ["path", "lines"],
                    "properties": {
                        "path": {"type": "string", "pattern": "^(?!\\./)"},
                        "lines": {
                            "required": ["begin"],
                            "properties": {"begin": {"type": "integer", "minimum": 1}},
                        },
                    },
                },
            },
        },
    }
)

ROOT = "/project"
NASTY = 'app.a["<b>%0A::error::|`x`"]\n[*]'
FOUND = Finding(
    kind="retained-generation",
    signature="7c1e9a04",
    growth="growing",
    per_round=1.0,
    generations=(-1, 0, 1),
    holder=Holder(root="sys.modules", path="app.bus.listeners[*]", type="list"),
    held=Held(type="function", name="app.weather.on_event", file="/project/app/weather.py", line=31),
    site=Site(
        file="/project/app/we ather.py",
        line=40,
        code="subscribe(on_event)",
        function="setup",
        stack=(Frame(file="/lib/host.py", line=3, function="load", code="run()"),),
    ),
    advice="remove it",
)
BARE = Finding(kind="object-growth", signature="00aa11bb", growth="growing", per_round=2.5, advice="free it")
HOSTILE = dataclasses.replace(
    FOUND,
    signature="11111111",
    kind="registration",
    holder=Holder(root="x", path=NASTY, type=NASTY),
    site=dataclasses.replace(FOUND.site, file="/project/a,b:c%.py"),
    advice=NASTY,
)
KNOWN = dataclasses.replace(FOUND, signature="22222222", known="the vendor's")


def check(*findings, outcome="leaking", target="app.weather", reason="why"):
    """A check as the JSON report has it."""
    return jsonfile.to_dict(
        Report(
            target=target,
            nodeid=f"reload-leak::{target}[reimport]",
            strategy="reimport",
            rounds=5,
            warmup=1,
            outcome=outcome,
            reason=reason,
            duration_s=0.1,
            reload_s=0.1,
            findings=findings,
        )
    )


CHECKS = [
    check(FOUND, BARE, HOSTILE, KNOWN),
    check(KNOWN, outcome="known"),
    check(outcome="clean"),
    check(outcome="error", reason=NASTY),
    check(outcome="inconclusive"),
]


def test_sarif_is_valid_and_points_at_the_line():
    """SARIF is valid and points at the line."""
    log = json.loads(sarif.document(CHECKS, ROOT, "1.2"))
    SARIF.validate(log)
    (run,) = log["runs"]
    first, bare, hostile, known, _ = run["results"]
    place = first["locations"][0]["physicalLocation"]
    assert place == {
        "artifactLocation": {"uri": "app/we%20ather.py", "uriBaseId": "SRCROOT"},
        "region": {"startLine": 40},
    }
    assert first["partialFingerprints"] == {"reloadLeakSignature/v1": "7c1e9a04"}
    assert run["tool"]["driver"]["rules"][first["ruleIndex"]]["id"] == "retained-generation"
    assert first["stacks"][0]["frames"][0]["location"]["physicalLocation"]["region"] == {"startLine": 3}
    assert first["relatedLocations"][0]["physicalLocation"]["region"] == {"startLine": 31}
    assert "physicalLocation" not in bare["locations"][0]
    assert hostile["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a%2Cb%3Ac%25.py"
    assert known["suppressions"] == [{"kind": "external", "justification": "the vendor's"}]
    assert "suppressions" not in first
    notes = run["invocations"][0]["toolExecutionNotifications"]
    assert [note["level"] for note in notes] == ["error", "warning"]


def test_sarif_of_an_interrupted_or_empty_run_is_valid():
    """SARIF of an interrupted or empty run is valid."""
    log = json.loads(sarif.document([], ROOT, "1.2", complete=False))
    SARIF.validate(log)
    assert log["runs"][0]["invocations"][0]["executionSuccessful"] is False


def test_each_kind_has_a_rule():
    """Each kind has a rule."""
    assert tuple(RULES) == Kind.__args__


def test_code_quality_is_valid_and_leaves_known_findings_out():
    """Code quality is valid and leaves known findings out."""
    issues = json.loads(codequality.document([*CHECKS, CHECKS[0]], ROOT))
    CODE_QUALITY.validate(issues)
    assert [issue["fingerprint"] for issue in issues] == ["7c1e9a04", "00aa11bb", "11111111"]
    assert issues[0]["location"] == {"path": "app/we ather.py", "lines": {"begin": 40}}
    assert issues[1]["location"] == {"path": "app/weather.py", "lines": {"begin": 1}}


def test_annotations_are_one_line_each_and_cannot_be_forged():
    """Annotations are one line each and cannot be forged."""
    lines = list(github.commands(CHECKS, ROOT))
    assert len(lines) == 5
    assert lines[0].startswith(
        "::error title=app.weather leaks on reload,file=app/we ather.py,line=40::retained-"
    )
    assert lines[1].startswith(
        "::error title=app.weather leaks on reload::object-growth: each reload leaves 2.5 more%0A"
    )
    assert "file=a%2Cb%3Ac%25.py," in lines[2]
    for line in lines:
        assert "\n" not in line
    assert [line.partition(" ")[0] for line in lines] == [
        "::error",
        "::error",
        "::error",
        "::error",
        "::warning",
    ]


def test_the_summary_of_the_job_is_a_table_that_no_name_breaks():
    """The summary of the job is a table that no name breaks."""
    text = github.job_summary(CHECKS, ROOT)
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) == 3
    for row in rows:
        assert row.replace("\\|", "").count("|") == 5
        assert "<b>" not in row
    assert "5 checked, 1 leaking, 1 known, 1 errors, 1 inconclusive" in text


@pytest.mark.parametrize("many", [101, 250])
def test_the_summary_of_the_job_has_an_end(many):
    """The summary of the job has an end."""
    text = github.job_summary([check(*[FOUND] * many)], ROOT)
    assert f"{many - 100} more findings" in text


def test_counts_are_one_line():
    """Counts are one line."""
    assert counts.line(CHECKS) == "reload-leak: 5 checked, 1 leaking, 1 known, 1 errors, 1 inconclusive"
    assert counts.line([]) == "reload-leak: 0 checked, 0 leaking, 0 known, 0 errors, 0 inconclusive"

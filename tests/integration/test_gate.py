"""The gate as a team uses it: ignores, expectations, the baseline, and what is left when a run is cut short."""

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import CURED, LEAKY, assert_no_traceback, errors, target

from pytest_reloadleak.gate.baseline import parse

FAST = "--reload-leak-isolation=none"
LINE = "reload-leak: {} checked, {} leaking, {} known, {} errors, 0 inconclusive"


@pytest.fixture(autouse=True)
def no_service(monkeypatch):
    """The tests may themselves run on GitHub."""
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)


def leak_of(project):
    """The only finding of the only check of the last run."""
    (check,) = project.checks()
    (finding,) = check["findings"]
    return finding


def test_a_run_ends_with_a_line_of_counts(project):
    """A run ends with a line of counts."""
    project.write({"leaky.py": LEAKY, "cured.py": CURED})
    result = project.check(FAST, *target("leaky", "cured"))
    assert result.ret == 1
    assert result.outlines[-2] == LINE.format(2, 1, 0, 0)


@pytest.mark.parametrize("pattern", ["retained-generation:host.listeners[*]", "held:leaky.*", "*:host.*"])
def test_an_ignored_leak_passes(project, pattern):
    """An ignored leak passes."""
    project.write({"leaky.py": LEAKY})
    result = project.check(FAST, *target("leaky"), f"--reload-leak-ignore={pattern} # vendor")
    assert result.ret == 0
    assert leak_of(project)["known"] == "vendor"
    assert project.outcomes() == {"leaky": "known"}


def test_an_ignore_by_signature_or_in_the_ini_file_passes_too(project):
    """An ignore by signature or in the ini file passes too."""
    project.write({"leaky.py": LEAKY})
    assert project.check(FAST, *target("leaky")).ret == 1
    signature = leak_of(project)["signature"]
    assert project.check(FAST, *target("leaky"), f"--reload-leak-ignore={signature}").ret == 0
    ini = (
        f"[pytest]\npythonpath = .\nreload_leak_ignore =\n    {signature} # ticket 7\n    held:none.* # old\n"
    )
    project.write({"pytest.ini": ini})
    result = project.check(FAST, *target("leaky"))
    assert result.ret == 0
    assert leak_of(project)["known"] == "ticket 7"
    assert any(
        "reload_leak_ignore: held:none.* matched no finding of this run" in line for line in result.outlines
    )


def test_a_markers_ignore_that_matches_nothing_is_told_though_the_test_passes(project):
    """Nobody reads the notes of a test that passes."""
    ignores = '["retained-generation:host.* # vendor", "held:none.* # old"]'
    test = f"import pytest\n@pytest.mark.reloadable('leaky', ignore={ignores})\ndef test_it(reloaded): pass\n"
    project.write({"leaky.py": LEAKY, "test_it.py": test})
    result = project.check(FAST)
    assert result.ret == 0
    assert "test_it.py::test_it: ignore= held:none.* matched no finding; remove it" in result.outlines


def test_an_ini_line_without_a_reason_is_a_usage_error(project):
    """An ini line without a reason is a usage error."""
    project.write({"leaky.py": LEAKY, "pytest.ini": "[pytest]\nreload_leak_ignore = held:*\n"})
    result = project.check(FAST, *target("leaky"))
    assert result.ret == 4
    assert errors(result)[0].startswith("reload_leak_ignore: 'held:*' has no reason")
    assert_no_traceback(result)


MARKED = """
    import pytest

    @pytest.mark.reloadable("leaky", {keyword})
    def test_it(reloaded):
        pass
"""


@pytest.mark.parametrize(
    ("keyword", "status", "says"),
    [
        ("ignore={'held:leaky.*': 'why'}", 0, ""),
        ("ignore='held:other.*'", 1, "has no reason"),
        ("ignore={'held:other.*': 'why'}", 1, "host.listeners[*]"),
        ("expect='held:leaky.*'", 0, ""),
        ("expect='open-fd:*'", 1, "host.listeners[*]"),
        ("expect='opn-fd:*'", 1, "did you mean 'open-fd'?"),
    ],
)
def test_a_marker_takes_ignores_and_expectations(project, keyword, status, says):
    """A marker takes ignores and expectations."""
    project.write({"leaky.py": LEAKY, "test_it.py": MARKED.format(keyword=keyword)})
    result = project.check()
    assert result.ret == status
    assert says in result.stdout.str()
    assert_no_traceback(result)


def test_an_expected_leak_that_is_cured_fails(project):
    """An expected leak that is cured fails."""
    project.write({"leaky.py": CURED, "test_it.py": MARKED.format(keyword="expect='held:leaky.*'")})
    result = project.check()
    assert result.ret == 1
    assert "the expected leak held:leaky.* was not found" in result.stdout.str()


def test_calls_take_ignores_and_expectations(project):
    """Calls take ignores and expectations."""
    project.write(
        {
            "leaky.py": LEAKY,
            "test_it.py": """
                import pytest

                def test_calls(reload_leaks):
                    assert reload_leaks.check("leaky", ignore={"held:leaky.*": "why"}).outcome == "known"
                    assert reload_leaks.check("leaky", expect="held:leaky.*").outcome == "known"
                    assert reload_leaks.measure("leaky").outcome == "leaking"
                    with pytest.raises(ValueError, match="has no reason"):
                        reload_leaks.check("leaky", ignore=["held:leaky.*"])
            """,
        }
    )
    assert project.run().ret == 0


def test_report_only_prints_and_writes_but_fails_nothing(project):
    """Report only prints and writes but fails nothing."""
    project.write({"leaky.py": LEAKY})
    result = project.check(FAST, *target("leaky"), "--reload-leak-report-only")
    assert result.ret == 0
    assert "host.listeners[*]" in result.stdout.str()
    assert project.outcomes() == {"leaky": "leaking"}


def test_a_teams_life_with_a_baseline(project, monkeypatch):
    """A team's life with a baseline."""
    other = LEAKY.replace(
        "host.listeners.append(on_event)", "host.listeners.append(on_event); host.more = []"
    )
    names = ("one", "two", "three")
    project.write({f"{name}.py": LEAKY for name in names})
    path = project.path / "leaks.toml"
    gate = [FAST, f"--reload-leak-baseline={path}"]
    update = [*gate, "--reload-leak-update-baseline"]

    result = project.check(*gate, *target(*names))  # before adoption: there is no file yet
    assert result.ret == 4
    assert "write it with --reload-leak-update-baseline" in errors(result)[0]

    assert project.check(*update, *target(*names)).ret == 0  # adopts the gate
    entries = parse(path.read_text(), "").entries
    assert [entry.target for entry in entries] == ["one", "three", "two"]
    path.write_text(path.read_text().replace('reason = ""', 'reason = "ticket 9"', 1))
    assert project.check(*gate, *target(*names)).outlines[-2] == LINE.format(3, 0, 3, 0)

    project.write({"four.py": other})  # a new leak fails, the known ones do not
    result = project.check(*gate, *target(*names, "four"))
    assert result.ret == 1
    assert result.outlines[-2] == LINE.format(4, 1, 3, 0)

    project.write({"four.py": CURED, "two.py": CURED})  # one is fixed: reported, and strict fails
    result = project.check(*gate, *target(*names, "four"))
    assert result.ret == 0
    assert any(
        line.startswith("fixed, remove it from the baseline") and "two" in line for line in result.outlines
    )
    assert project.check(*gate, "--reload-leak-strict-baseline", *target(*names)).ret == 1

    before = path.read_text()
    result = project.check(*update, *target("one"))  # a part of the project must not drop the others
    assert result.ret == 4
    assert path.read_text() == before
    assert "did not judge: three, two" in result.stdout.str()

    (project.path / "one.py").rename(project.path / "uno.py")  # renames a module
    result = project.check(*gate, *target("uno", "two", "three"))
    assert result.ret == 1
    assert "names a target that no longer exists" in result.stdout.str()
    result = project.check(*update, *target("uno", "two", "three"))
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "baseline leaks.toml: 2 known, 0 added, 1 renamed, 1 removed",
            "  renamed from one, reason and day are kept: uno: * holds uno.on_event (*)",
            "  removed, it is fixed: two: *",
        ]
    )
    result.stdout.no_fnmatch_line("*give it a reason*")
    entries = parse(path.read_text(), "").entries
    assert [(entry.target, entry.reason) for entry in entries] == [("three", ""), ("uno", "ticket 9")]

    monkeypatch.setenv("CI", "true")
    before = path.read_text()
    result = project.check(*update, *target("uno"))
    assert result.ret == 4
    assert "the environment variable CI is set" in errors(result)[0]
    assert path.read_text() == before


def test_a_broken_baseline_is_never_overwritten(project):
    """A broken baseline is never overwritten."""
    project.write({"leaky.py": LEAKY, "b.toml": "[[findings"})
    for more in ([], ["--reload-leak-update-baseline"]):
        result = project.check(FAST, *target("leaky"), "--reload-leak-baseline=b.toml", *more)
        assert result.ret == 4
        assert "is not valid TOML" in errors(result)[0]
    assert (project.path / "b.toml").read_text() == "[[findings"


@pytest.mark.parametrize("option", ["update", "strict"])
def test_a_baseline_option_without_a_baseline_is_a_usage_error(project, option):
    """A baseline option without a baseline is a usage error."""
    result = project.check(f"--reload-leak-{option}-baseline")
    assert result.ret == 4
    assert f"--reload-leak-{option}-baseline needs a baseline" in errors(result)[0]


def test_annotations_and_summary_appear_on_github(project, monkeypatch):
    """Annotations and summary appear on GitHub."""
    project.write({"leaky.py": LEAKY})
    summary = project.path / "summary.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    result = project.check(FAST, *target("leaky"))
    assert any(
        line.startswith("::error title=leaky leaks on reload,file=leaky.py,") for line in result.outlines
    )
    assert "| `leaky` |" in summary.read_text()
    result = project.check(FAST, *target("leaky"), "--reload-leak-annotations=none")
    assert "::error" not in result.stdout.str()


@pytest.mark.parametrize("place", [".", "gone/summary.md"], ids=["a folder", "in no folder"])
def test_a_summary_that_cannot_be_written_is_one_line(place, project, monkeypatch):
    """The verdict stands: the summary repeats what the log has."""
    project.write({"cured.py": CURED})
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.path / place))

    result = project.check(FAST, *target("cured"))

    assert result.ret == 0
    assert (
        len([line for line in result.outlines if line.startswith("GITHUB_STEP_SUMMARY: cannot write")]) == 1
    )
    assert result.outlines[-2] == LINE.format(1, 0, 0, 0)


@pytest.mark.parametrize("name", ["json", "sarif", "codequality"])
def test_reports_are_written_whole_or_not_at_all(project, name):
    """Reports are written whole or not at all."""
    project.write({"leaky.py": LEAKY, "old": "old"})
    link = project.path / "link"
    link.symlink_to(project.path / "real")
    result = project.check(FAST, *target("leaky"), f"--reload-leak-{name}={link}")
    assert result.ret == 1
    assert link.is_symlink()
    json.loads((project.path / "real").read_text())
    result = project.check(FAST, f"--reload-leak-{name}={project.path}")
    assert result.ret == 4
    assert "Is a directory" in errors(result)[0]
    result = project.check(FAST, f"--reload-leak-{name}={project.path}/none/x")
    assert result.ret == 4
    assert "name a file in an existing directory" in errors(result)[0]


def test_a_full_disk_costs_no_finding_and_no_earlier_report(project, monkeypatch):
    """A full disk lets the write fail: findings are printed, and the earlier report stays."""

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    project.write({"leaky.py": LEAKY, "report.json": "old"})
    monkeypatch.setattr(os, "fsync", full)
    result = project.check(FAST, *target("leaky"))
    assert result.ret == 1
    assert "host.listeners[*]" in result.stdout.str()
    assert "--reload-leak-json: could not write" in result.stdout.str()
    assert (project.path / "report.json").read_text() == "old"
    assert_no_traceback(result)
    assert not [name for name in os.listdir(project.path) if name.startswith(".report")]


def test_a_report_that_cannot_be_written_fails_the_run(project, monkeypatch):
    """A run that passed, but has no report, has failed: who reads the report would read the earlier one."""
    project.write({"cured.py": CURED, "report.json": "old"})
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(PermissionError(13, "denied")))
    assert project.check(FAST, *target("cured")).ret == 1


def test_an_interrupted_run_says_that_it_is_incomplete(project):
    """An interrupted run says that it is incomplete."""
    project.write({"one.py": LEAKY, "two.py": CURED})
    result = project.check(FAST, *target("one", "two"), "-x")
    assert result.ret == 1
    document = json.loads(project.report.read_text())
    assert (document["complete"], document["collected"], len(document["checks"])) == (False, 2, 1)
    project.check(FAST, *target("one", "two"))
    document = json.loads(project.report.read_text())
    assert (document["complete"], document["collected"], len(document["checks"])) == (True, 2, 2)
    assert document["environment"]["options"]["--reload-leak-target"] == ["one", "two"]
    assert document["environment"]["pytest"] == pytest.__version__


def test_an_item_that_ends_without_a_verdict_has_an_entry(project):
    """An item that ends without a verdict has an entry."""
    project.write(
        {
            "leaky.py": LEAKY,
            "conftest.py": """
                import pytest
                @pytest.hookimpl(tryfirst=True)
                def pytest_runtest_setup(item):
                    raise OSError("no database")
            """,
        }
    )
    result = project.check(FAST, *target("leaky"))
    assert result.ret == 1
    (check,) = project.checks()
    assert check["outcome"] == "error"
    assert "no database" in check["reason"]
    assert result.outlines[-2] == LINE.format(1, 0, 0, 1)


MARKS = {
    "": "decache",
    ", strategy='cascade'": "cascade",
    ", strategy='all'": "decache",
    ", reload=print": "callable",
}


@pytest.mark.parametrize("keyword", MARKS)
def test_a_marked_test_that_ends_without_a_verdict_has_its_strategy(project, keyword):
    """That of the marker, or else of the run."""
    test = f"import pytest\n\n@pytest.mark.reloadable('cured'{keyword})\ndef test_it(missing): pass\n"
    project.write({"cured.py": CURED, "test_it.py": test})
    project.check("--reload-leak-strategy=decache")
    assert [(check["outcome"], check["strategy"]) for check in project.checks()] == [
        ("error", MARKS[keyword])
    ]


def test_an_item_of_a_killed_xdist_worker_has_an_entry(project):
    """An item of a killed xdist worker has an entry."""
    project.write(
        {"one.py": CURED, "two.py": CURED, "killer.py": "import os, signal\nos.kill(os.getpid(), 9)\n"}
    )
    result = project.check_apart(FAST, *target("one", "two", "killer"), "-n2", plugins=("xdist",))
    assert result.ret == 1
    assert project.outcomes() == {"one": "clean", "two": "clean", "killer": "error"}


CI = Path(__file__).parents[2] / "docs" / "ci.md"
COMMANDS = [
    line.partition("pytest ")[2]
    for line in re.findall(r"(?:run|entry|-): pytest .*|- pytest .*", CI.read_text())
]


def test_the_page_on_ci_has_commands():
    """The next test finds the page's commands: one for each of the three services."""
    assert len(COMMANDS) == 3


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_of_the_page_on_ci_work(project, command):
    """Each command passes on a project whose leaks are in the baseline, and fails on a new one."""
    ini = "[pytest]\npythonpath = .\nreload_leak_targets = leaky cured\nreload_leak_isolation = none\n"
    project.write(
        {"leaky.py": LEAKY, "cured.py": CURED, "pytest.ini": ini.replace("leaky cured", "\n  leaky\n  cured")}
    )
    words = command.split()
    assert project.run(*words, "--reload-leak-update-baseline").ret == 0
    assert project.run(*words).ret == 0
    project.write({"cured.py": LEAKY})
    assert project.run(*words).ret == 1


def test_the_script_of_the_page_on_ci_reads_the_report(project):
    """The page's script accepts a complete clean report, and neither a leaking nor an interrupted one."""
    (script,) = re.findall(r"```python\n(.*?)```", CI.read_text(), re.DOTALL)
    project.write({"script.py": script, "leaky.py": LEAKY, "cured.py": CURED})
    report = project.path / "reload-leaks-report.json"

    def status(*arguments):
        project.check(FAST, *arguments, f"--reload-leak-json={report}")
        return subprocess.run([sys.executable, "script.py"], cwd=project.path, check=False).returncode

    assert status(*target("cured")) == 0
    assert status(*target("leaky")) == 1
    assert status(*target("cured", "leaky"), "-x", "--deselect=reload-leak::leaky[reimport]") == 0
    report.write_text(report.read_text().replace('"complete": true', '"complete": false'))
    assert subprocess.run([sys.executable, "script.py"], cwd=project.path, check=False).returncode == 1

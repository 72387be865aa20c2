"""The reloadability audit: one row a target, one column a strategy, and what to use."""

from __future__ import annotations

import json

import pytest
from support import CURED, LEAKY

from pytest_reloadleak.report.audit import audit, table, verdict
from pytest_reloadleak.settings import STRATEGIES
from pytest_reloadleak.verdict.known import BY_DESIGN

APP = {
    "conftest.py": "",
    "app/__init__.py": "",
    "app/config.py": "TABLE = {}\n",
    "app/db.py": "from app.config import TABLE\n\ndef get(): return TABLE\n",
    "tests/test_app.py": "import app.db\n\ndef test_app(): assert app.db.get() == {}\n",
}


def audited(project, *arguments):
    """Run pytest with all strategies; returns its result and the rows of the audit by target."""
    result = project.run("--reload-leak-check", "--reload-leak-strategy=all", *arguments)
    rows = json.loads(project.report.read_text())["audit"]
    return result, {row["target"]: row for row in rows}


def alias_findings(project):
    """Kind and reason of each finding that the strategy `alias` gave."""
    (check,) = (check for check in project.checks() if check["strategy"] == "alias")
    return {finding["kind"]: finding["known"] for finding in check["findings"]}


def verdicts(row):
    """The words of a row."""
    return {name: cell["verdict"] for name, cell in row["strategies"].items()}


def test_each_strategy_has_a_verdict_and_the_cheapest_safe_one_is_told(project):
    """An importer that binds data is stale but where it is reloaded as well."""
    project.write(APP)

    result, rows = audited(project, "--reload-leak-target=app.config", "tests")

    row = rows["app.config"]
    assert verdicts(row) == {
        "reload": "bounded",
        "decache": "bounded",
        "reimport": "bounded",
        "cascade": "clean",
        "alias": "growing",
        "worker": "clean",
    }
    assert (row["safe"], row["advice"]) == ("cascade", "use cascade")
    result.stdout.fnmatch_lines(
        [
            "*= reloadability =*",
            "target      reload   decache  reimport  cascade  alias    worker",
            "app.config  bounded  bounded  bounded   clean    growing  clean",
            "  use cascade (* ms per reload)",
            "  reload, decache, reimport: stale-reference: app.db.TABLE holds app.config.TABLE",
            "  alias: by design, each reload leaves one more module in sys.modules",
        ]
    )
    result.assert_outcomes(failed=3, passed=4)
    assert result.outlines[-2] == "reload-leak: 6 checked, 3 leaking, 1 known, 0 errors, 0 inconclusive"


def test_a_clean_target_passes_under_every_strategy(project):
    """What `alias` leaves is known: the items, the counts and the exit status agree, and the table says `growing`."""
    project.write({"plugin.py": CURED, "test_it.py": "def test_it(): pass"})

    result, rows = audited(project, "--reload-leak-target=plugin")

    result.assert_outcomes(passed=7)
    assert result.ret == 0
    assert result.outlines[-2] == "reload-leak: 6 checked, 0 leaking, 1 known, 0 errors, 0 inconclusive"
    assert rows["plugin"]["safe"] == "reload"
    assert verdicts(rows["plugin"])["alias"] == "growing"
    assert alias_findings(project) == {"registration": BY_DESIGN}


def test_a_leak_that_alias_finds_beside_its_own_still_fails(project):
    """The table names the leak that can be cured."""
    project.write({"plugin.py": LEAKY, "test_it.py": "def test_it(): pass"})

    result, rows = audited(project, "--reload-leak-target=plugin", "-k", "alias")

    result.assert_outcomes(failed=1, deselected=6)
    assert result.outlines[-2] == "reload-leak: 1 checked, 1 leaking, 0 known, 0 errors, 0 inconclusive"
    assert rows["plugin"]["strategies"]["alias"]["reason"].startswith(
        "retained-generation: host.listeners[*]"
    )
    assert alias_findings(project) == {"registration": BY_DESIGN, "retained-generation": None}


def test_alias_alone_fails_for_what_it_leaves(project):
    """Who names the strategy asks whether it leaks. The failure and the end of the session say what."""
    project.write({"plugin.py": CURED, "test_it.py": "def test_it(): pass"})

    result = project.run("--reload-leak-check", "--reload-leak-strategy=alias", "--reload-leak-target=plugin")

    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(
        [
            "plugin (alias) leaks on reload: 4 old generations *",
            "leaks      plugin: sys.modules[[]*] stays loaded *",
            "reload-leak: 1 checked, 1 leaking, 0 known, *",
        ]
    )
    assert alias_findings(project) == {"registration": None}


def test_an_update_of_the_baseline_leaves_out_what_alias_does_by_design(project):
    """Else each target would have an entry that nobody can cure."""
    project.write({"plugin.py": CURED, "test_it.py": "def test_it(): pass"})

    result, _ = audited(
        project,
        "--reload-leak-target=plugin",
        "--reload-leak-baseline=known.toml",
        "--reload-leak-update-baseline",
    )

    assert result.ret == 0
    result.stdout.fnmatch_lines(["baseline known.toml: 0 known, 0 added, 0 removed"])


def test_the_same_audit_under_xdist(project):
    """Rows come together from all workers."""
    project.write({"plugin.py": LEAKY, "test_it.py": "def test_it(): pass"})

    result, rows = audited(project, "--reload-leak-target=plugin", "-p", "xdist", "-n", "2")

    assert set(verdicts(rows["plugin"])) == set(STRATEGIES)
    assert rows["plugin"]["safe"] == "worker"
    result.stdout.fnmatch_lines(["*reload, decache, reimport, cascade: retained-generation: host.listeners*"])


def test_what_does_not_apply_is_said(project):
    """A namespace package has no file that could be loaded under another name."""
    project.write({"space/inner.py": "x = []\n\ndef f(): pass\n", "test_it.py": "def test_it(): pass"})

    result, rows = audited(project, "--reload-leak-target=space")

    cell = rows["space"]["strategies"]["alias"]
    assert cell["verdict"] == "not applicable"
    assert "no file of its own" in cell["reason"]
    assert result.parseoutcomes()["skipped"] == 1


def test_a_marker_may_ask_for_all(project):
    """Then the body runs under each strategy, and each is an entry of the report."""
    project.write(
        {
            "plugin.py": CURED,
            "test_it.py": """
                import pytest

                @pytest.mark.reloadable("plugin", strategy="all", rounds=2)
                def test_it(reloaded):
                    assert reloaded.on_event() == "event"
            """,
        }
    )

    result = project.run("--reload-leak-check")

    result.assert_outcomes(passed=1)
    assert [check["strategy"] for check in project.checks()] == list(STRATEGIES)
    assert alias_findings(project) == {"registration": BY_DESIGN}


# -- pure functions ---------------------------------------------------------------------------------------------------


def check(strategy, outcome="clean", growth=(), **more):
    """An entry of the JSON report's `checks`, as far as an audit reads it."""
    findings = [
        {
            "kind": "retained-generation",
            "growth": g,
            "registry": None,
            "holder": {"path": "host.kept[*]"},
            "held": {"name": "t.f"},
        }
        for g in growth
    ]
    entry = {
        "target": "t",
        "strategy": strategy,
        "outcome": outcome,
        "reason": "because",
        "findings": findings,
    }
    return {**entry, "rounds": 5, "warmup": 1, "reload_s": 0.06, **more}


@pytest.mark.parametrize(
    ("entry", "word"),
    [
        (check("reload"), "clean"),
        (check("reload", "known", ["growing"]), "clean"),
        (check("reload", "leaking", ["bounded"]), "bounded"),
        (check("reload", "leaking", ["bounded", "growing"]), "growing"),
        (check("reload", "error"), "error"),
        (check("reload", "inconclusive"), "inconclusive"),
    ],
)
def test_the_verdict_is_one_word(entry, word):
    """Growing if anything grows."""
    assert verdict(entry) == word


def test_what_alias_leaves_is_growing_though_it_is_known():
    """Its item passes, but the strategy is never the one to use."""
    left = {"kind": "registration", "growth": "growing", "registry": "sys.modules", "held": None}
    left |= {"holder": {"path": "sys.modules[*]"}, "known": BY_DESIGN}
    (row,) = audit([check("alias", "known", findings=[left])])

    assert verdicts(row) == {"alias": "growing"}
    assert row["safe"] is None
    assert row["strategies"]["alias"]["reason"] == BY_DESIGN


def test_where_nothing_is_safe_the_process_has_to_be_restarted():
    """With what stands in the way of the least bad strategy."""
    (row,) = audit([check("reload", "error"), check("reimport", "leaking", ["growing", "growing"])])

    assert row["safe"] is None
    why = "retained-generation: host.kept[*] holds t.f, and 1 more"
    assert row["advice"] == f"no strategy is safe; restart the process: {why}"


def test_a_check_that_made_no_reload_has_no_time():
    """As where the setup of an item failed."""
    (row,) = audit([check("reload", "error", rounds=0, warmup=0, reload_s=0.0)])

    assert row["strategies"]["reload"]["reload_s"] is None
    assert any("error" in line for line in table([row]))


def test_where_only_processes_are_safe_the_leaks_may_be_fixed_instead():
    """A leak of one line is no reason to start a process per reload."""
    (row,) = audit([check("worker"), check("reimport", "leaking", ["growing"])])

    assert (row["safe"], row["advice"]) == ("worker", "use worker, or fix what the others leak")


def test_the_cheapest_is_told_whatever_the_order_of_the_checks():
    """From cheap to dear, by what a strategy does; a time is told, and decides nothing."""
    slow = check("reimport", reload_s=6.0)
    (row,) = audit([check("worker"), slow, check("cascade"), check("reload", "leaking", ["growing"])])

    assert row["safe"] == "reimport"
    assert list(row["strategies"]) == ["reload", "reimport", "cascade", "worker"]
    assert "  use reimport (1000.0 ms per reload)" in list(table([row]))


def test_targets_are_sorted_and_columns_aligned():
    """One line a target, then what to do and why."""
    rows = audit(
        [check("reload", target="zeta"), check("reload", "leaking", ["bounded"], target="alpha.long")]
    )

    assert list(table(rows)) == [
        "target      reload",
        "alpha.long  bounded",
        "  no strategy is safe; restart the process: retained-generation: host.kept[*] holds t.f",
        "  reload: retained-generation: host.kept[*] holds t.f",
        "zeta        clean",
        "  use reload (10.0 ms per reload)",
    ]

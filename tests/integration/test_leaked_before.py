"""What a check left once is still there when the same target is checked again, and is found again."""

import textwrap

import pytest

ONCE = """
    import host

    def handler(): pass

    if not hasattr(host, "quiet"):
        host.__dict__.setdefault("table", {}).setdefault("handler", handler)
"""
MARKED = """
    import pytest

    @pytest.mark.reloadable("once")
    def test_marked(reloaded): pass
"""
FIXTURE = "def test_fixture(reload_leaks): reload_leaks.check('once')\n"
RERUNS = """
    import pytest
    from _pytest.runner import runtestprotocol

    def pytest_runtest_protocol(item, nextitem):
        if "test_" not in item.name:
            return None
        for attempt in (1, 2, 3):
            reports = runtestprotocol(item, nextitem=nextitem, log=False)
            if attempt < 3:
                for report in reports:
                    if report.failed:
                        report.outcome = "rerun"
            for report in reports:
                item.ihook.pytest_runtest_logreport(report=report)
            if not any(report.outcome == "rerun" for report in reports):
                return True
        return True
"""
"""What pytest-rerunfailures does, without its waiting and its database."""


@pytest.fixture
def once(project):
    """A target that leaves one function behind, in whatever number of reloads."""
    project.write({"once.py": ONCE})
    return project


@pytest.mark.parametrize("test", [MARKED, FIXTURE], ids=["mark", "fixture"])
def test_a_bounded_leak_fails_on_each_rerun(once, test):
    """The same finding with the same signature, and one entry for the item with the number of attempts."""
    once.write({"test_it.py": test, "reruns.py": RERUNS})
    result = once.check_apart("-p", "reruns", "test_it.py")

    assert result.ret == 1
    (check,) = once.checks()
    assert check["outcome"] == "leaking"
    assert check["attempts"] == 3
    assert [finding["holder"]["path"] for finding in check["findings"]] == ["host.table['handler']"]


QUIET = """
    from _pytest import runner

    def pytest_runtest_protocol(item, nextitem):
        for log in (False, True):
            runner.runtestprotocol(item, nextitem=nextitem, log=log)
        return True
"""
"""What flaky does: it runs a test twice, and reports the second run only."""


def test_runs_that_a_plugin_does_not_report_are_attempts_too(once):
    """The item counts them."""
    once.write({"test_it.py": MARKED, "quiet.py": QUIET})
    once.check_apart("-p", "quiet", "test_it.py")

    (check,) = once.checks()
    assert (check["outcome"], check["attempts"]) == ("leaking", 2)


def test_two_tests_of_one_target_fail_both(once):
    """The second one says which check found it first."""
    once.write({"test_it.py": MARKED, "test_then.py": FIXTURE})
    once.check_apart("test_it.py", "test_then.py").assert_outcomes(failed=2)

    first, second = once.checks()
    assert first["findings"][0]["signature"] == second["findings"][0]["signature"]
    assert any(
        "left by an earlier check of this process (test_it.py::test_marked)" in n for n in second["notes"]
    )
    assert "attempts" not in first


CURES = {
    "host.quiet = host.table.clear()": True,
    "once.write_text(once.read_text().replace('not hasattr', 'hasattr'))": True,
    "host.quiet = True": False,
}


@pytest.mark.parametrize(
    ("cure", "is_cured"), CURES.items(), ids=["removed", "edited", "no more, but still there"]
)
def test_what_is_gone_is_not_held_against_the_next_check(once, cure, is_cured):
    """Removed in between, or mended in the source; otherwise it is still there."""
    once.write(
        {
            "test_it.py": f"""
                import pathlib, host
                once = pathlib.Path("once.py")

                def test_it(reload_leaks):
                    assert reload_leaks.measure("once").outcome == "leaking"
                    {cure}
                    assert reload_leaks.measure("once").outcome == "{"clean" if is_cured else "leaking"}"
            """
        }
    )
    once.spawn("test_it.py").assert_outcomes(passed=1)


def test_another_file_of_the_same_name_is_another_target(once):
    """Tests of a host write their plugins into folders of their own, often under one name."""
    once.write(
        {
            "elsewhere/once.py": "def handler(): pass\n",
            "test_it.py": """
                def test_it(reload_leaks, monkeypatch):
                    assert reload_leaks.measure("once").outcome == "leaking"
                    with monkeypatch.context() as patch:
                        patch.syspath_prepend("elsewhere")
                        assert reload_leaks.measure("once").outcome == "clean"
                    assert reload_leaks.measure("once").outcome == "leaking"
            """,
        }
    )
    once.spawn("test_it.py").assert_outcomes(passed=1)


def test_other_strategies_and_targets_are_judged_by_themselves(once):
    """The memory is of one target under one strategy."""
    once.write(
        {
            "other.py": textwrap.dedent(ONCE).replace("table", "others"),
            "test_it.py": """
                def test_it(reload_leaks):
                    assert reload_leaks.measure("once").outcome == "leaking"
                    assert reload_leaks.measure("once", strategy="reload").outcome == "clean"
                    assert reload_leaks.measure("host").outcome == "clean"
            """,
        }
    )
    once.spawn("test_it.py").assert_outcomes(passed=1)

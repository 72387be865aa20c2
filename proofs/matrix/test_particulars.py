"""What single plugins and options do with the checks: selection, order, repetition, and reports of their own."""

import json
import re
from collections import Counter

import pytest
from gated import ALL, CALLED, ITEMS, MARKED, PLAIN, assert_whole, expected, verdict

SHORT = (
    "test_collecting_runs_nothing",
    "test_pytest_main_twice",
    "--lf",
    "--force-flaky-flaky.flaky_pytest_plugin",
    "-x-1-xdist",
    "xdist",
)
"""What a short run has of these."""

LEAKY = [nodeid for nodeid in ALL if "leaky" in nodeid]


def ran(result):
    """The tests of a run with `-v`, in their order."""
    lines = (
        re.match(r"(?:\[gw\d+\] )?(\S+) +(PASSED|FAILED|SKIPPED|RERUN)", line) for line in result.outlines
    )
    return [line[1] for line in lines if line]


@pytest.mark.parametrize("option", ["--lf", "--ff"])
def test_failed_checks_come_again_first_or_alone(gated, option):
    """`--lf` runs the checks that failed, `--ff` runs them first."""
    gated.gate()

    result = gated.gate(option, "-v")

    assert_whole(result)
    assert set(ran(result)[:3]) == set(LEAKY)
    assert gated.verdicts() == expected(*(LEAKY if option == "--lf" else ALL))


def test_stepwise_stops_at_a_leak_and_goes_on_from_there(gated):
    """`--sw` begins with the check that failed last."""
    first = ran(gated.gate("--sw", "-v"))[-1]
    assert first in LEAKY
    assert not json.loads(gated.report.read_text())["complete"]

    again = gated.gate("--sw", "--sw-skip", "-v")

    assert ran(again)[0] == first
    assert ran(again)[-1] in set(LEAKY) - {first}
    assert_whole(again)


@pytest.mark.parametrize(("option", "failed"), [("-x", 1), ("--maxfail=2", 2)])
@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "xdist"])
def test_a_run_that_stops_early_says_so(gated, option, failed, workers):
    """The report has what was checked until then, and is not complete."""
    result = gated.gate(option, *workers, plugins=("xdist",) if workers else ())

    report = json.loads(gated.report.read_text())
    assert_whole(result)
    assert sum(check["outcome"] == "leaking" for check in report["checks"]) >= failed
    assert report["complete"] == ({check["nodeid"] for check in report["checks"]} == set(ALL))
    assert report["collected"] == len(ALL) - len(CALLED)


@pytest.mark.parametrize("verbosity", ["-q", "-qq", "-v"])
def test_collecting_runs_nothing(gated, verbosity):
    """`--collect-only` lists the items of targets beside the tests."""
    result = gated.gate("--collect-only", verbosity)

    assert_whole(result)
    assert result.ret == 0
    if verbosity == "-q":
        assert [line for line in result.outlines if "::" in line] == [
            *MARKED[::-1],
            *CALLED[::-1],
            PLAIN,
            *ITEMS[::-1],
        ]
    report = json.loads(gated.report.read_text())
    assert not report["checks"]
    assert not report["complete"]


@pytest.mark.parametrize(
    ("option", "plugin"),
    [("--reruns=1", "pytest_rerunfailures"), ("--force-flaky", "flaky.flaky_pytest_plugin")],
)
def test_a_rerun_turns_no_leak_clean(gated, option, plugin):
    """Each check that failed ran twice, is one entry, and says so."""
    pytest.importorskip(plugin.partition(".")[0])
    gated.gate(option, plugins=(plugin,))

    assert gated.verdicts() == expected(*ALL)
    attempts = {check["nodeid"]: check.get("attempts", 1) for check in gated.checks()}
    assert len(gated.checks()) == len(ALL)
    assert attempts == {nodeid: 2 if "leaky" in nodeid else 1 for nodeid in ALL}


def test_each_process_checks_all_with_dist_each(gated):
    """With `--dist=each` each process of xdist has a verdict of its own."""
    gated.gate("--dist=each", "--tx=2*popen", plugins=("xdist",))

    found = Counter((check["nodeid"], check["outcome"]) for check in gated.checks())
    assert found == {(nodeid, verdict(nodeid)[0]): 2 for nodeid in ALL}


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "xdist"])
def test_lines_of_targets_are_counted(gated, workers):
    """pytest-cov counts the lines that run in workers."""
    pytest.importorskip("pytest_cov")
    plugins = ("pytest_cov", *(("xdist",) if workers else ()))
    result = gated.gate("--cov=app", *workers, plugins=plugins)

    covered = {line.split()[0]: line.split()[3] for line in result.outlines if line.startswith("app/")}
    assert len(covered) == 7
    assert covered["app/item_fine.py"] == covered["app/item_leaky.py"] == "75%"
    assert covered["app/marked_leaky.py"] == "100%"


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "xdist"])
def test_the_page_of_pytest_html_has_findings_and_graphs(gated, workers):
    """Each leak is in the page with its text and its graph."""
    pytest.importorskip("pytest_html")
    plugins = ("pytest_metadata.plugin", "pytest_html.plugin", *(("xdist",) if workers else ()))
    result = gated.gate("--html=report.html", "--self-contained-html", *workers, plugins=plugins)

    assert_whole(result)
    data = re.search(r'data-jsonblob="([^"]*)"', (gated.path / "report.html").read_text())[1]
    tests = json.loads(data.replace("&#34;", '"').replace("&#39;", "'").replace("&amp;", "&"))["tests"]
    for nodeid in LEAKY:
        one = tests[nodeid][-1]
        assert "host.listeners[*]" in one["log"]
        assert [extra["name"].partition(" ")[0] for extra in one["extras"]] == ["graph"]
    assert not [extra for nodeid in set(ALL) - set(LEAKY) for extra in tests[nodeid][-1]["extras"]]


def test_groups_of_pytest_split_have_each_check_once(gated):
    """Two groups together are the whole run, also for items, which come last."""
    pytest.importorskip("pytest_split")
    found = {}
    for group in ("1", "2"):
        gated.gate("--splits=2", f"--group={group}", plugins=("pytest_split.plugin",))
        part = gated.verdicts()
        assert not part.keys() & found.keys()
        found |= part

    assert found == expected(*ALL)


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "xdist"])
def test_testmon_runs_an_item_again_whose_files_have_changed(gated, workers):
    """The item that leaks is run each time, the clean one when its own file or that of its host has changed."""
    pytest.importorskip("testmon")
    plugins = ("testmon.pytest_testmon", *(("xdist",) if workers else ()))

    def checked():
        gated.gate("--testmon", *workers, plugins=plugins)
        return {nodeid for nodeid in gated.verdicts() if nodeid in ITEMS}

    fine, leaky = ITEMS
    assert checked() == {fine, leaky}
    assert checked() == {leaky}
    for name in ("app/item_fine.py", "host.py"):
        file = gated.path / name
        file.write_text(f"{file.read_text()}\nMORE = 1\n")
        assert checked() == {fine, leaky}


def test_benchmarks_alone_skip_the_checks(gated):
    """`--benchmark-only` skips what is no benchmark, items as well."""
    pytest.importorskip("pytest_benchmark")
    result = gated.gate("--benchmark-only", plugins=("pytest_benchmark.plugin",))

    assert_whole(result)
    result.assert_outcomes(skipped=7)
    assert not gated.checks()


def test_allure_has_each_failure(gated):
    """The results of allure have one file per test, with the text of the leak."""
    pytest.importorskip("allure_pytest")
    gated.gate("--alluredir=allure", plugins=("allure_pytest.plugin",))

    found = [json.loads(path.read_text()) for path in (gated.path / "allure").glob("*-result.json")]
    assert Counter(one["status"] == "passed" for one in found) == {True: 4, False: 3}
    for one in found:
        if one["status"] != "passed":
            assert "leaks" in one["statusDetails"]["message"]


def test_a_limit_of_pytest_timeout_ends_an_item(gated):
    """The item fails by the plugin's limit, the others go on, and the report has an entry for it."""
    pytest.importorskip("pytest_timeout")
    gated.write({"app/item_fine.py": "while True: pass\n"})
    result = gated.gate("--timeout=8", "-k", "item", plugins=("pytest_timeout",))

    outcomes = {check["nodeid"]: check["outcome"] for check in gated.checks()}
    assert "INTERNALERROR" not in result.stdout.str()
    assert outcomes == dict(zip(ITEMS, ("error", "leaking"), strict=True))


def test_order_marks_and_sugar_take_items(gated):
    """Items have no function, but a place among those that have one."""
    pytest.importorskip("pytest_order")
    gated.write(
        {
            "tests/test_plain.py": "import pytest\n\n@pytest.mark.order('last')\ndef test_plain(): pass\n",
        }
    )
    result = gated.gate("-v", plugins=("pytest_order",))

    assert ran(result)[-1] == PLAIN
    assert gated.verdicts() == expected(*ALL)


OPTIONS = ["-preloadleak", "--reload-leak-check", "--reload-leak-rounds=2", "-pno:cacheprovider", "-q"]
NAMES = ["--reload-leak-target=app.item_leaky", "--reload-leak-target=app.item_fine"]


def test_python_m_pytest_from_a_sub_directory(gated):
    """`python -m pytest` in a directory of tests checks the same, by the same node ids."""
    command = [
        "-m",
        "pytest",
        f"--reload-leak-json={gated.report}",
        *OPTIONS,
        *NAMES,
        "--rootdir",
        str(gated.path),
    ]
    done = gated.python(*command, "tests")
    assert done.returncode == 1, done.stderr
    assert gated.verdicts() == expected(*ALL)

    gated.report.unlink()
    gated.python(*command, "-c", "pytest.ini", "tests/deep")
    assert gated.verdicts() == expected(*ITEMS, *MARKED)


def test_pytest_main_twice(gated):
    """The second run in one process has the verdicts of the first."""
    command = [f"--reload-leak-json={gated.report}", *OPTIONS, *NAMES]
    copied = f"open(f'{{run}}.json', 'w').write(open({str(gated.report)!r}).read())"
    program = f"import pytest\nfor run in (1, 2):\n    pytest.main({command!r})\n    {copied}"
    done = gated.python("-c", program)
    assert not done.stderr

    for run in ("1", "2"):
        gated.report.write_text((gated.path / f"{run}.json").read_text())
        assert gated.verdicts() == expected(*ALL)

"""Each plugin and each option leaves every verdict as it is in a plain run."""

from dataclasses import dataclass
from importlib.util import find_spec

import pytest
from gated import ALL, CALLED, ITEMS, MARKED, assert_whole, expected


@dataclass(frozen=True)
class Combination:
    """Options of pytest, the plugins that they belong to, and the tests that run."""

    name: str
    options: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    runs: tuple[str, ...] = ALL


LEAKY = tuple(nodeid for nodeid in ALL if "leaky" in nodeid)
FINE = tuple(nodeid for nodeid in ALL if "fine" in nodeid)
NODEIDS = (ITEMS[1], MARKED[1], CALLED[0])

OPTIONS = (
    Combination("nothing"),
    Combination("-k", ("-k", "leaky"), runs=LEAKY),
    Combination("-k not", ("-k", "not leaky"), runs=FINE),
    Combination("-m", ("-m", "reloadable"), runs=(*ITEMS, *MARKED)),
    Combination("-m not", ("-m", "not reloadable"), runs=CALLED),
    Combination("node ids", NODEIDS, runs=NODEIDS),
    Combination(
        "--deselect",
        ("--deselect", ITEMS[0], "--deselect", MARKED[0]),
        runs=(*ITEMS[1:], *MARKED[1:], *CALLED),
    ),
    Combination("--durations", ("--durations=3", "-vv")),
    Combination("no cacheprovider", ("-p", "no:cacheprovider")),
    Combination("no terminal", ("-p", "no:terminal")),
    Combination("no logging, no capture", ("-p", "no:logging", "-s")),
    Combination("no assertion rewriting", ("--assert=plain",)),
    Combination("prepend", ("--import-mode=prepend",)),
    Combination("append", ("--import-mode=append",)),
    Combination("importlib", ("--import-mode=importlib",)),
    Combination("a file", ("tests/test_called.py",), runs=(*ITEMS, *CALLED)),
    Combination("a sub-directory", ("tests/deep", "--rootdir=."), runs=(*ITEMS, *MARKED)),
    Combination("junit", ("--junit-xml=junit.xml", "-o", "junit_family=xunit1")),
    Combination("-W error", ("-W", "error")),
    Combination("-p faulthandler", ("-o", "faulthandler_timeout=60")),
)
DISTRIBUTIONS = ("load", "loadscope", "loadfile", "loadgroup", "worksteal", "no")
PLUGINS = (
    *(Combination(f"xdist {dist}", ("-n2", f"--dist={dist}"), ("xdist",)) for dist in DISTRIBUTIONS),
    Combination("rerunfailures", ("--reruns=1",), ("pytest_rerunfailures",)),
    Combination("flaky", ("--force-flaky", "--no-flaky-report"), ("flaky.flaky_pytest_plugin",)),
    Combination("randomly", ("--randomly-seed=7",), ("pytest_randomly",)),
    Combination("timeout by signal", ("--timeout=100",), ("pytest_timeout",)),
    Combination("timeout by thread", ("--timeout=100", "--timeout-method=thread"), ("pytest_timeout",)),
    Combination("cov", ("--cov=app",), ("pytest_cov",)),
    Combination(
        "cov with branches, in contexts", ("--cov=app", "--cov-branch", "--cov-context=test"), ("pytest_cov",)
    ),
    Combination("html", ("--html=report.html",), ("pytest_metadata.plugin", "pytest_html.plugin")),
    Combination("split", ("--splits=1", "--group=1"), ("pytest_split.plugin",)),
    Combination("order", ("--order-scope=module",), ("pytest_order",)),
    Combination("sugar", ("--force-sugar",), ("pytest_sugar",)),
    Combination("instafail", ("--instafail",), ("pytest_instafail",)),
    Combination("allure", ("--alluredir=allure",), ("allure_pytest.plugin",)),
    Combination("benchmark", (), ("pytest_benchmark.plugin",)),
    Combination("testmon", ("--testmon",), ("testmon.pytest_testmon",)),
    Combination("pretty", (), ("pytest_pretty",)),
)


SHORT = (
    "node ids",
    "-k",
    "no terminal",
    "importlib",
    "xdist worksteal",
    "randomly",
    "cov",
    "testmon",
    "pretty",
)
"""What a short run has of these; it leaves out what is much the same."""


@pytest.mark.parametrize("one", [*OPTIONS, *PLUGINS], ids=lambda one: one.name)
def test_a_combination_changes_no_verdict(one, gated):
    """Each test that runs has the verdict of a plain run, and each leak fails its test."""
    for plugin in one.plugins:
        if find_spec(plugin.partition(".")[0]) is None:
            pytest.skip(f"{plugin} is not installed")

    result = gated.gate(*one.options, plugins=one.plugins)

    assert gated.verdicts() == expected(*one.runs)
    assert_whole(result)
    assert result.ret == bool(set(one.runs) & set(LEAKY))

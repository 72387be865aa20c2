import os
import time
import xml.etree.ElementTree as ET

import pytest
from support import CURED, LEAKY, assert_no_traceback, is_running, target

NODEIDS = ["reload-leak::leaky[reimport]", "reload-leak::cured[reimport]"]


@pytest.fixture
def plugins(project):
    """A project with a leaking and a cured module, and a test that has nothing to do with them."""
    project.write({"leaky.py": LEAKY, "cured.py": CURED, "test_plain.py": "def test_plain(): pass\n"})
    return project


def nodeids(result):
    """Node ids that `--collect-only -q` printed."""
    return [line for line in result.outlines if "::" in line]


# -- which items there are -----------------------------------------------------------------------------------


def test_each_target_is_an_item_after_the_tests(plugins):
    """Targets become items in the order in which they are named, with target and strategy in the node id."""
    result = plugins.check("--collect-only", "-q", *target("leaky", "cured"))

    assert nodeids(result) == ["test_plain.py::test_plain", *NODEIDS]
    assert result.ret == 0


def test_the_ini_file_names_targets(plugins):
    """`reload_leak_targets` and `reload_leak_check` work without any option."""
    plugins.write(
        {
            "pytest.ini": """
            [pytest]
            pythonpath = .
            reload_leak_check = true
            reload_leak_targets =
                leaky
                cured
        """
        }
    )

    assert nodeids(plugins.run("--collect-only", "-q"))[1:] == NODEIDS


def test_options_win_over_the_ini_file(plugins):
    """Targets and strategies on the command line replace those of the ini file."""
    plugins.write(
        {
            "pytest.ini": """
            [pytest]
            pythonpath = .
            reload_leak_targets = leaky
            reload_leak_strategies = decache
        """
        }
    )
    by_ini = plugins.check("--collect-only", "-q", "--ignore=test_plain.py")
    by_option = plugins.check(
        "--collect-only", "-q", "--ignore=test_plain.py", *target("cured"), "--reload-leak-strategy=reload"
    )

    assert nodeids(by_ini) == ["reload-leak::leaky[decache]"]
    assert nodeids(by_option) == ["reload-leak::cured[reload]"]


def test_the_command_line_turns_the_check_of_the_ini_file_off(plugins):
    """`--no-reload-leak-check` wins over `reload_leak_check = true`: no items."""
    plugins.write({"pytest.ini": "[pytest]\npythonpath = .\nreload_leak_check = true\n"})

    result = plugins.run("--no-reload-leak-check", "--collect-only", "-q", *target("leaky"))

    assert nodeids(result) == ["test_plain.py::test_plain"]


def test_without_the_flag_targets_of_the_ini_file_are_no_items(plugins):
    """Targets alone turn nothing on."""
    plugins.write({"pytest.ini": "[pytest]\npythonpath = .\nreload_leak_targets = leaky\n"})
    result = plugins.run("--collect-only", "-q")

    assert nodeids(result) == ["test_plain.py::test_plain"]


def test_a_glob_names_every_module_that_matches(project):
    """Each module of a glob is an item of its own, loaded or not; what does not match is none."""
    project.write(
        {
            "plugins/__init__.py": "",
            "plugins/chat.py": "",
            "plugins/clock.py": "",
            "plugins/sub/__init__.py": "",
            "elsewhere.py": "",
        }
    )

    result = project.check("--collect-only", "-q", *target("plugins.c*"))

    assert nodeids(result) == ["reload-leak::plugins.chat[reimport]", "reload-leak::plugins.clock[reimport]"]


def test_a_target_that_is_named_twice_is_one_item(plugins):
    """A module named by itself and by a glob is checked once."""
    result = plugins.check(
        "--collect-only", "-q", "--ignore=test_plain.py", *target("leaky", "leak*", "leaky")
    )

    assert nodeids(result) == NODEIDS[:1]


def test_each_strategy_is_an_item_of_its_own(plugins):
    """Repeating `--reload-leak-strategy` multiplies the items."""
    result = plugins.check(
        *target("leaky", "cured"), "--reload-leak-strategy=reload", "--reload-leak-strategy=decache"
    )

    result.assert_outcomes(passed=3, failed=2)
    assert [(c["target"], c["strategy"], c["outcome"]) for c in plugins.checks()] == [
        ("cured", "decache", "clean"),
        ("cured", "reload", "clean"),
        ("leaky", "decache", "leaking"),
        ("leaky", "reload", "leaking"),
    ]


@pytest.mark.parametrize("inner", [LEAKY, CURED], ids=["leaky", "cured"])
def test_a_package_is_reloaded_with_its_submodules(project, inner):
    """A package is one item; what a submodule that it imports leaves behind is held against it."""
    project.write({"shop/__init__.py": "from shop import basket\n", "shop/basket.py": inner})

    result = project.check(*target("shop"))

    result.assert_outcomes(**({"failed": 1} if inner is LEAKY else {"passed": 1}))
    (check,) = project.checks()
    held = [finding["held"]["name"] for finding in check["findings"]]
    assert held == (["shop.basket.on_event"] if inner is LEAKY else [])


# -- pytest's own ways to choose -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        (["-k", "leaky"], NODEIDS[:1]),
        (["-k", "not leaky"], ["test_plain.py::test_plain", NODEIDS[1]]),
        (["-k", "reimport"], NODEIDS),
        (["-m", "reloadable"], NODEIDS),
        (["-m", "not reloadable"], ["test_plain.py::test_plain"]),
    ],
    ids=" ".join,
)
def test_k_and_m_choose_items(plugins, options, chosen):
    """`-k` sees target and strategy, `-m reloadable` sees targets."""
    result = plugins.check("--collect-only", "-q", *target("leaky", "cured"), *options)

    assert nodeids(result) == chosen


def test_collect_only_runs_nothing(project):
    """`--collect-only` does not even import a target."""
    project.write({"loud.py": "import pathlib\npathlib.Path('was-here').touch()\n"})

    project.check("--collect-only", *target("loud"))
    assert not (project.path / "was-here").exists()

    project.check(*target("loud"))
    assert (project.path / "was-here").exists()


def test_x_stops_after_the_first_leak(plugins):
    """With `-x` a leaking target ends the session."""
    plugins.check("-x", *target("leaky", "cured")).assert_outcomes(passed=1, failed=1)
    plugins.check("-x", *target("cured", "leaky")).assert_outcomes(passed=2, failed=1)


def test_lf_checks_only_what_leaked(plugins):
    """`--lf` finds failed targets again by their node ids, and no more once they are cured."""
    plugins.check(*target("leaky", "cured")).assert_outcomes(passed=2, failed=1)

    plugins.check("--lf", *target("leaky", "cured")).assert_outcomes(failed=1, deselected=2)
    plugins.write({"leaky.py": CURED})
    plugins.check("--lf", *target("leaky", "cured")).assert_outcomes(passed=1, deselected=2)


def test_the_order_of_the_tests_is_kept(plugins):
    """Items are added behind the tests, and none of these is moved or lost."""
    plugins.write({"test_more.py": "def test_b(): pass\ndef test_a(): pass\n"})

    result = plugins.check("--collect-only", "-q", *target("cured"))

    assert nodeids(result) == [
        "test_more.py::test_b",
        "test_more.py::test_a",
        "test_plain.py::test_plain",
        NODEIDS[1],
    ]


# -- how they are reported -----------------------------------------------------------------------------------


def test_the_exit_status_says_whether_something_leaks(plugins):
    """0 for a clean target, 1 for a leaking one."""
    assert plugins.check("-k", "cured", *target("cured")).ret == 0
    assert plugins.check("-k", "leaky", *target("leaky")).ret == 1


def test_a_failure_is_the_report_and_nothing_else(plugins):
    """The failure of a leaking target shows holder, held object and advice, and no traceback."""
    result = plugins.check(*target("leaky"))

    result.stdout.fnmatch_lines(
        [
            "*_ reload-leak::leaky?reimport? _*",
            "leaky (reimport) leaks on reload: 5 old generations still alive after 5 reloads: 1 growing finding",
            "",
            "  [*] host.listeners[[]*] keeps 5 old generations (leaky.py:7)",
            "    kind    retained-generation *, growing by 1 per round, generations -1 to 3",
            "    holder  host.listeners[[]*] (list, root sys.modules)",
            "    holds   function leaky.on_event, leaky.py:4",
            "    fix     remove leaky.on_event from host.listeners[[]*] before the reload, *",
        ]
    )
    assert_no_traceback(result)


def test_the_summary_names_every_item(plugins):
    """`-rA` lists passed and failed targets by their node ids, with the key fact behind it."""
    result = plugins.check("-rA", *target("leaky", "cured"))

    result.stdout.fnmatch_lines_random(
        [
            "PASSED reload-leak::cured[[]reimport[]]",
            "FAILED reload-leak::leaky[[]reimport[]] - listeners[[]*] keeps 5 old generations (leaky.py:7)",
        ]
    )


def test_junit_has_an_entry_for_each_item(plugins):
    """JUnit XML holds clean and leaking targets, the report as the failure's text."""
    plugins.check("--junit-xml=junit.xml", *target("leaky", "cured"))

    cases = {case.get("name"): case for case in ET.parse(plugins.path / "junit.xml").iter("testcase")}
    assert set(cases) == {"test_plain", "leaky[reimport]", "cured[reimport]"}
    assert cases["cured[reimport]"].find("failure") is None
    failure = cases["leaky[reimport]"].find("failure")
    assert failure is not None
    assert "host.listeners[*] (list, root sys.modules)" in (failure.text or "")
    assert failure.get("message") == "listeners[*] keeps 5 old generations (leaky.py:7)"


def test_xdist_spreads_the_items(plugins):
    """Under `-n 2` the same items run with the same outcomes, and one JSON report holds all of them."""
    arguments = [
        *target("leaky", "cured"),
        "--reload-leak-strategy=reimport",
        "--reload-leak-strategy=reload",
    ]
    alone = plugins.check_apart(*arguments)
    single = [(c["nodeid"], c["outcome"]) for c in plugins.checks()]
    spread = plugins.check_apart("-n2", *arguments, plugins=("xdist",))

    alone.assert_outcomes(passed=3, failed=2)
    spread.assert_outcomes(passed=3, failed=2)
    assert spread.ret == 1
    assert [(c["nodeid"], c["outcome"]) for c in plugins.checks()] == single


def test_maxfail_under_xdist_ends_the_session(plugins):
    """`-x` under xdist still reports the leak, and exits with a failure."""
    result = plugins.check_apart("-n2", "-x", *target("leaky"), plugins=("xdist",))

    assert result.ret != 0
    result.stdout.fnmatch_lines(["FAILED reload-leak::leaky*"])


def test_the_installed_plugin_is_found_without_being_named(plugins, monkeypatch):
    """An ordinary run with plugin autoloading finds the options: `pytest --reload-leak-check` is all that is needed."""
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    result = plugins.pytester.runpytest_subprocess(
        "--reload-leak-check", "-pno:randomly", *target("leaky", "cured"), timeout=120
    )

    result.assert_outcomes(passed=2, failed=1)


# -- rounds --------------------------------------------------------------------------------------------------


def executions(project):
    """How often `counted.py` was executed since this was last asked."""
    log = project.path / "log"
    count = len(log.read_text().splitlines())
    log.unlink()
    return count


def test_rounds_and_warmup_are_what_the_options_say(project):
    """A clean target is executed once to load it, then once per warm-up and counted round; options win over ini."""
    project.write({"counted.py": "with open('log', 'a') as log: log.write('x\\n')\n"})

    project.check(*target("counted"))
    assert executions(project) == 1 + 1 + 5

    project.check(*target("counted"), "--reload-leak-rounds=3", "--reload-leak-warmup=0")
    assert executions(project) == 1 + 0 + 3
    (check,) = project.checks()
    assert (check["rounds"], check["warmup"]) == (3, 0)

    project.write(
        {
            "pytest.ini": "[pytest]\npythonpath = .\nreload_leak_rounds = 2\nreload_leak_warmup = 2\n",
        }
    )
    project.check(*target("counted"))
    assert executions(project) == 1 + 2 + 2

    project.check(*target("counted"), "--reload-leak-rounds=1")
    assert executions(project) == 1 + 2 + 1


@pytest.mark.parametrize("source", [LEAKY, CURED], ids=["leaky", "cured"])
@pytest.mark.parametrize(("rounds", "warmup"), [(1, 1), (1, 0), (2, 0), (2, 3)])
def test_few_rounds_are_enough_to_tell(project, source, rounds, warmup):
    """A leak shows with every number of rounds that is allowed, and its twin stays clean with each."""
    project.write({"part.py": source})

    project.check(*target("part"), f"--reload-leak-rounds={rounds}", f"--reload-leak-warmup={warmup}")

    assert project.outcomes() == {"part": "leaking" if source is LEAKY else "clean"}


# -- isolation -----------------------------------------------------------------------------------------------

WHERE = "import os, pathlib\npathlib.Path('pid').write_text(str(os.getpid()))\n"


@pytest.mark.parametrize("isolation", ["process", "none"])
def test_isolation_says_where_a_target_runs(project, isolation):
    """With `process` a target never runs in pytest's own process, with `none` it does."""
    project.write({"where.py": WHERE})

    project.check(*target("where"), f"--reload-leak-isolation={isolation}").assert_outcomes(passed=1)

    pid = int((project.path / "pid").read_text())
    assert (pid == os.getpid()) is (isolation == "none")


def test_isolation_is_the_default(project):
    """Without an option, and without an ini value, a target has a process of its own; the ini file can change it."""
    project.write({"where.py": WHERE})
    project.check(*target("where"))
    assert int((project.path / "pid").read_text()) != os.getpid()

    project.write({"pytest.ini": "[pytest]\npythonpath = .\nreload_leak_isolation = none\n"})
    project.check(*target("where"))
    assert int((project.path / "pid").read_text()) == os.getpid()


@pytest.mark.parametrize("isolation", ["process", "none"])
def test_both_kinds_of_isolation_find_the_same(plugins, isolation):
    """The leak has the same holder, held object and signature in a worker and in the process."""
    plugins.check_apart(*target("leaky", "cured"), f"--reload-leak-isolation={isolation}").assert_outcomes(
        passed=2, failed=1
    )
    leak = next(c for c in plugins.checks() if c["target"] == "leaky")

    (finding,) = leak["findings"]
    assert finding["holder"] == {"root": "sys.modules", "path": "host.listeners[*]", "type": "list"}
    assert finding["held"]["name"] == "leaky.on_event"
    assert finding["generations"] == [-1, 0, 1, 2, 3]
    assert finding["trace"][0] == "sys.modules['host']"


def test_a_check_in_the_process_leaves_it_as_it_was(project):
    """With `none`, a module that a test imported is the same object afterwards, and one not loaded is not loaded."""
    project.write(
        {
            "kept.py": "state = []\n",
            "fresh.py": "",
            "test_before.py": "import kept\nkept.state.append('of the test')\ndef test_nothing(): pass\n",
            "conftest.py": """
            import sys

            def pytest_runtest_logfinish(nodeid):
                module = sys.modules.get("kept")
                print(f"\\nafter {nodeid}: {id(module)} {module and module.state} {'fresh' in sys.modules}")
        """,
        }
    )

    result = project.check_apart("-s", *target("kept", "fresh"), "--reload-leak-isolation=none")

    result.assert_outcomes(passed=3)
    after = [
        line.partition("]: ")[2] or line.partition("nothing: ")[2]
        for line in result.outlines
        if line.startswith("after ")
    ]
    assert len(after) == 3
    assert len(set(after)) == 1
    assert after[0].endswith("['of the test'] False")


def test_a_target_sees_the_working_directory_and_path_of_the_session(project):
    """A worker starts with pytest's `sys.path`, interpreter flags and directory."""
    project.write(
        {
            "seen.py": """
            import json, os, pathlib, sys
            pathlib.Path("seen").write_text(json.dumps([os.getcwd(), sys.path[0], sys.flags.dev_mode, sys.argv]))
        """
        }
    )
    project.check(*target("seen")).assert_outcomes(passed=1)

    seen = (project.path / "seen").read_text()
    assert str(project.path) in seen


# -- what running a target can do ----------------------------------------------------------------------------

ENDINGS = {
    "abort": ("import os\nos.abort()\n", "the worker was killed by signal SIGABRT"),
    "segfault": ("import ctypes\nctypes.string_at(0)\n", "the worker was killed by signal SIGSEGV"),
    "killed": (
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n",
        "the worker was killed by signal SIGKILL",
    ),
    "_exit(3)": ("import os\nos._exit(3)\n", "the worker exited with status 3 before the check finished"),
    "_exit(0)": ("import os\nos._exit(0)\n", "the worker exited with status 0 before the check finished"),
    "sys.exit": ("import sys\nsys.exit('done')\n", "the target could not be imported: SystemExit: done"),
    "sys.exit(0)": ("import sys\nsys.exit(0)\n", "the target could not be imported: SystemExit: 0"),
    "interrupt": ("raise KeyboardInterrupt\n", "the target could not be imported: KeyboardInterrupt"),
    "syntax": ("def broken(:\n", "the target could not be imported: SyntaxError: invalid syntax"),
    "import": (
        "import no_such_thing\n",
        "the target could not be imported: ModuleNotFoundError: No module named 'no_such_thing'",
    ),
    "raises": ("raise ValueError('no good')\n", "the target could not be imported: ValueError: no good"),
    "base": (
        "class Odd(BaseException): pass\nraise Odd('one')\n",
        "the target could not be imported: Odd: one",
    ),
}


@pytest.mark.parametrize(("source", "reason"), ENDINGS.values(), ids=ENDINGS)
def test_what_a_target_does_to_its_process_is_its_own_error(plugins, source, reason):
    """A crash, an exit or an exception is the outcome `error` of that item, with the reason; the others go on."""
    plugins.write({"ending.py": source})

    result = plugins.check(*target("ending", "cured"))

    result.assert_outcomes(passed=2, failed=1)
    assert result.ret == 1
    assert plugins.outcomes() == {"cured": "clean", "ending": "error"}
    ending = next(c for c in plugins.checks() if c["target"] == "ending")
    assert ending["reason"].startswith(reason)
    assert ending["error"] == ending["reason"]
    assert ending["findings"] == []
    assert f"ending (reimport) could not be checked: {ending['reason']}" in result.outlines
    if "signal" not in reason:  # a crash shows the stack that faulthandler printed
        assert_no_traceback(result)


@pytest.mark.parametrize(
    ("source", "reason"),
    [ENDINGS[name] for name in ("sys.exit", "syntax", "import", "raises", "base")],
    ids=["sys.exit", "syntax", "import", "raises", "base"],
)
def test_without_isolation_an_exception_is_the_error_of_the_item(plugins, source, reason):
    """In pytest's own process what a target raises is its outcome as well, and the others go on."""
    plugins.write({"ending.py": source})

    result = plugins.check_apart(*target("ending", "cured"), "--reload-leak-isolation=none")

    result.assert_outcomes(passed=2, failed=1)
    ending = next(c for c in plugins.checks() if c["target"] == "ending")
    assert (ending["outcome"], ending["reason"].startswith(reason)) == ("error", True)
    assert_no_traceback(result)


def test_the_error_names_the_line_of_the_target(plugins):
    """An exception's reason says where in the user's files it was raised, and no frame of the tool."""
    plugins.write({"deep.py": "def fail():\n    raise ValueError('no good')\n\n\nfail()\n"})

    plugins.check(*target("deep"))

    (check,) = plugins.checks()
    file = plugins.path / "deep.py"
    assert check["reason"] == (
        f"the target could not be imported: ValueError: no good ({file}:5 in <module>, {file}:2 in fail)"
    )


def test_a_syntax_error_names_its_line(plugins):
    """The reason of a `SyntaxError` says file and line, which no frame tells."""
    file = plugins.write({"broken.py": "fine = 1\n\ndef broken(:\n"})

    plugins.check(*target("broken"))

    (check,) = plugins.checks()
    assert f"{file.name}, line 3" in check["reason"] or f"{file}:3" in check["reason"]


def test_a_reload_that_raises_says_in_which_round(project):
    """When a later execution raises, the outcome is `error`, with the round and the exception's type and text."""
    project.write(
        {
            "third.py": """
            import host
            host.listeners.append(None)
            if len(host.listeners) == 4:
                raise RuntimeError("already registered")
        """
        }
    )

    project.check(*target("third")).assert_outcomes(failed=1)

    (check,) = project.checks()
    assert check["outcome"] == "error"
    assert check["reason"] == (
        f"round 2: the reload raised: RuntimeError: already registered ({project.path / 'third.py'}:5 in <module>)"
    )


def test_a_warm_up_that_raises_is_called_so(project):
    """A reload that raises before the counted rounds says that it was the warm-up's."""
    project.write(
        {
            "second.py": """
                import host
                host.listeners.append(None)
                if len(host.listeners) == 2:
                    raise RuntimeError("already registered")
            """
        }
    )

    project.check(*target("second"))

    (check,) = project.checks()
    assert check["reason"].startswith("warm-up round 1: the reload raised: RuntimeError: already registered")


def test_a_crash_in_a_later_round_is_an_error(plugins):
    """A worker that dies in the middle of its rounds is no clean one."""
    plugins.write(
        {
            "late.py": """
            import os, host
            host.listeners.append(None)
            if len(host.listeners) == 4:
                os._exit(0)
        """
        }
    )

    result = plugins.check(*target("late", "cured"))

    result.assert_outcomes(passed=2, failed=1)
    assert plugins.outcomes() == {"cured": "clean", "late": "error"}
    assert_no_traceback(result)


@pytest.mark.parametrize(
    "source", ["import time\ntime.sleep(60)\n", "while True: pass\n"], ids=["sleeps", "spins"]
)
def test_a_hang_ends_with_the_timeout(plugins, source):
    """A target that hangs is ended after `--reload-leak-timeout` seconds; the others go on."""
    plugins.write({"hang.py": source})
    begun_s = time.monotonic()

    result = plugins.check(*target("hang", "cured"), "--reload-leak-timeout=1.5")

    result.assert_outcomes(passed=2, failed=1)
    assert time.monotonic() - begun_s < 30
    assert plugins.outcomes() == {"cured": "clean", "hang": "error"}
    hang = next(c for c in plugins.checks() if c["target"] == "hang")
    assert hang["reason"].startswith("timed out after 1.5 s (--reload-leak-timeout), at ")
    assert f"{plugins.path / 'hang.py'}:" in hang["reason"]


def test_a_hang_shows_where_it_hung(plugins):
    """The output of a target that timed out ends with the line at which it hung."""
    plugins.write(
        {
            "hang.py": "import time\ntime.sleep(60)\n",
            "pytest.ini": ("[pytest]\npythonpath = .\nreload_leak_timeout = 1.5\n"),
        }
    )

    result = plugins.check(*target("hang"))

    result.stdout.fnmatch_lines(
        [
            "hang (reimport) could not be checked: timed out*",
            "*Captured output of the target call*",
            "it hung here, innermost line first:",
            f"  {plugins.path / 'hang.py'}:2 in <module>",
        ]
    )
    assert "Fatal Python error" not in result.stdout.str()
    assert_no_traceback(result)


def test_a_target_that_ignores_signals_is_ended_all_the_same(project):
    """A hang that ignores SIGABRT and SIGTERM ends with the timeout too, and its process is gone."""
    project.write(
        {
            "deaf.py": """
            import os, pathlib, signal, time
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGABRT, signal.SIG_IGN)
            pathlib.Path("pid").write_text(str(os.getpid()))
            time.sleep(60)
        """
        }
    )

    project.check(*target("deaf"), "--reload-leak-timeout=1.5").assert_outcomes(failed=1)

    assert not is_running(int((project.path / "pid").read_text()))


def gone_soon(pid):
    """Whether a process is gone within two seconds: a killed one needs a moment."""
    deadline = time.monotonic() + 2
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not is_running(pid)


CHILD = """
    import pathlib, subprocess, sys
    child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
    with open("pids", "a") as pids:
        pids.write(f"{child.pid}\\n")
"""


@pytest.mark.parametrize(
    "then",
    ["", "import time\ntime.sleep(60)\n", "import os\nos._exit(3)\n"],
    ids=["returns", "hangs", "exits"],
)
def test_no_process_is_left_behind(project, then):
    """Children that a target started are ended with its check, also when the target hung or left."""
    project.write({"parent.py": CHILD})
    with (project.path / "parent.py").open("a") as source:
        source.write(then)

    project.check(*target("parent"), "--reload-leak-rounds=1", "--reload-leak-timeout=1.5")

    pids = [int(pid) for pid in (project.path / "pids").read_text().split()]
    assert pids
    assert [pid for pid in pids if not gone_soon(pid)] == []


def test_a_thread_that_goes_on_does_not_keep_the_worker(project):
    """A thread of the target's that never ends does not make the check wait for it."""
    project.write(
        {
            "runner.py": """
            import threading, time
            threading.Thread(target=time.sleep, args=(60,)).start()
        """
        }
    )
    begun_s = time.monotonic()

    project.check(*target("runner"), "--reload-leak-rounds=1", "--reload-leak-timeout=20")

    assert time.monotonic() - begun_s < 15
    (check,) = project.checks()
    assert "timeout" not in check["reason"]


def test_the_output_of_a_failing_target_is_shown(plugins):
    """What a target prints, to both streams and below Python's, comes with its failure in a section of its own."""
    plugins.write(
        {
            "talks.py": """
            import os, sys
            print("to stdout")
            print("to stderr", file=sys.stderr)
            os.write(1, b"to the descriptor, with a broken \\xff byte\\n")
            raise ValueError("no good")
        """
        }
    )

    result = plugins.check(*target("talks"))

    result.stdout.fnmatch_lines(["*Captured output of the target call*"])
    result.stdout.fnmatch_lines_random(["to stdout", "to stderr", "to the descriptor, with a broken ? byte"])


def test_the_output_of_a_passing_target_is_shown_on_demand(project):
    """A clean target's output is shown by `-rA` and not otherwise."""
    project.write({"talks.py": "print('hello from the target')\n"})

    quiet, loud = project.check(*target("talks")), project.check("-rA", *target("talks"))

    quiet.assert_outcomes(passed=1)
    quiet.stdout.no_fnmatch_line("*hello from the target*")
    loud.stdout.fnmatch_lines(["hello from the target"])


def test_endless_output_is_cut_at_its_beginning(project):
    """Of a target that prints megabytes the end is shown, with how much is missing."""
    project.write(
        {
            "floods.py": "print('x' * 1000 + '\\n', end='') or print(('y' * 99 + '\\n') * 20000)\nraise ValueError\n"
        }
    )

    result = project.check(*target("floods"))

    assert len(result.stdout.str()) < 200_000
    result.stdout.fnmatch_lines(["... * earlier bytes are omitted"])


def test_a_target_cannot_read_the_terminal(project):
    """A target that asks for input gets the end of the file instead of waiting."""
    project.write({"asks.py": "input('name? ')\n"})

    project.check(*target("asks"), "--reload-leak-timeout=20").assert_outcomes(failed=1)

    (check,) = project.checks()
    assert check["reason"].startswith("the target could not be imported: EOFError")


def test_a_target_that_moves_elsewhere_is_checked_all_the_same(plugins):
    """A change of the working directory or of the output streams does not lose the result."""
    plugins.write(
        {
            "moves.py": """
            import contextlib, os, sys
            os.chdir("/")
            sys.stdout = sys.stderr = None
            with contextlib.suppress(OSError):
                os.close(1)
        """
        }
    )

    plugins.check(*target("moves", "cured"))

    assert plugins.outcomes() == {"cured": "clean", "moves": "clean"}

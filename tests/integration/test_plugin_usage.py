import os

import pytest
from support import CURED, LEAKY, assert_no_traceback, errors, extension, target

FORCE = "use --reload-leak-force to check it anyway"
NOT_AGAIN = "which Python cannot execute again; name a module of your own"
RUNNER = f"it is part of the running pytest or its plugins; {FORCE}"
ITSELF = "pytest-reloadleak cannot reload itself; name a module of your own"
CHECK_SPELLING = "check the spelling and where pytest is started"
FILE = "looks like a file: name the module instead, such as 'package.module'"
EXTENSION = extension().name
TARGETS = {
    "nope": f"unknown target 'nope': no such module in sys.path; {CHECK_SPELLING}",
    "app.nope": f"unknown target 'app.nope': no such module in package 'app'; {CHECK_SPELLING}",
    "host.nope": f"unknown target 'host.nope': no such module in package 'host'; {CHECK_SPELLING}",
    "": "a target must be the name of a module, not ''",
    "nope.*": "target 'nope.*': no module matches; check the pattern and that the package can be imported",
    "host.py": f"target 'host.py' {FILE}",
    "app/views.py": f"target 'app/views.py' {FILE}",
    "app/": f"target 'app/' {FILE}",
    "sys": f"target 'sys' is refused: it is a builtin module, {NOT_AGAIN}",
    "__hello__": f"target '__hello__' is refused: it is a frozen module, a part of the interpreter; {FORCE}",
    "host.listeners": (
        "unknown target 'host.listeners': it is a name of 'host', and only whole modules are reloaded; name 'host'"
    ),
    EXTENSION: f"target '{EXTENSION}' is refused: it is an extension module, {NOT_AGAIN}",
    "threading": (
        "target 'threading' is refused: it owns process-wide state, which a copy would split; " + FORCE
    ),
    "asyncio.events": (
        "target 'asyncio.events' is refused: it owns process-wide state, which a copy would split; " + FORCE
    ),
    "pytest": f"target 'pytest' is refused: {RUNNER}",
    "_pytest.mark": f"target '_pytest.mark' is refused: {RUNNER}",
    "house_plugin": f"target 'house_plugin' is refused: {RUNNER}",
    "pytest_reloadleak": f"target 'pytest_reloadleak' is refused: {ITSELF}",
    "pytest_reloadleak.model": f"target 'pytest_reloadleak.model' is refused: {ITSELF}",
}

STRATEGIES = "use one of reload, decache, reimport, cascade, alias, worker, all"
SEVERAL = "repeat the option for several, or write one per line in the ini file"
PLACES = "use one of auto, github, none"

OPTIONS = {
    "--reload-leak-strategy=fancy": f"--reload-leak-strategy: unknown strategy 'fancy': {STRATEGIES}",
    "--reload-leak-strategy=": f"--reload-leak-strategy: unknown strategy '': {STRATEGIES}",
    "--reload-leak-strategy=ALL": f"--reload-leak-strategy: unknown strategy 'ALL': did you mean 'all'? {STRATEGIES}",
    "--reload-leak-strategy=reload,alias": (
        f"--reload-leak-strategy: unknown strategy 'reload,alias': {STRATEGIES}; {SEVERAL}"
    ),
    "--reload-leak-rounds=99999999999999999999": (
        "--reload-leak-rounds must be at most 1000000, not 99999999999999999999"
    ),
    "--reload-leak-rounds=0": "--reload-leak-rounds must be at least 1, not 0",
    "--reload-leak-rounds=-3": "--reload-leak-rounds must be at least 1, not -3",
    "--reload-leak-rounds=abc": "--reload-leak-rounds must be a whole number of at least 1, not 'abc'",
    "--reload-leak-rounds=2.5": "--reload-leak-rounds must be a whole number of at least 1, not '2.5'",
    "--reload-leak-rounds=": "--reload-leak-rounds must be a whole number of at least 1, not ''",
    "--reload-leak-warmup=-1": "--reload-leak-warmup must be at least 0, not -1",
    "--reload-leak-warmup=x": "--reload-leak-warmup must be a whole number of at least 0, not 'x'",
    "--reload-leak-isolation=vm": "--reload-leak-isolation: unknown isolation 'vm': use one of process, none",
    "--reload-leak-isolation=proces": (
        "--reload-leak-isolation: unknown isolation 'proces': did you mean 'process'? use one of process, none"
    ),
    "--reload-leak-annotations=gitlab": f"--reload-leak-annotations: unknown value 'gitlab': {PLACES}",
    "--reload-leak-annotations=": f"--reload-leak-annotations: unknown value '': {PLACES}",
    "--reload-leak-probes=": "--reload-leak-probes names no probe: ''; leave it out to use all",
    "--reload-leak-probes=,": "--reload-leak-probes names no probe: ','; leave it out to use all",
    "--reload-leak-graphs=": "--reload-leak-graphs: name a directory, not ''",
    "--reload-leak-timeout=0": "--reload-leak-timeout must be a positive number of seconds, not '0'",
    "--reload-leak-timeout=-1": "--reload-leak-timeout must be a positive number of seconds, not '-1'",
    "--reload-leak-timeout=nan": "--reload-leak-timeout must be a positive number of seconds, not 'nan'",
    "--reload-leak-timeout=inf": "--reload-leak-timeout must be a positive number of seconds, not 'inf'",
    "--reload-leak-timeout=1e300": "--reload-leak-timeout must be at most 1000000 seconds, not '1e300'",
    "--reload-leak-timeout=soon": "--reload-leak-timeout must be a number of seconds, not 'soon'",
}

INI_VALUES = {
    "reload_leak_rounds = 0": "reload_leak_rounds must be at least 1, not 0",
    "reload_leak_warmup = few": "reload_leak_warmup must be a whole number of at least 0, not 'few'",
    "reload_leak_timeout = 0": "reload_leak_timeout must be a positive number of seconds, not '0'",
    "reload_leak_isolation = vm": "reload_leak_isolation: unknown isolation 'vm': use one of process, none",
    "reload_leak_strategies = fancy": f"reload_leak_strategies: unknown strategy 'fancy': {STRATEGIES}",
    "reload_leak_annotations = githab": (
        f"reload_leak_annotations: unknown value 'githab': did you mean 'github'? {PLACES}"
    ),
    "reload_leak_unload = maybe": "reload_leak_unload: invalid truth value 'maybe'; write true or false",
    "reload_leak_targets = nope": TARGETS["nope"],
    "reload_leak_targets = threading": TARGETS["threading"],
}


@pytest.fixture
def app(project, monkeypatch):
    """A project with a package, a plugin of its own, a target and a test that must not run."""
    # Before 8.4, pytest imports plugins before it reads `pythonpath`.
    monkeypatch.syspath_prepend(project.path)
    project.write(
        {
            "app/__init__.py": "",
            "app/views.py": "",
            "house_plugin.py": "",
            "leaky.py": LEAKY,
            "cured.py": CURED,
            "test_ran.py": "def test_ran(): open('ran', 'w').close()\n",
        }
    )
    return project


def refused(project, result, text):
    """Assert that a run was refused with this one line, before anything ran."""
    assert errors(result) == [text]
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_no_traceback(result)
    assert not (project.path / "ran").exists()


@pytest.mark.parametrize(("name", "text"), TARGETS.items(), ids=[name or "empty" for name in TARGETS])
def test_a_target_that_cannot_be_checked_is_a_usage_error(app, name, text):
    """One line says what is wrong with a target, the name received, and what to do; nothing runs."""
    refused(app, app.check(*target("cured", name), plugins=("house_plugin",)), text)


def test_a_target_that_can_be_checked_is_not_refused(app):
    """The twin: the same project with proper targets runs."""
    result = app.check(*target("cured", "app", "app.views", "app.*"), plugins=("house_plugin",))

    result.assert_outcomes(passed=1 + 3)
    assert result.ret == 0
    assert (app.path / "ran").exists()


def test_a_glob_whose_matches_are_all_refused_says_so(app):
    """A glob that matches only what is refused names their number; refused ones among others are left out."""
    all_of_them = app.check(*target("_pytest.mark*"))
    (text,) = errors(all_of_them)
    assert text.startswith("target '_pytest.mark*': all matching modules (")
    assert text.endswith("are refused; check the pattern and that the package can be imported")
    assert all_of_them.ret == 4

    app.write({"threading_of_mine.py": ""})
    some = app.check("--collect-only", "-q", "-m", "reloadable", *target("threading*"))
    assert [line for line in some.outlines if "::" in line] == ["reload-leak::threading_of_mine[reimport]"]


def test_a_refused_glob_beside_other_targets_is_skipped(app):
    """The others are checked, and the skipped item says why. So does a note, where a test names several."""
    app.write(
        {
            "test_ran.py": "import pytest\n\n@pytest.mark.reloadable('cured', '_pytest.mark*')\ndef test_it(): pass\n"
        }
    )
    result = app.check(*target("cured", "_pytest.mark*"), "-rs")

    result.assert_outcomes(passed=2, skipped=1)
    result.stdout.fnmatch_lines(
        ["SKIPPED * target '_pytest.mark[*]': all matching modules (*) are refused; *"]
    )
    by_target = {check["nodeid"]: check for check in app.checks()}
    assert set(by_target) == {"test_ran.py::test_it", "reload-leak::cured[reimport]"}
    assert "are refused" in "".join(by_target["test_ran.py::test_it"]["notes"])


@pytest.mark.parametrize("strategy", ["reload", "reimport"])
def test_a_frozen_module_is_checked_by_force(app, strategy):
    """Python executes it again from the interpreter."""
    options = ("--reload-leak-force", f"--reload-leak-strategy={strategy}")
    app.check(*target("__hello__", "cured"), *options).assert_outcomes(passed=3)

    assert app.outcomes() == {"__hello__": "clean", "cured": "clean"}


@pytest.mark.parametrize(("option", "text"), OPTIONS.items(), ids=OPTIONS)
def test_an_option_with_a_bad_value_is_a_usage_error(app, option, text):
    """One line names the option, the value received and what is allowed; nothing runs."""
    refused(app, app.check(*target("cured"), option), text)


@pytest.mark.parametrize(("line", "text"), INI_VALUES.items(), ids=INI_VALUES)
def test_a_bad_value_of_the_ini_file_is_said_to_be_there(app, line, text):
    """A bad value of the ini file is named as the ini file spells it, not as an option that nobody gave."""
    app.write({"pytest.ini": f"[pytest]\npythonpath = .\n{line}\n"})

    refused(app, app.check(), text)


def test_a_flag_of_the_ini_file_that_is_neither_true_nor_false_is_a_usage_error(app):
    """The words of pytest itself do not name the line."""
    app.write({"pytest.ini": "[pytest]\npythonpath = .\nreload_leak_check = maybe\n"})

    refused(app, app.run(), "reload_leak_check: invalid truth value 'maybe'; write true or false")


@pytest.mark.parametrize("flag", [["--reload-leak-check"], []], ids=["with the flag", "without"])
@pytest.mark.parametrize(
    ("path", "why"),
    [("no/where/report.json", "No such file or directory"), ("app", "Is a directory")],
    ids=["no directory", "a directory"],
)
def test_a_json_path_that_cannot_be_written_is_a_usage_error(app, flag, path, why):
    """Before anything runs, a report that could not be written is refused, also for explicit checks alone."""
    result = app.run(*flag, *(target("cured") if flag else []), f"--reload-leak-json={path}")

    refused(
        app, result, f"--reload-leak-json: cannot write '{path}': {why}; name a file in an existing directory"
    )


def test_an_empty_json_path_is_a_usage_error(app):
    """A path that is empty, as from an unset variable, does not pass for none."""
    result = app.check(*target("cured"), "--reload-leak-json=")

    (text,) = errors(result)
    assert text.startswith("--reload-leak-json: cannot write ''")
    assert result.ret == 4


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_json_file_is_a_usage_error(app):
    """A file without permission to write is refused before anything runs."""
    file = app.write({"old.json": "{}"})
    file.chmod(0o400)

    result = app.check(*target("cured"), f"--reload-leak-json={file}")

    assert "Permission denied" in errors(result)[0]
    assert result.ret == 4


def test_a_refused_run_leaves_the_old_report(app):
    """A run that ends with a usage error does not empty the report of the run before."""
    app.check(*target("cured"))
    before = app.report.read_text()

    assert app.check(*target("nope")).ret == 4
    assert app.report.read_text() == before
    assert app.check(*target("cured"), "--reload-leak-rounds=0").ret == 4
    assert app.report.read_text() == before


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (target("nope"), TARGETS["nope"]),
        (target("threading"), TARGETS["threading"]),
        (target("host.py"), TARGETS["host.py"]),
        ([*target("cured"), "--reload-leak-rounds=0"], OPTIONS["--reload-leak-rounds=0"]),
        ([*target("cured"), "--reload-leak-strategy=fancy"], OPTIONS["--reload-leak-strategy=fancy"]),
    ],
    ids=["unknown", "refused", "file", "rounds", "strategy"],
)
def test_a_usage_error_under_xdist_is_the_same(app, arguments, text):
    """With `-n 2` the same line is shown once, and the exit status is 4 as well."""
    refused(app, app.spawn("--reload-leak-check", "-n2", *arguments, plugins=("xdist",)), text)


@pytest.mark.parametrize("name", ["threading", EXTENSION, "sys", "pytest_reloadleak"])
def test_force_accepts_what_can_be_executed_again_and_nothing_else(app, name):
    """`--reload-leak-force` makes an item of a process-wide owner; builtin, extension and the tool stay refused."""
    result = app.check("--collect-only", "-q", "--reload-leak-force", *target(name))

    if name == "threading":
        assert "reload-leak::threading[reimport]" in result.outlines
        assert result.ret == 0
    else:
        assert errors(result) == [TARGETS[name]]
        assert result.ret == 4


def test_bad_options_do_no_harm_without_the_flag(app):
    """A run without the flag does not look at numbers and the ini file's targets: the tests run as ever."""
    app.write({"pytest.ini": "[pytest]\npythonpath = .\nreload_leak_targets = nope\n"})
    result = app.run("--reload-leak-rounds=0")

    result.assert_outcomes(passed=1)
    assert result.ret == 0


def test_a_target_without_the_flag_is_a_usage_error(app):
    """Who names a target wants it checked; `--no-reload-leak-check` says otherwise."""
    text = "--reload-leak-target names a target, but nothing is checked without --reload-leak-check; add it"
    refused(app, app.run(*target("cured")), text)

    app.run(*target("cured"), "--no-reload-leak-check").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("app.view", "no such module in package 'app'; did you mean 'app.views'? "),
        ("curred", "no such module in sys.path; did you mean 'cured'? "),
    ],
)
def test_a_misspelt_target_gets_an_offer(app, name, text):
    """The module beside it that is most like it."""
    refused(app, app.check(*target(name)), f"unknown target '{name}': {text}{CHECK_SPELLING}")


def test_misspelt_strategies_and_probes_get_an_offer(app):
    """The name most like what was received."""
    (strategy,) = errors(app.check("--reload-leak-strategy=reimprot"))
    (probe,) = errors(app.check("--reload-leak-probes=thread"))

    assert "unknown strategy 'reimprot': did you mean 'reimport'? use one of" in strategy
    assert "unknown probe 'thread': did you mean 'threads'? use " in probe


def test_an_option_that_does_not_exist_is_pytests_own_error(app):
    """A misspelt option is refused by pytest with the status of a usage error."""
    result = app.check("--reload-leak-round=3", *target("cured"))

    assert result.ret == 4
    assert not (app.path / "ran").exists()

"""`python -m pytest_reloadleak TARGET...`: what it passes to pytest, what it refuses, and audits as users run them."""

import json
import re
import sys

import pytest
from support import CURED, HOST, LEAKY

from pytest_reloadleak import __main__ as command
from pytest_reloadleak import plugin


@pytest.fixture
def given(monkeypatch):
    """What the command passes to pytest, which does not run; `status` is the status that pytest returns."""

    class Given:
        status = pytest.ExitCode.OK
        arguments: tuple[str, ...] = ()
        targets: tuple[str, ...] = ()

        def run(self, arguments, plugins):
            self.arguments = tuple(arguments)
            self.targets = tuple(name for name, _ in plugins[0]._targets)
            return self.status

    given = Given()
    monkeypatch.setattr(pytest, "main", given.run)
    return given


def refusal(capsys, *arguments):
    """The line with which the command refuses its arguments."""
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 4
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0].removeprefix("ERROR: ")


def test_all_strategies_are_compared(given):
    """Without options, each target is checked under every strategy."""
    assert command.main(["app.chat", "app.views"]) == 0
    assert given.targets == ("app.chat", "app.views")
    assert "--reload-leak-strategy=all" in given.arguments


def test_options_are_those_of_pytest(given):
    """An option has the plugin's name, with its prefix or without, and may be repeated where the plugin's may."""
    options = [
        "--strategy=reload",
        "--reload-leak-strategy",
        "alias",
        "--rounds",
        "3",
        "--unload",
        "--ignore=a:b",
    ]

    command.main([*options[:3], "app.chat", *options[3:]])

    assert [a for a in given.arguments if a.startswith("--reload-leak-")] == [
        "--reload-leak-strategy=reload",
        "--reload-leak-strategy=alias",
        "--reload-leak-rounds=3",
        "--reload-leak-unload",
        "--reload-leak-ignore=a:b",
    ]


def test_the_command_line_of_a_pytest_run_is_accepted(given):
    """Whoever copies the options of a pytest run gets the same targets."""
    command.main(["--reload-leak-check", "--reload-leak-target=app.chat", "--target", "app.views"])

    assert given.targets == ("app.chat", "app.views")
    assert "--reload-leak-check" not in given.arguments


def test_what_follows_two_dashes_is_for_pytest(given):
    """Options of pytest itself pass unchanged, behind those of the command."""
    command.main(["app.chat", "-v", "--", "-n", "2", "--rounds"])

    assert given.arguments[-3:] == ("-n", "2", "--rounds")
    assert "-v" in given.arguments
    assert "--no-header" not in given.arguments


def test_every_option_of_the_plugin_is_in_the_help(capsys):
    """The help has the examples, the exit status, and each option that the plugin registers."""

    class Named:
        def __init__(self):
            self.names = []

        def getgroup(self, *_):
            return self

        def addoption(self, *names, **_):
            self.names += names

        def addini(self, *_, **__):
            pass

    registered = Named()
    plugin.pytest_addoption(registered)

    with pytest.raises(SystemExit) as ended:
        command.main(["--help"])

    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert set(registered.names) - set(re.findall(r"--[\w-]+", shown)) == {
        "--reload-leak-check",
        "--no-reload-leak-check",
        "--reload-leak-target",
    }
    for text in ("examples:", "exit status:", "python -m pytest_reloadleak myapp.plugins.weather"):
        assert text in shown


def test_an_unknown_option_is_refused(capsys):
    """A typing error is answered with the option that was meant, in the form in which it was given."""
    assert refusal(capsys, "app", "--round=3").startswith(
        "unknown option '--round=3': did you mean '--rounds'? "
    )
    assert "did you mean '--reload-leak-rounds'? " in refusal(capsys, "app", "--reload-leak-round=3")
    assert refusal(capsys, "app", "--zzz").startswith("unknown option '--zzz': --help lists all")


def test_no_target_is_refused(capsys, monkeypatch, tmp_path):
    """Without a target, the modules of the current directory are offered, but not its tests."""
    monkeypatch.chdir(tmp_path)
    assert (
        refusal(capsys)
        == "no target given: name a module, such as 'myapp.plugins.weather'; --help shows examples"
    )

    for name in ("chat", "weather", "test_chat", "conftest", "setup"):
        (tmp_path / f"{name}.py").touch()
    assert (
        refusal(capsys)
        == "no target given: name a module, such as 'chat' or 'weather'; --help shows examples"
    )


@pytest.mark.parametrize(("status", "expected"), [(0, 0), (1, 1), (2, 2), (4, 4), (5, 4)])
def test_the_exit_status(given, status, expected):
    """It is pytest's, but a run in which nothing is checked is a usage error."""
    given.status = pytest.ExitCode(status)

    assert command.main(["app"]) == expected


@pytest.fixture
def audit(pytester, monkeypatch):
    """Run the command in a directory with a host and two targets, and a test and an ini file that break each run."""
    pytester.makepyfile(host=HOST, leaky=LEAKY, cured=CURED, test_broken="raise SystemExit('collected')")
    pytester.makeini("[pytest]\naddopts = --no-such-option")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(*arguments):
        return pytester.run(sys.executable, "-m", "pytest_reloadleak", "--rounds=2", *arguments, timeout=120)

    return run


def test_an_audit_of_a_target_that_leaks(audit, pytester):
    """The leak is shown once, the table and the progress have all strategies; no test is collected, nothing left."""
    result = audit("leaky", "--strategy=reload", "--strategy=reimport", "--json=report.json")

    assert result.ret == 1
    text = result.stdout.str()
    assert text.count("    holder  host.listeners[*] ") == 1
    assert "leaky (reimport) leaks on reload: the same finding as with reload, shown above" in text
    for strategy in ("reload", "reimport"):
        assert re.search(rf"^reload-leak::leaky\[{strategy}\] FAILED +\[ *\d+%\]$", text, re.MULTILINE)
    assert [
        check["outcome"] for check in json.loads((pytester.path / "report.json").read_text())["checks"]
    ] == [
        "leaking",
        "leaking",
    ]
    assert not (pytester.path / ".pytest_cache").exists()


def test_an_audit_of_a_clean_target(audit):
    """It ends with 0, and shows how many checks there were."""
    result = audit("cured", "--strategy=reload")

    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "reload-leak::cured[[]reload[]] PASSED *",
            "reload-leak: 1 checked, 0 leaking, 0 known, 0 errors, 0 inconclusive",
        ]
    )


def test_an_audit_of_an_unknown_target(audit):
    """It is a usage error of one line, and no test is collected in search of the target."""
    result = audit("leeky")

    assert result.ret == 4
    assert "collected'" not in result.stdout.str()
    result.stderr.fnmatch_lines(
        ["ERROR: unknown target 'leeky': no such module in sys.path; did you mean 'leaky'? *"]
    )

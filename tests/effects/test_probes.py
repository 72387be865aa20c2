"""Which probes look: chosen by name or kind, added by a hook, given up when they raise; never clean without them."""

from __future__ import annotations

import pytest
from support import CURED, LEAKY, assert_no_traceback, errors, target

THREAD = """
    import threading, host
    def loop():
        host.stopping.wait(60)
    threading.Thread(target=loop, daemon=True, name="left").start()
"""
STOPPING = "import threading\nlisteners = []\nstopping = threading.Event()\n"
SLOT = "import host\n\ndef on_event():\n    pass\n\nhost.current = on_event\n"

PROBES = """
    from pytest_reloadleak import Cause, Effect, Probe

    class Connections(Probe):
        name = "connections"
        kinds = ("registration",)

        def identities(self):
            import host
            return [("connection", number) for number in range(getattr(host, "connections", 0))]

        def effects(self):
            cause = Cause("registration", "pool", "pool", "connection", "pool")
            return [Effect(identity, cause) for identity in self.identities()]

    class Broken(Probe):
        name = "broken"

        def identities(self):
            raise RuntimeError("no connection")

    class Blind(Probe):
        name = "blind"

        def blind(self):
            return "it is dark"
"""
CONFTEST = "import probes\n\ndef pytest_reloadleak_probes(config):\n    return [probes.{name}]\n"
CONNECTING = "import host\n\nhost.connections = getattr(host, 'connections', 0) + 1\n"
CONNECTED = "import host\n\nhost.connections = 1\n"
ISOLATIONS = ("process", "none")


def checked(project, files, *arguments):
    """The one check of `plugin` in a project with these files."""
    project.write(files)
    project.check_apart(*target("plugin"), "--reload-leak-rounds=3", *arguments)
    (check,) = project.checks()
    return check


@pytest.mark.parametrize("chosen", ["threads", "live-thread", "fds,threads", "live-timer"])
def test_a_chosen_probe_finds_its_kind(chosen, project):
    """By the probe's name or by any kind that it leads to."""
    check = checked(project, {"host.py": STOPPING, "plugin.py": THREAD}, f"--reload-leak-probes={chosen}")

    assert [f["kind"] for f in check["findings"]] == ["live-thread"]


def test_a_probe_that_is_not_chosen_does_not_look(project):
    """A check that looks only for descriptors does not search the heap."""
    files = {"host.py": STOPPING, "plugin.py": LEAKY}

    assert checked(project, files, "--reload-leak-probes=fds")["outcome"] == "clean"
    assert checked(project, files, "--reload-leak-probes=references")["outcome"] == "leaking"


def test_the_ini_file_and_the_keyword_choose_too(project):
    """The keyword of a call takes precedence over the ini file."""
    project.write(
        {
            "pytest.ini": "[pytest]\npythonpath = .\nreload_leak_probes = fds\n",
            "plugin.py": LEAKY,
            "test_it.py": """
                def test_it(reload_leaks):
                    assert reload_leaks.measure("plugin", rounds=2).outcome == "clean"
                    assert reload_leaks.measure("plugin", rounds=2, probes=["references"]).outcome == "leaking"
            """,
        }
    )

    project.spawn("test_it.py").assert_outcomes(passed=1)


def test_an_unknown_probe_is_a_usage_error(project):
    """One line says what was wrong, what was received and which names exist."""
    project.write({"plugin.py": CURED})

    result = project.check_apart(*target("plugin"), "--reload-leak-probes=thread")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = errors(result)
    assert line.startswith(
        "--reload-leak-probes: unknown probe 'thread': did you mean 'threads'? use children, fds, files, growth, "
    )
    assert_no_traceback(result)


def test_an_unknown_probe_of_a_call_fails_its_test_alone(project):
    """A keyword that makes no sense is the test's own fault."""
    project.write(
        {
            "plugin.py": CURED,
            "test_it.py": """
                import pytest
                from pytest_reloadleak import UsageError

                @pytest.mark.parametrize("probes", [["thread"], 3, [3]])
                def test_it(reload_leaks, probes):
                    with pytest.raises(UsageError, match="probes"):
                        reload_leaks.check("plugin", probes=probes)
            """,
        }
    )

    project.spawn("test_it.py").assert_outcomes(passed=3)


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_probe_of_a_third_party_finds_what_grows(isolation, project):
    """A hook adds it, in the worker's process too; its effects are dated and judged as all others."""
    files = {"probes.py": PROBES, "conftest.py": CONFTEST.format(name="Connections")}
    check = checked(project, {**files, "plugin.py": CONNECTING}, f"--reload-leak-isolation={isolation}")

    (finding,) = check["findings"]
    assert (finding["kind"], finding["registry"], finding["growth"]) == ("registration", "pool", "growing")
    assert finding["per_round"] == 1.0


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_probe_of_a_third_party_is_silent_where_nothing_grows(isolation, project):
    """The cured twin: as many connections as ever."""
    files = {"probes.py": PROBES, "conftest.py": CONFTEST.format(name="Connections")}
    check = checked(project, {**files, "plugin.py": CONNECTED}, f"--reload-leak-isolation={isolation}")

    assert (check["outcome"], check["findings"]) == ("clean", [])


@pytest.mark.parametrize(
    ("name", "why"),
    [("Broken", "probe broken: it raised RuntimeError: no connection"), ("Blind", "probe blind: it is dark")],
)
def test_a_probe_that_could_not_look_leaves_the_question_open(name, why, project):
    """Without it a check that finds nothing is inconclusive, and one that finds a leak says so all the same."""
    files = {"probes.py": PROBES, "conftest.py": CONFTEST.format(name=name)}

    clean = checked(project, {**files, "plugin.py": CURED})
    leaking = checked(project, {**files, "plugin.py": LEAKY})

    assert (clean["outcome"], clean["reason"]) == ("inconclusive", f"the check was incomplete: {why}")
    assert leaking["outcome"] == "leaking"
    assert why in clean["notes"]
    assert why in leaking["notes"]


def test_a_hook_that_returns_no_probe_is_a_usage_error(project):
    """Anything but a named subclass of `Probe` is said to be none."""
    project.write(
        {"conftest.py": "def pytest_reloadleak_probes(config):\n    return [int]\n", "plugin.py": CURED}
    )

    result = project.check_apart(*target("plugin"))

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert errors(result) == [
        "pytest_reloadleak_probes must return subclasses of Probe with a name, not <class 'int'>"
    ]


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize("how", ["option", "ini"])
def test_the_unload_check_is_asked_for_by_option_and_ini(how, isolation, project):
    """What each generation overwrites is clean without it, and pins the last one with it."""
    plain = {"plugin.py": SLOT, "pytest.ini": "[pytest]\npythonpath = .\n"}
    asked = {"pytest.ini": "[pytest]\npythonpath = .\nreload_leak_unload = true\n"} if how == "ini" else {}
    options = ["--reload-leak-unload"] if how == "option" else []
    place = f"--reload-leak-isolation={isolation}"

    assert checked(project, plain, place)["outcome"] == "clean"
    check = checked(project, {**plain, **asked}, place, *options)

    (finding,) = check["findings"]
    assert (finding["holder"]["path"], finding["growth"]) == ("host.current", "bounded")


def test_the_unload_check_is_a_keyword_of_the_marker(project):
    """The test module's own names for the target do not pin it."""
    project.write(
        {
            "plugin.py": SLOT,
            "test_it.py": """
                import plugin, pytest
                from plugin import on_event

                @pytest.mark.reloadable("plugin", unload=True, rounds=3)
                def test_it(reloaded):
                    assert reloaded.on_event is on_event
            """,
        }
    )

    project.check_apart("test_it.py").assert_outcomes(failed=1)

    (check,) = project.checks()
    assert [f["holder"]["path"] for f in check["findings"]] == ["host.current"]

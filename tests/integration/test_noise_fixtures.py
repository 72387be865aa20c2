"""Fixture values and caches, finalizers, `monkeypatch`, `pytest.raises`, and what assertions leave."""

import pytest
from noise_cases import Case, different, run

PUT_BACK = "pytest's monkeypatch keeps {} until it puts the original back: not a leak"


def of_monkeypatch(held):
    """The note, which a check by hand has: there the patches are in force when it looks."""
    return {"by_hand": (PUT_BACK.format(held),)}


MONKEYPATCH = {
    "attribute_of_the_target": Case(
        "monkeypatch.setattr(plugin, 'fail', None)", "monkeypatch", **of_monkeypatch("plugin.fail")
    ),
    "attribute_of_a_host": Case(
        "monkeypatch.setattr(host, 'send', plugin.on_event)",
        "monkeypatch",
        **of_monkeypatch("plugin.on_event"),
    ),
    "attribute_once": Case(
        "if host.default is None:\n    monkeypatch.setattr(host, 'default', plugin.Own)",
        "monkeypatch",
        **of_monkeypatch("plugin.Own"),
    ),
    "attribute_of_a_class": Case(
        "monkeypatch.setattr(plugin.Own, 'method', lambda self: 1)",
        "monkeypatch",
        **of_monkeypatch("plugin.Own.method"),
    ),
    "item": Case(
        "monkeypatch.setitem(host.registry, 'a', plugin.Own())", "monkeypatch", **of_monkeypatch("plugin.Own")
    ),
    "item_of_sys_modules": Case(
        "monkeypatch.setitem(sys.modules, 'alias_of_plugin', plugin)",
        "monkeypatch",
        **of_monkeypatch("plugin"),
    ),
    "deleted_module": Case("monkeypatch.delitem(sys.modules, 'plugin')", "monkeypatch", by_hand=None),
    "replaced_stdout": Case(
        """
        class Out(io.StringIO):
            own = plugin.Own
        monkeypatch.setattr(sys, "stdout", Out())
        print("a")
        """,
        "monkeypatch",
        **of_monkeypatch("plugin.Own"),
    ),
    "context": Case(
        "with monkeypatch.context() as patch:\n    patch.setattr(host, 'send', plugin.on_event)",
        "monkeypatch",
    ),
}


def cached(name):
    """The note of a fixture's value."""
    return (f"the fixture {name} keeps plugin.Own until its scope ends: not a leak",)


FINALIZER = ("a finalizer of the test keeps plugin.Own until the test is over: not a leak",)
PARAMETER = (*FINALIZER, *cached("own"))
VALUES = {
    "function_scope": Case("assert made", "made", cached("made"), cached("made")),
    "parameters": Case("assert several", "several", cached("several"), cached("several")),
    "yielding": Case("assert yielding", "yielding", cached("yielding"), cached("yielding")),
    "parametrized": Case("assert own", "own", PARAMETER, None),
}
SCOPES = {
    "module_scope": Case("assert of_module", "of_module", cached("of_module"), cached("of_module")),
}
SESSION = {
    "session_scope": Case("assert of_session", "of_session", cached("of_session"), cached("of_session")),
}
ASKED = {
    "asked_for_late": Case(
        "request.getfixturevalue('made')",
        "request",
        cached("made"),
        None,
    ),
    "finalizer": Case(
        "own = plugin.Own()\nrequest.addfinalizer(lambda: own)", "request", FINALIZER, FINALIZER
    ),
    "attribute_of_the_item": Case("request.node.own = plugin.Own()", "request"),
}
EXCEPTIONS = {
    "raises": Case(
        "with pytest.raises(plugin.OwnError) as info:\n    plugin.fail()\nassert info.value.args == ('a',)"
    ),
    "raises_chained": Case(
        """
        with pytest.raises(ValueError) as info:
            try:
                plugin.fail()
            except plugin.OwnError as error:
                raise ValueError from error
        assert isinstance(info.value.__cause__, plugin.OwnError)
        """
    ),
    "raises_in_a_global": Case(
        "global info\nwith pytest.raises(plugin.OwnError) as info:\n    plugin.fail()", by_hand=None
    ),
    "assertion": Case("own = plugin.Own()\nassert [own] == [own] and isinstance(own, plugin.Own), own"),
    "failed_assertion": Case(
        """
        own = plugin.Own()
        with pytest.raises(AssertionError, match="own"):
            assert [own] == [plugin.Own()], own
        """
    ),
}
FIXTURES = """
    @pytest.fixture
    def made():
        return plugin.Own()

    @pytest.fixture(params=[1])
    def several(request):
        return plugin.Own()

    @pytest.fixture
    def yielding():
        own = plugin.Own()
        yield own
        assert own

    @pytest.fixture(scope="module")
    def of_module():
        return plugin.Own()

    @pytest.fixture(scope="session")
    def of_session():
        return plugin.Own()

    def pytest_generate_tests(metafunc):
        if "own" in metafunc.fixturenames:
            metafunc.parametrize("own", [plugin.Own()], ids=["own"])
"""
GROUPS = {
    "monkeypatch": MONKEYPATCH,
    "values": VALUES,
    "module": SCOPES,
    "session": SESSION,
    "asked": ASKED,
    "exceptions": EXCEPTIONS,
}


@pytest.mark.parametrize("cases", GROUPS.values(), ids=GROUPS)
def test_what_pytest_keeps_is_no_finding_and_hides_none(cases, project):
    """What pytest keeps until the test is over is a note that names it, at most; the leak beside it is found."""
    assert different(run(project, cases, fixtures=FIXTURES), cases) == {}


def checks(project, test):
    """The findings' holders and the notes of each check of a test file, by the name of its test."""
    project.write(
        {"plugin.py": "class Own:\n    def method(self): pass\ndef on_event(): pass\n", "test_it.py": test}
    )
    project.check_apart()
    return {
        check["nodeid"].partition("::")[2]: [f["holder"]["path"] for f in check["findings"]]
        for check in project.checks()
    }


HOSTS = """
    import host
    import plugin
    import pytest

    class Bot:
        def __init__(self):
            self.listeners = []

    @pytest.fixture
    def bot():
        return Bot()

    @pytest.fixture(scope="session", autouse=True)
    def app():
        return Bot()

    @pytest.fixture
    def factory():
        made = []
        yield made.append

    kept = []

    @pytest.mark.reloadable("plugin", rounds=3)
    def test_fixture(bot):
        {bot}

    @pytest.mark.reloadable("plugin", rounds=3)
    def test_session(app):
        {app}

    @pytest.mark.reloadable("plugin", rounds=3)
    def test_factory(factory):
        {factory}

    @pytest.mark.reloadable("plugin", rounds=3)
    def test_info():
        with pytest.raises(ValueError) as info:
            raise ValueError(plugin.Own())
        {info}
"""


def test_a_host_that_a_fixture_made_is_a_holder(project):
    """What a fixture returns is the program's host in a test, and an excinfo is the test's own to keep."""
    test = HOSTS.format(
        bot="bot.listeners.append(plugin.on_event)",
        app="app.listeners.append(plugin.on_event)",
        factory="factory(plugin.Own())",
        info="kept.append(info)",
    )

    assert checks(project, test) == {
        "test_fixture": ["fixture.bot.listeners[*]"],
        "test_session": ["fixture.app.listeners[*]"],
        "test_factory": ["fixture.factory.__self__[*]"],
        "test_info": ["test_it.kept[*]"],
    }


def test_a_host_that_a_fixture_made_and_that_lets_go_is_clean(project):
    """The cured twins."""
    test = HOSTS.format(
        bot="bot.listeners[:] = [plugin.on_event]",
        app="app.listeners[:] = [plugin.on_event]",
        factory="factory(1)",
        info="kept[:] = [info]",
    )

    assert list(checks(project, test).values()) == [[], [], [], []]


PATCHED = """
    import host, plugin, pytest, sys

    original = plugin, host.listeners, sys.modules["plugin"]

    @pytest.fixture
    def patched(monkeypatch):
        monkeypatch.setattr(host, "listeners", [])
        yield
        assert host.listeners == ["fixture", *"bbbb"]

    @pytest.mark.reloadable("plugin", rounds=3)
    def test_it(patched, monkeypatch):
        if not host.listeners:
            host.listeners.append("fixture")
        assert not hasattr(host, "wrapped")
        host.listeners.append("b")
        monkeypatch.setattr(host, "wrapped", plugin, raising=False)
        monkeypatch.delitem(sys.modules, "plugin")
        monkeypatch.setenv("RELOADLEAK_PATCHED", "1")

    def test_after():
        import os

        assert original == (plugin, host.listeners, sys.modules["plugin"])
        assert not hasattr(host, "wrapped") and "RELOADLEAK_PATCHED" not in os.environ
"""


def test_each_round_undoes_what_its_body_patched_and_nothing_else(project):
    """A patch of the body ends with its round, one of a fixture with the test; then all is as it was."""
    project.write({"plugin.py": "def on_event(): pass\n", "test_it.py": PATCHED})

    result = project.check_apart("-vv")

    result.assert_outcomes(passed=2)


@pytest.mark.parametrize("leaks", [True, False])
@pytest.mark.parametrize(
    "place",
    [
        "monkeypatch.setattr(host, 'listeners', [])",
        "monkeypatch.setitem(sys.modules, 'host', types.SimpleNamespace(listeners=[]))",
        "monkeypatch.setitem(vars(host), 'listeners', [])",
    ],
    ids=["attribute", "module", "item"],
)
def test_what_a_test_puts_in_place_of_the_programs_is_the_programs(place, leaks, project):
    """A fresh list for one test is as good a place for a leak as the one that it stands for."""
    target = "import host\n\ndef on_event(): pass\n\n"
    project.write(
        {
            "plugin.py": target + f"host.listeners{'.append(on_event)' if leaks else '[:] = [on_event]'}\n",
            "test_it.py": f"""
                import sys, types
                import host

                def test_it(monkeypatch, reload_leaks):
                    {place}
                    reload_leaks.measure("plugin", rounds=3)
            """,
        }
    )

    project.spawn()

    (check,) = project.checks()
    found = [finding["holder"]["path"] for finding in check["findings"]]
    assert (check["outcome"], len(found)) == (("leaking", 1) if leaks else ("clean", 0))
    assert all(path.endswith("listeners[*]") for path in found)

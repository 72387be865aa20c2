"""Mocks and patches of `unittest.mock`, and debuggers: what they note of the target is the test's."""

import pytest
from noise_cases import Case, different, run

CALLED = ("a mock keeps {} from its calls, answers or spec: not a leak",)


def noted(held):
    """The note of a mock that outlives the rounds."""
    note = (CALLED[0].format(held),)
    return {"marked": note, "by_hand": note}


def patched(held):
    """The note of a patch that is in force when the check looks."""
    note = (f"unittest.mock's patch keeps {held} until it puts the original back: not a leak",)
    return {"marked": note, "by_hand": note}


MOCKS = {
    "patched_in_the_body": Case(
        "with unittest.mock.patch('host.send') as send:\n    host.send(plugin.Own())\nsend.assert_called_once()"
    ),
    "calls": Case(
        "bot.add_listener(plugin.on_event)\nassert bot.mock_calls", "bot", **noted("plugin.on_event")
    ),
    "arguments": Case("bot.send(plugin.Own(), own=[plugin.Own])", "bot", **noted("plugin.Own")),
    "children": Case("bot.a.b.c(plugin.Own())", "bot", **noted("plugin.Own")),
    "only_the_first_call": Case("bot.called or bot(plugin.Own())", "bot", **noted("plugin.Own")),
    "answer": Case(
        "if host.default is None:\n    host.default = bot\n    bot.return_value = plugin.Own()",
        "bot",
        **noted("plugin.Own"),
    ),
    "side_effect": Case(
        "bot.side_effect = bot.side_effect or plugin.on_event", "bot", **noted("plugin.on_event")
    ),
    "awaited": Case("import asyncio\nasyncio.run(waiter(plugin.Own()))", "waiter", **noted("plugin.Own")),
    "of_the_target": Case("assert specified.method.call_count == 0", "specified", **noted("plugin.Own")),
    "patch_of_a_fixture": Case("pass", "patched", **patched("plugin.on_event")),
    "dict_of_a_fixture": Case(
        "pass",
        "patched_dict",
        ("unittest.mock's patch.dict keeps plugin.Own until it puts the original back: not a leak",),
        ("unittest.mock's patch.dict keeps plugin.Own until it puts the original back: not a leak",),
    ),
}
DEBUGGERS = {
    "traced_in_the_body": Case(
        """
        frames = []
        def trace(frame, event, argument):
            frames.append(frame)
            return trace
        before = sys.gettrace()
        sys.settrace(trace)
        try:
            plugin.on_event()
        finally:
            sys.settrace(before)
        """
    ),
    "traced": Case("plugin.on_event()", "traced"),
    "debugged": Case("plugin.on_event()", "debugger"),
    "stopped": Case(
        "debugger.get_all_breaks() or debugger.set_break(plugin.__file__, 22)\nplugin.on_event()", "debugger"
    ),
    "profiled": Case(
        """
        import cProfile
        profile = cProfile.Profile()
        profile.enable()
        plugin.on_event()
        profile.disable()
        """
    ),
}
FIXTURES = """
    import bdb

    @pytest.fixture
    def bot():
        return unittest.mock.MagicMock(name="bot")

    @pytest.fixture
    def waiter():
        return unittest.mock.AsyncMock(name="waiter")

    @pytest.fixture
    def specified():
        return unittest.mock.create_autospec(plugin.Own, instance=True)

    @pytest.fixture
    def patched():
        with unittest.mock.patch("host.send", plugin.on_event):
            yield

    @pytest.fixture
    def patched_dict():
        with unittest.mock.patch.dict(host.registry, {"own": plugin.Own()}):
            yield

    def trace(frame, event, argument):
        return trace

    @pytest.fixture
    def traced():
        before = sys.gettrace()
        sys.settrace(trace)
        yield
        sys.settrace(before)

    class Debugger(bdb.Bdb):
        def user_call(self, frame, arguments):
            self.last = frame

        def user_line(self, frame):
            self.line = frame.f_lineno

        def user_return(self, frame, value):
            self.value = value

    @pytest.fixture
    def debugger():
        before = sys.gettrace()
        debugger = Debugger()
        debugger.reset()
        debugger.set_trace(sys._getframe())
        yield debugger
        sys.settrace(before)
        debugger.clear_all_breaks()
"""
_HALF = list(MOCKS)[:6]
GROUPS = {
    "mocks": {name: MOCKS[name] for name in _HALF},
    "answers and patches": {name: case for name, case in MOCKS.items() if name not in _HALF},
    "debuggers": DEBUGGERS,
}


@pytest.mark.parametrize("cases", GROUPS.values(), ids=GROUPS)
def test_mocks_and_debuggers_are_no_holders(cases, project):
    """What a mock was called with, or a patch replaced for now, is a note; the leak beside it is found."""
    assert different(run(project, cases, fixtures=FIXTURES), cases) == {}


HOSTS = """
    import host, plugin, pytest, sys, unittest.mock

    @pytest.fixture
    def bot():
        bot = unittest.mock.MagicMock()
        bot.listeners = []
        return bot

    @pytest.mark.reloadable("plugin", rounds=3)
    def test_listeners_of_a_mock(bot):
        {listeners}

    @pytest.mark.reloadable("plugin", rounds=3)
    def test_patch_of_the_target(monkeypatch):
        monkeypatch.setattr(host, "other", 1, raising=False)
        {patch}

    @pytest.mark.reloadable("plugin", rounds=3)
    def test_frames_of_a_tracer():
        def trace(frame, event, argument):
            {frames}
        sys.settrace(trace)
        plugin.on_event()
        sys.settrace(None)
"""


def found(project, **lines):
    """The holders of each check."""
    project.write(
        {
            "plugin.py": "def on_event(): pass\n",
            "host.py": "kept = []\nonce = False\ndef send(): pass\n",
            "test_it.py": HOSTS.format(**lines),
        }
    )
    project.check_apart()
    return {
        check["nodeid"].partition("::test_")[2]: [(f["kind"], f["holder"]["path"]) for f in check["findings"]]
        for check in project.checks()
    }


def test_real_holders_beside_mocks_are_found(project):
    """A real list of a mock, a patch that nobody undoes, and frames that are kept are leaks of their own."""
    seen = found(
        project,
        listeners="bot.listeners.append(plugin.on_event)",
        patch="host.send = plugin.on_event if not host.once else host.send; host.once = True",
        frames="host.kept.append(frame)",
    )

    assert seen == {
        "listeners_of_a_mock": [("retained-generation", "fixture.bot.listeners[*]")],
        "patch_of_the_target": [("patched-global", "host.send")],
        # The patch of the test before is still there: what a target leaked in this process is remembered.
        "frames_of_a_tracer": [("retained-generation", "host.kept[*]"), ("patched-global", "host.send")],
    }


def test_cured_holders_beside_mocks_are_clean(project):
    """The cured twins."""
    seen = found(
        project,
        listeners="bot.listeners[:] = [plugin.on_event]",
        patch="host.send = plugin.on_event",
        frames="return trace",
    )

    assert list(seen.values()) == [[], [], []]

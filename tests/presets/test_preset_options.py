"""The option and the ini value `preset`: for target items, in workers and in this process, and for marked tests."""

import importlib
import re

import pytest

from pytest_reloadleak import Hosted, Preset, UsageError
from pytest_reloadleak.presets import catalogue
from pytest_reloadleak.presets.hosting import Hosting

HOST = """
    from pytest_reloadleak import Hosted, Preset

    class Bus(Hosted):
        def load(self, module):
            module.start(self.host["bus"])

        def unload(self, module):
            module.stop(self.host["bus"])

    class Shop(Preset):
        name = "shop"
        takes = ("bus",)
        hook = "stop(bus), which the shop calls"

        def fits(self, source):
            return source.takes("start", "bus")

        def open(self, target, source, options):
            hosted = Bus()
            hosted.host["bus"] = options.get("bus", [])
            return hosted

    class Mall(Shop):
        name = "mall"
        reloads = True
"""
CONFTEST = """
    from shop_host import Mall, Shop

    def pytest_reloadleak_presets(config):
        return [Shop(), Mall()]
"""
PLUGIN = """
    def on_event(): ...

    def start(bus):
        bus.append(on_event)

    def stop(bus):
        {undo}
"""
FILES = {
    "shop_host.py": HOST,
    "conftest.py": CONFTEST,
    "app.py": PLUGIN.format(undo="pass"),
    "plain.py": "x = 1",
}


@pytest.fixture
def shop(project):
    """A project with a host, a plugin of that host, and a module that is no plugin."""
    project.write(FILES)
    return project


def outcomes(project, *arguments):
    """What a run with targets says, by target."""
    project.check("--reload-leak-rounds=2", "--reload-leak-probes=references", *arguments)
    return {check["target"]: check for check in project.checks()}


@pytest.mark.parametrize("given", ["shop", "auto"])
@pytest.mark.parametrize("isolation", ["process", "none"])
def test_a_target_item_is_a_plugin_of_its_host(shop, given, isolation):
    """The host loads each generation, names itself as holder, and the cure is in its words."""
    found = outcomes(
        shop,
        "--reload-leak-target=app",
        f"--reload-leak-preset={given}",
        f"--reload-leak-isolation={isolation}",
    )["app"]

    assert (found["outcome"], found["strategy"]) == ("leaking", "reimport")
    (finding,) = found["findings"]
    assert finding["holder"]["path"] == "bus[*]"
    assert finding["cure"] == "bus.remove(on_event)"
    assert finding["advice"].endswith("; put the cure into stop(bus), which the shop calls")
    assert "checked as a plugin of shop" in found["notes"]


def test_the_printed_cure_makes_it_clean(shop):
    """As it is printed, in the hook that is named."""
    shop.write({"app.py": PLUGIN.format(undo="bus.remove(on_event)")})

    found = outcomes(shop, "--reload-leak-target=app", "--reload-leak-preset=auto")["app"]

    assert found["outcome"] == "clean"


def test_auto_leaves_other_targets_alone(shop):
    """Without a note: nobody said that they were plugins."""
    shop.write({"pytest.ini": "[pytest]\npythonpath = .\nreload_leak_preset = auto\n"})

    found = outcomes(shop, "--reload-leak-target=plain", "--reload-leak-target=app")

    assert {name: check["outcome"] for name, check in found.items()} == {"plain": "clean", "app": "leaking"}
    assert found["plain"]["notes"] == []


def test_without_the_option_no_preset_is_used(shop):
    """A target is then reloaded as it always was."""
    assert outcomes(shop, "--reload-leak-target=app")["app"]["outcome"] == "clean"


def test_an_empty_option_overrides_the_ini_file(shop):
    """As if there were no preset."""
    shop.write({"pytest.ini": "[pytest]\npythonpath = .\nreload_leak_preset = auto\n"})

    assert outcomes(shop, "--reload-leak-target=app", "--reload-leak-preset=")["app"]["outcome"] == "clean"


def test_strategies_that_do_not_fit_the_host_are_skipped(shop):
    """No host loads what is in another process, and one that reloads has no strategy."""
    given = [
        "--reload-leak-strategy=reload",
        "--reload-leak-strategy=worker",
        "--reload-leak-probes=references",
    ]

    result = shop.check("--reload-leak-target=plain", "--reload-leak-preset=mall", *given, "-rs")
    result.stdout.fnmatch_lines(["*worker does not apply to plain: mall itself reloads its plugins*"])

    result = shop.check("--reload-leak-target=app", "--reload-leak-preset=shop", *given, "-rs")
    result.stdout.fnmatch_lines(
        ["*worker does not apply to app: shop cannot load a plugin that is in another*"]
    )


def test_a_node_id_may_name_another_strategy(shop):
    """A host that reloads checks it then too."""
    shop.run("--reload-leak-preset=mall", "reload-leak::plain[alias]")

    assert [check["target"] for check in shop.checks()] == ["plain"]


CLOSING = """
    def load(self, module):
        assert not self.is_closed
        module.start(self.host["bus"])

    def close(self):
        self.is_closed = True

    Bus.is_closed, Bus.load, Bus.close = False, load, close
"""
AUDIT = """
    import pytest

    @pytest.mark.reloadable("app", rounds=2, probes=["references"], preset="shop", strategy="all")
    def test_all(reloaded): pass
"""


def test_a_marked_test_compares_the_strategies_that_fit_the_host(shop):
    """Each has a host of its own, since the one before was closed."""
    app = PLUGIN.format(undo="bus.remove(on_event)")
    shop.write({"shop_host.py": HOST + CLOSING, "test_app.py": AUDIT, "app.py": app})

    shop.check("test_app.py").assert_outcomes(failed=1)

    checked = {check["strategy"]: check["outcome"] for check in shop.checks()}
    assert checked == dict.fromkeys(["reload", "decache", "reimport", "cascade"], "clean") | {
        "alias": "leaking"
    }


def test_an_unknown_name_is_a_usage_error(shop):
    """One line with the option, what was meant, and all names, those of the project too."""
    result = shop.run("--reload-leak-check", "--reload-leak-target=app", "--reload-leak-preset=shpo")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in result.errlines if "preset" in line]
    assert line.startswith(
        "ERROR: --reload-leak-preset: unknown preset 'shpo': did you mean 'shop'? use one of "
    )
    assert line.endswith(", shop, mall, or auto")


MARKED = """
    import pytest

    @pytest.fixture
    def bus():
        return ["mine"]

    @pytest.mark.reloadable("app", rounds=2, probes=["references"])
    def test_by_option(reloaded, bus):
        assert bus[1:] == [reloaded.on_event]

    @pytest.mark.reloadable("app", rounds=2, probes=["references"], preset=None)
    def test_without(reloaded, bus):
        assert bus == ["mine"]
"""


def test_a_marked_test_takes_the_preset_of_the_option(shop):
    """And the preset takes the test's own fixture of the name of its host; `preset=None` says that there is none."""
    shop.write({"test_app.py": MARKED, "app.py": PLUGIN.format(undo="bus.remove(on_event)")})

    result = shop.check("test_app.py", "--reload-leak-preset=auto")

    assert result.ret == 0
    assert [check["outcome"] for check in shop.checks()] == ["clean", "clean"]


@pytest.mark.parametrize("preset", catalogue.BUILTIN, ids=lambda preset: preset.name)
def test_cures_name_only_objects_that_the_hook_receives(preset):
    """Pasted into a hook without these parameters, a cure would raise `NameError`."""
    received = re.findall(r"\w+", " ".join(re.findall(r"\(([\w, ]+)\)", preset.hook)))

    assert not preset.is_given or not preset.takes or {*received} & {*preset.takes}


class _Loads(Hosted):
    def load(self, module):
        pass


class _Takes(Preset):
    name, takes = "takes", ("bot", "manager")

    def open(self, target, source, options):  # noqa: ARG002 - as hosts define it
        return _Loads()


def test_a_misspelt_object_of_the_host_is_refused():
    """It would silently be left out."""
    with pytest.raises(
        UsageError,
        match=r"^host=\{'bto': \.\.\.\}: did you mean 'bot'\? preset 'takes' takes bot, manager$",
    ):
        Hosting.of(_Takes(), "app", {"bto": 1})


@pytest.mark.parametrize("preset", catalogue.BUILTIN, ids=lambda preset: preset.name)
def test_a_builtin_preset_reaches_a_worker(preset):
    """As text; it is the same there."""
    assert catalogue.unpacked(catalogue.packed(preset)).name == preset.name


def test_only_the_item_whose_preset_no_worker_can_have_is_refused(shop):
    """It fails itself, not the one before it, which begins its check early, and never runs without its preset."""
    shop.write({"shop_host.py": HOST.replace('name = "shop"', 'name = "shop"\n        __reduce_ex__ = None')})

    result = shop.check(
        "--reload-leak-rounds=2",
        "--reload-leak-jobs=2",
        "--reload-leak-preset=auto",
        "--reload-leak-target=plain",
        "--reload-leak-target=app",
    )

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["FAILED reload-leak::app*preset 'shop' cannot be sent*"])


def test_a_preset_that_no_worker_can_have_is_refused():
    """With what to do."""
    preset = _Takes()
    preset.lock = importlib  # a module cannot be pickled

    with pytest.raises(
        UsageError, match=r"^preset 'takes' cannot be sent to a worker process: .*module level"
    ):
        catalogue.packed(preset)

"""Leaks in released versions of hosts and their plugins, found by the presets; `docs/leaks-in-hosts.md` tells them.

The versions are pinned in the extra `realworld`. A test that fails with a newer version may mean that it was mended.
"""

from __future__ import annotations

import importlib
import sys

import pytest

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
"""Some hosts use what the standard library will drop."""


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Write modules and other files to a folder that is on the path."""
    monkeypatch.syspath_prepend(tmp_path)
    names = []

    def write(**files):
        for name, text in files.items():
            stem, _, suffix = name.rpartition("_")
            (tmp_path / f"{stem}.{suffix.replace('yapsy', 'yapsy-plugin')}").write_text(text)
            names.append(stem)
        importlib.invalidate_caches()
        return tmp_path

    yield write
    for name in names:
        sys.modules.pop(name, None)


def found(report):
    """Kind, growth and holder of each finding that is not known."""
    assert report.error is None
    return [
        (one.kind, one.growth, one.holder.path if one.holder is not None else None)
        for one in report.findings
        if one.known is None
    ]


WEBHOOKS = """
from errbot import BotPlugin, webhook

class Lamp(BotPlugin):
    @webhook
    def first(self, request):
        return "1"

    @webhook
    def second(self, request):
        return "2"
"""


def test_errbot_leaves_a_second_webhook_at_the_old_version(written, reload_leaks):
    """`errbot.core_plugins.wsview.route` returns after the first route that it finds again."""
    pytest.importorskip("errbot", reason="errbot is not installed here")
    written(lamp_py=WEBHOOKS, lamp_plug="[Core]\nName = Lamp\nModule = lamp\n")

    ((kind, growth, holder),) = found(reload_leaks.measure("lamp", preset="errbot", rounds=3))

    assert (kind, growth) == ("retained-generation", "bounded")
    assert holder.startswith("errbot.core_plugins.flask_app.view_functions['second_POST_GET']")


@pytest.mark.parametrize(
    ("plugin", "setting"),
    [
        ("Aka", "['web'][*]._children.data['enable'][*]._callbacks[*][*]"),
        ("Ctcp", "['flood'][*]._children.data['interval'][*]._callbacks[*][*]"),
        ("Misc", "['flood'][*]._children.data['interval'][*]._callbacks[*][*]"),
        ("Factoids", "['web'][*]._children.data['enable'][*]._callbacks[*][*]"),
    ],
)
def test_limnorias_own_plugins_leave_callbacks_of_settings(reload_leaks, plugin, setting):
    """They call `addCallback` of a setting when they are made, and never `removeCallback`."""
    pytest.importorskip("supybot", reason="Limnoria is not installed here")

    report = reload_leaks.measure(f"supybot.plugins.{plugin}", preset="Limnoria", rounds=3)

    growing = [holder for _, growth, holder in found(report) if growth == "growing"]
    assert [holder.endswith(setting) for holder in growing] == [True]


def test_limnorias_debug_plugin_keeps_each_plugin_before_it(reload_leaks):
    """`_evalEnv` is taken from the globals of the module, the old `Debug` among them."""
    pytest.importorskip("supybot", reason="Limnoria is not installed here")

    report = reload_leaks.measure("supybot.plugins.Debug", preset="Limnoria", rounds=3)

    ((_, growth, holder),) = found(report)
    assert growth == "growing"
    assert holder.endswith("(._evalEnv['Debug'])*")


METRICS = """
from discord.ext.prometheus import PrometheusCog

async def setup(bot):
    await bot.add_cog(PrometheusCog(bot))

async def teardown(bot):
    await bot.remove_cog("PrometheusCog")
"""


def test_the_prometheus_cog_never_ends_its_loop(written, reload_leaks):
    """It starts `latency_loop` when it is made, and has no `cog_unload`."""
    pytest.importorskip("discord.ext.prometheus", reason="discord-ext-prometheus is not installed here")
    written(metrics_py=METRICS)

    ((kind, growth, _),) = found(reload_leaks.measure("metrics", preset="discord.py", rounds=3))

    assert (kind, growth) == ("object-growth", "growing")


PRICE = """
from yapsy.IPlugin import IPlugin

class Price(IPlugin):
    pass
"""


def test_yapsy_leaves_each_load_in_sys_modules(written, reload_leaks):
    """The name of a load is the first one that is free, and nothing ever frees one."""
    pytest.importorskip("yapsy", reason="Yapsy is not installed here")
    from yapsy.PluginManager import PluginManager

    folder = written(price_py=PRICE, price_yapsy="[Core]\nName = Price\nModule = price\n")

    def reload():
        PluginManager(directories_list=[str(folder)]).collectPlugins()

    report = reload_leaks.measure("yapsy_loaded_plugin_Price_*", reload=reload, rounds=3)

    assert [(kind, growth) for kind, growth, _ in found(report)] == [("registration", "growing")]
    assert {finding.registry for finding in report.findings} == {"sys.modules"}
    for name in [name for name in sys.modules if name.startswith("yapsy_loaded_plugin_Price_")]:
        del sys.modules[name]

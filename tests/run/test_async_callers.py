"""A test that is a coroutine: its own locals are its own business, whatever way its task leads to them."""

from __future__ import annotations

import asyncio

import pytest
from cases import run
from cases.edges import source
from support import CURED, LEAKY

from pytest_reloadleak.check import Check, settings_for

TEST = """
    import importlib
    import sys
    import pytest
    import host

    @pytest.mark.{mark}
    async def test_check(reload_leaks):
        import plugin
        await reload_leaks.acheck("plugin", rounds=2)

    @pytest.mark.{mark}
    async def test_watch(reload_leaks):
        from plugin import on_event as kept
        async with reload_leaks.watch("plugin") as watch:
            async for _ in watch.arounds(2):
                del sys.modules["plugin"]
                importlib.import_module("plugin")

    @pytest.mark.{mark}
    async def test_below(reload_leaks):
        import plugin
        things = [plugin, (plugin.on_event,)]
        async def check():
            return await reload_leaks.acheck("plugin", rounds=2)
        await check()
"""


@pytest.mark.parametrize(("mark", "plugin", "count"), [("asyncio", "asyncio", 3), ("anyio", "anyio", 6)])
def test_what_a_waiting_coroutine_binds_is_no_holder(mark, plugin, count, project):
    """Under pytest-asyncio, and under anyio with asyncio and with trio."""
    project.write({"plugin.py": CURED, "test_it.py": TEST.format(mark=mark)})

    result = project.spawn(plugins=(plugin,))

    result.assert_outcomes(passed=count)


def test_what_leaks_beside_it_is_found(project):
    """The twin: a foreign list is somebody else's."""
    project.write({"plugin.py": LEAKY, "test_it.py": TEST.format(mark="asyncio")})

    result = project.spawn(plugins=("asyncio",))

    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(["*host.listeners[[]*]*"])
    result.stdout.no_fnmatch_line("*root task*")


def test_a_coroutine_that_runs_beside_the_test_is_a_holder(project):
    """What another task binds is held by that task."""
    project.write(
        {
            "plugin.py": CURED,
            "test_it.py": """
                import asyncio
                import pytest

                async def other():
                    import plugin
                    await asyncio.sleep(60)

                @pytest.mark.asyncio
                async def test_it(reload_leaks):
                    import plugin
                    task = asyncio.create_task(other())
                    await asyncio.sleep(0)
                    report = None
                    try:
                        await reload_leaks.acheck("plugin", rounds=2)
                    except AssertionError as error:
                        report = error.report
                    task.cancel()
                    assert [f.holder.root for f in report.findings] == ["task"]
            """,
        }
    )

    result = project.spawn(plugins=("asyncio",))

    result.assert_outcomes(passed=1)


BEGINS = """
    import asyncio, host

    host.count += 1
    number = host.count

    async def begin():
        host.begun.append(number)

    asyncio.get_running_loop().create_task(begin())
"""


def test_what_a_round_starts_begins_before_the_next_round(tmp_path):
    """A program that reloads on its loop returns to it. Otherwise all tasks would see the newest globals."""
    run.write(tmp_path, {"host": "count, begun = 0, []\n", "plugin": source(BEGINS)})
    with run.importable(tmp_path):
        import host

        asyncio.run(Check(["plugin"], settings_for(strategy="reload", rounds=4)).aperform())

    assert len(host.begun) == host.count > 4
    assert host.begun[1:] == [*range(2, host.count + 1)]

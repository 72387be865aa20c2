"""hypothesis, pytest-asyncio and pytest-xdist, which the test extra has."""

import pytest
from noise_cases import FOUND, Case, different, run

INNER = """
@hypothesis.settings(max_examples=3, database=None)
@hypothesis.given({strategy})
def inner(value):
    {line}
{call}
"""


def inner(strategy, line="assert value", call="inner()"):
    """A case with a property of its own."""
    return Case(INNER.format(strategy=strategy, line=line, call=call))


HYPOTHESIS = {
    "integers": inner("st.integers()", "assert plugin.Own().method() is None"),
    "builds": inner("st.builds(plugin.Own)"),
    "from_type": inner("st.from_type(plugin.Own)"),
    "sampled": inner("st.sampled_from([plugin.Own(), plugin.Own])"),
    "mapped": inner("st.integers().map(lambda n: plugin.Own()).filter(bool)"),
    "drawn": inner("st.data()", "value.draw(st.builds(plugin.Own))"),
    "failing": inner(
        "st.builds(plugin.Own)",
        "raise plugin.OwnError(value)",
        "with pytest.raises(plugin.OwnError):\n    inner()",
    ),
}
ASYNCIO = {
    "awaited": Case("await asyncio.sleep(0)\nassert plugin.Own()"),
    "context": Case("VARIABLE.set(plugin.Own())"),
    "task": Case("task = asyncio.create_task(work(plugin.Own()))\nawait task"),
    "failed_task": Case(
        "task = asyncio.create_task(work(plugin.fail))\nawait asyncio.gather(task, return_exceptions=True)"
    ),
    "on_the_loop": Case("assert asyncio.get_running_loop() is not None and plugin.Own()"),
}
ASYNCIO_HEAD = """
    import asyncio
    import contextvars

    VARIABLE = contextvars.ContextVar("variable")
    pytestmark = pytest.mark.asyncio

    async def work(value):
        await asyncio.sleep(0)
        return value() if callable(value) else value
"""
HYPOTHESIS_HEAD = """
    import hypothesis
    import hypothesis.strategies as st
"""


def test_strategies_and_examples_are_no_findings(project):
    """Strategies of the target's classes fill hypothesis's caches: they are emptied."""
    seen = run(project, HYPOTHESIS, fixtures=HYPOTHESIS_HEAD, plugins=["_hypothesis_pytestplugin"])

    assert different(seen, HYPOTHESIS) == {}


LABELLED = """
    import hypothesis, itertools, plugin, pytest
    import hypothesis.strategies as st

    NUMBERS = itertools.count()

    @pytest.mark.reloadable("plugin", rounds=10)
    def test_labelled():
        @hypothesis.settings(max_examples=3, database=None)
        @hypothesis.given(st.sampled_from([plugin.Own, next(NUMBERS)]))
        def inner(value):
            pass

        inner()
"""


def test_tags_of_new_strategies_are_no_growth(project):
    """A strategy with a new hash has a new tag. Hashes of classes repeat by chance, these numbers never do."""
    project.write({"plugin.py": "class Own: pass\n", "test_it.py": LABELLED})

    project.check_apart(plugins=["_hypothesis_pytestplugin"])

    (check,) = project.checks()
    assert (check["outcome"], check["notes"]) == ("clean", [])


GIVEN = """
    import hypothesis, host, plugin, pytest
    import hypothesis.strategies as st

    @pytest.mark.reloadable("plugin", rounds=3)
    @hypothesis.settings(max_examples=3, database=None)
    @hypothesis.given(st.integers())
    def test_given(number):
        {line}
        assert plugin.on_event() is None
"""


@pytest.mark.parametrize("line", ["host.listeners.append(plugin.on_event)", "pass"], ids=["leaks", "cured"])
def test_a_property_may_be_what_a_round_does(line, project):
    """`@given` below the marker: each round runs the whole property on the fresh generation."""
    project.write({"plugin.py": "def on_event(): pass\n", "test_it.py": GIVEN.format(line=line)})

    project.check_apart(plugins=["_hypothesis_pytestplugin"])

    (check,) = project.checks()
    found = [(f["holder"]["path"], f["held"]["name"], f["growth"]) for f in check["findings"]]
    assert (check["error"], found) == (None, FOUND if line != "pass" else [])


@pytest.mark.parametrize("scope", ["function", "session"])
def test_event_loops_of_pytest_asyncio_are_no_findings(scope, project):
    """Its runner, the context of its tests and their tasks keep nothing of an old generation."""
    head = ASYNCIO_HEAD.replace("mark.asyncio", f"mark.asyncio(loop_scope='{scope}')")

    seen = run(project, ASYNCIO, fixtures=head, plugins=["pytest_asyncio.plugin"], is_async=True)

    assert different(seen, ASYNCIO) == {}


DISTRIBUTED = {
    "logged": Case("plugin.log(plugin.Own())"),
    "warned": Case("plugin.warn()"),
    "raised": Case("with pytest.raises(plugin.OwnError):\n    plugin.fail()"),
}


def test_workers_of_xdist_keep_nothing(project):
    """In xdist's workers the checks are as they are without it."""
    seen = run(project, DISTRIBUTED, "-n2", plugins=["xdist.plugin"])

    assert different(seen, DISTRIBUTED) == {}

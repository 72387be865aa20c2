"""The cure of a wrapper in a place of the host puts back what it wraps, whatever the wrapper has that by."""

import importlib
import textwrap

import pytest
from cases import run
from cases.edges import APP, source

from pytest_reloadleak import measure_reload

CASES = {
    "a global": (
        "before = host.app.run\ndef run(): return before()\nhost.app.run = run",
        "host.app.run = before",
    ),
    "a global that a function sets": (
        """
        before = None
        def run(): return before()
        def install():
            global before
            before = host.app.run
            host.app.run = run
        install()
        """,
        "host.app.run = before",
    ),
    "a table": (
        "originals = {'run': host.app.run}\ndef run(): return originals['run']()\nhost.app.run = run",
        "host.app.run = originals['run']",
    ),
    "a list": (
        "saved = [host.app.run]\ndef run(): return saved[0]()\nhost.app.run = run",
        "host.app.run = saved[0]",
    ),
    "an attribute of a class": (
        "class State: before = host.commands['run']\ndef run(): return State.before()\nhost.commands['run'] = run",
        "host.commands['run'] = State.before",
    ),
    "an attribute of its object": (
        """
        class Wrapper:
            def run(self): return self.before()
        wrapper = Wrapper()
        wrapper.before = host.app.run
        host.app.run = wrapper.run
        """,
        "host.app.run = wrapper.before",
    ),
    "a default": (
        "def run(before=host.app.run): return before()\nhost.app.run = run",
        "host.app.run = run.__defaults__[0]",
    ),
    "functools.wraps": (
        """
        import functools
        before = host.app.run
        @functools.wraps(before)
        def run(): return before()
        host.app.run = run
        """,
        "host.app.run = run.__wrapped__",
    ),
    "a base class": (
        "class Own(host.kinds['base']):\n    def run(self): pass\nhost.kinds['base'] = Own",
        "host.kinds['base'] = Own.__bases__[0]",
    ),
    "a lambda's global": (
        "before = host.commands['run']\nhost.commands['run'] = lambda: before()",
        "host.commands['run'] = before",
    ),
    "a partial's function": (
        """
        import functools
        before = host.commands['run']
        def run(number): return before()
        host.commands['run'] = functools.partial(run, 3)
        """,
        "host.commands['run'] = before",
    ),
    "a setter that returns it": (
        "def run(): return before()\nbefore = host.exchange(run)",
        "host.exchange(before)",
    ),
}
HOST = (
    source(APP)
    + """
class Base: pass
kinds = {'base': Base}
def exchange(function):
    before, app.hook = getattr(app, 'hook', None), function
    return before
"""
)


@pytest.mark.parametrize("case", CASES)
def test_what_the_wrapper_wraps_is_put_back(case, tmp_path):
    """Pasted into the dispose hook, the line makes the target clean."""
    text, cure = CASES[case]
    plugin = f"import host\n{source(text)}"
    hook = f"def __reload_dispose__(data):\n{textwrap.indent(cure, '    ')}\n"

    (finding,) = measured(tmp_path / "leaking", plugin).findings

    assert finding.cure == cure
    assert measured(tmp_path / "cured", plugin + hook).outcome == "clean"


def test_the_advice_names_the_place(tmp_path):
    """The path goes on over the wrappers; the reader changes the place."""
    plugin = f"import host\n{CASES['a global'][0]}\n"

    (finding,) = measured(tmp_path, plugin).findings

    assert finding.advice == (
        "each generation puts a wrapper into host.app.run that keeps the one before; on unload, put back what it "
        "replaced"
    )


def measured(folder, plugin):
    """The report on a target beside the host."""
    run.write(folder, {"host": HOST, "plugin": plugin})
    with run.importable(folder):
        importlib.import_module("host")
        return measure_reload("plugin", rounds=3)

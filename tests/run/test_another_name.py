"""A target that a program executes under another name than that of its module, as `%run` and `runpy` do: `__main__`."""

from __future__ import annotations

import sys
import types

import pytest

from pytest_reloadleak import measure_reload

SOURCE = """
import another_host

class Plugin:
    def run(self):
        pass

another_host.kept{how}
"""


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Write the script, and give the reload that executes it."""
    host = types.ModuleType("another_host")
    host.kept = []
    monkeypatch.setitem(sys.modules, "another_host", host)
    file = tmp_path / "script.py"

    def reload():
        module = types.ModuleType("__main__")
        module.__file__ = str(file)
        exec(compile(file.read_text(), str(file), "exec"), vars(module))
        sys.modules["script"] = module

    def write(how):
        file.write_text(SOURCE.replace("{how}", how))
        return reload

    yield write
    sys.modules.pop("script", None)


def test_what_it_leaves_is_found(script):
    """The instance is the target's, though its class says another name, and so is the line."""
    report = measure_reload("script", reload=script(".append(Plugin())"), rounds=2)

    (finding,) = report.findings
    assert (finding.holder.path, finding.held.name) == ("another_host.kept[*]", "__main__.Plugin")
    assert (finding.site.line, finding.growth) == (8, "growing")


def test_what_it_replaces_is_no_leak(script):
    """Its cured twin."""
    report = measure_reload("script", reload=script("[:] = [Plugin()]"), rounds=2)

    assert (report.error, report.outcome) == (None, "clean")

"""The presets of notebooks in a real Jupyter kernel: the kernel's own shell, in the kernel's process."""

from __future__ import annotations

import json
from textwrap import dedent

import pytest

jupyter_client = pytest.importorskip("jupyter_client", reason="Jupyter is not installed here")
pytest.importorskip("ipykernel", reason="ipykernel is not installed here")

PATIENCE_S = 120
MODULE = """
import hub

class Plugin:
    pass

def make():
    return Plugin()

def start():
    hub.listeners{how}

if __name__ == "__main__":
    start()
"""
TEST = """
import json
import pathlib

import pytest
from IPython import get_ipython

@pytest.mark.parametrize("preset", ["autoreload", "%run"])
def test_plug(reload_leaks, preset):
    host = {"shell": get_ipython(), "cell": "import plug; plug.start();" if preset == "autoreload" else None}
    report = reload_leaks.measure("plug", preset=preset, host=host, rounds=2)
    found = [(finding.holder.path, finding.site.line) for finding in report.findings]
    said = [type(host["shell"]).__name__, report.outcome, found]
    pathlib.Path(f"{preset.strip('%')}.json").write_text(json.dumps(said))
"""


@pytest.fixture
def kernel(tmp_path):
    """A kernel in a process of its own; it executes a cell, and gives the error that this ended with."""
    manager, client = jupyter_client.manager.start_new_kernel(cwd=str(tmp_path))

    def execute(cell):
        reply = client.execute_interactive(dedent(cell), timeout=PATIENCE_S, output_hook=lambda _: None)
        return "\n".join(reply["content"].get("traceback", ()))

    yield execute
    client.stop_channels()
    manager.shutdown_kernel(now=True)


@pytest.mark.parametrize(("how", "outcome"), [(".append(make)", "leaking"), ("[:] = [make]", "clean")])
def test_the_kernels_own_shell(kernel, tmp_path, how, outcome):
    """A cell runs pytest; the host is the shell that executes the cell."""
    (tmp_path / "hub.py").write_text("listeners = []\n")
    (tmp_path / "plug.py").write_text(MODULE.replace("{how}", how))
    (tmp_path / "test_plug.py").write_text(TEST)

    failed = kernel("import pytest; pytest.main(['-p', 'no:cacheprovider', 'test_plug.py'])")

    assert failed == ""
    for preset in ("autoreload", "run"):
        found = [["hub.listeners[*]", 11]] if outcome == "leaking" else []
        assert json.loads((tmp_path / f"{preset}.json").read_text()) == [
            "ZMQInteractiveShell",
            outcome,
            found,
        ], preset

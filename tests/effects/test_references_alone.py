"""Without the probes of effects, what the interpreter's registries keep is found as whatever else is held."""

import json
import subprocess
import sys

import pytest
from cases import run

CHECK = """
import json, sys
sys.path[0] = sys.argv[1]
import host
from pytest_reloadleak import measure_reload
found = measure_reload("plugin", strategy=sys.argv[2], rounds=3, probes=["references"]).findings
print(json.dumps([[f.kind, f.growth, f.holder.path, f.holder.root, f.held.name, f.generations] for f in found]))
"""
HOST = """
import contextvars
last, kept = [], []
variable = contextvars.ContextVar("listeners", default=())
def act(*args): pass
"""
PLUGIN = "import functools, host\ndef on_event(*args): pass\n"

UNDONE = "host.last.append(on_event)\nif host.last[1:]: {}.unregister(host.last.pop(0))"
REGISTRIES = {
    "a context variable": (
        "host.variable.set((*host.variable.get(), on_event))",
        "host.variable.set((on_event,))",
        ["contextvars['listeners'][*]", "contextvars", "plugin.on_event"],
    ),
    "a callback at exit": (
        "import atexit\natexit.register(on_event)",
        f"import atexit\natexit.register(on_event)\n{UNDONE.format('atexit')}",
        ["atexit", "atexit", "plugin.on_event"],
    ),
    "a search function": (
        "import codecs\ncodecs.register(on_event)",
        f"import codecs\ncodecs.register(on_event)\n{UNDONE.format('codecs')}",
        ["codecs plugin.on_event", "codecs", "plugin.on_event"],
    ),
    "a function that nothing dates": (  # neither its code, which no walk sees, nor the name of its module
        "f = eval('lambda: 1')\nf.__module__ = 'elsewhere'\nhost.kept.append(f)\ndel f",
        "f = eval('lambda: 1')\nf.__module__ = 'elsewhere'\nhost.kept[:] = [f]\ndel f",
        ["host.kept[*]", "sys.modules", "elsewhere.<lambda>"],
    ),
}
"""What leaks, what does not, and where what leaks is held."""


def findings(directory, body, strategy):
    """What a process of its own finds in a target with this body."""
    run.write(directory, {"host": HOST, "plugin": f"{PLUGIN}{body}\n"})
    command = [sys.executable, "-c", CHECK, str(directory), strategy]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.mark.parametrize("strategy", ["reimport", "reload"])
@pytest.mark.parametrize("registry", REGISTRIES)
def test_what_a_registry_keeps_is_found(registry, strategy, tmp_path):
    """Each root that Python lets us list leads to it, and what is in C is named by the registry that it stands in."""
    leaking, _, at = REGISTRIES[registry]

    (finding,) = findings(tmp_path, leaking, strategy)

    assert finding[1:] == ["growing", *at, [-1, 0, 1]]
    assert finding[0] in {"retained-generation", "registration"}


@pytest.mark.parametrize("strategy", ["reimport", "reload"])
@pytest.mark.parametrize("registry", REGISTRIES)
def test_what_is_replaced_there_is_clean(registry, strategy, tmp_path):
    """The same registry with the newest generation alone."""
    _, cured, _ = REGISTRIES[registry]

    assert findings(tmp_path, cured, strategy) == []


@pytest.mark.parametrize("strategy", ["reimport", "reload"])
def test_what_a_signal_handler_keeps_is_found(strategy, tmp_path):
    """The handler is a foreign object that the first generation alone made: nothing but the signal leads to it."""
    cured = "import signal\nsignal.signal(12, functools.partial(host.act, on_event))"
    leaking = cured.replace("signal.signal", "if not host.last: signal.signal") + "\nhost.last = [1]"

    (finding,) = findings(tmp_path / "leaking", leaking, strategy)

    assert finding[1:] == ["bounded", "signal.SIGUSR2.args[*]", "signal", "plugin.on_event", [-1]]
    assert findings(tmp_path / "cured", cured, strategy) == []


@pytest.mark.parametrize("strategy", ["reimport", "reload"])
def test_what_is_held_in_c_is_told_by_what_is_held(strategy, tmp_path):
    """An audit hook is the function, and not the namespace or the classes that the function leads to."""
    (finding,) = findings(tmp_path, "import sys\nsys.addaudithook(on_event)", strategy)

    assert finding[1:5] == ["growing", "native", "native", "plugin.on_event"]
    assert {0, 1} <= set(finding[5])

"""A host's name for its own object is no stale copy of what the target took; a copy of what it made is one."""

import pytest

HOST = """
class Thing: pass
DEFAULT = current = Thing()
first = None
options = [DEFAULT, Thing()]

def new(): return Thing()

def connect():
    global first
    made = Thing()
    first = first or made
    return made

def use(o):
    global first
    first = first or o
"""

IMPORTS = """
def grab():
    global first
    import plugin
    first = first or plugin.kept

def grab_by_name(name):
    global first
    import importlib
    first = first or getattr(importlib.import_module(name), "kept")
"""
"""What such a host has as well."""

TAKEN = {
    "the present one": "kept = host.current\nhost.current = object()",
    "the present one, by name": "from host import current as kept\nhost.current = object()",
    "one of several": "kept = host.options[0]\nhost.options.reverse()",
    "what a function of the host made": "kept = host.connect()",
    "what a function of the host made, handed back": "kept = host.new()\nhost.use(kept)",
    "a handler of a signal": (
        "import signal\nkept = signal.getsignal(signal.SIGUSR1)\nsignal.signal(signal.SIGUSR1, print)"
    ),
    "a stream": "import sys\nkept = sys.stdout\nclass Out: pass\nsys.stdout = host.Thing()",
    "a stream, in a function": (
        "import sys\ndef start():\n    global kept\n    kept = sys.stdout\n    sys.stdout = host.Thing()\nstart()"
    ),
}

MADE = {
    "a display": "kept = {'a': 1}\nhost.use(kept)",
    "a comprehension": "kept = [n for n in range(3)]\nhost.use(kept)",
    "an instance": "kept = host.Thing()\nhost.use(kept)",
    "what a library's function made": "import threading\nkept = threading.Lock()\nhost.use(kept)",
    "what a library's class made": "import decimal\nkept = decimal.Context()\nhost.use(kept)",
    "a store": "kept = [1]\nif host.first is None: host.first = kept",
    "a store by name": "kept = [1]\nif host.first is None: setattr(host, 'first', kept)",
    "an import of the host": "kept = [1]\nhost.grab()",
    "an import by name": "kept = [1]\nhost.grab_by_name('plugin')",
}


@pytest.fixture(autouse=True)
def _undone(monkeypatch):
    """Put back what the targets set in the process; a check puts back only what it knows."""
    import signal
    import sys

    monkeypatch.setattr(sys, "stdout", sys.stdout)
    handler = signal.getsignal(signal.SIGUSR1)
    yield
    signal.signal(signal.SIGUSR1, handler)


@pytest.mark.parametrize("way", TAKEN)
def test_what_the_target_took_stays_the_hosts(way, measured, found):
    """The next generation takes another one; the host goes on having a name for the first."""
    report = measured({"host": HOST, "plugin": f"import host\n{TAKEN[way]}\n"}, rounds=3)

    assert (report.outcome, found(report)) == ("clean", [])


@pytest.mark.parametrize("way", MADE)
def test_what_the_target_made_is_stale_elsewhere(way, measured, found):
    """The host has a name for an object of the first generation, whatever way it came."""
    report = measured({"host": HOST + IMPORTS, "plugin": f"import host\n{MADE[way]}\n"}, rounds=3)

    assert found(report) == [("stale-reference", "bounded", "host.first", True)]


PACKAGES = {
    "made by a submodule": (
        {"plugin.__init__": "from plugin.consts import kept", "plugin.consts": "kept = [1]"},
        True,
    ),
    "made by the package": (
        {"plugin.__init__": "kept = [1]\nfrom . import consts", "plugin.consts": "from plugin import kept"},
        True,
    ),
    "made by the host": (
        {
            "plugin.__init__": "from plugin.consts import kept",
            "plugin.consts": "import host\nkept = host.current\nhost.current = object()",
        },
        False,
    ),
}


@pytest.mark.parametrize("way", PACKAGES)
def test_what_one_module_of_a_package_made_is_the_packages(way, measured, found):
    """Another module of it may have imported it; what each took from elsewhere stays the host's."""
    files, is_made = PACKAGES[way]
    grabbed = "\nimport host\nhost.use(kept)\n"
    init = files["plugin.__init__"] + grabbed

    report = measured({"host": HOST, **files, "plugin.__init__": init}, rounds=3)

    assert found(report) == ([("stale-reference", "bounded", "host.first", True)] if is_made else [])

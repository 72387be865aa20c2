"""A holder is named by the module that made it, whichever other modules have a name for it."""

import pytest
from cases import run

HOWS = run.WAYS


ON = "def on(): pass\n"
MADE = {
    "assigned": "listeners = []\n",
    "annotated": "listeners: list = []\n",
    "under a condition": "if True:\n    listeners = []\n",
    "in a try": "try:\n    listeners = []\nexcept OSError:\n    pass\n",
    "in one of several": "listeners, other = [], {}\n",
}
GUESTS = {
    "from import": "from app.bus import listeners\n",
    "from import as": "from app.bus import listeners as mine\n",
    "star import": "from app.bus import *\n",
    "attribute": "import app.bus\nlisteners = app.bus.listeners\n",
    "from import in a try": "try:\n    from app.bus import listeners\nexcept ImportError:\n    listeners = None\n",
}


def expect(path, kind="retained-generation"):
    """What `found` returns for one holder that grows."""
    return [(kind, "growing", path, True)]


@pytest.mark.parametrize("how", HOWS)
def test_what_the_target_imports_is_at_home_elsewhere(how, measured, found):
    """What most plugins do: the list is imported by name, and its home is the module that made it."""
    target = f"from app.bus import listeners\n{ON}listeners.append(on)\n"

    report = measured({"app.bus": MADE["assigned"], "app.a": target}, "app.a", loaded=(), how=how)

    assert found(report) == expect("app.bus.listeners[*]")


@pytest.mark.parametrize("how", HOWS)
def test_the_cured_twin_that_imports_by_name_is_clean(how, measured, found):
    """Whoever takes its predecessor's place leaves nothing behind, by whatever name the list is reached."""
    target = f"from app.bus import listeners\n{ON}listeners[:] = [on]\n"

    report = measured({"app.bus": MADE["assigned"], "app.a": target}, "app.a", loaded=(), how=how)

    assert (report.outcome, found(report)) == ("clean", [])


@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("guest", GUESTS)
def test_another_module_that_imports_it_is_a_guest(guest, made, measured, found):
    """For each way to import it and to make it: another module's name, first in the alphabet, changes nothing."""
    files = {
        "app.bus": MADE[made],
        "app.aaa": GUESTS[guest],
        "app.b": f"from app import bus\n{ON}bus.listeners.append(on)\n",
    }

    report = measured(files, "app.b", loaded=("app.aaa",), rounds=2)

    assert found(report) == expect("app.bus.listeners[*]")


DEEP = {
    "a sum": f"len({' + '.join(['str()'] * 1500)})\n",
    "a chain of conditions": "if 0: pass\n" + "elif 0: pass\n" * 1200,
}


@pytest.mark.parametrize("deep", DEEP)
def test_a_source_is_read_however_deep_it_is(deep, measured, found):
    """A generated table may nest deeper than Python's own stack."""
    files = {
        "app.bus": MADE["assigned"],
        "app.aaa": f"{DEEP[deep]}{GUESTS['from import']}",
        "app.b": f"from app import bus\n{ON}bus.listeners.append(on)\n",
    }

    report = measured(files, "app.b", loaded=("app.aaa",), rounds=2)

    assert found(report) == expect("app.bus.listeners[*]")


@pytest.mark.parametrize("deep", DEEP)
def test_the_source_of_a_target_is_read_however_deep_it_is(deep, measured, found):
    """The lines of the cure come from it."""
    files = {
        "host": "class Bus:\n    def __init__(self): self.on = []\n    def add(self, f): self.on.append(f)\n"
    }
    files["host"] += "    def remove(self, f): self.on.remove(f)\nbus = Bus()\n"
    files["plugin"] = f"import host\n{DEEP[deep]}{ON}host.bus.add(on)\n"

    report = measured(files, rounds=2)

    assert found(report) == expect("host.bus.on[*]")
    assert "host.bus.remove(on)" in report.findings[0].cure


@pytest.mark.parametrize("guests", [(), ("aaa",), ("zzz",), ("aaa", "zzz"), ("zzz", "aaa")])
def test_signature_and_holder_do_not_depend_on_who_imports(guests, measured):
    """Neither the order of imports nor a module's name changes the signature."""
    guest = "from app.bus import listeners\n"
    files = {"app.bus": MADE["assigned"], "aaa": guest, "zzz": guest}
    files["app.b"] = f"from app import bus\n{ON}bus.listeners.append(on)\n"

    (finding,) = measured(files, "app.b", loaded=guests, rounds=2).findings

    assert (finding.holder.path, finding.signature) == ("app.bus.listeners[*]", "eb602696")


@pytest.mark.parametrize("who", ["the target", "another module"])
@pytest.mark.parametrize("how", HOWS)
def test_a_name_for_a_part_of_the_host_is_a_guest(how, who, measured, found):
    """`drawer = host.CABINET.shelves['top']` is one more name for what the host made, however deep it lies."""
    host = "class Cabinet: pass\nCABINET = Cabinet()\nCABINET.shelves = {'top': []}\n"
    drawer = "import host\ndrawer = host.CABINET.shelves['top']\n"
    put = {
        "the target": f"{drawer}{ON}drawer.append(on)\n",
        "another module": f"import aaa\n{ON}aaa.drawer.append(on)\n",
    }
    files = {"host": host, "aaa": drawer, "plugin": put[who]}

    report = measured(files, loaded=("host", "aaa") if who == "another module" else ("host",), how=how)

    assert found(report) == expect("host.CABINET.shelves['top'][*]")


def test_a_name_that_is_the_only_one_is_the_home(measured, found):
    """What a function of another module returned has no other home than the module that bound it."""
    files = {"maker": "def make(): return []\n", "host": "from maker import make\nkept = make()\n"}
    files["plugin"] = f"import host\n{ON}host.kept.append(on)\n"

    assert found(measured(files, rounds=2)) == expect("host.kept[*]")


WRAPS = """
    import host, functools
    _original = host.render

    @functools.wraps(_original)
    def render(*args):
        return _original(*args)

    host.render = render
"""


@pytest.mark.parametrize("how", ["reimport", "callable"])
@pytest.mark.parametrize("saved", ["a global", "a closure", "a default", "a partial"])
def test_a_wrapper_is_a_patch_wherever_it_keeps_the_original(saved, how, measured, found):
    """One onion is one patched global, by the name under which the wrapper is called."""
    sources = {
        "a global": WRAPS,
        "a closure": """
            import host, functools
            def wrap(f):
                @functools.wraps(f)
                def render(*args):
                    return f(*args)
                return render
            host.render = wrap(host.render)
        """,
        "a default": """
            import host, functools
            def render(*args, _original=host.render):
                return _original(*args)
            host.render = functools.wraps(host.render)(render)
        """,
        "a partial": """
            import host, functools
            def around(original, *args):
                return original(*args)
            def render(*args, _call=functools.partial(around, host.render)):
                return _call(*args)
            host.render = render
        """,
    }
    files = {"host": "def render(*args): return 1\n", "plugin": sources[saved]}

    report = measured(files, how=how)

    assert found(report) == expect("host.render", "patched-global")
    assert "wrapped 5 times by old generations" in report.findings[0].details


@pytest.mark.parametrize("how", HOWS)
def test_a_wrapper_around_the_original_is_clean(how, measured, found):
    """The cured twin wraps what the host itself defined, each time."""
    host = "def render(*args): return 1\nfirst = render\n"
    files = {"host": host, "plugin": WRAPS.replace("_original = host.render", "_original = host.first")}

    report = measured(files, how=how)

    assert (report.outcome, found(report)) == ("clean", [])

"""The two checks of which the outcome is known, and what becomes of a report where they come out wrong."""

import sys

import pytest

from pytest_reloadleak.isolation import canaries


def test_nothing_is_said_where_both_come_out_right():
    """The leak is found and the clean one is clean, in a process like any other."""
    assert canaries.defeated() is None
    assert canaries.defeated(was_clean=True) is None
    assert canaries.defeated(is_proven=True) is None


def test_it_leaves_nothing_behind():
    """Neither its modules nor its finder stay, and a second time is as the first."""
    finders = list(sys.meta_path)
    canaries.defeated()
    canaries.defeated()

    assert not [name for name in sys.modules if name in canaries._SOURCES]
    assert all(a is b for a, b in zip(sys.meta_path, finders, strict=True))


@pytest.mark.parametrize("before", [{"was_clean": True}, {"is_proven": True}, {}])
def test_a_leak_that_is_not_found_is_said(before, monkeypatch):
    """As it would be if something hid the holder from the tool: here the leak is not made."""
    monkeypatch.setitem(canaries._SOURCES, canaries._LEAKS, "def event(): pass\n")

    assert (
        canaries.defeated(**before)
        == "checks are unreliable in this process: a deliberate leak was not found"
    )


def test_a_leak_that_is_held_elsewhere_is_not_the_one_that_was_made(monkeypatch):
    """Somebody else's reference shows that the leak is alive, not that its own holder can be seen."""
    monkeypatch.setitem(canaries._SOURCES, canaries._HOST, "kept, other = [], []\n")
    held = f"import {canaries._HOST} as host\n\ndef event(): pass\n\nhost.other.append(event)\n"
    monkeypatch.setitem(canaries._SOURCES, canaries._LEAKS, held)

    assert canaries.defeated() == "checks are unreliable in this process: a deliberate leak was not found"


@pytest.mark.parametrize("is_proven", [True, False])
def test_a_clean_module_that_is_held_is_said(is_proven, monkeypatch):
    """As it would be if something kept whatever is imported: here the clean one sees to it itself."""
    held = f"import {canaries._HOST} as host\n\ndef event(): pass\n\nhost.other.append(event)\n"
    monkeypatch.setitem(canaries._SOURCES, canaries._HOST, "kept, other = [], []\n")
    monkeypatch.setitem(canaries._SOURCES, canaries._CLEAN, held)

    assert canaries.defeated(is_proven=is_proven) == (
        "checks are unreliable in this process: a clean module was reported as held by "
        "reloadleak_canary_host.other[*]"
    )


def test_what_cannot_be_imported_at_all_is_said(monkeypatch):
    """An import system that fails for what is made on purpose would have failed for the target as well."""
    monkeypatch.setitem(canaries._SOURCES, canaries._CLEAN, "raise RuntimeError('no imports here')\n")

    reason = canaries.defeated()

    assert reason is not None
    assert reason.startswith("checks are unreliable in this process: the self-check failed with ")
    assert "no imports here" in reason


KEEPS = """
import sys

kept = []


def tracing(frame, event, arg):
    kept.append(frame.f_globals)


sys.settrace(tracing)
"""


LEAK = "import host\nhost.kept.append(f)\n"


@pytest.mark.parametrize(
    ("keeper", "leak", "outcome"),
    [
        (KEEPS, "", "inconclusive"),
        (KEEPS, LEAK, "inconclusive"),
        ("", "", "clean"),
        ("", LEAK, "leaking"),
    ],
)
def test_an_environment_that_keeps_whatever_runs_is_inconclusive(project, keeper, leak, outcome):
    """A debugger that keeps the namespaces of all code says nothing of the target; its twin keeps nothing."""
    files = {"keeper.py": keeper, "host.py": "kept = []\n"}
    project.write({**files, "app.py": f"import keeper\n\ndef f(): pass\n{leak}"})

    project.run("--reload-leak-check", "--reload-leak-target=app")

    (entry,) = project.checks()
    assert entry["outcome"] == outcome
    if outcome == "inconclusive":
        assert "checks are unreliable in this process" in entry["reason"]
        assert any(note.startswith("the unreliable outcome was ") for note in entry["notes"])

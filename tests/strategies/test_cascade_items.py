"""`cascade` in a pytest session: targets as items, in a process of their own, and marked tests."""

import pytest
from support import target

from pytest_reloadleak.strategies.dependencies import import_records

CASCADE = "--reload-leak-strategy=cascade"
TOP = "from app.middle import g\nimport host\ndef on_event(): pass\nhost.listeners{} [on_event]\n"
FILES = {
    "app/__init__.py": "",
    "app/base.py": "def f(): pass\n",
    "app/middle.py": "from app.base import f\ndef g(): return f()\n",
    "app/top.py": TOP.format("[:] ="),
    "app/alone.py": "import host\ndef on_event(): pass\nhost.listeners += [on_event]\n",
    "test_it.py": "import app.top, app.alone\ndef test_it(): pass\n",
}
LEAKY = {"app/top.py": TOP.format(" +=")}


@pytest.fixture
def app(project, monkeypatch):
    """A project with a chain of modules, and one beside it that must not be reloaded: it would leak."""
    monkeypatch.setattr(import_records, "_records", {})
    project.write(FILES)
    return project


@pytest.mark.parametrize("isolation", ["process", "none"])
@pytest.mark.parametrize("leaks", [True, False], ids=["leaks", "cured"])
def test_dependents_that_the_tests_imported_are_reloaded_with_the_target(leaks, isolation, app):
    """Only `app.base` is named; what `app.top` leaves behind is held against it, wherever it is checked."""
    app.write(LEAKY if leaks else {})

    run = app.check if isolation == "process" else app.check_apart
    result = run(CASCADE, f"--reload-leak-isolation={isolation}", *target("app.base"))

    result.assert_outcomes(passed=1 if leaks else 2, failed=leaks)
    (check,) = app.checks()
    held = [(finding["kind"], finding["held"]["name"]) for finding in check["findings"]]
    assert held == ([("retained-generation", "app.top.on_event")] if leaks else [])
    assert (check["strategy"], check["outcome"]) == ("cascade", "leaking" if leaks else "clean")


def test_without_the_tests_imports_nobody_is_known_to_depend(app):
    """Nor with another strategy: then the target alone is loaded and reloaded, which is clean."""
    app.write(LEAKY)

    app.check("--reload-leak-strategy=reimport", *target("app.base")).assert_outcomes(passed=2)
    app.write({"test_it.py": "def test_it(): pass\n"})
    app.check(CASCADE, *target("app.base")).assert_outcomes(passed=2)


HIDDEN = {
    "an import in a function, which has not run when the tests are collected": """
        import host
        def on_event():
            from app import base
        host.listeners += [on_event]
    """,
    "an import by a computed name, which was recorded in the session and in the worker": """
        import importlib, host
        importlib.import_module(".".join(["app", "base"]))
        def on_event(): pass
        host.listeners += [on_event]
    """,
}


@pytest.mark.parametrize("source", HIDDEN.values(), ids=HIDDEN)
def test_a_dependent_whose_import_no_binding_shows_is_reloaded(source, app):
    """Its names are bound to nothing of the target."""
    app.write({"app/hidden.py": source, "test_it.py": "import app.hidden\ndef test_it(): pass\n"})

    app.check(CASCADE, *target("app.base")).assert_outcomes(passed=1, failed=1)

    assert [f["held"]["name"] for f in app.checks()[0]["findings"]] == ["app.hidden.on_event"]


def test_who_accepts_updates_is_loaded_beside_the_target_as_well(app):
    """It would keep an old object: in a process of its own that is found as in this one."""
    app.write({"app/middle.py": "from app.base import f\n__reload_accept__ = True\ndef g(): return f()\n"})

    app.check(CASCADE, *target("app.base"))

    (check,) = app.checks()
    assert check["not_reloaded"] == ["app.middle"]
    assert [(f["kind"], f["holder"]["path"]) for f in check["findings"]] == [
        ("stale-reference", "app.middle.f")
    ]


def test_test_modules_and_conftests_are_not_dependents(app):
    """They import the target, and are neither reloaded nor told to be stale."""
    app.write(
        {
            "conftest.py": "from app.base import f\nimport host\nhost.listeners.append(f)\n",
            "test_it.py": "import builtins, app.top\nfrom app.base import f\n"
            "builtins.ran = getattr(builtins, 'ran', 0) + 1\ndef test_it(): assert builtins.ran == 1\n",
        }
    )

    result = app.check_apart(CASCADE, "--reload-leak-isolation=none", *target("app.base"))

    result.assert_outcomes(passed=2)


def test_who_raises_fails_the_item_alone(app):
    """A dependent that cannot be executed again is the outcome `error` with its own line; the next item is checked."""
    app.write(
        {"app/middle.py": "import host\nfrom app.base import f\nhost.once\ndef g(): pass\ndel host.once\n"}
    )
    app.write({"host.py": "listeners = []\nonce = 1\n"})

    result = app.check(CASCADE, *target("app.base", "app.top"))

    result.assert_outcomes(passed=2, failed=1)
    assert app.outcomes() == {"app.base": "error", "app.top": "clean"}
    (text,) = [check["error"] for check in app.checks() if check["error"]]
    assert text.startswith("warm-up round 1: the reload raised: AttributeError: ")
    assert "middle.py:3 in <module>" in text


MARKED = """
    import sys
    import pytest
    import app.alone
    import app.top as top
    from app import middle
    from app.base import f
    from app.middle import g
    from app.top import on_event

    FIRST = (app, app.alone, app.base, middle, top, f, g, on_event)
    seen = []

    @pytest.mark.reloadable("app.base", strategy="cascade", rounds=3)
    def test_body(reloaded):
        assert reloaded is app.base is sys.modules["app.base"]
        assert top is app.top is sys.modules["app.top"]
        assert middle is app.middle is sys.modules["app.middle"]
        assert f is reloaded.f is middle.f
        assert g is middle.g is top.g
        assert on_event is top.on_event
        assert app is FIRST[0] and app.alone is FIRST[1] is sys.modules["app.alone"]
        assert not any(a is b for a, b in zip(FIRST[2:], (app.base, middle, top, f, g, on_event)))
        seen.append((id(f), id(g), id(top)))

    def test_after():
        assert len(seen) >= 1 + 3
        assert all(a is b for a, b in zip(FIRST, (app, app.alone, app.base, middle, top, f, g, on_event)))
        assert sys.modules["app.middle"] is middle and sys.modules["app.top"] is top
        assert middle.f is f and top.g is g
"""


def test_a_marked_tests_own_bindings_of_dependents_are_fresh_in_every_round(app):
    """And put back in the end; those of modules that do not depend on the target stay."""
    app.write({"test_it.py": MARKED})

    result = app.check_apart("-p", "no:randomly", "-vv")

    result.assert_outcomes(passed=2)
    (check,) = app.checks()
    assert (check["strategy"], check["outcome"], check["findings"]) == ("cascade", "clean", [])


def test_a_marked_test_that_keeps_a_dependent_of_each_round_leaks(app):
    """Functions of dependents have generations like those of the target."""
    keeps = "vars(sys.modules['host']).setdefault('kept', []).append(g)"
    app.write({"test_it.py": MARKED.replace("seen.append(", f"{keeps}; seen.append(")})

    result = app.check_apart("-p", "no:randomly")

    result.assert_outcomes(passed=1, failed=1)
    (finding,) = app.checks()[0]["findings"]
    assert (finding["kind"], finding["held"]["name"]) == ("retained-generation", "app.middle.g")

"""Flask applications and their signals, reloaded by import."""

from __future__ import annotations

import importlib
import logging
import sys

import flask
import pytest

from pytest_reloadleak import ReloadLeakError

ALL = (-1, 0, 1, 2, 3)
"""What five rounds may leave: the newest generation lives, and the one before it is in its grace."""


@pytest.fixture(autouse=True)
def cleaned():
    """Whatever a test connects to Flask's signals or adds to werkzeug's logger is gone after it."""
    logger = logging.getLogger("werkzeug")
    handlers = logger.handlers[:]
    yield
    logger.handlers[:] = handlers
    for receiver in list(flask.request_started.receivers_for(None)):
        flask.request_started.disconnect(receiver)
    for name in [name for name in sys.modules if name.startswith("web.")]:
        del sys.modules[name]
        sys.modules["web"].__dict__.pop(name.removeprefix("web."), None)


def leaking(reload_leaks, name, strategy):
    """Check a target that leaks; return its only finding and the report's text, on one line."""
    with pytest.raises(ReloadLeakError) as caught:
        reload_leaks.check(name, strategy=strategy)
    (finding,) = caught.value.report.findings
    return finding, " ".join(str(caught.value).split())


@pytest.mark.parametrize("strategy", ["reimport", "reload"])
def test_a_strong_receiver_is_found(reload_leaks, strategy):
    """The signal's table of receivers holds each old function; the report names signal and function."""
    finding, text = leaking(reload_leaks, "web.strong_receiver", strategy)

    assert (finding.kind, finding.growth) == ("retained-generation", "growing")
    assert finding.generations == ALL
    assert finding.sole_holder
    assert finding.holder.root == "sys.modules"
    assert finding.holder.path.startswith("flask.")
    assert finding.holder.path.endswith("request_started.receivers[*]")
    assert finding.held.name == "web.strong_receiver.on_request"
    assert f"holder {finding.holder.path} (dict, root sys.modules)" in text


@pytest.mark.parametrize("strategy", ["reimport", "reload"])
def test_a_log_handler_is_found(reload_leaks, strategy):
    """The list of handlers of werkzeug's logger holds each old handler, and logger and class are named."""
    finding, _ = leaking(reload_leaks, "web.handler_added", strategy)

    assert (finding.kind, finding.registry, finding.growth) == ("registration", "logging", "growing")
    assert finding.generations == ALL
    assert finding.holder.path == "logging.getLogger('werkzeug').handlers[*]"
    assert finding.held.name == "web.handler_added.Access"


@pytest.mark.parametrize("strategy", ["reimport", "reload"])
@pytest.mark.parametrize("name", ["weak_receiver", "handler_replaced", "factory", "module_app"])
def test_well_behaved_modules_are_clean(reload_leaks, name, strategy):
    """The cured twins pass, and so do applications that are only imported."""
    report = reload_leaks.check(f"web.{name}", strategy=strategy)

    assert report.outcome == "clean"
    assert [note for note in report.notes if not note.startswith("put back after the check")] == []


def test_an_application_that_serves_is_clean(reload_leaks):
    """An application that each round makes again and asks for pages leaves nothing: no context, template or matcher."""
    with reload_leaks.watch("web.factory") as watch:
        for _ in watch.rounds(5):
            sys.modules.pop("web.factory", None)
            factory = importlib.import_module("web.factory")
            app = factory.create_app()
            with app.test_client() as client:
                assert client.get("/7").json == {"number": 7}
                assert client.get("/seven").status_code == 404
            with app.app_context():
                assert flask.render_template_string("{{ 'a' | shout }}") == "A"

    assert watch.report.outcome == "clean"

"""Targets that leave something in a real host: loguru, bokeh, gevent, Twisted, PyQt5, FastAPI and ipywidgets."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_reloadleak import Report

ALL = (-1, 0, 1, 2)
"""What four rounds may leave: the newest generation lives, and the one before it is in its grace."""
DISPOSE = "def __reload_dispose__(data): "


@dataclass(frozen=True, kw_only=True)
class Twins:
    """A target that leaves something in a host, and how it is cured."""

    needs: str
    """The library."""
    host: str
    """Source of the module `hub`, which stays."""
    source: str
    undo: str
    """What its dispose hook does in the cured twin."""
    path: str
    held: str
    kind: str = "retained-generation"
    also: tuple[str, ...] = ()


HOSTS = {
    "loguru": Twins(
        needs="loguru",
        host="from loguru import logger",
        source="def sink(message): pass\nnumber = hub.logger.add(sink)",
        undo="hub.logger.remove(number)",
        path="loguru.logger._core.handlers[*]._sink._function",
        held="plug.sink",
    ),
    "loguru with a queue": Twins(
        needs="loguru",
        host="from loguru import logger",
        source="def sink(message): pass\nnumber = hub.logger.add(sink, enqueue=True)",
        undo="hub.logger.remove(number)",
        kind="live-thread",
        path="thread 'loguru-writer-*' (daemon)",
        held="plug.sink",
        also=("retained-generation: generations -1, 0, 1, 2 of plug", "open-fd: fd * pipe"),
    ),
    "bokeh": Twins(
        needs="bokeh",
        host="from bokeh.document import Document\ndocument = Document()",
        source="def changed(): pass\ncalled = hub.document.add_periodic_callback(changed, 1000)",
        undo="hub.document.remove_periodic_callback(called)",
        path="hub.document.callbacks._session_callbacks[*]",
        held="plug.changed",
    ),
    "gevent": Twins(
        needs="gevent",
        host="import gevent",
        source=(
            "def work():\n    while True: hub.gevent.sleep(60)\n"
            "worker = hub.gevent.spawn(work)\nhub.gevent.sleep(0)"
        ),
        undo="worker.kill()",
        path="native gevent._gevent_cgreenlet.Greenlet._run",
        held="plug.work",
    ),
    "Twisted": Twins(
        needs="twisted",
        host="from twisted.internet import reactor",
        source="def end(): pass\nnumber = hub.reactor.addSystemEventTrigger('before', 'shutdown', end)",
        undo="hub.reactor.removeSystemEventTrigger(number)",
        path="twisted.internet.reactor._eventTriggers['shutdown'].before[*][*]",
        held="plug.end",
    ),
    "PyQt5": Twins(
        needs="PyQt5",
        host=(
            "from PyQt5.QtCore import QCoreApplication, QObject, pyqtSignal\n"
            "application = QCoreApplication.instance() or QCoreApplication([])\n"
            "class Bus(QObject):\n    changed = pyqtSignal(int)\n"
            "bus = Bus()"
        ),
        source="def changed(number): pass\nhub.bus.changed.connect(changed)",
        undo="hub.bus.changed.disconnect(changed)",
        path="hub.bus<in hub.Bus>",
        held="plug.changed",
    ),
    "ipywidgets": Twins(
        needs="ipywidgets",
        host="import ipywidgets\nslider = ipywidgets.IntSlider()",
        source="def changed(change): pass\nhub.slider.observe(changed, 'value')",
        undo="hub.slider.unobserve(changed, 'value')",
        path="hub.slider._trait_notifiers['value']['change'][*]",
        held="plug.changed",
    ),
}


@pytest.fixture
def checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reload_leaks) -> Iterator[Callable[..., Report]]:
    """Check a target `plug` against a module `hub` that uses a library; skip where the library is not installed."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(os.environ, "QT_QPA_PLATFORM", "offscreen")

    def check(needs: str, host: str, source: str, way: str = "reimport") -> Report:
        pytest.importorskip(
            needs, reason=f"{needs} does not install on this interpreter", exc_type=ImportError
        )
        (tmp_path / "hub.py").write_text(host + "\n")
        (tmp_path / "plug.py").write_text(f"import hub\n{source}\n")
        importlib.invalidate_caches()
        importlib.import_module("hub")
        keywords = {"reload": again} if way == "callable" else {"strategy": way}
        return reload_leaks.measure("plug", rounds=4, **keywords)

    yield check
    for name in ("plug", "hub"):
        sys.modules.pop(name, None)


def again() -> None:
    """Drop the module and import it again, as most hosts reload."""
    sys.modules.pop("plug", None)
    importlib.import_module("plug")


@pytest.mark.parametrize("way", ["reimport", "reload", "callable"])
@pytest.mark.parametrize("name", HOSTS)
def test_what_stays_in_a_host_is_one_finding(checked, name, way):
    """With its kind, its holder and what it keeps."""
    twins = HOSTS[name]

    report = checked(twins.needs, twins.host, twins.source, way)

    (finding,) = report.findings
    assert (finding.kind, finding.growth, finding.sole_holder) == (twins.kind, "growing", True)
    assert (finding.holder.path, finding.held.name) == (twins.path, twins.held)
    if way == "reimport":
        assert finding.generations == ALL
        assert set(twins.also) <= set(finding.also_retains)


@pytest.mark.parametrize("way", ["reimport", "reload", "callable"])
@pytest.mark.parametrize("name", HOSTS)
def test_a_target_that_takes_it_out_is_clean(checked, name, way):
    """The cured twins."""
    twins = HOSTS[name]

    report = checked(twins.needs, twins.host, f"{twins.source}\n{DISPOSE}{twins.undo}", way)

    assert (report.outcome, report.findings) == ("clean", ())


ROUTE = "@hub.api.get('/x')\ndef read(number: int = 1): return number"


@pytest.mark.parametrize("way", ["reimport", "reload", "callable"])
@pytest.mark.parametrize("is_cured", [False, True])
def test_a_route_of_fastapi_is_one_finding(checked, is_cured, way):
    """Beside what FastAPI's own caches keep, which is known with their bound and stays when the route is removed."""
    cure = (
        f"\nroute = hub.api.router.routes[-1]\n{DISPOSE}hub.api.router.routes.remove(route)"
        if is_cured
        else ""
    )

    report = checked("fastapi", "import fastapi\napi = fastapi.FastAPI()", ROUTE + cure, way)

    unknown = [finding for finding in report.findings if finding.known is None]
    assert [(f.holder.path, f.held.name) for f in unknown] == (
        [] if is_cured else [("hub.api.router.routes[*]", "plug.read")]
    )
    assert report.outcome == ("known" if is_cured else "leaking")

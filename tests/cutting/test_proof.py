"""What a proof says: of one holder, of several, of what cannot be removed, and of removals that do harm."""

import textwrap

import pytest
from proof_programs import program, reports

from pytest_reloadleak.cutting.proof import Proof
from pytest_reloadleak.holders.retention import Retention
from pytest_reloadleak.isolation import worker
from pytest_reloadleak.model import Finding, Held, Holder, Report
from pytest_reloadleak.settings import Settings
from pytest_reloadleak.verdict import proofs
from pytest_reloadleak.verdict.enumeration import phrase

ON = "import host\ndef on(*args): pass\nclass Plain: pass\n"
JOB = """
    import threading
    jobs = []
    class Job:
        def __init__(self, function):
            self.function, self.stopped = function, threading.Event()
            threading.Thread(target=self.run, daemon=True).start()
        def run(self):
            self.stopped.wait()
"""

SIGNAL = """
import signal

def install(previous):
    signal.signal(signal.SIGUSR1, lambda *a: previous)

install(signal.getsignal(signal.SIGUSR1))
host.one.append(on)
"""

HANDLER = """
import atexit, logging, threading
atexit.register(on)
timer = threading.Timer(60, on); timer.daemon = True; timer.start()
class Handler(logging.Handler):
    def emit(self, record): pass
handler = Handler()
logging.getLogger().addHandler(handler)
"""

SEVERAL = {
    "two lists": ("one, two = [], []", "host.one.append(on); host.two.append(on)"),
    "three": (
        "one, two, three = [], {}, set()",
        "host.one.append(on); host.two[len(host.two)] = on; host.three.add(on)",
    ),
    "four": (
        "class Box: pass\none, two, three, four = [], {}, set(), []",
        "b = host.Box(); b.kept = on; host.one.append(b); host.two[on] = 1; host.three.add(on); host.four.append(on)",
    ),
    "an object in two tables": (
        "class Box: pass\none, two = [], {}",
        "box = host.Box(); box.kept = on; host.one.append(box); host.two[len(host.two)] = box",
    ),
    "a registry and a cache": (
        "import functools\n@functools.lru_cache(maxsize=None)\ndef about(o): pass\n",
        "import atexit\natexit.register(Plain); host.about(Plain)",
    ),
    "a cache and a list": (
        "import functools\none = []\n@functools.lru_cache(maxsize=None)\ndef about(o): pass\n",
        "host.one.append(on); host.about(on)",
    ),
    "a function and a class of it": ("one, two = [], []", "host.one.append(on); host.two.append(Plain)"),
    "two caches and a list": (
        "import functools\none = []\nabout = functools.lru_cache(maxsize=None)(id)\nof = functools.cache(repr)\n",
        "host.one.append(on); host.about(on); host.of(on)",
    ),
    "a thread and a list": (JOB, "host.jobs.append(host.Job(on))"),
    "a thread, a list and an exit hook": (
        JOB,
        "import atexit\natexit.register(on); host.jobs.append(host.Job(on))",
    ),
    "a timer, an exit hook and a handler": ("", HANDLER),
    "a timer and a list": (
        "import threading\none = []",
        "import threading\nhost.one.append(on)\ntimer = threading.Timer(60, on); timer.daemon = True; timer.start()",
    ),
    "a signal's handler and a list": (
        "one = []",
        SIGNAL,
    ),
}


@pytest.fixture(scope="module")
def several():
    """The reports on all of them."""
    return reports(
        [
            program(
                f"{case}, {how}", {"host": textwrap.dedent(host), "plugin": f"{ON}{line}\n"}, how, rounds=5
            )
            for case, (host, line) in SEVERAL.items()
            for how in ("reimport", "reload")
        ]
    )


@pytest.mark.parametrize("strategy", ["reimport", "reload"])
@pytest.mark.parametrize("case", SEVERAL)
def test_one_of_several_holders_alone_frees_nothing(case, strategy, several):
    """Each is removed, alone from one generation, with the others from all; each finding names the others."""
    findings = several[f"{case}, {strategy}"]["findings"]

    assert len(findings) > 1
    for finding in findings:
        others = sorted({f["signature"] for f in findings} - {finding["signature"]})
        assert finding["together_with"] == others
        count = len(finding["generations"])
        assert finding["proof"] == (
            f"removing it alone frees none; with {phrase(others)} it frees {count} of {count} old generations"
        )
        assert finding["proven"] is True


UNDONE = {
    "two lists": "host.one.remove(on); host.two.remove(on)",
    "three": "host.one.remove(on); host.two.clear(); host.three.discard(on)",
    "a registry and a cache": "import atexit; atexit.unregister(Plain); host.about.cache_clear()",
    "a cache and a list": "host.one.remove(on); host.about.cache_clear()",
    "a thread and a list": "host.jobs.pop().stopped.set()",
    "a thread, a list and an exit hook": "import atexit; atexit.unregister(on); host.jobs.pop().stopped.set()",
    "a timer, an exit hook and a handler": (
        "timer.cancel(); atexit.unregister(on); logging.getLogger().removeHandler(handler)"
    ),
}


def undone(case, how):
    """A program whose hook lets go of some of the holders."""
    host, line = SEVERAL[case]
    files = {
        "host": textwrap.dedent(host),
        "plugin": f"{ON}{line}\ndef __reload_dispose__(): {UNDONE[case]}\n",
    }
    return program(f"{case}, {how}", files, how, rounds=3)


def test_when_all_of_several_holders_let_go_nothing_is_found():
    """The cured twins of the same programs, under both strategies."""
    found = reports([undone(case, how) for case in UNDONE for how in ("reimport", "reload")])

    assert {name: report["findings"] for name, report in found.items() if report["findings"]} == {}
    assert {report["outcome"] for report in found.values()} == {"clean"}


@pytest.mark.parametrize("strategy", ["reimport", "reload"])
def test_when_one_of_three_holders_stays_it_is_the_sole_one(strategy):
    """It is named with those that matter, and a removal of it alone frees everything."""
    host, line = SEVERAL["three"]
    files = {
        "host": host,
        "plugin": f"{ON}{line}\ndef __reload_dispose__(): host.one.remove(on); host.two.clear()\n",
    }

    (report,) = reports([program("three", files, strategy, rounds=3)]).values()

    (finding,) = report["findings"]
    assert (finding["holder"]["path"], finding["sole_holder"]) == ("host.three[*]", True)
    assert (finding["together_with"], finding["proof"]) == ([], "removing it frees 3 of 3 old generations")


ALONE = {
    "tuple that all share": (
        "kept = ()",
        "host.kept += (on,)",
        True,
        "removing it frees 5 of 5 old generations",
    ),
    "tuple of one generation": (
        "kept = []",
        "host.kept.append((1, on))",
        True,
        "removing it frees 5 of 5 old generations",
    ),
    "frozenset that all share": (
        "kept = frozenset()",
        "host.kept |= {on}",
        True,
        "removing it frees 5 of 5 old generations",
    ),
    "list that is built anew": (
        "kept = []",
        "host.kept = [*host.kept, on]",
        True,
        "removing it frees 5 of 5 old generations",
    ),
    "what hangs on one link of a chain": (
        """
        class Link:
            def __init__(self, older, item): self.older, self.item = older, item
        class Item: pass
        chain = None
        def push(call, check):
            global chain
            item = Item()
            item.call, item.deep = call, [check]
            chain = Link(chain, item)
        """,
        "host.push(on, Plain)",
        True,
        "removing it frees 5 of 5 old generations",
    ),
    "attribute of an object that is built anew": (
        "class Box: pass\nbox = None",
        "box = host.Box()\nbox.first = getattr(host.box, 'first', on)\nhost.box = box",
        True,
        "removing it frees 1 of 1 old generation",
    ),
    "slot of an object that is built anew": (
        "class Box: __slots__ = ('first',)\nbox = None",
        "box = host.Box()\nbox.first = getattr(host.box, 'first', on)\nhost.box = box",
        True,
        "removing it frees 1 of 1 old generation",
    ),
    "attribute of an exception that is built anew": (
        "error = None",
        "error = LookupError()\nerror.first = getattr(host.error, 'first', on)\nhost.error = error",
        True,
        "removing it frees 1 of 1 old generation",
    ),
    "timer that sets itself again": (
        "import asyncio\nloop = asyncio.new_event_loop()",
        (
            "class Clock:\n"
            "    def tick(self): host.loop.call_later(0.001, self.tick)\n"
            "Clock().tick()\n"
            "host.loop.run_until_complete(host.asyncio.sleep(0.002))"
        ),
        True,
        "removing it frees 5 of 5 old generations",
    ),
    "thread's timer that sets itself again": (
        "import threading",
        (
            "def tick():\n"
            "    timer = host.threading.Timer(0.02, tick); timer.daemon = True; timer.start()\n"
            "tick()\n"
        ),
        True,
        "removing it frees 5 of 5 old generations",
    ),
    "items of one's own list": (
        "kept = []",
        "host.kept.append([on, Plain, on])",
        True,
        "removing it frees 5 of 5 old generations",
    ),
    "key with a hash that raises": (
        """
        class Key:
            silent = False
            def __hash__(self):
                if Key.silent: raise RuntimeError('no hash')
                return 1
            def __eq__(self, other): return self is other
            def __init__(self, held): self.held = held
        kept = {}
        count = [0]
        """,
        "host.count[0] += 1\nhost.Key.silent = False; host.kept[host.Key(on)] = on; host.Key.silent = True",
        None,
        "removing it raised RuntimeError: no hash",
    ),
    "local of a running function": (
        """
        import threading
        go, seen = threading.Event(), threading.Event()
        def work(one):
            seen.set()
            threading.Lock().acquire()
            lock = threading.Lock(); lock.acquire(); lock.acquire()
        def start(function):
            threading.Thread(target=work, args=(function,), daemon=True).start()
        """,
        "host.start(on)",
        None,
        "the thread has nothing that stops it: no method, and no event that it waits for",
    ),
}


@pytest.mark.parametrize("case", ALONE)
def test_a_proof_says_what_was_freed_or_why_nothing_was_tried(case):
    """What cannot change is released where something refers to it; an error is a reason, and never ours."""
    host, line, proven, text = ALONE[case]
    files = {"host": textwrap.dedent(host), "plugin": f"{ON}{line}\n"}

    (report,) = reports([program(case, files, rounds=5)]).values()

    assert report["outcome"] == "leaking"
    assert len({finding["kind"] for finding in report["findings"]}) == len(report["findings"])
    for finding in report["findings"]:
        assert finding["proven"] is proven
        assert text in finding["proof"]


def test_the_position_in_the_trace_is_that_of_the_reference_that_was_removed():
    """Above the named one, where that cannot be removed or another holder has it too."""
    host = "class Box: pass\none, two, three = [], [], []\n"
    line = "box = host.Box(); box.kept = on; host.one.append(box); host.two.append(box); host.three.append((1, on))"

    (report,) = reports([program("all", {"host": host, "plugin": f"{ON}{line}\n"})]).values()

    cut = {f["holder"]["path"]: f["trace"][: f["cut_at"] + 1] for f in report["findings"]}
    assert cut == {
        "host.one[*].kept": ["sys.modules['host']", ".one", "[*]"],
        "host.two[*].kept": ["sys.modules['host']", ".two", "[*]"],
        "host.three[*][*]": ["sys.modules['host']", ".three", "[*]"],
    }


HARM = {
    "ends the process": "import os\nclass Guard:\n    def __del__(self): os._exit(3)\n",
    "hangs": "import time\nclass Guard:\n    def __del__(self):\n        while True: time.sleep(1)\n",
}


@pytest.mark.parametrize("case", HARM)
def test_a_removal_that_does_harm_leaves_the_report(case, tmp_path, monkeypatch):
    """The findings were written before; a hang ends after some seconds."""
    tmp_path.joinpath("host.py").write_text("kept = []\n", encoding="utf-8")
    tmp_path.joinpath("plugin.py").write_text(
        f"import host\n{HARM[case]}def on(): pass\non.guard = Guard()\nhost.kept.append(on)\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)

    report = worker.run("plugin", Settings(rounds=3), 60).report

    (finding,) = report.findings
    assert (report.outcome, finding.proven) == ("leaking", None)
    assert finding.proof == "not shown: the trial removal hung or ended the process"


def test_a_check_in_the_program_s_own_process_removes_nothing(tmp_path, monkeypatch):
    """The process must stay as it is; the finding says so."""
    from pytest_reloadleak import measure_reload

    tmp_path.joinpath("shared_host.py").write_text("kept = []\n", encoding="utf-8")
    tmp_path.joinpath("shared_plugin.py").write_text(
        "import shared_host\ndef on(): pass\nshared_host.kept.append(on)\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import shared_host

    (finding,) = measure_reload("shared_plugin", rounds=2).findings

    assert (finding.proven, finding.proof, finding.cut_at) == (
        None,
        "not tried, as the check shares this process",
        None,
    )
    assert len(shared_host.kept) > 2


TWO = frozenset({0, 1})
ALL, SOME = Proof(TWO, TWO), Proof(TWO, frozenset({1}), rest="app.cache[*]")
SAID = {
    "all is free": (ALL, (), True, "removing it frees 2 of 2 old generations"),
    "some is left": (
        SOME,
        (),
        False,
        "removing it frees 1 of 2 old generations; app.cache[*] still keeps some",
    ),
    "one generation": (
        Proof(frozenset({0}), frozenset({0})),
        (),
        True,
        "removing it frees 1 of 1 old generation",
    ),
    "it was seen to be needed": (
        ALL._replace(is_needed=True),
        ("7c1e9a04",),
        True,
        "removing it alone frees none; with 7c1e9a04 it frees 2 of 2 old generations",
    ),
    "it was not seen to be needed": (
        ALL,
        ("7c1e9a04",),
        True,
        "removing it and 7c1e9a04 frees 2 of 2 old generations",
    ),
    "another one stays": (
        Proof(
            TWO, refusal="app.hooks keeps the same generations and was not removed: a reason", is_needed=True
        ),
        ("7c1e9a04",),
        None,
        "removing it alone frees none: app.hooks keeps the same generations and was not removed: a reason",
    ),
    "what the effect had is held elsewhere": (
        ALL._replace(hidden=("app.sockets[*]",)),
        (),
        True,
        "removing it and app.sockets[*] frees 2 of 2 old generations",
    ),
    "effects without old code": (
        Proof(frozenset(), effects=3),
        (),
        True,
        "removing it leaves none of 3 effects behind",
    ),
    "it cannot be removed": (Proof(TWO, refusal="a reason"), (), None, "not shown: a reason"),
}


@pytest.mark.parametrize("case", SAID)
def test_the_text_says_what_was_seen(case):
    """What is left is never called proven, and what was not tried is neither proven nor refuted."""
    proof, together, is_proven, text = SAID[case]
    finding = Finding(
        kind="retained-generation",
        signature="00aa11bb",
        growth="growing",
        per_round=1.0,
        together_with=together,
    )
    retention = Retention(
        Holder(root="sys.modules", path="app.bus", type="list"),
        Held(type="function", name="app.on", file=None, line=None),
        trace=(),
        generations=(0, 1),
        items=2,
        objects=2,
        size_bytes=2,
        is_sole=True,
        is_binding=False,
        is_within=False,
    )
    report = Report(
        target="app",
        nodeid=None,
        strategy="reimport",
        rounds=5,
        warmup=1,
        outcome="leaking",
        reason="",
        duration_s=0,
        reload_s=0,
        findings=(finding,),
    )

    (found,) = proofs.proven(report, [(retention, "00aa11bb")], [(retention, proof)]).findings

    assert (found.proven, found.proof) == (is_proven, text)

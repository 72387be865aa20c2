"""A probe that sees no change for many rounds is asked less often, and loses no effect."""

import pytest
from cases import run

from pytest_reloadleak import measure_reload
from pytest_reloadleak.effects.effect_ledger import EffectLedger
from pytest_reloadleak.effects.probe import Probe

ROUNDS = 60


class Numbers(Probe):
    """Sees numbers, and counts how often it is asked."""

    name = "numbers"

    def __init__(self):
        self.present, self.asked = [], []
        self.now = 0

    def identities(self):
        self.asked.append(self.now)
        return list(self.present)

    def effects(self):
        return []


def rounds(probe, change):
    """The ledger after many rounds, each of which calls `change` with its number."""
    ledger = EffectLedger([probe])
    for probe.now in range(ROUNDS):
        change(probe.now)
        ledger.note_round(probe.now)
    return ledger


def test_a_quiet_probe_is_asked_less_often():
    """In each of the first rounds, and then in one of five."""
    probe = Numbers()

    rounds(probe, lambda _: None)

    assert probe.asked == [*range(20), *range(20, ROUNDS, 5)]


def test_notes_that_are_no_rounds_make_no_probe_quiet():
    """A check notes the state before the run and after each pass as well."""
    probe = Numbers()
    ledger = EffectLedger([probe])
    for _ in range(30):
        ledger.note(None)
    probe.asked.clear()

    for probe.now in range(20):
        ledger.note_round(probe.now)

    assert probe.asked == list(range(20))


@pytest.mark.parametrize("begins", range(26, 31))
def test_what_begins_late_is_dated_a_few_rounds_late_once(begins):
    """From the first change on each round is noted again."""
    probe = Numbers()

    ledger = rounds(probe, lambda now: probe.present.append((now,)) if now >= begins else None)

    born = [ledger.born("numbers", (number,))[0] for number in range(begins, ROUNDS)]
    assert born == [max(30, number) for number in range(begins, ROUNDS)]


PLUGIN = """
import host, threading

stop = threading.Event()
host.stops.append(stop)

def work():
    stop.wait(60)

host.count += 1
if host.count > 25:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
"""


@pytest.mark.parametrize(("end", "kinds"), [("", ["live-thread"]), ("stop.set(); thread.join()", [])])
def test_threads_that_only_late_rounds_start_are_found(end, kinds, tmp_path):
    """The first 25 rounds start none. The twin ends each thread that it starts."""
    source = f"{PLUGIN}    {end}\n" if end else PLUGIN
    run.write(tmp_path, {"host": "count, stops = 0, []\n", "plugin": source})
    with run.importable(tmp_path):
        import host

        try:
            report = measure_reload("plugin", rounds=40, probes=["threads"])
        finally:
            for stop in host.stops:
                stop.set()

    assert [finding.kind for finding in report.findings] == kinds
    assert [finding.growth for finding in report.findings] == ["growing"] * len(kinds)

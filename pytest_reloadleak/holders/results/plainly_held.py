"""Find out early whether the program itself holds something retained, so that more rounds are worth their time.

A whole diagnosis costs more than most second passes. But a sweep meets a holder near the roots after a small part of
the heap. If the first arrival leads through a module, and over no effect or test runner, the diagnosis will find a
holder too. For any other first arrival the answer is no, and only a diagnosis can tell.
"""

from __future__ import annotations

from pytest_reloadleak.heap import references
from pytest_reloadleak.holders import own_hold
from pytest_reloadleak.holders.diagnosis import suspicion_of
from pytest_reloadleak.holders.retained import Retained, gather_with
from pytest_reloadleak.holders.search import Search, sweep_of
from pytest_reloadleak.holders.sweep import Arrival
from pytest_reloadleak.holders.trace import cause_at, runner_cause, trace_of


def is_plainly_held(search: Search) -> bool:
    """Whether a module of the program holds something retained, as far as a sweep to the nearest holder shows.

    Args:
        search: what to look for, where to start, and what to leave out.
    """
    search.ask_runner()
    retained = gather_with(search, suspicion_of(search))
    own = [*search.own_objects(), retained, retained.born, retained.objects, retained.names]
    sweep = sweep_of(search, own, retained.objects, is_enough=bool)
    try:
        return any(_is_plain(arrival, search, retained) for arrival in sweep.arrivals())
    finally:
        sweep.close()


def _is_plain(arrival: Arrival, search: Search, retained: Retained) -> bool:
    """Whether an arrival counts as a holder whatever else a diagnosis finds."""
    path = arrival.path
    if arrival.root.kind != "sys.modules" or id(path[-1]) in retained.names or references.is_inherited(path):
        return False
    if own_hold.is_own(path, search, retained):
        return False
    if cause_at(arrival, search) is not None or runner_cause(arrival, search) is not None:
        return False
    return not trace_of(arrival, search, retained).is_spared

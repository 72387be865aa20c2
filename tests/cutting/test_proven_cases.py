"""Each leaking twin of `cases` that can be cut is proven: the removal frees the old generations, or ends the effect."""

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from cases import edges
from proof_programs import (
    of_edges,
    of_loops,
    of_open_things,
    of_registries,
    of_watched,
    reports,
)

UNCUT = {
    "chain of map objects": "a map cannot let go of what it holds",
    "os.register_at_fork": "Python has no function that undoes os.register_at_fork()",
    "fork hooks": "Python has no function that undoes os.register_at_fork()",
    "fork hook of the host's, through a name that the host imported": "Python has no function that undoes",
    "audit hook": "Python has no function that undoes sys.addaudithook()",
    "audit hook of the host's": "Python has no function that undoes sys.addaudithook()",
    "default of a context variable that is set": "a context variable keeps its default",
}
"""Cases that cannot be cut, with the reason that the finding gives."""


def unproven(found):
    """Cases whose findings are not proven, with what is said of them; those that cannot be cut only if it is wrong."""
    out = {}
    for name, report in found.items():
        findings = report.get("findings") or []
        said = [(f["proven"], f["proof"]) for f in findings if f["kind"] != "object-growth"]
        expected = UNCUT.get(name)
        if expected is None and (not findings or any(proven is not True for proven, _ in said)):
            out[name] = report.get("raised") or report.get("error") or said
        elif expected is not None and not all(
            proven is None and f": {expected}" in text for proven, text in said
        ):
            out[name] = said
    return out


@pytest.mark.parametrize("strategy", edges.BOTH)
@pytest.mark.parametrize(
    "programs", [of_edges, of_registries, of_loops, of_open_things], ids=lambda f: f.__name__
)
def test_every_leaking_twin_that_can_be_cut_is_proven(programs, strategy):
    """The reference is really removed, or the effect ended, and nothing old is left; none is refuted."""
    if programs is of_open_things and sys.platform != "linux":
        pytest.skip("the cases are of things that Linux has")
    listed = programs(strategy, own_process=False) if programs is of_edges else programs(strategy)

    assert unproven(reports(listed)) == {}


def test_twins_with_a_process_of_their_own_are_proven():
    """Registrations that only C code holds are undone by the function that Python has for it, if it has one."""
    listed = [*of_edges("reimport", own_process=True), *of_watched("reimport")]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda one: reports([one]), listed))

    assert unproven({name: report for one in found for name, report in one.items()}) == {}

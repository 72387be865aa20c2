"""Prove the findings of a leaking check in its own process: remove what holds the old generations, and look."""

from __future__ import annotations

from collections.abc import Callable

from pytest_reloadleak.check import Check
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.model import Report


def proven(check: Check, keep: Callable[[Report], None], report: Report) -> Report:
    """The report, with the proof of each finding if the check leaks.

    Args:
        check: the check, which has not put anything back.
        keep: receives the report before anything is removed, since a removal may end the process.
        report: its report.
    """
    if report.outcome != "leaking":
        return report
    # Imported here, since a clean check needs none of it.
    from pytest_reloadleak.run import proving
    from pytest_reloadleak.verdict import proofs

    keep(proofs.unproven(report, proofs.UNFINISHED))
    try:
        return proofs.proven(report, check.judged, proving.proofs(check.run))
    except Exception as error:  # noqa: BLE001 - without its holders the process may be broken; the findings stand
        return proofs.unproven(report, foreign.exception_text(error))

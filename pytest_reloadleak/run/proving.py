"""Prove what a run found, in a process of the check's own: remove every holder, settle, and see what is left."""

from __future__ import annotations

from pytest_reloadleak.cutting.proof import Process, Proof, prove
from pytest_reloadleak.heap.settle import collect
from pytest_reloadleak.holders.retention import Retention
from pytest_reloadleak.run.protocol import Run


def proofs(run: Run) -> list[tuple[Retention, Proof]]:
    """The proof for each holder of the last look, by trial removal.

    Args:
        run: a run that is over, except that nothing has been put back. Its last look prepared the removals.

    Raises:
        LookupError: what is left could not be seen.
    """
    looks, record = run.looks, run.record
    if looks.trials is None:
        return []

    def alive() -> set[int]:
        collect()
        kept = record.original.generation if record.original.containers else None
        return looks.alive() | {marker.generation for marker in record.ledger.markers.alive()} - {kept}

    return prove(looks.trials, Process(alive, looks.look_aside))

"""Describe the progress of a check in one line. A pure function of numbers and words."""

from __future__ import annotations


def line(what: str, taken_s: float, said: str = "", rounds: int = 0, warmup: int = 0) -> str:
    """The line of one check.

    Args:
        what: target and strategy, as in the node id, or how many checks run.
        taken_s: seconds since its start.
        said: the check's own text with the number of the round and the phase; empty before the first.
        rounds: counted rounds of the first pass.
        warmup: rounds of the warm-up.
    """
    number, _, phase = said.partition(" ")
    parts = [f"reload-leak: {what}"]
    if phase:
        parts.append(f"{_round(number, rounds, warmup)}, {phase}")
    return f"{': '.join(parts)}, {taken_s:.0f} s"


def _round(number: str, rounds: int, warmup: int) -> str:
    try:
        count = int(number)
    except ValueError:  # a target may have written into it
        return "a round"
    if count > rounds:
        return f"round {count}, after the {rounds} of the first pass"
    return f"round {count} of {rounds}" if count > 0 else f"warm-up round {count + warmup} of {warmup}"

"""Locals of a frame that a trace function is looking at."""

from __future__ import annotations

import sys

from pytest_reloadleak.heap.references import frame_locals


def test_a_traced_frame_keeps_its_locals():
    """Before 3.13 the interpreter writes the snapshot back when the trace function returns: it must not be emptied."""
    seen = []

    def trace(frame, event, _argument):
        if frame.f_code is work.__code__:
            seen.append((event, dict(frame_locals(frame))))
        return trace

    def work(one):
        numbers = [one]
        numbers.append(1)
        return sum(numbers)

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        result = work(1)
    finally:
        sys.settrace(before)

    assert result == 2
    assert ("line", {"one": 1}) in seen

"""The page on how the checker is checked names twins and mutants that exist."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROW = re.compile(
    r"^\| (?P<what>[^|]+) \| `(?P<file>tests/[^:]+)::(?P<test>\w+)` \| (?P<mutant>[^|]+) \|$", re.MULTILINE
)
ROWS = [m.groupdict() for m in ROW.finditer((ROOT / "docs/self-checks.md").read_text(encoding="utf-8"))]
WAYS = re.compile(r"\b(how|way|strategy|reload)\b")
MESSAGES = 2
"""Rows at the end of the table whose twins check a message, whatever the way."""


@pytest.fixture(scope="module")
def mutants() -> set[str]:
    """The names of all mutants."""
    sys.path.insert(0, str(ROOT / "proofs/mutants"))
    try:
        from mutants_data import MUTANTS
    finally:
        sys.path.pop(0)
    return {mutant.name for mutant in MUTANTS}


def test_each_row_names_twins_and_a_mutant(mutants):
    """So a twin that is renamed or dropped is missed here."""
    assert len(ROWS) > 20
    for row in ROWS:
        text = (ROOT / row["file"]).read_text(encoding="utf-8")
        assert f"def {row['test']}(" in text, row["test"]
        assert row["mutant"] in mutants, row["mutant"]


def test_twins_run_in_several_ways():
    """Each takes the way from a parameter."""
    for row in ROWS[:-MESSAGES]:
        if row["file"].endswith(("test_c_references.py", "test_emptied.py", "test_host_undisturbed.py")):
            continue  # names, reloaders of all kinds, and what a host sees
        text = (ROOT / row["file"]).read_text(encoding="utf-8")
        head = text[text.index(f"def {row['test']}(") :].partition(":\n")[0]
        assert WAYS.search(head), head

"""The scripts that prove the tool: the list of mutants is in step with the sources, and the soak tells what differs."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import pytest
from scripts import scripts_of

ROOT = Path(__file__).parent.parent


@pytest.fixture
def scripts() -> Iterator[SimpleNamespace]:
    """Modules of `proofs/`, which are gone afterwards."""
    with scripts_of("mutants_data", "soak") as scripts:
        yield scripts


def test_every_mutant_changes_one_place_and_can_be_compiled(scripts: SimpleNamespace) -> None:
    """An edit of the sources must bring its mutants with it: else a whole run of them says so, ten minutes later."""
    wrong = []
    for mutant in scripts.mutants_data.MUTANTS:
        text = (ROOT / "pytest_reloadleak" / mutant.file).read_text(encoding="utf-8")
        if text.count(mutant.old) != 1 or mutant.old == mutant.new:
            wrong.append(mutant.name)
            continue
        ast.parse(text.replace(mutant.old, mutant.new), mutant.file)

    assert wrong == []


def test_the_tests_of_every_mutant_are_there(scripts: SimpleNamespace) -> None:
    """Files and functions at least; which cases a test has only its collection knows."""
    missing = []
    for mutant in scripts.mutants_data.MUTANTS:
        for test in mutant.tests:
            file, _, function = test.partition("[")[0].partition("::")
            source = (ROOT / file).read_text(encoding="utf-8") if (ROOT / file).is_file() else None
            if source is None or (function and f"def {function}(" not in source):
                missing.append((mutant.name, test))

    assert missing == []


CLEAN = ["plain", "clean", [], None]
FOUND = ["live_thread", "leaking", [["live-thread", "growing", "0f", "thread 'T' (daemon)"]], None]
OTHER = ["live_thread", "leaking", [["live-thread", "growing", "1f", "thread 'T' (daemon)"]], None]
WRONG = ["live_thread", "leaking", [["live-timer", "growing", "0f", "timer 'T' (daemon)"]], None]


@pytest.mark.parametrize(
    ("what", "found", "expected"),
    [
        ("clean", [CLEAN, CLEAN], True),
        ("clean", [CLEAN, ["plain", "leaking", [["open-fd", "growing", "0f", "fd 3"]], None]], False),
        ("clean", [["plain", "error", [], "no"]] * 2, False),
        ("leaking", [FOUND, FOUND], True),
        ("leaking", [FOUND, FOUND, OTHER], False),
        ("leaking", [WRONG, WRONG], False),
        ("leaking", [["live_thread", *CLEAN[1:]]] * 2, False),
    ],
)
def test_a_soak_is_right_if_all_verdicts_are_the_same_and_the_right_one(
    what: str, found: list[list[object]], expected: bool, scripts: SimpleNamespace
) -> None:
    """One finding too many, another signature, an error or a clean verdict on a leak is a failure."""
    assert scripts.soak.is_right(what, found[0][0], found) is expected


def test_a_soak_checks_all_targets_equally_often(scripts: SimpleNamespace) -> None:
    """In batches, none of which is larger than a process is to have."""
    batches = list(scripts.soak.batches(["a", "b", "c"], 50))

    assert [len(batch) for batch in batches] == [20, 20, 10]
    assert sorted(Counter(chain.from_iterable(batches)).values()) == [16, 17, 17]

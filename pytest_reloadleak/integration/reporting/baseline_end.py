"""Compare a finished session with the baseline: list what is fixed, fail if strict, rewrite the file on request."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import pytest

from pytest_reloadleak.gate.baseline import Baseline, Comparison, Entry, compare, parse, renamed
from pytest_reloadleak.gate.baseline_writing import updated
from pytest_reloadleak.integration.gate import baseline_path, gate_of, wants_update
from pytest_reloadleak.integration.reporting.outputs import write_whole
from pytest_reloadleak.strategies.imports import targets

_UPDATE = "--reload-leak-update-baseline"


class Ending(NamedTuple):
    """The lines about the baseline, and the exit status that the session should have."""

    lines: tuple[str, ...] = ()
    status: pytest.ExitCode | None = None


def conclude(config: pytest.Config, checks: Iterable[Mapping[str, Any]], *, is_complete: bool) -> Ending:
    """Compare the checks with the baseline, and write it if the run was asked to.

    Args:
        config: pytest's configuration.
        checks: entries of the JSON report's `checks`.
        is_complete: whether every collected check has an entry. An interrupted run writes no baseline.
    """
    baseline = gate_of(config).baseline
    if baseline is None:
        return Ending()
    compared = compare(baseline, checks)
    gone = [entry for entry in compared.unchecked if not all(map(_exists, entry.target.split(", ")))]
    if wants_update(config):
        return _update(config, baseline, compared, gone, is_complete=is_complete)
    lines = list(_lines(compared, gone))
    if compared.fixed and config.getoption("reload_leak_strict_baseline"):
        lines.append(f"FAILED: --reload-leak-strict-baseline: remove fixed entries with {_UPDATE}")
        return Ending(tuple(lines), pytest.ExitCode.TESTS_FAILED)
    return Ending(tuple(lines))


def _lines(compared: Comparison, gone: list[Entry]) -> Iterator[str]:
    for entry in compared.fixed:
        yield f"fixed, remove it from the baseline ({_UPDATE}): {entry.line}"
    for entry in gone:
        yield f"the baseline names a target that no longer exists; if it was renamed, use {_UPDATE}: {entry.line}"


def _update(
    config: pytest.Config, baseline: Baseline, compared: Comparison, gone: list[Entry], *, is_complete: bool
) -> Ending:
    where, path = baseline_path(config)
    assert path is not None, "an update without a baseline is refused when the session begins"
    refused = pytest.ExitCode.USAGE_ERROR
    kept = "the file keeps what it had"
    if not is_complete:
        return Ending((f"{_UPDATE}: not every check has finished; {kept}: run it again to the end",), refused)
    missing = sorted({entry.target for entry in compared.unchecked if entry not in gone})
    if missing:
        names = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        why = (
            f"{_UPDATE}: refused, since the baseline has findings of targets that this run did not judge: {names}; "
            f"{kept}: run all checks of the project"
        )
        return Ending((why,), refused)
    text = updated(baseline, compared, gone, datetime.date.today().isoformat())
    parse(text, where)  # the new text can be read: a mistake of ours must not cost the team its file
    try:
        if text != baseline.text:
            write_whole(path, text)
    except OSError as error:
        return Ending(
            (f"{where}: could not write {str(path)!r}: {error.strerror or error}; {kept}",),
            pytest.ExitCode.TESTS_FAILED,
        )
    return Ending(tuple(_changes(path.name, compared, gone)))


def _changes(file: str, compared: Comparison, gone: list[Entry]) -> Iterator[str]:
    """The lines about an update: one for the file, and one for each entry that was added, moved or removed."""
    before = {entry.signature: renamed(entry, gone) for entry in compared.new}
    moved = [entry for entry in compared.new if before[entry.signature] is not None]
    left = [entry for entry in gone if entry not in before.values()]
    known, added = len(compared.new) + len(compared.present), len(compared.new) - len(moved)
    also = f"{len(moved)} renamed, " if moved else ""
    yield f"baseline {file}: {known} known, {added} added, {also}{len(compared.fixed) + len(left)} removed"
    for entry in compared.new:
        old = before[entry.signature]
        yield (
            f"  added, give it a reason: {entry.line}"
            if old is None
            else (f"  renamed from {old.target}, reason and day are kept: {entry.line}")
        )
    yield from (f"  removed, it is fixed: {entry.line}" for entry in compared.fixed)
    yield from (f"  removed, its target no longer exists: {entry.line}" for entry in left)


def _exists(name: str) -> bool:
    """Whether a module of this name can be found, without importing its packages."""
    try:
        return name in sys.modules or targets.search(name)
    except Exception:  # noqa: BLE001 - a finder of the project failed: do not take the target for removed
        return True

"""Read and compare the baseline: a TOML file with one table per known finding."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_reloadleak.errors import UsageError

FIELDS = ("signature", "kind", "target", "holder", "held", "reason", "since")
"""The keys of a table, in the order in which they are written."""
ADDED = "added to the baseline by this run"
"""Marks a new finding as known in a run that updates the baseline."""
_REQUIRED = ("signature", "kind", "target")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One known finding. `holder` and `held` are for the reader: the signature identifies the finding."""

    signature: str
    kind: str
    target: str
    holder: str = ""
    held: str = ""
    reason: str = ""
    """The team's reason; updates keep it."""
    since: str = ""
    """The day on which the finding entered the baseline, as YYYY-MM-DD."""

    @property
    def line(self) -> str:
        """The entry as one line for messages."""
        holds = f" holds {self.held}" if self.holder and self.held not in self.holder else ""
        what = self.holder or self.held or self.signature
        return f"{self.target}: {self.kind} {what}{holds} ({self.signature})"


@dataclass(frozen=True, slots=True)
class Baseline:
    """The known findings of a project.

    Attributes:
        entries: in the order of the file.
        text: the file as it is, so that an update keeps what the team wrote; empty for a new file.
    """

    entries: tuple[Entry, ...] = ()
    text: str = ""

    def entry(self, signature: str) -> Entry | None:
        """The entry of a finding; `None` if the finding is new."""
        return next((entry for entry in self.entries if entry.signature == signature), None)


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a session's checks differ from the baseline.

    Attributes:
        fixed: entries of judged targets that no finding matches any more.
        unchecked: entries of targets that the session did not judge.
        new: findings that are neither in the baseline nor known for another reason, as entries without a day.
        present: entries that a finding matches.
    """

    fixed: tuple[Entry, ...]
    unchecked: tuple[Entry, ...]
    new: tuple[Entry, ...]
    present: tuple[Entry, ...]


def read(path: Path, where: str) -> Baseline:
    """Read a baseline.

    Args:
        path: the file.
        where: the option or ini key that names it, for errors.

    Raises:
        UsageError: the file cannot be read, is no TOML, or has a table that is no finding.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(
            f"{where}: there is no baseline {str(path)!r}: write it with --reload-leak-update-baseline"
        ) from None
    except (OSError, UnicodeDecodeError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{where}: cannot read {str(path)!r}: {said}; name a TOML file") from None
    return parse(text, f"{where}: {str(path)!r}")


def parse(text: str, where: str) -> Baseline:
    """Parse a baseline's text.

    Raises:
        UsageError: it is no TOML, or has a table that is no finding.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib  # a dependency of pytest's there

    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(
            f"{where} is not valid TOML: {error}; fix it, or restore it from version control"
        ) from None
    unknown = sorted(set(data) - {"findings"})
    if unknown:
        raise UsageError(f"{where} has the unknown key {unknown[0]!r}: it may have only [[findings]] tables")
    tables = data.get("findings", [])
    if not isinstance(tables, list):
        raise UsageError(f"{where}: findings must be [[findings]] tables, not {type(tables).__name__}")
    entries = tuple(_entry(table, number, where) for number, table in enumerate(tables, 1))
    seen: set[str] = set()
    for entry in entries:
        if entry.signature in seen:
            raise UsageError(
                f"{where} has the signature {entry.signature} twice: remove one of the two tables"
            )
        seen.add(entry.signature)
    return Baseline(entries, text)


def _entry(table: object, number: int, where: str) -> Entry:
    place = f"{where}: [[findings]] table {number}"
    if not isinstance(table, dict):
        raise UsageError(f"{place} must be a table, not {type(table).__name__}")
    for key in _REQUIRED:
        if not table.get(key):
            raise UsageError(f"{place} has no {key}: copy it from the report, or update the baseline")
    unknown = sorted(set(table) - set(FIELDS))
    if unknown:
        raise UsageError(f"{place} has the unknown key {unknown[0]!r}: the keys are {', '.join(FIELDS)}")
    values = {}
    for key, value in table.items():
        # An unquoted day is a TOML date; teams write both.
        values[key] = value.isoformat() if key == "since" and hasattr(value, "isoformat") else value
        if not isinstance(values[key], str):
            raise UsageError(f"{place}: {key} must be a string, not {value!r}")
    return Entry(**values)


def compare(baseline: Baseline, checks: Iterable[Mapping[str, Any]]) -> Comparison:
    """Compare a session's checks with the baseline.

    Args:
        baseline: the known findings.
        checks: entries of the JSON report's `checks`.

    Returns:
        A target counts as judged if all its checks were: what an `error` or `inconclusive` check did not find may
        still be there.
    """
    checks = list(checks)
    found: dict[str, Entry] = {}
    listed = {entry.signature for entry in baseline.entries}
    for check in checks:
        for finding in check["findings"]:
            if finding["known"] in {None, ADDED} or finding["signature"] in listed:
                found.setdefault(finding["signature"], _of_finding(check["target"], finding))
    doubtful = {c["target"] for c in checks if c["outcome"] in {"error", "inconclusive"}}
    judged = {check["target"] for check in checks} - doubtful
    absent = [entry for entry in baseline.entries if entry.signature not in found]
    return Comparison(
        fixed=tuple(entry for entry in absent if entry.target in judged),
        unchecked=tuple(entry for entry in absent if entry.target not in judged),
        new=tuple(entry for signature, entry in found.items() if signature not in listed),
        present=tuple(entry for entry in baseline.entries if entry.signature in found),
    )


def _of_finding(target: str, finding: Mapping[str, Any]) -> Entry:
    holder, held = finding["holder"], finding["held"]
    return Entry(
        signature=finding["signature"],
        kind=finding["kind"],
        target=target,
        holder=holder["path"] if holder else "",
        held=held["name"] if held else "",
    )


def renamed(entry: Entry, candidates: Iterable[Entry]) -> Entry | None:
    """The entry of the same leak under the target's earlier name; `None` if there is none or there are several."""
    same = [
        other for other in candidates if other.target != entry.target and _nameless(other) == _nameless(entry)
    ]
    return same[0] if len(same) == 1 else None


def _nameless(entry: Entry) -> tuple[str, str, str]:
    return (
        entry.kind,
        entry.holder.replace(entry.target, "*"),
        entry.held.replace(entry.target, "*"),
    )

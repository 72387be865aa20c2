"""List the references that are expected, as data: which, why, in which versions, and where they are documented.

Other expected references need no entry. The interpreter's bounded caches are emptied before the check looks
(`heap.interpreter_caches`), a library's `lru_cache` has its bound, and what pytest and its plugins keep for a test is
released or named in a note.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from pytest_reloadleak.errors import UsageError

_NEWEST = (3, 15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One expected reference.

    Attributes:
        pattern: `kind:holder-path`, with `*` for anything, as `--reload-leak-ignore` takes it; or the dotted path of a
            module's attribute if it is ignored.
        why: one sentence for the reader of the report.
        since: first version of Python that has the reference.
        until: last version that has it.
        link: where it is documented or reported.
        is_bounded: whether only a bounded finding is expected: a constant remainder, and not one more per round.
        is_ignored: whether the sweep never enters the attribute's value, instead of reporting a known finding.

    Raises:
        UsageError: a pattern or a sentence is missing, or the pattern names no kind.
    """

    pattern: str
    why: str
    since: tuple[int, int] = (3, 10)
    until: tuple[int, int] = _NEWEST
    link: str = ""
    is_bounded: bool = False
    is_ignored: bool = False

    def __post_init__(self) -> None:
        kind, colon, path = self.pattern.partition(":")
        if self.is_ignored:
            if colon or "." not in self.pattern:
                raise UsageError(f"an ignored reference must be module.attribute, not {self.pattern!r}")
        elif not (kind and colon and path):
            raise UsageError(f"a known reference must be kind:holder-path, not {self.pattern!r}")
        if not self.why.strip():
            raise UsageError(f"the known reference {self.pattern!r} needs a reason")

    def applies(self) -> bool:
        """Whether this interpreter has the reference."""
        return self.since <= sys.version_info[:2] <= self.until

    @property
    def sentence(self) -> str:
        """The reason, with the link."""
        return f"{self.why} ({self.link})" if self.link else self.why


KNOWN = (
    Known(
        pattern="*:re._cache*",
        why="`re` keeps at most 512 patterns in its cache, including those that are instances of the target's classes",
        link="https://docs.python.org/3/library/re.html#re.purge",
    ),
)
"""The references that are known in every project."""

BY_DESIGN = "by design, each reload leaves one more module in sys.modules"
"""Why a comparison of all strategies expects what `alias` leaves."""


def is_by_design(strategy: str, registry: str | None, path: str) -> bool:
    """Whether a finding is the module that the strategy `alias` leaves with each reload.

    Args:
        strategy: the check's strategy.
        registry: the finding's registry.
        path: its holder's path.
    """
    return strategy == "alias" and registry == "sys.modules" and path == "sys.modules[*]"


def reason_for(kind: str, path: str, known: Iterable[tuple[str, str]]) -> str | None:
    """Why a finding is expected; `None` if it is not.

    Args:
        kind: the finding's kind.
        path: its holder's path.
        known: patterns and reasons.
    """
    where = f"{kind}:{path}"
    return next((why for pattern, why in known if matches(where, pattern)), None)


def matches(where: str, pattern: str) -> bool:
    """Whether a pattern matches a path, or a kind with a path."""
    # Brackets in a pattern are literal: `host.listeners[*]` is the path as it is printed.
    return where == pattern or fnmatchcase(where, pattern.replace("[", "[[]"))

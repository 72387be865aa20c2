"""References that are expected, as data: which, why, in which versions, and where one can read of it.

Two kinds of expectation are no entry here. The interpreter's bounded caches are emptied before anybody looks
(`heap.known`), and an `lru_cache` of a library tells its bound itself. What pytest and its plugins keep for a test is
released, or named in a note.
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
        why: one sentence for a reader of the report.
        since: first version of Python that has it.
        until: last version that has it.
        link: where it is documented or reported.
        is_ignored: whether what the attribute refers to is never entered, rather than found and told apart.

    Raises:
        UsageError: a pattern or a sentence is missing, or the pattern names no kind.
    """

    pattern: str
    why: str
    since: tuple[int, int] = (3, 10)
    until: tuple[int, int] = _NEWEST
    link: str = ""
    is_ignored: bool = False

    def __post_init__(self) -> None:
        kind, colon, path = self.pattern.partition(":")
        if self.is_ignored:
            if colon or "." not in self.pattern:
                raise UsageError(f"an ignored reference is named module.attribute, not {self.pattern!r}")
        elif not (kind and colon and path):
            raise UsageError(f"a known reference is written kind:holder-path, not {self.pattern!r}")
        if not self.why.strip():
            raise UsageError(f"the known reference {self.pattern!r} needs a reason")

    def applies(self) -> bool:
        """Whether this interpreter has it."""
        return self.since <= sys.version_info[:2] <= self.until

    @property
    def sentence(self) -> str:
        """Why, with the link."""
        return f"{self.why} ({self.link})" if self.link else self.why


KNOWN = (
    Known(
        pattern="*:re._cache*",
        why="`re` keeps at most 512 patterns by type and text, those of the target's own subclass of str among them",
        link="https://docs.python.org/3/library/re.html#re.purge",
    ),
)
"""What this tool itself knows of."""


def reason_for(kind: str, path: str, known: Iterable[tuple[str, str]]) -> str | None:
    """Why a finding is expected; `None` if it is not.

    Args:
        kind: the finding's kind.
        path: its holder's path.
        known: patterns and reasons.
    """
    where = f"{kind}:{path}"
    return next((why for pattern, why in known if _matches(where, pattern)), None)


def _matches(where: str, pattern: str) -> bool:
    # A path is full of brackets, which mean themselves here: `host.listeners[*]` is the path as it is printed.
    return where == pattern or fnmatchcase(where, pattern.replace("[", "[[]"))

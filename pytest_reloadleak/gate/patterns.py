"""Match findings against a user's patterns: by signature, holder, held object, registry or site."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import get_args

from pytest_reloadleak.errors import UsageError, did_you_mean
from pytest_reloadleak.model import Finding, Kind

_KINDS: tuple[str, ...] = get_args(Kind)
_FIELDS = ("held", "registry", "site")
_SIGNATURE = re.compile(r"[0-9a-f]{8}")
_FORMS = "a signature of 8 hex digits, kind:holder-glob, held:glob, registry:glob or site:file-glob"


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern for findings.

    Attributes:
        text: the pattern as the user wrote it.
        field: what it matches: `signature`, `holder`, `held`, `registry` or `site`.
        kind: the kind that a holder pattern asks for; `*` for any.
        glob: the signature or the glob. Brackets are literal, since paths contain them (`listeners[*]`).
    """

    text: str
    field: str
    kind: str
    glob: str

    @classmethod
    def parse(cls, text: object, where: str) -> Pattern:
        """Read a pattern.

        Args:
            text: what the user wrote.
            where: the option, ini key or keyword, for the error.

        Raises:
            UsageError: it has none of the forms.
        """
        if not isinstance(text, str) or not text.strip():
            raise UsageError(f"{where}: a pattern must be {_FORMS}, not {text!r}")
        text = text.strip()
        if len(text.splitlines()) > 1:
            raise UsageError(f"{where}: {text!r} has several lines: write one pattern")
        head, colon, tail = text.partition(":")
        if not colon:
            if _SIGNATURE.fullmatch(text) is None:
                raise UsageError(f"{where}: {text!r} is no pattern: write {_FORMS}")
            return cls(text, "signature", "*", text)
        if not tail.strip():
            raise UsageError(
                f"{where}: {text!r} matches nothing: write a glob after the colon, such as {head}:*"
            )
        if head in _FIELDS:
            return cls(text, head, "*", tail.strip())
        if head != "*" and head not in _KINDS:
            # The user may have written 'retained' for 'retained-generation'.
            begun = [kind for kind in _KINDS if kind.startswith(f"{head}-")]
            hint = did_you_mean(begun[0] if begun else head, (*_KINDS, *_FIELDS), cutoff=0.6).strip()
            hint = hint or f"write {_FORMS}"
            raise UsageError(f"{where}: {text!r}: {head!r} is no kind of finding; {hint}")
        return cls(text, "holder", head, tail.strip())

    def matches(self, finding: Finding, rootdir: str) -> bool:
        """Whether the pattern fits a finding.

        Args:
            finding: the finding.
            rootdir: the directory to which a `site:` pattern is relative.
        """
        if self.field == "signature":
            return finding.signature == self.glob
        if self.field == "held":
            return finding.held is not None and _fits(finding.held.name, self.glob)
        if self.field == "registry":
            return finding.registry is not None and _fits(finding.registry, self.glob)
        if self.field == "site":
            return finding.site is not None and _fits_file(finding.site.file, self.glob, rootdir)
        path = finding.holder.path if finding.holder is not None else ""
        return self.kind in {"*", finding.kind} and _fits(path, self.glob)


@dataclass(frozen=True, slots=True)
class Ignore:
    """A pattern whose findings do not fail a check, with the team's reason.

    Attributes:
        pattern: which findings.
        reason: why they are accepted.
        origin: where it is written: the option, the ini key or `ignore=`.
    """

    pattern: Pattern
    reason: str
    origin: str


def from_option(texts: Iterable[str]) -> tuple[Ignore, ...]:
    """The ignores of `--reload-leak-ignore`; a reason after `#` is optional there.

    Raises:
        UsageError: a pattern has none of the forms.
    """
    origin = "--reload-leak-ignore"
    return tuple(_from_line(text, origin, f"ignored by {origin}") for text in texts)


def from_ini(lines: Iterable[str]) -> tuple[Ignore, ...]:
    """The ignores of the ini key `reload_leak_ignore`, one per line, each with `# reason`.

    Raises:
        UsageError: a line has no reason, or its pattern has none of the forms.
    """
    return tuple(_from_line(line, "reload_leak_ignore", None) for line in lines)


def from_keyword(given: object, where: str = "ignore=") -> tuple[Ignore, ...]:
    """The ignores of a marker or a call.

    Args:
        given: `"pattern # reason"`, a list of these or of `(pattern, reason)`, or `{pattern: reason}`.
        where: the keyword, for errors.

    Raises:
        UsageError: a reason is missing, or a pattern has none of the forms.
    """
    if given is None:
        return ()
    if isinstance(given, str):
        given = [given]
    if isinstance(given, Mapping):
        given = list(given.items())
    if not isinstance(given, Iterable):
        raise UsageError(
            f"{where} must be patterns with reasons, such as {{'{_EXAMPLE}': 'why'}}, not {given!r}"
        )
    found = []
    for one in given:
        if isinstance(one, str):
            found.append(_from_line(one, where, None))
        elif isinstance(one, (tuple, list)) and len(one) == 2:
            found.append(_checked(one[0], one[1], where))
        else:
            raise UsageError(f"{where}: write ('{_EXAMPLE}', 'reason') or '{_EXAMPLE} # reason', not {one!r}")
    return tuple(found)


def expected(given: object, where: str = "expect=") -> tuple[Pattern, ...]:
    """The patterns of a marker's or call's `expect`: one or several, without reasons.

    Raises:
        UsageError: a pattern has none of the forms.
    """
    if given is None:
        return ()
    if isinstance(given, str) or not isinstance(given, Iterable):
        given = [given]
    return tuple(
        Pattern.parse(one.partition(" #")[0] if isinstance(one, str) else one, where) for one in given
    )


_EXAMPLE = "retained-generation:app.bus.listeners[*]"


def _from_line(line: str, origin: str, default: str | None) -> Ignore:
    text, mark, reason = line.partition(" #")
    if not mark:
        text, mark, reason = line.partition("\t#")
    if default is None and not reason.strip():
        raise UsageError(
            f"{origin}: {line.strip()!r} has no reason: write why the finding is accepted, "
            f"as in {text.strip() + ' # why'!r}"
        )
    return Ignore(Pattern.parse(text, origin), reason.strip() or str(default), origin)


def _checked(text: object, reason: object, where: str) -> Ignore:
    if not isinstance(reason, str) or not reason.strip():
        raise UsageError(f"{where}: {text!r} has no reason: write why the finding is accepted")
    return Ignore(Pattern.parse(text, where), reason.strip(), where)


def _fits(text: str, glob: str) -> bool:
    return text == glob or fnmatchcase(text, glob.replace("[", "[[]"))


def _fits_file(file: str, glob: str, rootdir: str) -> bool:
    """Whether a file fits a glob that is relative to the rootdir, or absolute. Both slashes are the same."""
    glob = glob.replace("\\", "/")
    names = [file]
    with contextlib.suppress(ValueError):  # another drive
        names.append(os.path.relpath(file, rootdir))
    return any(_fits(name.replace("\\", "/"), glob) for name in names)

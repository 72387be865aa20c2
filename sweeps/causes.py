"""Why what a sweep found leaks: data, which the table in the docs is made with.

A growing leak needs an entry of its own, written after reading the code. What is bounded is nearly always a name that
somebody bound once; the shape of the holder's path says which kind of name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Cause:
    """Why some modules leak."""

    modules: tuple[str, ...]
    """Names of modules, or globs."""
    holder: str
    """A glob of the holder's path; `[` stands for itself."""
    why: str


CAUSES: tuple[Cause, ...] = ()

_SHAPES: tuple[tuple[str, str], ...] = (
    (r"\.__bases__", "a class elsewhere is derived from the old one"),
    (r"\.__(kw)?defaults__", "a default value of a function elsewhere"),
    (r"\.__annotations__|\.__args__|\.__origin__|\.__parameters__", "an annotation elsewhere"),
    (r"\.__closure__|\.cell_contents", "a closure elsewhere"),
    (r"\.__class__$", "an object elsewhere is an instance of the old class"),
    (r"\[|<", "an entry of a container elsewhere"),
    (r"^[\w.*]+$", "a name or attribute elsewhere, bound once"),
)


def cause_of(module: str, kind: str, growth: str, path: str) -> str:
    """Why a finding is there; empty if nobody wrote it down."""
    for cause in CAUSES:
        if any(fnmatchcase(module, pattern) for pattern in cause.modules) and fnmatchcase(
            path, _literal(cause.holder)
        ):
            return cause.why
    if growth == "growing":
        return ""
    if kind == "stale-reference" and re.fullmatch(r"[\w.*]+", path):
        return "a name or attribute elsewhere, bound once"
    return next((why for pattern, why in _SHAPES if re.search(pattern, path)), "")


def _literal(pattern: str) -> str:
    return pattern.replace("[", "[[]")

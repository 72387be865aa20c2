"""Define the settings of a check: one frozen value, validated in one place, independent of pytest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pytest_reloadleak.errors import UsageError, did_you_mean

STRATEGIES = ("reload", "decache", "reimport", "cascade", "alias", "worker")
"""Names of the strategies that need no argument, from cheap to expensive by what each does besides executing the code:
an order by measured times would vary by chance."""

ALL = "all"
"""Stands for all strategies."""

TEST_FILES = ("test_*.py", "*_test.py")
"""pytest's own patterns, used if the project configures none."""

_MOST = 1_000_000
"""The largest number of rounds and processes: a larger one is a slip, and no machine ends such a run."""

_LONGEST_S = 1_000_000
"""The longest time limit, 11 days: the system's calls take no number that is far larger."""

ISOLATIONS = ("process", "none")

REFERENCES, GROWTH, FILES = "references", "growth", "files"
"""Names that select the search of the heap, for growth and for files, beside the names of the probes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of one check. Raises `UsageError` when a value is invalid."""

    strategy: str = "reimport"
    rounds: int = 5
    warmup: int = 1
    force: bool = False
    unload: bool = False
    """Whether to drop the last generation as well, and report what still pins it."""
    probes: tuple[str, ...] = ()
    """Names of the probes to use; empty for all."""
    nodeid: str | None = None
    rootdir: str = "."
    test_files: tuple[str, ...] = TEST_FILES
    """Patterns of the project's test files, which are never targets."""
    dependents: tuple[str, ...] = ()
    """First-party modules that depend on the target, to be imported as well unless they are loaded."""
    submodules: tuple[str, ...] = ()
    """Modules below the target, to be imported with it where they can be."""
    known: tuple[tuple[str, str], ...] = ()
    """Patterns of expected findings, `kind:holder-path`, with the reasons."""
    remainders: tuple[tuple[str, str], ...] = ()
    """The same for findings that are expected only if they are bounded."""
    proves: bool = False
    """Whether to remove on trial what holds old generations: only where the process is the check's own."""
    ignored: tuple[str, ...] = ()
    """Attributes of modules, `module.attribute`, whose values the sweep does not enter."""
    has_series: bool = True
    """Whether somebody reads the numbers of each round: then a second pass settles each one, if that is cheap."""

    def looks_for(self, name: str) -> bool:
        """Whether the check looks for what this name selects."""
        return not self.probes or name in self.probes

    def __post_init__(self) -> None:
        if self.strategy != "callable" and self.strategy not in STRATEGIES:
            raise UsageError(unknown_strategy(self.strategy, is_call=True))
        whole_number("rounds", self.rounds, least=1)
        whole_number("warmup", self.warmup, least=0)
        # A worker gets its settings as JSON, which has only lists.
        for name in ("probes", "test_files", "dependents", "submodules", "ignored"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name in ("known", "remainders"):
            object.__setattr__(self, name, tuple((pattern, why) for pattern, why in getattr(self, name)))


def unknown_strategy(name: object, *, is_call: bool = False, is_option: bool = False) -> str:
    """The error text for a strategy that does not exist, or that a call cannot take; an option takes no callable."""
    if is_call and name == ALL:
        return (
            "strategy='all' compares strategies, and a call checks one: use one of "
            f"{', '.join(STRATEGIES)}, or --reload-leak-strategy=all"
        )
    everything = "" if is_call else ", all"
    hint = did_you_mean(name, STRATEGIES if is_call else (*STRATEGIES, ALL))
    choice = f"use one of {', '.join(STRATEGIES)}{everything}"
    if not is_option:
        choice += ", or pass a callable as reload="
    elif "," in str(name):
        choice += "; repeat the option for several, or write one per line in the ini file"
    return f"unknown strategy {name!r}: {hint}{choice}"


def expanded(names: Iterable[str]) -> tuple[str, ...]:
    """Names of strategies, each once, with `all` spelled out."""
    return tuple(dict.fromkeys(n for name in names for n in (STRATEGIES if name == ALL else (name,))))


def whole_number(name: str, value: object, *, least: int, is_text: bool = False) -> int:
    """Return `value` as an int of at least `least`.

    Args:
        name: the option or keyword.
        value: what was given.
        least: the least number allowed.
        is_text: whether text is accepted, since options and ini lines are text.

    Raises:
        UsageError: the value is something else; the text has the name, the value and what is allowed.
    """
    try:
        if isinstance(value, bool) or not isinstance(value, (int, str) if is_text else int):
            raise ValueError
        number = int(value)
    except ValueError:
        raise UsageError(f"{name} must be a whole number of at least {least}, not {value!r}") from None
    if number < least:
        raise UsageError(f"{name} must be at least {least}, not {number}")
    if number > _MOST:
        raise UsageError(f"{name} must be at most {_MOST}, not {number}")
    return number


def truth(name: str, value: object) -> bool:
    """Return `value` if it is a bool, or raise `UsageError`: any text would count as true."""
    if isinstance(value, bool):
        return value
    raise UsageError(f"{name} must be True or False, not {value!r}")


def seconds(name: str, value: object) -> float:
    """Return `value` as a positive number of seconds, or raise `UsageError`."""
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError
        number = float(value)
    except ValueError:
        raise UsageError(f"{name} must be a number of seconds, not {value!r}") from None
    if not 0 < number < float("inf"):
        raise UsageError(f"{name} must be a positive number of seconds, not {value!r}")
    if number > _LONGEST_S:
        raise UsageError(f"{name} must be at most {_LONGEST_S} seconds, not {value!r}")
    return number

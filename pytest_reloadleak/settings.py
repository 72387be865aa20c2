"""What a check is asked to do: one frozen value, validated in one place, that knows nothing of pytest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pytest_reloadleak.errors import UsageError

STRATEGIES = ("reload", "decache", "reimport", "cascade", "alias", "worker")
"""Names of the strategies that need no argument, from cheap to dear: by what each does besides executing the code, as
measured times would change places by chance."""

ALL = "all"
"""Stands for all of them."""

TEST_FILES = ("test_*.py", "*_test.py")
"""pytest's own patterns, for where nobody says others."""

ISOLATIONS = ("process", "none")

REFERENCES, GROWTH = "references", "growth"
"""Names by which a check is told to look at the heap and at what accumulates, beside those of the probes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of one check. Raises `UsageError` when a value makes no sense."""

    strategy: str = "reimport"
    rounds: int = 5
    warmup: int = 1
    force: bool = False
    unload: bool = False
    """Whether to drop the last generation as well, and report what still pins it."""
    probes: tuple[str, ...] = ()
    """Names of the probes that look; empty for all."""
    nodeid: str | None = None
    rootdir: str = "."
    test_files: tuple[str, ...] = TEST_FILES
    """How the project's test files are called: those are nobody's target."""
    dependents: tuple[str, ...] = ()
    """First-party modules that depend on the target, to be imported as well where nobody else does."""

    known: tuple[tuple[str, str], ...] = ()
    """Patterns of expected findings, `kind:holder-path`, with the reasons."""
    ignored: tuple[str, ...] = ()
    """Attributes of modules, `module.attribute`, of which the values are not entered."""

    def looks_for(self, name: str) -> bool:
        """Whether a probe of this name is to look."""
        return not self.probes or name in self.probes

    def __post_init__(self) -> None:
        if self.strategy != "callable" and self.strategy not in STRATEGIES:
            raise UsageError(unknown_strategy(self.strategy))
        whole_number("rounds", self.rounds, least=1)
        whole_number("warmup", self.warmup, least=0)
        # JSON, by which a worker gets them, has lists only.
        for name in ("probes", "test_files", "dependents", "ignored"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "known", tuple((pattern, why) for pattern, why in self.known))


def unknown_strategy(name: object) -> str:
    """One line for a strategy that does not exist."""
    return (
        f"unknown strategy {name!r}: use one of {', '.join(STRATEGIES)}, all, or pass a callable as reload="
    )


def expanded(names: Iterable[str]) -> tuple[str, ...]:
    """Names of strategies, each once, with `all` spelled out."""
    return tuple(dict.fromkeys(n for name in names for n in (STRATEGIES if name == ALL else (name,))))


def whole_number(name: str, value: object, *, least: int) -> int:
    """Return `value` as an int of at least `least`; text is accepted, as options and ini lines are text.

    Raises `UsageError` with the name, the value received and what is allowed.
    """
    try:
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            raise ValueError
        number = int(value)
    except ValueError:
        raise UsageError(f"{name} must be a whole number of at least {least}, not {value!r}") from None
    if number < least:
        raise UsageError(f"{name} must be at least {least}, not {number}")
    return number


def seconds(name: str, value: object) -> float:
    """Return `value` as a positive number of seconds; raises `UsageError` otherwise."""
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError
        number = float(value)
    except ValueError:
        raise UsageError(f"{name} must be a number of seconds, not {value!r}") from None
    if not 0 < number < float("inf"):
        raise UsageError(f"{name} must be a positive number of seconds, not {value!r}")
    return number

"""Define the frozen results. Field names are those of the JSON report (`docs/json.md`), schema 1.

No field can hold a user object: every value is a string, a number, `None` or a tuple of those. So a report may be kept
for any length of time: it cannot be the leak.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["clean", "leaking", "known", "inconclusive", "error"]
PASSING: frozenset[Outcome] = frozenset({"clean", "known"})
"""Outcomes that do not fail a test."""

Growth = Literal["growing", "bounded"]
Kind = Literal[
    "child-process",
    "live-timer",
    "live-thread",
    "pending-task",
    "registration",
    "open-fd",
    "patched-global",
    "retained-generation",
    "stale-reference",
    "object-growth",
    "memory-growth",
]
"""Kinds of findings in order of precedence: where several fit one cause, the first one is used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The object outside the target's generations that refers into an old one."""

    root: str
    """Where reachability starts: `sys.modules`, `frame`, an interpreter registry such as `atexit`, or `native`."""
    path: str
    """Dotted path of the holder from its root, with `[*]` for indexes and changing keys."""
    type: str
    """Name of the holder's type, or of the opaque object that the collector cannot see inside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The target's object that the holder keeps."""

    type: str
    name: str
    file: str | None
    """Source file of its definition; `None` for objects without one, such as instances and data."""
    line: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One line on the way to a site."""

    file: str
    line: int
    function: str
    """Qualified name where the interpreter knows it (since 3.11); `<module>` at import."""
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The line that created the reference or effect: innermost of the target, else innermost first-party one."""

    file: str
    line: int
    code: str
    function: str | None = None
    """The function in which the line is; `None` where it is not known."""
    stack: tuple[Frame, ...] = ()
    """The calls at that moment, outermost first, at most 20. The last may lie deeper than the site, in the host."""
    excerpt: tuple[str, ...] = ()
    """The line with up to two lines around it, without their common indentation."""
    excerpt_line: int | None = None
    """Number of the first line of `excerpt`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeCost:
    """The part of a cost that objects of one type have."""

    type: str
    objects: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What dies if the holder alone lets go: less than it retains where another holder keeps the same objects."""

    objects: int
    bytes: int
    by_type: tuple[TypeCost, ...] = ()
    """The largest first. The last one may stand for all smaller ones; together they are the whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One leak with one cause, grouped over generations."""

    kind: Kind
    signature: str
    growth: Growth
    per_round: float
    """Items that one round leaves behind through this holder; 0 when `bounded`."""
    generations: tuple[int, ...] = ()
    registry: str | None = None
    """The process-wide registry, for the kind `registration` only."""
    holder: Holder | None = None
    held: Held | None = None
    trace: tuple[str, ...] = ()
    site: Site | None = None
    """`None` when the creating line is not known."""
    sites: tuple[Site, ...] = ()
    """All of them, `site` first: a target may subscribe at several lines."""
    site_reason: str | None = None
    """Why the line is not known; `None` where `site` names it."""
    retained_objects: int | None = None
    """Tracked objects that only the old generations reached by this holder keep alive."""
    retained_bytes: int | None = None
    cost: Cost | None = None
    """`None` where nothing retained was measured: the effect or the data keeps no old object."""
    sole_holder: bool = True
    """Whether nothing else holds any of these generations."""
    proven: bool | None = None
    """Whether a trial removal of the reference freed what it should; `None` when it was not tried."""
    proof: str | None = None
    """What the trial removal showed, or why there was none."""
    together_with: tuple[str, ...] = ()
    """Signatures of the other findings that keep some of these generations: they must go too."""
    cut_at: int | None = None
    """Position in `trace` of the reference whose removal was tried; `None` for an effect, and where none was."""
    also_retains: tuple[str, ...] = ()
    """What else the same cause keeps alive, such as the generations whose code a thread runs."""
    advice: str = ""
    cure: str | None = None
    """Python that undoes the leak, for the dispose hook of the target; `None` where no code of a hook can do it."""
    known: str | None = None
    """Why this finding is expected; `None` when it is not."""
    details: tuple[str, ...] = ()
    """Further lines, such as where a thread is running or which descriptors are open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Numbers of the process at the settled rounds; an entry is `None` where it could not be measured."""

    rounds: tuple[int, ...] = ()
    objects: tuple[int | None, ...] = ()
    blocks: tuple[int | None, ...] = ()
    native_bytes: tuple[int | None, ...] = ()
    fds: tuple[int | None, ...] = ()
    threads: tuple[int | None, ...] = ()
    tasks: tuple[int | None, ...] = ()
    children: tuple[int | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeGrowth:
    """A type of which each round leaves more objects."""

    type: str
    """Its short name: types of equal names, such as a class in each generation, count together."""
    per_round: int
    """Objects that one round adds: the smaller rate of the two halves of the rounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one check found: one entry of the JSON report's `checks`."""

    target: str
    nodeid: str | None
    """Node id of the test; `None` outside of pytest."""
    strategy: str
    rounds: int
    warmup: int
    outcome: Outcome
    reason: str
    """One sentence that explains the outcome."""
    duration_s: float
    reload_s: float
    """Time inside the reloads themselves, over all rounds."""
    retained_generations: tuple[int, ...] = ()
    series: Series = Series()
    growth_by_type: tuple[TypeGrowth, ...] = ()
    """What grew in the settled rounds of a check that found something; empty where the heap is large."""
    findings: tuple[Finding, ...] = ()
    not_reloaded: tuple[str, ...] = ()
    """Modules of the unit that no round reloaded, such as extension modules."""
    notes: tuple[str, ...] = ()
    error: str | None = None
    """What ended the check early: the round, the exception's type and text, and the user's own frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remaining:
    """One reference to a module that the import system has forgotten."""

    holder: Holder
    held: Held
    trace: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """What `clear_cache` did."""

    names: tuple[str, ...]
    """The modules that were removed from `sys.modules`."""
    directories: tuple[str, ...]
    """Directories whose finders are recreated."""
    holders: tuple[Remaining, ...]
    """What still holds the old version; empty if it was freed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StillAlive:
    """What is alive some time after a running program has reloaded a target: see `watch_process`."""

    target: str
    current: int
    """Number of the current generation; 0 is the first that the watch has seen."""
    generations: tuple[int, ...]
    """The older generations of which something is alive; empty if there is none."""
    retained: tuple[int, ...]
    """Those of them that should be dead: the generation just before the current one may still be in use."""

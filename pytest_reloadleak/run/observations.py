"""Define the observations of a run, as values that hold no object of the program."""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_reloadleak.effects.system.meter import Grown
from pytest_reloadleak.effects.system.process_numbers import Sample
from pytest_reloadleak.growth.fillers import MemoryShare
from pytest_reloadleak.growth.makers import NamesLeft
from pytest_reloadleak.growth.survivors import Survivors
from pytest_reloadleak.holders.container_growth import Accumulation, Frames
from pytest_reloadleak.holders.retention import Diagnosis
from pytest_reloadleak.model import TypeGrowth


@dataclass(slots=True, eq=False, repr=False)
class Observations:
    """What a run observed. Its steps add to it and take nothing back."""

    found: Diagnosis = field(default_factory=Diagnosis)
    """What is retained, after the second pass if there was one."""
    unloaded: Diagnosis | None = None
    """What was left after the target was unloaded; `None` if the check did not unload it."""
    blind: list[str] = field(default_factory=list)
    """What could not be observed, and why."""
    samples: list[Sample] = field(default_factory=list)
    native_steps: list[int] = field(default_factory=list)
    """Memory from malloc after each reload, in bytes, unsettled."""
    grown: Grown = field(default_factory=Grown)
    """The least by which each round of the second pass raised the process's numbers."""
    accumulations: list[Accumulation] = field(default_factory=list)
    """The containers that grew in these rounds, if the numbers grew."""
    explained: float = 0.0
    """Tracked objects per round that only these containers keep alive, all together."""
    accounted: tuple[Frames, ...] = ()
    """The lines of the target that fill what the test runner keeps."""
    survivors: tuple[Survivors, ...] = ()
    """The lines of the target whose allocations outlive each round, if no container explains the growth."""
    shares: MemoryShare = field(default_factory=MemoryShare)
    """Whose code took memory from malloc and from the system, if the target's lines were watched."""
    left: tuple[NamesLeft, ...] = ()
    """What the target leaves on the machine."""
    is_doubtful: bool = False
    """Whether some of that was left out because other programs on the machine leave the same."""
    files: tuple[str, ...] = ()
    """The target's source files, if the numbers grew."""
    is_alone: bool = True
    """Whether no other thread ran while the numbers grew."""
    by_type: tuple[TypeGrowth, ...] = ()
    """The types of which each settled round left more objects."""
    not_reloaded: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    reload_s: float = 0.0

    def note(self, *texts: str) -> None:
        """Add notes, each once."""
        self.notes += [text for text in dict.fromkeys(texts) if text not in self.notes]


UNEXPLAINED = 20
"""Objects per round that growing containers may leave unexplained: other objects that refer to their items."""


def is_explained(seen: Observations) -> bool:
    """Whether containers that the target's own code fills, or that have a bound, explain all growth."""
    is_found = any(a.is_targets or a.has_instances or a.bound is not None for a in seen.accumulations)
    return is_found and seen.grown.objects - seen.explained < UNEXPLAINED

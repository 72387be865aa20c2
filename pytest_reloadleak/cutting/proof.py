"""Perform the removals, and state what they prove as values that hold no object of the program."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from pytest_reloadleak.cutting.cut import CannotCutError, Cut, perform
from pytest_reloadleak.cutting.effects import Effects
from pytest_reloadleak.cutting.paths import Owns, Paths
from pytest_reloadleak.cutting.stages import stages
from pytest_reloadleak.effects.probe import Probe
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.holders.retention import Diagnosis, Retention
from pytest_reloadleak.holders.search import Known, Plan
from pytest_reloadleak.holders.sweep import Cause


class Proof(NamedTuple):
    """What the removal of one holder proved, as values."""

    keeps: frozenset[int]
    """The old generations that the holder kept; empty for an effect that kept none."""
    freed: frozenset[int] = frozenset()
    """Those that were dead when it and all others had been removed."""
    refusal: str | None = None
    """Why it was not removed, or why its removal proves nothing, as a clause; `None` if neither applies."""
    is_needed: bool | None = None
    """Whether removing only the others freed nothing; `None` without other holders, or if it was not observed."""
    effects: int = 0
    """For effects that kept no generation: their number."""
    rest: str | None = None
    """The path of a holder that still kept some of them; `None` if there was none."""
    hidden: tuple[str, ...] = ()
    """Paths of holders that kept the objects of an effect that had ended, and that were removed too."""
    cut_at: int | None = None
    """As `Finding.cut_at`."""

    @property
    def is_proven(self) -> bool | None:
        """As `Finding.proven`."""
        if self.refusal is not None:
            return None
        return self.freed == self.keeps


@dataclass(slots=True)
class _Trial:
    """The removal of one holder."""

    retention: Retention
    cuts: list[Cut] = field(default_factory=list)
    cut_at: int | None = None
    refusal: str | None = None
    """Why it cannot be removed, or was not."""
    stood: set[int] = field(default_factory=set)
    """Generations that were still alive after the removal of this holder and before that of another."""
    fell: set[int] = field(default_factory=set)
    """Generations that were dead at that time."""

    @property
    def keeps(self) -> frozenset[int]:
        """The old generations that it keeps alive."""
        return self.retention.present if self.retention.number is not None else frozenset()


class Process(NamedTuple):
    """The functions of a run that a trial calls."""

    alive: Callable[[], Collection[int]]
    """Collects, and returns the generations with an object that is certainly alive."""
    look: Callable[[], tuple[Diagnosis, Trials]]
    """Settles, and looks again, for another trial."""


class Trials:
    """The removals of all holders that a diagnosis found, ready to be performed.

    They refer to the holders, and not to what these keep alive, since more rounds may follow.

    Args:
        plan: what the diagnosis found, with the objects. The constructor empties it.
        looked: the diagnosis.
        owns: whether a module name belongs to the target.
        probes: the probes that saw the effects.
    """

    def __init__(self, plan: Plan, looked: Diagnosis, owns: Owns, probes: Iterable[Probe]) -> None:
        self.all = {number: _Trial(retention) for number, retention in enumerate(looked.retentions)}
        _prepare(self.all.values(), plan, Paths(plan, owns), Effects(plan, probes))
        plan.clear()

    def perform(self, process: Process) -> None:
        """Remove the holders in stages, and note what is alive after each."""
        cuts = {n: trial.cuts for n, trial in self.all.items() if trial.refusal is None}
        for stage in stages(cuts, {n: trial.keeps for n, trial in self.all.items()}):
            for number, cut in stage.cuts:
                # After a refusal the rest would prove nothing, and each thread may take a second.
                if self.all[number].refusal is None:
                    self.all[number].refusal = perform(cut)
            if stage.left:
                _note(stage.left, {number for number, _ in stage.cuts}, self.all, process.alive())

    def only(self, wanted: Callable[[Retention], bool]) -> tuple[Retention, ...]:
        """Drop all holders except some, and return the retentions of these."""
        self.all = {n: trial for n, trial in self.all.items() if wanted(trial.retention)}
        return tuple(trial.retention for trial in self.all.values())


def prove(trials: Trials, process: Process) -> list[tuple[Retention, Proof]]:
    """Remove every holder that a diagnosis found, and look at what is left.

    Args:
        trials: the removals.
        process: the functions of the run.

    Returns:
        The proof for each retention of the diagnosis.
    """
    trials.perform(process)
    after, more = process.look()
    behind = more.only(lambda retention: _is_hidden(retention, trials.all.values()))
    if behind:
        more.perform(process)
        after, _ = process.look()
    return [(trial.retention, _proof(trial, trials.all, after, behind)) for trial in trials.all.values()]


def _is_hidden(retention: Retention, trials: Iterable[_Trial]) -> bool:
    """Whether a retention shows only now because it keeps the objects of an ended effect: a closed socket in a list."""
    if not retention.objects:
        return False
    effects = [t for t in trials if t.retention.cause is not None and t.refusal is None]
    known = any(t.retention.trace == retention.trace and t.refusal is None for t in trials)
    return not known and any(t.keeps & retention.present for t in effects)


def _prepare(trials: Iterable[_Trial], plan: Plan, paths: Paths, effects: Effects) -> None:
    """Find the removals of each holder."""
    for trial in trials:
        cause = trial.retention.cause
        holder = plan.holders.get(trial.retention.number) if trial.retention.number is not None else None
        try:
            if cause is not None and cause in plan.effects:
                references = holder.references if holder is not None else []
                trial.cuts = effects.cuts(cause, references)
                if holder is not None:
                    holder.references = [known for known in references if not _ends_with(cause, known)]
                    trial.cuts += paths.cuts(holder)[0]
            elif holder is not None:
                trial.cuts, trial.cut_at = paths.cuts(holder)
            if not trial.cuts:
                trial.refusal = "nothing of it was found again"
        except CannotCutError as refusal:
            trial.refusal = str(refusal)
        except Exception as error:  # noqa: BLE001 - one that cannot be read must not end the others
            trial.refusal = f"reading it raised {foreign.exception_text(error)}"
    effects.close()


def _ends_with(cause: Cause, known: Known) -> bool:
    """Whether the end of an effect removes a reference: its own, or that of the timer that it sets next."""
    return known.root.cause == cause or (cause.kind == "live-timer" and known.root.kind == "thread")


def _note(left: dict[int, int], removed: set[int], trials: dict[int, _Trial], alive: Collection[int]) -> None:
    for generation, stays in left.items():
        for number, trial in trials.items():
            if generation in trial.keeps and number != stays and number in removed:
                (trial.stood if generation in alive else trial.fell).add(generation)


def _proof(
    trial: _Trial, trials: dict[int, _Trial], after: Diagnosis, behind: tuple[Retention, ...]
) -> Proof:
    keeps = trial.keeps
    if not keeps:  # each removal has seen for itself that its effect is over
        return Proof(keeps, refusal=trial.refusal, effects=trial.retention.items)
    company = [other for other in trials.values() if other is not trial and other.keeps & keeps]
    stuck = next((other for other in company if other.refusal is not None), None)
    refusal = trial.refusal
    if refusal is None and stuck is not None:
        refusal = (
            f"{stuck.retention.holder.path} keeps the same generations and was not removed: {stuck.refusal}"
        )
    remaining = {g for r in after.retentions if r.objects for g in r.present}
    rest = next((r.holder.path for r in after.retentions if r.objects and keeps & r.present), None)
    hidden = [r.holder.path for r in behind if keeps & r.present]
    is_needed = not trial.fell if trial.fell or trial.stood else None
    return Proof(keeps, keeps - remaining, refusal, is_needed, 0, rest, tuple(hidden), trial.cut_at)

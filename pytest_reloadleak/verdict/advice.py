"""Say how to mend a finding, in one sentence for people; the cure says it in Python."""

from __future__ import annotations

from dataclasses import replace

from pytest_reloadleak.holders.retention import Retention
from pytest_reloadleak.model import Finding, Holder, Kind

_ENDS_ITSELF = (
    "as it is, a dispose hook cannot end it: let its code read a flag, as in `while not stop.wait(1):` with "
    "`stop = threading.Event()`, and call stop.set() in the dispose hook; where it waits for a queue, put an item that "
    "tells it to end"
)
_LONGEST = 80
"""Characters of a path that a sentence repeats."""
_NAMELESS = "give it a name in the target, by which the dispose hook can end it"
_WHY_NO_CURE = {
    "live-thread": _ENDS_ITSELF,
    "child-process": _NAMELESS,
    "open-fd": _NAMELESS,
    "live-timer": _NAMELESS,
}
"""By the kind of effect: what to change first if the report has no cure."""


def advice(kind: Kind, retention: Retention) -> str:
    """The advice for a retention.

    Args:
        kind: the kind of its finding.
        retention: what was found; its own advice comes first.
    """
    said = retention.advice or _sentence(kind, retention)
    is_task = kind == "pending-task" and retention.holder.root == "task"
    why = _NAMELESS if is_task else _WHY_NO_CURE.get(kind)
    return f"{said}; {why}" if retention.cure is None and why is not None else said


def with_hook(finding: Finding, hook: str) -> Finding:
    """The finding with the place of its cure, where the target's host has a hook of its own.

    Args:
        finding: any finding.
        hook: the hook, as the end of a sentence; empty if the host is not known.
    """
    if finding.cure is None or not hook:
        return finding
    return replace(finding, advice=f"{finding.advice}; put the cure into {hook}")


def _sentence(kind: Kind, retention: Retention) -> str:
    holder, held = retention.holder, retention.held
    if kind == "live-timer":
        return f"cancel and delete the {holder.path} on unload; it keeps {held.name} alive even if it never fires again"
    if kind == "registration":
        return (
            f"delete the old entry of {held.name} from {holder.root}, or load it under the same name each time; "
            "nothing else removes it"
        )
    if kind == "patched-global":
        return (
            f"save the original of {holder.path} and restore it before the reload, or always wrap the original, not "
            f"the current value; calls still go through an old {held.name}"
        )
    if kind == "stale-reference" and retention.is_within:
        return (
            f"the reload did not define {holder.path} again, so it is still the old version; "
            "delete the name before the reload, or define it unconditionally"
        )
    if kind == "stale-reference":
        module = held.name.rpartition(".")[0]
        if not module:  # an object of the interpreter, such as an exception with its traceback
            return (
                f"{holder.path} was bound once, and its {held.name} still leads to the old version; clear the name "
                "before the reload, or bind it again afterwards"
            )
        return (
            f"{holder.path} was bound once and still points to the old version; look up {held.name} at the point of "
            f"use, through the module {module}, or also reload the code that binds it"
        )
    if holder.root == "native":
        return (
            f"C code holds {held.name} where the garbage collector cannot see it; "
            "find what passed it to C code, and release or unregister it before the reload"
        )
    if holder.root in {"thread", "task"}:
        verb = "stop and join" if holder.root == "thread" else "cancel"
        return f"{verb} the {holder.path} on unload; while it runs, it keeps {held.name} alive"
    if holder.root == "frame":
        return f"running code still uses {held.name}; let {holder.path} end, or delete the name, before the next reload"
    if retention.is_within:
        place, link, _ = holder.path.partition("(.")
        if link and not place.startswith(f"{held.name.partition('.')[0]}."):
            return (
                f"each generation puts a wrapper into {place} that keeps the one before; on unload, put back what it "
                "replaced"
            )
        return (
            f"each generation keeps the previous one through {holder.path}; do not carry the old object over"
        )
    return f"remove {held.name} from {_place(holder)} before the reload, replace the previous entry, or hold it weakly"


def _place(holder: Holder) -> str:
    """The holder's path; if that is long, a word for it, since the line of the holder has it."""
    return holder.path if len(holder.path) <= _LONGEST else "its holder"

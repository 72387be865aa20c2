"""Describe each kind of finding for tools that list rules: code scanning, code quality."""

from __future__ import annotations

from typing import NamedTuple

from pytest_reloadleak.model import Kind


class Rule(NamedTuple):
    """A kind of finding: a title, what it means and what helps."""

    title: str
    meaning: str
    help: str


RULES: dict[Kind, Rule] = {
    "child-process": Rule(
        "Child process outlives its code",
        "A reload leaves a child process that runs or was not reaped.",
        "Terminate the process and wait for it in the dispose hook.",
    ),
    "live-timer": Rule(
        "Timer outlives its code",
        "A reload leaves a timer that is scheduled, or that was cancelled and is still kept.",
        "Cancel the timer in the dispose hook, and drop the reference to it.",
    ),
    "live-thread": Rule(
        "Thread outlives its code",
        "A reload leaves a running thread that executes the old code.",
        "Tell the thread to end, and join it in the dispose hook.",
    ),
    "pending-task": Rule(
        "Task outlives its code",
        "A reload leaves a task, callback, future or async generator pending on an event loop.",
        "Cancel it and await it in the dispose hook.",
    ),
    "registration": Rule(
        "Registry keeps an entry",
        "Each reload leaves one more entry in a registry of the process.",
        "Remove the entry in the dispose hook, with the function that undoes the registration.",
    ),
    "open-fd": Rule(
        "Descriptor stays open",
        "A reload leaves a file, socket, pipe or other descriptor open.",
        "Close it in the dispose hook.",
    ),
    "patched-global": Rule(
        "Patch stays in place",
        "Each reload wraps an attribute of another module once more, or leaves an old generation's object there.",
        "Save the original and restore it in the dispose hook.",
    ),
    "retained-generation": Rule(
        "Old generation stays alive",
        "An object outside the target holds objects of old generations, so the old code is never freed.",
        "Remove the old object from its holder before the reload, replace the entry, or hold it weakly.",
    ),
    "stale-reference": Rule(
        "Binding still points to the old version",
        "A name that was bound once still has an old generation's object, while the target has moved on.",
        "Look the name up at the point of use, or reload the code that binds it as well.",
    ),
    "object-growth": Rule(
        "Objects pile up",
        "Each reload leaves objects that belong to no generation.",
        "Remove what the target added, or add it under a fixed key.",
    ),
    "memory-growth": Rule(
        "Memory grows",
        "Each reload leaves memory in use that no other finding explains.",
        "Free the buffers that the target allocates.",
    ),
}

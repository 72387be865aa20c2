"""The words of the leak catalogue that no run gives: what each kind means, and how a report is abridged."""

from __future__ import annotations

import re
from textwrap import fill

INDEX = """
# Leak catalogue

For each kind of leak: a small program that has it, the report, and the program without it. Look here with the `kind`
and the `registry` of your finding.

`host.py` is the program that stays, and `plugin.py` is the target that is reloaded. Each program was run as it stands:
with the host loaded, `pytest_reloadleak.measure_reload("plugin")` made the report. Then the cure was applied, and the
next check was clean. A host that is empty is not shown. In the reports, sizes are replaced by `N`, and the lines on
cost and proof are left out. `python docs/catalogue.py` makes these pages on CPython 3.13 from the twins in
`tests/cases/`; the tests run them again.

A report prints a *cure* where code of the target can undo the leak. Paste it into the function that your host calls
before it drops the module, or into `def __reload_dispose__(data):` in the target. See
[disposing](../strategies.md#disposing).
"""

INTRODUCTIONS = {
    "retained-generation": """
Something outside the target holds an object of an old version.

The holder can be any object that stays: a list, a dict, a closure, a default, a class, a suspended generator. One
function is enough to keep the whole old version alive, because each function refers to its module's namespace. If
the number grows with the reloads, memory grows without end. If it does not, one old version stays.
""",
    "stale-reference": """
A name was bound once, and still points to the old version.

The program goes on with old code or data while the target has moved on: `isinstance` and `except` no longer match,
and changes have no effect. Nothing grows, but it is a bug in every program that reloads. Look the object up where it
is used (`plugin.name`), or reload the importing module too: see the strategy [cascade](../strategies.md).
""",
    "live-thread": """
A thread that the old version started still runs.

It executes old code until it ends, and keeps the old version alive. Tell it to stop, and wait for it, in the dispose
hook.
""",
    "live-timer": """
A timer of the old version is still scheduled, or was cancelled and is still kept.

When it fires, it runs old code beside the new code. Cancel it in the dispose hook.
""",
    "pending-task": """
A task, callback or reader of the old version still waits on an event loop.

The loop keeps it, and with it the old version. Cancel it in the dispose hook; the cancellation takes effect when the
loop next turns.
""",
    "open-fd": """
A descriptor that the old version opened is still open: a file, a socket, a pipe.

A process may have about a thousand. Close it in the dispose hook, or open it in a `with` block.
""",
    "child-process": """
A child process of the old version still runs, or has ended and nobody has waited for it.

End it and wait for it in the dispose hook.
""",
    "registration": """
Each reload leaves one more entry in a registry of the process.

A registry is a table that Python or a library keeps for the whole process: exit handlers, log handlers, import
finders, codecs. Old entries are called, or are searched, again and again. Remove the entry in the dispose hook, or
replace it by the new one. The sections are sorted by `registry`.
""",
    "patched-global": """
The target replaced an attribute of another module or class, and it still is the old version's.

If each reload wraps what is there once more, every call passes through all old versions. Put the original back in the
dispose hook.
""",
    "object-growth": """
Each reload adds objects to a container, and none belongs to an old version.

The objects are plain data, or are made by other code, but the target's code adds them. Replace them, or remove them
in the dispose hook.
""",
    "memory-growth": """
Each reload takes more memory that no object of an old version explains: texts, numbers, bytes, memory of C code.

The target's code adds it. Replace what the previous version added, or remove it in the dispose hook.
""",
}
"""What each kind means: the first line is a summary. The order is that of the pages."""

_LEFT_OUT = ("cost", "keeps", "proof")
_COLUMNS = 88
_MADE_UP = re.compile(r"((?:/tmp/|/dev/shm/)(?:tmp|sem\.mp-|psm_|))(?:[0-9a-f]{32}|\w{8})\b")
"""A name of a file that is another one in each run, after what is always the same."""
_LABEL = re.compile(r"    \w+ +(?=\S)|  \* |")
"""What precedes the text of a line: its label, or the mark of a finding."""


def abridged(text: str) -> str:
    """A report without its lines on cost and proof, and without numbers that differ between runs and interpreters."""
    blocks: list[list[str]] = []
    for line in text.splitlines():
        if not blocks or re.match(r" {0,4}\S", line) or not line:
            blocks.append([])
        blocks[-1].append(line)
    kept = [block for block in blocks if not block[0].strip().startswith(_LEFT_OUT)]
    text = "\n".join(line for block in kept for line in block)
    text = re.sub(r"[\d.]+ (bytes|KiB|MiB)\b", r"N \1", text)
    text = re.sub(r"\b(pid|process) \d+", r"\1 N", text)
    text = re.sub(r"(127\.0\.0\.1):\d+", r"\1:N", text)
    text = re.sub(r"\bwith descriptors [\d, ]+", "with descriptors N", text)
    text = _MADE_UP.sub(r"\1*", text)
    text = re.sub(r"\bfd \d+:", "fd N:", text)
    text = re.sub(r"due in \d+ s(\n +due in \d+ s)*", "due in N s", text)
    text = re.sub(r"\b(\w+\.py):\d+(?= in )", r"\1:N", text)
    return "\n".join(map(_folded, text.splitlines()))


def _folded(line: str) -> str:
    """A line as a terminal shows it, which is not as wide as the longest; code and paths are not broken."""
    label = _LABEL.match(line)
    if label is None or (line.startswith(" ") and not label[0]):  # code
        return line
    hang = " " * (label.end() or 2)
    return fill(line, _COLUMNS, subsequent_indent=hang, break_long_words=False, break_on_hyphens=False)

#!/usr/bin/env python3
"""Write the leak catalogue, `catalogue/*.md`, from the twins of `tests/cases/`: code, report and cure of each leak.

    python docs/catalogue.py [KIND...]            write all pages, or those of some kinds
    python docs/catalogue.py --check [KIND...]    exit with 1 if one is out of date

It needs Python 3.13. Each program on a page is run as it stands there. What a twin has only for the test suite is left
out of it first.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from textwrap import indent
from typing import NamedTuple, get_args

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(__file__).with_name("catalogue")
sys.path[:0] = [str(ROOT / "docs"), str(ROOT / "tests"), str(ROOT)]

from cases import (  # noqa: E402 - likewise
    edges,
    growing,
    left_files,
    loops,
    open_things,
    registries,
    threads,
    watched,
)
from cases.without_cure import WITHOUT  # noqa: E402 - likewise
from catalogue_text import INDEX, INTRODUCTIONS, abridged  # noqa: E402 - found through the path above
from pruning import pruned  # noqa: E402 - likewise

from pytest_reloadleak.model import Kind  # noqa: E402 - likewise

MADE_ON = (3, 13)
"""The interpreter whose reports the pages have; others differ in small things, such as the type of a holder."""


class Leak(NamedTuple):
    """A leaking program and its cured twin."""

    kind: str
    registry: str | None
    place: str
    """The holder's place without the host's own names: leaks with the same one share a section."""
    name: str
    leaking: Mapping[str, str]
    cured: Mapping[str, str]
    strategy: str = "reimport"
    target: str = "plugin"


class Seen(NamedTuple):
    """What a check said."""

    outcome: str
    text: str
    cures: list[str | None]


_RUN = """\
import importlib, json, os, sys

sys.path.insert(0, "")
target, strategy, *loaded = sys.argv[1:]
for name in loaded:
    importlib.import_module(name)
from pytest_reloadleak import measure_reload
from pytest_reloadleak.report import terminal

report = measure_reload(target, strategy=strategy)
print(json.dumps([report.outcome, terminal.text(report, verbose=False), [f.cure for f in report.findings]]))
sys.stdout.flush()
os._exit(0)  # whatever the leaks still run
"""


def leaks() -> list[Leak]:
    """All twins that this system can run, in the order of their tables."""
    out = [
        Leak(t.expected.kind, t.expected.registry, _place(t.expected.path), t.name, t.leaking, t.cured,
             t.strategies[0], t.target)
        for t in edges.TWINS
    ]  # fmt: skip
    for t in (*loops.TWINS, *registries.CASES, *watched.APPLICABLE):
        kind, registry = getattr(t, "kind", "registration"), getattr(t, "registry", None)
        out.append(Leak(kind, registry, _place(t.path), t.name, t.files("leaking"), t.files("cured")))
    for t in (*open_things.TWINS, *threads.TWINS):
        host = (open_things if isinstance(t, open_things.Twins) else threads).HOST
        files = [{"host": host, "plugin": edges.source(source)} for source in (t.leaking, t.cured)]
        out.append(Leak(t.kind, None, _place(t.path), t.name, *files))
    for name, (leaking, cured, kind, path) in growing.TWINS.items():
        files = [{"host": growing.HOST, "plugin": f"import host\n{source}\n"} for source in (leaking, cured)]
        out.append(Leak(kind, None, _place(path) + name * (not path), name, *files))
    for name, (leaking, cured, registry, path) in left_files.TWINS.items():
        files = [
            {"host": left_files.HOST, "plugin": f"{left_files.IMPORTS}{source}\n"}
            for source in (leaking, cured)
        ]
        out.append(Leak("registration", registry, path.partition(" ")[0], name, *files))
    return out


def _place(path: str) -> str:
    return re.sub(r"'[^']*'|\bhost\.\w+|(?<=importer\.)\w+", "", path)


def chosen(found: Iterable[Leak]) -> list[tuple[Leak, list[Leak]]]:
    """The first leak of each kind, registry and place, with the others of the same."""
    sections: dict[tuple[str, str | None, str], list[Leak]] = {}
    for leak in found:
        sections.setdefault((leak.kind, leak.registry, leak.place), []).append(leak)
    return [(first, others) for first, *others in sections.values()]


def checked(files: Mapping[str, str], leak: Leak) -> Seen:
    """Check a program in a process of its own, which is ended with all that it started."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as temporary:
        for name, source in files.items():
            path = Path(folder, *name.split(".")).with_suffix(".py")
            path.parent.mkdir(exist_ok=True)
            path.write_text(source, encoding="utf-8")
        loaded = [
            name for name in ("host", "importer", "package") if name in files or f"{name}.__init__" in files
        ]
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", _RUN, leak.target, leak.strategy, *loaded],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": temporary},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            out, err = process.communicate(timeout=120)
        finally:
            with suppress(ProcessLookupError):  # it had started nothing
                os.killpg(process.pid, signal.SIGKILL)
        assert process.returncode == 0, f"{leak.name}: {err}"
        outcome, text, cures = json.loads(out.splitlines()[-1])
        return Seen(outcome, text.replace(f"{folder}/", "").replace(temporary, "/tmp"), cures)  # noqa: S108 - text


def shown(files: Mapping[str, str], names: Iterable[str]) -> str:
    """Some files as blocks of Markdown, without those that are empty."""
    return "".join(
        f"`{name.replace('.', '/')}.py`:\n\n```python\n{files[name].strip()}\n```\n\n"
        for name in names
        if files[name].strip()
    )


def title(leak: Leak) -> str:
    """The heading of a section."""
    return f"{leak.name[0].upper()}{leak.name[1:]}"


def kinds() -> tuple[str, ...]:
    """The kinds of finding that the tool knows."""
    return get_args(Kind)


def section(leak: Leak, others: Iterable[Leak]) -> str:
    """The part of a page on one leak: the program, its report, and the program without the leak.

    Raises:
        AssertionError: the program does not leak, or still does with its cure.
    """
    files = pruned(leak.leaking)
    report = checked(files, leak)
    assert report.outcome == "leaking", f"{leak.name}: {report}"
    out = f"## {title(leak)}\n\n{shown(files, files)}"
    out += f"The report:\n\n```text\n{abridged(report.text)}\n```\n\n"
    told = cured(leak, files, report.cures)
    if told is None:
        after = pruned(leak.cured)
        changed = [name for name in after if after[name] != files.get(name)]
        again = checked(after, leak)
        assert again.outcome == "clean", f"{leak.name}, cured: {again.text}"
        why = f"No hook can undo this: {WITHOUT[leak.name]}. " if leak.name in WITHOUT else ""
        told = f"{why}Without the leak:\n\n{shown(after, changed)}".rstrip()
    out += f"{told}\n"
    same = ", ".join(other.name for other in others)
    return out + (f"\nFound in the same way: {same}.\n" if same else "")


def cured(leak: Leak, files: Mapping[str, str], cures: list[str | None]) -> str | None:
    """Apply the cures of a report, and those of the next ones; says what that took, or `None` if a cure is missing."""
    first = cures
    hook: list[str] = []
    for _ in range(_STEPS):
        new = [cure for cure in cures if cure is not None and cure not in hook]
        if not new or len(new) < len(cures) or leak.name in WITHOUT:
            return None
        hook += new
        body = indent("\n".join(hook), "    ")
        source = f"{files[leak.target]}\n\ndef __reload_dispose__(data):\n{body}\n"
        again = checked({**files, leak.target: source}, leak)
        if again.outcome == "clean":
            break
        cures = again.cures
    else:
        return None
    if hook == first:
        return "With the printed cure in the dispose hook the check is clean."
    hook_text = f"```python\ndef __reload_dispose__(data):\n{body}\n```"
    return f"With the printed cure, the next report asks for more. With this hook the check is clean:\n\n{hook_text}"


_STEPS = 3


def pages() -> dict[str, list[tuple[Leak, list[Leak]]]]:
    """The sections of each page, by kind in the order of the introductions."""
    out: dict[str, list[tuple[Leak, list[Leak]]]] = {kind: [] for kind in INTRODUCTIONS}
    for leak, others in chosen(leaks()):
        out[leak.kind].append((leak, others))
    for sections in out.values():
        sections.sort(key=lambda one: one[0].registry or "")
    return out


def page(kind: str, sections: Iterable[str]) -> str:
    """A page from its sections."""
    return f"# `{kind}`\n\n{INTRODUCTIONS[kind].strip()}\n\n" + "\n".join(sections)


def index() -> str:
    """The first page, which lists the others."""
    lines = [f"- [{kind}]({kind}.md): {text.strip().splitlines()[0]}" for kind, text in INTRODUCTIONS.items()]
    return f"{INDEX.strip()}\n\n## Kinds\n\n" + "\n".join(lines) + "\n"


def made(chosen_kinds: Iterable[str]) -> dict[Path, str]:
    """The pages of some kinds as they should be, and the index."""
    out = {FOLDER / "index.md": index()}
    with ThreadPoolExecutor(2) as pool:
        for kind in chosen_kinds:
            sections = pages()[kind]
            out[FOLDER / f"{kind}.md"] = page(kind, pool.map(lambda one: section(*one), sections))
    return out


def main() -> None:
    """Write the pages, or compare them."""
    if sys.version_info[:2] != MADE_ON:
        sys.exit("the catalogue has the reports of Python {}.{}: run this with it".format(*MADE_ON))
    is_check = "--check" in sys.argv
    names = [name for name in sys.argv[1:] if name != "--check"]
    wrong = []
    for path, text in made(names or INTRODUCTIONS).items():
        if is_check and (not path.exists() or path.read_text(encoding="utf-8") != text):
            wrong.append(path.name)
        elif not is_check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    sys.exit(f"{', '.join(wrong)}: run python docs/catalogue.py" if wrong else 0)


if __name__ == "__main__":
    main()

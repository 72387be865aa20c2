#!/usr/bin/env python3
"""Run what the pages show: write their files, run their commands, and put the true output into them.

    python docs/transcripts.py [PAGE...]            rewrite the output on these pages, or on all
    python docs/transcripts.py --check [PAGE...]    exit with 1 if some output differs

A comment before a block says what the block is; readers do not see it. All blocks of a page share one folder.

    <!-- file: app/weather.py -->         the block is this file
    <!-- add to: app/weather.py -->       the block is appended to this file
    <!-- copy: examples/pluginhost -->    the folder gets these files; no block
    <!-- do: pytest ... -->               this command runs, and ends with 0; no block
    <!-- do, 1: pytest ... -->            likewise, and ends with 1
    <!-- run: pytest ... -->              the block is the output of this command
    <!-- run, report: pytest ... -->      likewise, of which the block has one part: see `PARTS`
    <!-- not run: REASON -->              the block is not executed
    <!-- made by: python docs/x.py -->    anywhere on a page: another script runs what is on it
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

_BLOCK = re.compile(
    r"(?:^ *<!-- (?P<verb>[a-z ]+)(?:, (?P<part>\w+))?: (?P<what>[^\n]*?) -->\n+)?"
    r"^(?P<indent> *)```(?P<language>\w+)\n(?P<text>.*?)^(?P=indent)```$"
    r"|^<!-- (?P<alone>copy|do)(?:, (?P<status>\d))?: (?P<done>[^\n]*?) -->$",
    re.DOTALL | re.MULTILINE,
)


class Block(NamedTuple):
    """A block of a page, with what its comment says."""

    page: Path
    verb: str | None
    part: str
    what: str
    text: str
    span: tuple[int, int]
    """Where the text is on the page."""

    @property
    def line(self) -> int:
        """The line of the page at which the text begins."""
        return self.page.read_text(encoding="utf-8").count("\n", 0, self.span[0]) + 1


def is_made(page: Path) -> bool:
    """Whether a script of its own makes the page, or part of it with all blocks."""
    text = page.read_text(encoding="utf-8")
    return "<!-- made by: " in text


def blocks(page: Path) -> list[Block]:
    """The blocks of a page with a language, and its copies, in their order."""
    out = []
    for match in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        if match["alone"]:
            span = (match.end(), match.end())
            out.append(Block(page, match["alone"], match["status"] or "0", match["done"], "", span))
        else:
            text = dedent(match["text"])
            out.append(
                Block(
                    page, match["verb"], match["part"] or "all", match["what"] or "", text, match.span("text")
                )
            )
    return out


def _whole(lines: list[str]) -> list[str]:
    """Everything that pytest prints, without what depends on the machine."""
    noise = (
        r"platform |cachedir: |rootdir: |configfile: |plugins: |asyncio: |collected \d|=+ test session starts"
    )
    lines = [line for line in lines if not re.match(noise, line)]
    while lines and not lines[0]:
        del lines[0]
    return lines


def _report(lines: list[str]) -> list[str]:
    """The first report of a check, from its headline to the next heading."""
    first = next(at for at, line in enumerate(lines) if re.match(r"\S+ \(\w+\) (is|has|leaks|could)", line))
    last = next(
        (at for at in range(first, len(lines)) if re.match(r"=====|_____|-----", lines[at])), len(lines)
    )
    return lines[first:last]


def _end(lines: list[str]) -> list[str]:
    """The short summary and the last lines."""
    first = next((at for at, line in enumerate(lines) if "short test summary" in line), len(lines) - 1)
    more = [line for line in lines[:first] if line.startswith("reload-leak:")]
    return [*more, *lines[first:]]


def _table(lines: list[str]) -> list[str]:
    """The table of an audit."""
    first = next(at for at, line in enumerate(lines) if re.match(r"=+ reloadability =+", line))
    last = next(at for at in range(first + 1, len(lines)) if lines[at].startswith("===") or not lines[at])
    return lines[first:last]


PARTS = {"all": _whole, "report": _report, "end": _end, "table": _table}


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, as a reader would who has installed the plugin and nothing else."""
    program, *arguments = shlex.split(command)
    start = {"pytest": [sys.executable, "-m", "pytest"], "python": [sys.executable]}[program]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "CI"))}
    environment.pop("GITHUB_ACTIONS", None)
    environment |= {
        "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_ADDOPTS": "-p reloadleak -p no:cacheprovider",
        "COLUMNS": "80",
        "NO_COLOR": "1",
    }
    return subprocess.run(  # noqa: S603 - our own interpreter
        [*start, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def output(command: str, part: str, folder: Path) -> str:
    """What a command prints in a folder, as the part of it that a page shows."""
    done = run(command, folder)
    lines = (done.stdout + done.stderr).replace(f"{folder}{os.sep}", "").splitlines()
    while lines and not lines[-1].strip():
        del lines[-1]
    return "\n".join(line.rstrip() for line in PARTS[part](lines)).strip("\n") + "\n"


def performed(page: Path) -> Iterator[tuple[Block, str]]:
    """Do what the comments of a page say; yields each block of output with what it should be.

    Raises:
        AssertionError: a command ended with another exit status than the page says.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        for block in blocks(page):
            path = folder / block.what
            if block.verb == "copy":
                shutil.copytree(ROOT / block.what, folder, dirs_exist_ok=True)
            elif block.verb == "do":
                done = run(block.what, folder)
                assert done.returncode == int(block.part), f"{block.what}:\n{done.stdout}{done.stderr}"
            elif block.verb == "file":
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text, encoding="utf-8")
            elif block.verb == "add to":
                path.write_text(f"{path.read_text(encoding='utf-8')}\n\n{block.text}", encoding="utf-8")
            elif block.verb == "run":
                yield block, output(block.what, block.part, folder)


def steady(text: str) -> str:
    """An output without what differs between runs and interpreters: times, sizes, counts, places in libraries."""
    text = re.sub(r"\d[\d.]* ?(bytes|KiB|MiB|ms|s)\b", r"N \1", text)
    text = re.sub(
        r"(each round leaves more objects|dies with this holder): .*?(?=\n    \w+  |\n\n|\Z)",
        r"\1: N",
        text,
        flags=re.DOTALL,
    )
    text = re.sub(r"=+ (.*?) =+", r"= \1 =", text)
    text = re.sub(r"keeps   \d+ objects", "keeps   N objects", text)
    text = re.sub(r", \d+ at once", "", text)  # as many as there are processors
    text = re.sub(r"\b(\w+\.py):\d+ in (?:\w+\.)*", r"\1:N in ", text)
    if sys.version_info >= (3, 11):
        return text
    return " ".join(text.split())  # methods have shorter names there, so lines end elsewhere


def updated(page: Path) -> str:
    """The page with today's output, where it differs by more than numbers of the machine."""
    text = page.read_text(encoding="utf-8")
    for block, true in reversed(list(performed(page))):
        if steady(block.text) != steady(true):
            first, last = block.span
            text = text[:first] + true + text[last:]
    return text


def main() -> None:
    """Run as a script."""
    names = [name for name in sys.argv[1:] if name != "--check"]
    pages = [Path(name).resolve() for name in names] or [page for page in PAGES if not is_made(page)]
    wrong = []
    for page in pages:
        text = updated(page)
        if text == page.read_text(encoding="utf-8"):
            continue
        wrong.append(page.name)
        if "--check" not in sys.argv:
            page.write_text(text, encoding="utf-8")
    if "--check" in sys.argv and wrong:
        sys.exit(f"{', '.join(wrong)}: run python docs/transcripts.py")


if __name__ == "__main__":
    main()

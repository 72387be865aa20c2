"""What the pages show is what happens: each block is run, or says why not, and each command can be run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import transcripts
from options import defined

ROOT = Path(__file__).resolve().parents[2]
PAGES = [page for page in transcripts.PAGES if not transcripts.is_made(page)]
RUN = [page for page in PAGES if any(block.verb in ("run", "do") for block in transcripts.blocks(page))]
VERBS = ("file", "add to", "run", "copy", "do", "not run")


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_the_page_shows_the_true_output(page):
    """Its files are written, its commands run, and what they print is what it shows."""
    assert transcripts.updated(page) == page.read_text(encoding="utf-8"), "run python docs/transcripts.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_says_what_it_is(page):
    """A block without a comment would be a claim that nothing checks."""
    silent = [block.line for block in transcripts.blocks(page) if block.verb not in VERBS]
    empty = [block.line for block in transcripts.blocks(page) if not block.what.strip()]

    assert (silent, empty) == ([], [])


def test_a_page_that_another_script_makes_names_it():
    """The script exists, and a test runs it."""
    made = {page: page.read_text(encoding="utf-8") for page in transcripts.PAGES if page not in PAGES}

    for text in made.values():
        (script,) = set(re.findall(r"<!-- made by: python (\S+) -->", text))
        assert (ROOT / script).exists()


OTHERS = (ROOT / "CONTRIBUTING.md", ROOT / "proofs" / "README.md", ROOT / "docs" / "catalogue" / "index.md")
"""Pages that only name commands."""


def commands():
    """The commands in the indented blocks and the code spans of all pages, with their pages."""
    for page in (*transcripts.PAGES, *OTHERS):
        text = page.read_text(encoding="utf-8")
        lines = re.findall(r"^    (?:\$ )?((?:pytest|python|nox)\b .+)$", text, flags=re.MULTILINE)
        spans = re.findall(r"`((?:pytest|python|nox) [^`\n]+)`", text)
        for command in (*lines, *spans):
            yield pytest.param(command.partition("  # ")[0].strip(), id=f"{page.stem}: {command[:40]}")


def test_every_command_can_be_run():
    """Its options, sessions and scripts exist."""
    known = {option.name for option in defined().options}
    sessions = set(
        re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text(encoding="utf-8"), re.MULTILINE)
    )
    wrong = []
    for (command,) in (parameter.values for parameter in commands()):
        program, *arguments = shlex.split(command)
        options = {one.partition("=")[0] for one in arguments if re.match(r"--(no-)?reload-leak-\w", one)}
        is_wrong = bool(options - known)
        if program == "python" and arguments[0].endswith(".py"):
            is_wrong |= not (ROOT / arguments[0]).exists()
        if program == "nox" and arguments[:1] == ["-s"]:
            # A session with several interpreters is named with the version.
            is_wrong |= re.sub(r"-3\.\d+$", "", arguments[1]) not in sessions
        if is_wrong:
            wrong.append(command)

    assert wrong == []


def test_every_option_that_a_page_mentions_exists():
    """In text, tables and recipes too."""
    known = {option.name for option in defined().options}
    mentioned = {
        name
        for page in transcripts.PAGES
        for name in re.findall(
            r"--(?:no-)?reload-leak-[a-z-]*[a-z](?![a-z*-])", page.read_text(encoding="utf-8")
        )
    }

    assert mentioned - known == set()


def test_an_output_that_differs_is_noticed(tmp_path, monkeypatch):
    """Numbers of the machine may differ, and nothing else."""
    page = tmp_path / "page.md"
    text = (
        "<!-- file: a.py -->\n```python\nprint('2.5 KiB in 0.31 s')\n```\n\n"
        "<!-- run: python a.py -->\n```text\n{}\n```\n"
    )

    page.write_text(text.format("1.0 KiB in 7 s"), encoding="utf-8")
    assert transcripts.updated(page) == page.read_text(encoding="utf-8")

    page.write_text(text.format("1.0 KiB after 7 s"), encoding="utf-8")
    assert "2.5 KiB in 0.31 s" in transcripts.updated(page)


def test_a_command_that_fails_is_noticed(tmp_path):
    """A page cannot say that a command passes which does not."""
    page = tmp_path / "page.md"
    page.write_text("<!-- do: python missing.py -->\n", encoding="utf-8")

    with pytest.raises(AssertionError, match=r"missing\.py"):
        transcripts.updated(page)

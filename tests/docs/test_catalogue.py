"""The leak catalogue is that of today's twins: the programs, their reports, and that the cures cure."""

from __future__ import annotations

import re
import sys

import catalogue
import pytest
from pruning import pruned

SECTIONS = [
    pytest.param(kind, leak, others, id=f"{kind}: {leak.name}")
    for kind, sections in catalogue.pages().items()
    for leak, others in sections
]


def text_of(kind):
    """The page of a kind as it is committed."""
    return (catalogue.FOLDER / f"{kind}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("kind", "leak", "others"), SECTIONS)
def test_a_section_is_what_a_run_gives(kind, leak, others):
    """The program leaks as the page says, and does not with the cure."""
    section = catalogue.section(leak, others)

    assert sys.version_info[:2] != catalogue.MADE_ON or section in text_of(kind), (
        "run python docs/catalogue.py"
    )


def test_the_pages_have_the_programs_of_the_twins():
    """Each section, in its order, with the code that the twin has today; this needs no run."""
    for kind, sections in catalogue.pages().items():
        text = text_of(kind)
        titles = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
        expected = [catalogue.title(leak) for leak, _ in sections]
        assert titles == expected or sys.version_info[:2] != catalogue.MADE_ON
        for leak, _ in sections:
            files = pruned(leak.leaking)
            assert catalogue.shown(files, files) in text, "run python docs/catalogue.py"


def test_every_kind_and_registry_has_a_section():
    """A reader with a finding of any kind looks it up."""
    assert set(catalogue.INTRODUCTIONS) == set(catalogue.kinds())
    assert catalogue.index() == (catalogue.FOLDER / "index.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("import os, sys\nprint(sys)\n", "import sys\n\nprint(sys)\n"),
        ("def f():\n    pass\n\nclass A(dict):\n    pass\n", "class A(dict):\n    pass\n"),
        ("def f(a=print()):\n    pass\n", "def f(a=print()):\n    pass\n"),
        ("x = 1\n", "x = 1\n"),
    ],
)
def test_only_what_nothing_uses_is_left_out(source, kept):
    """A definition that does something when it is executed stays."""
    assert pruned({"plugin": source}) == {"plugin": kept}


def test_what_a_run_measures_is_left_open():
    """Amounts of memory differ between two runs of one program; what is counted does not."""
    report = (
        "  * host.raw grows by {} per reload (plugin.py:3)\n    kind    memory-growth 1ba49dd1, growing\n"
    )
    report += "    detail  each round adds 2 items, {} in all\n"

    texts = {
        catalogue.abridged(report.format(*sizes))
        for sizes in [("4.8 MiB", "1.5 KiB"), ("5.1 MiB", "1.6 KiB")]
    }

    assert texts == {report.format("N MiB", "N KiB").rstrip()}

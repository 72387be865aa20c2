"""The reports of the docs are those of real runs: each target leaks, and is clean with the cure that it prints."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

REPORTS = Path(__file__).resolve().parents[2] / "docs" / "reports.py"


@pytest.fixture(scope="module")
def reports():
    """The module that makes the page."""
    spec = importlib.util.spec_from_file_location("reports_page", REPORTS)
    module = importlib.util.module_from_spec(spec)
    sys.modules["reports_page"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["reports_page"]


NEEDED = {"discord.py": "discord", "Twisted": "twisted", "loguru": "loguru"}


@pytest.mark.parametrize("number", range(7))
def test_the_page_has_what_the_run_gives(reports, number):
    """The target leaks, the pasted cure makes it clean, and the page quotes this cure."""
    leak = reports.LEAKS[number]
    library = leak.title.partition(":")[0]
    if library in NEEDED:
        pytest.importorskip(NEEDED[library])

    text = reports.section(leak)

    cure = text.partition("cure    paste this into the dispose hook:\n")[2].partition("```")[0]
    assert cure
    assert cure in reports.PAGE.read_text(encoding="utf-8")


def test_each_leak_has_a_place_in_the_page(reports):
    """Seven sections, in the order of the script."""
    titles = [
        line[3:] for line in reports.PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("## ")
    ]

    assert titles == [leak.title for leak in reports.LEAKS]

"""The docs hang together: links lead somewhere, each page has a place, and the table of options is up to date."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")])
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")


def prose(page):
    """The text of a page without its code."""
    text = page.read_text(encoding="utf-8")
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^( *)```.*?^\1```", "", text, flags=re.DOTALL | re.MULTILINE))


def anchors(page):
    """The anchors of the headings of a page, as GitHub and MyST make them."""
    text = re.sub(r"^( *)```.*?^\1```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def test_the_table_of_options_is_that_of_the_plugin():
    """Run `python docs/options.py` after a change of the options."""
    done = subprocess.run(
        [sys.executable, DOCS / "options.py", "--check"], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_every_link_leads_to_a_page_and_a_heading():
    """Whoever follows a link, on a code host or in the site, arrives."""
    broken = []
    for page in PAGES:
        for path, anchor in LINK.findall(prose(page)):
            target = (page.parent / path).resolve() if path else page
            if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
                broken.append(f"{page.relative_to(ROOT)}: {path}#{anchor}")

    assert broken == []


def test_the_readme_is_short():
    """A reader sees in one go what the plugin does and how to use it."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 120

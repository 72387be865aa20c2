"""Configure Sphinx for the docs site: `nox -s docs` builds it from the Markdown files as they are.

The source folder is the root of the project, so that a link between pages means the same here and on a code host. The
navigation is made from the lists of links in the index pages, which readers of a code host follow too.
"""

from __future__ import annotations

import re
from importlib.metadata import metadata
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]
_INSTALLED = metadata("pytest-reloadleak")

project = _INSTALLED["Name"]
release = _INSTALLED["Version"]
author = _INSTALLED["Author"]
copyright = author  # noqa: A001 - the name that Sphinx reads
html_title = f"{project} {release}"

extensions = ["myst_parser", "sphinxcontrib.mermaid"]
include_patterns = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "proofs/README.md", "docs/**.md"]
root_doc = "README"
templates_path = ["templates"]
html_additional_pages = {"index": "start.html"}
html_theme = "furo"
html_copy_source = False
myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]

_LINK = re.compile(r"^(?:\d+\.|-) \[([^]]+)\]\(([^):#]+)\.md\)", re.MULTILINE)


def tables_of_contents(folder: Path) -> str:
    """Hidden tables of contents for a folder's index page: one for each section that lists links to pages.

    Pages that the index does not list come last, so that a new page is never without a place.
    """
    text = (folder / "index.md").read_text(encoding="utf-8")
    out = []
    for section in re.split(r"^## ", text, flags=re.MULTILINE):
        links = [
            f"{title} </{(folder / page).resolve().relative_to(ROOT)}>"
            for title, page in _LINK.findall(section)
        ]
        if links:
            caption = [f":caption: {section.splitlines()[0]}"] if not section.startswith("# ") else []
            out.append("\n".join(["```{toctree}", ":hidden:", *caption, "", *links, "```"]))
    listed = {page for _, page in _LINK.findall(text)}
    more = sorted({path.stem for path in folder.glob("*.md")} - listed - {"index"})
    if more:
        more = [f"/{(folder / page).relative_to(ROOT)}" for page in more]
        out.append("\n".join(["```{toctree}", ":hidden:", ":caption: More", "", *more, "```"]))
    return "\n\n".join(out)


def _add_navigation(app: Sphinx, name: str, content: list[str]) -> None:
    """Add the tables of contents to an index page; the README has those of `docs/index.md`, as the navigation's top."""
    if name == root_doc:
        top = "```{toctree}\n:hidden:\n\nAll pages <docs/index>\n```"
        content[0] += f"\n\n{top}\n\n{tables_of_contents(ROOT / 'docs')}\n"
    elif Path(name).name == "index" and name != "docs/index":
        content[0] += f"\n\n{tables_of_contents(Path(app.srcdir, name).parent)}\n"


def setup(app: Sphinx) -> None:
    """Connect the navigation. Sphinx calls this."""
    app.connect("source-read", _add_navigation)

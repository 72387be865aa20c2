"""Configure Sphinx for the docs site: `nox -s docs` builds it from the Markdown files as they are.

The source folder is the root of the project, so that a link between pages means the same here and on a code host. The
navigation is made from the lists of links in the index pages, which readers of a code host follow too.
"""

from __future__ import annotations

import re
from importlib.metadata import metadata
from pathlib import Path
from typing import ClassVar

import mermaidx
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx
from sphinx.util import logging

ROOT = Path(__file__).resolve().parents[1]
_INSTALLED = metadata("pytest-reloadleak")

project = _INSTALLED["Name"]
release = _INSTALLED["Version"]
author = _INSTALLED["Author"]
copyright = author  # noqa: A001 - the name that Sphinx reads
html_title = f"{project} {release}"

extensions = ["myst_parser"]
include_patterns = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "proofs/README.md", "docs/**.md"]
root_doc = "README"
templates_path = ["templates"]
html_additional_pages = {"index": "start.html"}
html_theme = "furo"
html_copy_source = False
html_static_path = ["static"]
html_css_files = ["site.css"]
myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]

_LOADS = re.compile(r"<script\b.*?</script>|<(?:link|img|iframe|source)\b[^>]*>", re.DOTALL)
_FOREIGN = re.compile(r"""["'](https?://[^"'\s]+)["']""")
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


class Drawing(Directive):
    """A Mermaid diagram, drawn when the site is built: a page has the drawing itself, and needs no script for it."""

    has_content = True
    _CONFIG: ClassVar = {
        "flowchart": {"nodeSpacing": 16, "padding": 8, "rankSpacing": 28, "wrappingWidth": 170}
    }

    def run(self) -> list[nodes.Node]:
        """Draw it; the id, which the drawing's style and arrow heads refer to, is made unique on the page."""
        svg: str = mermaidx.render("\n".join(self.content), config=self._CONFIG).svg()
        svg = svg.replace("my-svg", f"drawing-{self.lineno}")
        return [nodes.raw("", f'<div class="drawing">{svg}</div>', format="html")]


def _warn_of_other_hosts(app: Sphinx, error: Exception | None) -> None:
    """Warn of what a page would load from another host: the site has to work offline."""
    for page in sorted(Path(app.outdir).rglob("*.html")) if error is None else ():
        loads = " ".join(_LOADS.findall(page.read_text(encoding="utf-8")))
        for address in sorted(set(_FOREIGN.findall(loads))):
            logging.getLogger(__name__).warning("%s loads %s", page.relative_to(app.outdir), address)


def setup(app: Sphinx) -> None:
    """Connect the navigation, the drawings, and the look at the finished pages. Sphinx calls this."""
    app.add_directive("mermaid", Drawing)
    app.connect("source-read", _add_navigation)
    app.connect("build-finished", _warn_of_other_hosts)

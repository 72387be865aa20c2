"""Write the page: the template with its style and script inside."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.util import find_spec
from typing import Any, NamedTuple

from pytest_reloadleak.report import audit
from pytest_reloadleak.report.html import view
from pytest_reloadleak.report.text import closing
from pytest_reloadleak.settings import STRATEGIES

NEEDS = "pip install 'pytest-reloadleak[html]'"
"""The command that installs what the page needs."""
_OPEN = 12
"""Up to this many findings, each is unfolded from the beginning."""
_STEP = re.compile(r"(?<=[\w\])'\"])(?=[.\[(/])")
"""The positions at which a path may break."""


def is_possible() -> bool:
    """Whether the library for templates is installed."""
    return find_spec("jinja2") is not None


class Session(NamedTuple):
    """The content of a page."""

    checks: Sequence[Mapping[str, Any]]
    """Entries of the JSON report's `checks`."""
    graphs: Mapping[tuple[int, int], str]
    """Drawings as SVG, by the positions of check and finding."""
    rows: Sequence[Mapping[str, Any]] | None
    """The rows that `report.audit.audit` returned, if strategies were compared."""
    environment: Mapping[str, Any]
    """Options, plugins and versions."""
    version: str
    """The version of this tool."""
    rootdir: str
    """The directory to which files are relative."""


def document(session: Session) -> str:
    """The page of a session."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    loader = PackageLoader("pytest_reloadleak.report", "html")
    templates = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    rows = session.rows or ()
    # A path breaks at its steps, and a name only if nothing else helps.
    templates.filters["stepped"] = lambda text: Markup("<wbr>").join(_STEP.split(str(text)))
    shown = view.checks_of(session.checks, session.graphs, session.rootdir)
    here = files("pytest_reloadleak.report.html")
    texts = (here.joinpath(name).read_text("utf-8") for name in ("page.css", "page.js"))
    style, script = map(Markup, texts)  # not escaped, since neither holds anything of the session
    kinds = Counter(leak.finding.kind for check in shown for leak in check.leaks)
    text = templates.get_template("page.html.jinja").render(
        checks=shown,
        counts=Counter(check.report.outcome for check in shown),
        kinds=sorted(kinds.items()),
        total=sum(kinds.values()),
        fix_first=closing.fix_first([check.report for check in shown], rootdir=session.rootdir),
        rows=[(row, audit.reasons(row)) for row in rows],
        strategies=[name for name in STRATEGIES if any(name in row["strategies"] for row in rows)],
        environment=session.environment,
        version=session.version,
        style=style,
        script=script,
        drawn=Markup,
        is_open=sum(kinds.values()) <= _OPEN,
    )
    return text + "\n"

"""The page of a session: whole, small, safe against names that are markup, and clear where it cannot be written."""

import dataclasses
import re
from html.parser import HTMLParser

import pytest

from pytest_reloadleak.integration.reporting import drawing
from pytest_reloadleak.model import Finding, Held, Holder, Report, Series, Site
from pytest_reloadleak.report import graphs, jsonfile
from pytest_reloadleak.report.html import graph, page

HOSTILE = "</pre><script>alert(1)</script><img src=x onerror=alert(2)>\"' onload=alert(3) {{ 7*7 }} \x00]]>"
SITE = Site(
    file="/project/plugins/weather.py",
    line=14,
    code="bus.subscribe(on_event)",
    function="start",
    excerpt=("def start():", "    bus.subscribe(on_event)", "    return True"),
    excerpt_line=13,
)
FINDING = Finding(
    kind="retained-generation",
    signature="7c1e9a04",
    growth="growing",
    per_round=1.0,
    generations=(-1, 0, 1, 2, 3),
    holder=Holder(root="sys.modules", path="app.bus.listeners[*]", type="list"),
    held=Held(type="function", name="plugins.weather.on_event", file="/project/plugins/weather.py", line=8),
    trace=(
        "sys.modules['app']",
        ".bus",
        ".listeners",
        "[*]",
        "function plugins.weather.on_event",
        ".__globals__",
    ),
    site=SITE,
    retained_objects=40,
    retained_bytes=38912,
    proven=True,
    proof="removing it frees 5 of 5 old generations",
    cut_at=3,
    advice="remove plugins.weather.on_event from app.bus.listeners[*] before the reload",
    cure="bus.listeners.remove(on_event)",
)
REPORT = Report(
    target="plugins.weather",
    nodeid="reload-leak::plugins.weather[reimport]",
    strategy="reimport",
    rounds=5,
    warmup=1,
    outcome="leaking",
    reason="5 old generations still alive after 5 reloads: 1 growing finding",
    duration_s=0.3,
    reload_s=0.02,
    retained_generations=(-1, 0, 1, 2, 3),
    series=Series(
        rounds=(0, 1, 2, 3, 4, 5),
        objects=(40_000, 40_027, 40_054, 40_081, 40_108, 40_135),
        native_bytes=(9_000_000,) * 6,
        fds=(9, None, None, None, None, 12),
        threads=(1, 1, 1, 1, 1, 1),
        tasks=(None,) * 6,
    ),
    findings=(FINDING,),
    notes=("a note",),
)
ENVIRONMENT = {
    "options": {"--reload-leak-check": True},
    "plugins": {"xdist": "3.8"},
    "pytest": "9",
    "python": {},
}


def session(*reports, rows=None, drawn=None):
    """A session with these reports."""
    checks = [jsonfile.to_dict(report) for report in reports]
    return page.Session(checks, drawn or {}, rows, ENVIRONMENT, "0.1.0", "/project")


def rendered(*reports, **keywords):
    """The page of a session with these reports."""
    return page.document(session(*reports, **keywords))


class Tags(HTMLParser):
    """Collects the tags of a page with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def hostile(value):
    """A result with each text replaced by markup, as far as its type allows."""
    if dataclasses.is_dataclass(value):
        kept = {"kind", "growth", "outcome", "signature", "registry", "strategy"}
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return dataclasses.replace(value, **{n: v if n in kept else hostile(v) for n, v in fields.items()})
    if isinstance(value, tuple):
        return tuple(map(hostile, value))
    return HOSTILE if isinstance(value, str) else value


def test_the_page_shows_what_a_report_says():
    """Key fact, path with the holder, marked line, cure, proof and plots are there."""
    text = rendered(REPORT).replace("<wbr>", "")

    for part in (
        '<code class="who">app.bus.listeners[*]</code> keeps <b class="old">5 old generations</b>',
        "<small>holder</small><code>.listeners</code>",
        '<li class=" cut"><small class="scissors">removed on trial</small><code>[*]</code>',
        '<mark><span class="visually-hidden">line to change: </span><i>14</i>    bus.subscribe(on_event)</mark>',
        '<pre id="cure-finding-0-0">bus.listeners.remove(on_event)</pre>',
        "removing it frees 5 of 5 old generations",
        'aria-label="objects, rounds 0 to 5: 40,000 to 40,135"',
        'aria-label="descriptors, rounds 0 to 5: 9 to 12"',
        "unchanged: native bytes 8.6 MiB, threads 1",
        "plugins/weather.py:14: it is the only leak; removing it frees",
        "7.6 KiB per reload",
    ):
        assert part in text


def test_what_is_known_follows_what_is_not():
    """A reader who opens the page sees first what nobody expects."""
    known = dataclasses.replace(FINDING, signature="00000001", known="at most 128 results")
    text = rendered(dataclasses.replace(REPORT, findings=(known, FINDING)))

    shown = re.findall(r'id="(finding-0-\d)" data-kind="[\w-]+" data-growth="\w+"( data-known)?', text)
    assert shown == [("finding-0-1", ""), ("finding-0-0", " data-known")]


def test_a_marked_test_is_told_from_the_target_that_it_checks():
    """Both have one target, so the page names the test."""
    page = rendered(REPORT, dataclasses.replace(REPORT, nodeid="tests/test_weather.py::test_forecast"))

    assert page.count("<small>tests/test_weather.py::test_forecast</small>") == 1
    assert page.count("<small>reimport in tests/test_weather.py::test_forecast</small>") == 1
    assert "<small>reimport</small>" in page


def test_names_that_are_markup_stay_text():
    """No name, path, code or message becomes a tag, an attribute or an expression of the template."""
    row = {"target": HOSTILE, "strategies": {"reload": {"verdict": "error", "reason": HOSTILE}}, "safe": None}
    plain = rendered(REPORT, rows=[{**row, "target": "a", "advice": "b"}])
    text = rendered(hostile(REPORT), rows=[{**row, "advice": HOSTILE}])

    tags, expected = Tags(text).found, Tags(plain).found
    assert {tag for tag, _ in tags} <= {tag for tag, _ in expected}
    assert [attributes for tag, attributes in tags if tag == "script"] == [{}]
    assert [a for _, attributes in tags for a in attributes if a.startswith("on")] == []
    assert "{{ 7*7 }}" in text


def test_a_hostile_name_does_not_leave_its_drawing():
    """Graphviz escapes what it draws, and what is cut off afterwards opens nothing."""
    program = drawing.drawer()
    if program is None:
        pytest.skip("Graphviz is not installed")
    check = jsonfile.to_dict(hostile(REPORT))
    svg = graph.fitted(drawing.svg(graphs.dot(check, check["findings"][0]), program).decode())

    assert {tag for tag, _ in Tags(svg).found} <= {"svg", "g", "text", "path", "polygon", "polyline"}
    assert len(svg) < 4500


@pytest.mark.parametrize(
    "trace", [("sys.modules['host']", ".part", ".raw"), ("sys.modules['host']", ".raw", "[*]")]
)
def test_what_grows_is_the_holder_in_the_path(trace):
    """A buffer has no items: its path ends with it."""
    holder = Holder(root="sys.modules", path="host.part.raw", type="bytearray")
    growth = dataclasses.replace(
        FINDING, kind="memory-growth", held=None, holder=holder, trace=trace, cut_at=None
    )

    text = rendered(dataclasses.replace(REPORT, findings=(growth,)))

    assert "<small>holder</small><code>.raw</code>" in text


def test_a_number_in_a_name_stays_in_its_drawing():
    """Only coordinates are rounded."""
    svg = (
        '<svg width="9pt" height="9pt" viewBox="0.00 0.00 9.00 9.00"><g transform="translate(4 4)">'
        '<path d="M1.5,2.5"/><text x="1.25" y="2.75">rates[1.75] of python3.11</text></g></svg>'
    )

    assert '<text x="1" y="3">rates[1.75] of python3.11</text>' in graph.fitted(svg)


def test_the_page_needs_no_other_file():
    """No address is in it but those of the names of XML, and what the browser may load is nothing."""
    text = rendered(REPORT)

    assert re.findall(r"""(?:src|href)=["'](?!#|data:)[^"']*""", text) == []
    assert re.findall(r"https?:", text) == []
    assert "default-src 'none'" in text


def test_fifty_findings_are_less_than_400_kb():
    """So it can be an artifact of each run, and opens at once; with drawings of the ordinary size."""
    reports = [dataclasses.replace(REPORT, target=f"plugins.number_{n}") for n in range(50)]
    svg = '<svg class="graph"></svg>' + " " * 3300

    assert len(rendered(*reports, drawn={(n, 0): svg for n in range(50)}).encode()) < 400_000


def test_a_session_without_findings_has_a_page():
    """A clean session and one of errors are shown too."""
    clean = dataclasses.replace(REPORT, outcome="clean", findings=(), series=Series())
    text = rendered(
        clean, dataclasses.replace(clean, outcome="error", reason="it raised", rounds=0, warmup=0)
    )

    assert "it raised" in text
    assert 'class="first"' not in text
    assert "0 of 0 findings" in text


def test_the_page_is_written_at_the_end(project):
    """`--reload-leak-html` writes it; clean, as a page of a clean check is."""
    project.write({"app.py": "A = 1\n"})
    result = project.check(
        "--reload-leak-html=page.html", "--reload-leak-target=app", "--reload-leak-rounds=2"
    )

    assert result.ret == 0
    assert "<title>Reload leaks: 0 leaking of 1 checked</title>" in (project.path / "page.html").read_text()


def test_what_is_missing_is_said_with_the_command(project, monkeypatch):
    """Without the library, one line says how to get it, before anything runs."""
    monkeypatch.setattr(page, "is_possible", lambda: False)
    result = project.check("--reload-leak-html=page.html", "--reload-leak-target=app")

    assert result.ret == 4
    result.stderr.fnmatch_lines(
        [
            "ERROR: --reload-leak-html needs Jinja2, which is not installed: pip install 'pytest-reloadleak[[]html]'"
        ]
    )

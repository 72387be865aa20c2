import copy
import json
from dataclasses import replace
from importlib.resources import files

import jsonschema
import pytest
from support import CURED, HOST, LEAKY, target

from pytest_reloadleak.check import raise_unless_passing
from pytest_reloadleak.errors import ReloadLeakError
from pytest_reloadleak.model import Cost, Finding, Frame, Held, Holder, Report, Series, Site, TypeCost
from pytest_reloadleak.report import jsonfile

SCHEMA = json.loads(files("pytest_reloadleak").joinpath("report/schema-1.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

TANGLE = """
    import host

    class Plugin:
        def run(self):
            return self

    def on_start(): pass
    def on_stop(): pass

    host.hooks["start"].append(on_start)
    host.hooks["stop"].append(on_stop)
    host.seen.add(on_start)
    host.seen.add(on_stop)
    host.classes[Plugin.__name__, len(host.classes)] = Plugin
    host.live.append(Plugin().run)
    host.latest = Plugin
"""
"""A target that many containers hold, some of which have an order that depends on hashes and addresses."""

TANGLE_HOST = """
    hooks = {'start': [], 'stop': []}
    seen = set()
    classes = {}
    live = []
    latest = None
"""


def invalid(document):
    """What is wrong with a document, as paths into it."""
    return sorted("/".join(map(str, error.absolute_path)) for error in VALIDATOR.iter_errors(document))


def document(project):
    """The JSON document of the last run."""
    return json.loads(project.report.read_text(encoding="utf-8"))


@pytest.fixture
def plugins(project):
    """A project with a leaking, a cured and a broken target."""
    project.write({"leaky.py": LEAKY, "cured.py": CURED, "broken.py": "def broken(:\n"})
    return project


# -- the schema -------------------------------------------------------------------------------------------------------


def test_the_schema_is_one():
    """The schema that ships is a valid JSON Schema of the draft that it names."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("strategy", ["reload", "decache", "reimport"])
def test_documents_keep_to_the_schema(plugins, strategy):
    """Leaking, clean and error checks of a run validate under every strategy."""
    plugins.check(*target("leaky", "cured", "broken"), f"--reload-leak-strategy={strategy}")

    content = document(plugins)
    assert invalid(content) == []
    assert {check["target"]: check["outcome"] for check in content["checks"]} == {
        "broken": "error",
        "cured": "clean",
        "leaky": "leaking",
    }


def test_documents_of_every_kind_of_check_keep_to_the_schema(plugins):
    """Marked tests, `check`, `measure` and `watch` add entries that validate, each with its test's node id."""
    plugins.write(
        {
            "test_it.py": """
                import importlib, sys
                import pytest, cured

                def reload():
                    del sys.modules["cured"]
                    importlib.import_module("cured")

                @pytest.mark.reloadable("leaky")
                def test_marked(): pass

                def test_check(reload_leaks):
                    reload_leaks.check("cured", reload=reload)

                def test_measure(reload_leaks):
                    reload_leaks.measure("leaky")

                def test_watch(reload_leaks):
                    with reload_leaks.watch("cured") as watch:
                        for _ in watch.rounds(2):
                            reload()
            """
        }
    )
    plugins.check_apart()

    content = document(plugins)
    assert invalid(content) == []
    assert [(c["nodeid"], c["strategy"], c["outcome"]) for c in content["checks"]] == [
        ("test_it.py::test_check", "callable", "clean"),
        ("test_it.py::test_marked", "reimport", "leaking"),
        ("test_it.py::test_measure", "reimport", "leaking"),
        ("test_it.py::test_watch", "callable", "clean"),
    ]


def test_a_run_without_checks_is_a_document_too(project):
    """A run in which nothing was checked writes a valid document without entries."""
    project.write({"test_it.py": "def test_plain(): pass\n"})
    project.run()

    content = document(project)
    assert invalid(content) == []
    assert content["checks"] == []


BREAKAGES = {
    "": lambda d: d.pop("python"),
    "schema": lambda d: d.update(schema=2),
    "checks/0": lambda d: d["checks"][0].pop("nodeid"),
    "checks/0/outcome": lambda d: d["checks"][0].update(outcome="fine"),
    "checks/0/rounds": lambda d: d["checks"][0].update(rounds=0),
    "checks/0/error": lambda d: d["checks"][0].update(error="but leaking"),
    "checks/0/findings": lambda d: d["checks"][0].update(findings=[]),
    "checks/0/series": lambda d: d["checks"][0]["series"].pop("fds"),
    "checks/0/series/fds/0": lambda d: d["checks"][0]["series"].update(fds=["many"]),
    "checks/0/findings/0/kind": lambda d: d["checks"][0]["findings"][0].update(kind="leak"),
    "checks/0/findings/0/growth": lambda d: d["checks"][0]["findings"][0].update(growth="fast"),
    "checks/0/findings/0/per_round": lambda d: d["checks"][0]["findings"][0].update(per_round=0),
    "checks/0/findings/0/signature": lambda d: d["checks"][0]["findings"][0].update(signature="7C1E"),
    "checks/0/findings/0/registry": lambda d: d["checks"][0]["findings"][0].update(registry="atexit"),
    "checks/0/findings/0/holder": lambda d: d["checks"][0]["findings"][0].update(holder=None),
    "checks/0/findings/0/trace": lambda d: d["checks"][0]["findings"][0].update(trace=[]),
    "checks/0/findings/0/held": lambda d: d["checks"][0]["findings"][0]["held"].update(line=0),
    "checks/0/findings/0/proven": lambda d: d["checks"][0]["findings"][0].update(proven="yes"),
    "checks/0/findings/0/together_with/0": lambda d: d["checks"][0]["findings"][0].update(
        together_with=["7C1E"]
    ),
    "checks/0/findings/0/cut_at": lambda d: d["checks"][0]["findings"][0].update(cut_at=-1),
}


def test_the_schema_finds_what_is_wrong(plugins):
    """Each value outside of the contract is found where it stands; fields that are added are not."""
    plugins.check(*target("leaky"))
    good = document(plugins)
    found = {}
    for path, spoil in BREAKAGES.items():
        bad = copy.deepcopy(good)
        spoil(bad)
        found[path] = invalid(bad)
    more = copy.deepcopy(good)
    for place in (more, more["tool"], more["checks"][0], more["checks"][0]["findings"][0]):
        place["added"] = {"later": 1}

    assert invalid(good) == invalid(more) == []
    assert {path for path, places in found.items() if path not in places} == set()


# -- the contents -----------------------------------------------------------------------------------------------------


def test_a_document_says_what_design_section_8_says(plugins):
    """Every field of a leaking check has the value that this leak must have."""
    plugins.check(*target("leaky"))

    content = document(plugins)
    (check,) = content["checks"]
    (finding,) = check["findings"]
    signature, advice, site = (finding.pop(name) for name in ("signature", "advice", "site"))
    assert content["tool"]["name"] == "pytest-reloadleak"
    assert len(signature) == 8
    assert "leaky.on_event" in advice
    assert "host.listeners" in advice
    assert (check["retained_generations"], check["series"]["rounds"]) == (
        [-1, 0, 1, 2, 3],
        [0, 1, 2, 3, 4, 5],
    )
    assert all(len(column) == 6 for column in check["series"].values())
    assert finding.pop("retained_objects") > 0
    assert finding.pop("retained_bytes") > 0
    cost = finding.pop("cost")
    assert (cost["objects"], cost["bytes"]) == tuple(
        sum(part[name] for part in cost["by_type"]) for name in ("objects", "bytes")
    )
    assert cost["objects"] > 0
    assert finding.pop("cure") == "host.listeners.remove(on_event)"
    assert finding == {
        "kind": "retained-generation",
        "growth": "growing",
        "per_round": 1.0,
        "generations": [-1, 0, 1, 2, 3],
        "registry": None,
        "holder": {"root": "sys.modules", "path": "host.listeners[*]", "type": "list"},
        "held": {
            "type": "function",
            "name": "leaky.on_event",
            "file": str(plugins.path / "leaky.py"),
            "line": 4,
        },
        "trace": [
            "sys.modules['host']",
            ".listeners",
            "[*]",
            "function leaky.on_event",
            ".__globals__",
        ],
        "sites": [site],
        "site_reason": None,
        "sole_holder": True,
        "proven": True,
        "proof": "removing it frees 5 of 5 old generations",
        "together_with": [],
        "cut_at": 2,
        "also_retains": [],
        "details": [],
        "known": None,
    }
    leaky = str(plugins.path / "leaky.py")
    line = {"file": leaky, "line": 7, "function": "<module>", "code": "host.listeners.append(on_event)"}
    around = ['    return "event"', "", "host.listeners.append(on_event)"]
    assert site == {**line, "stack": [line], "excerpt": around, "excerpt_line": 5}
    assert not any(note.startswith("site: ") for note in check["notes"])


def test_a_clean_check_needs_one_pass(plugins):
    """The series of a clean check has the baseline and the last round, and nothing is left to say."""
    plugins.check(*target("cured"))

    (check,) = document(plugins)["checks"]
    assert check["series"]["rounds"] == [0, 5]
    assert all(len(column) == 2 for column in check["series"].values())
    assert (check["findings"], check["retained_generations"], check["error"]) == ([], [], None)
    assert 0 < check["reload_s"] < check["duration_s"]


def test_the_entries_are_in_the_order_of_their_tests(plugins):
    """Whatever the order in which tests ran, entries are sorted by node id, and those of one test keep its order."""
    plugins.write(
        {
            "test_b.py": "def test_it(reload_leaks):\n    reload_leaks.check('leaky', rounds=1)\n",
            "test_a.py": (
                "def test_it(reload_leaks):\n    for n in (3, 1, 2):\n        reload_leaks.measure('cured', rounds=n)\n"
            ),
        }
    )

    plugins.spawn("test_b.py", "test_a.py")

    assert [(c["nodeid"], c["rounds"]) for c in document(plugins)["checks"]] == [
        ("test_a.py::test_it", 3),
        ("test_a.py::test_it", 1),
        ("test_a.py::test_it", 2),
        ("test_b.py::test_it", 1),
    ]


def stable(project):
    """The document's text without what may differ between two runs of one leak."""
    content = document(project)
    for check in content["checks"]:
        for name in ("duration_s", "reload_s", "reason", "series"):
            del check[name]
        for finding in check["findings"]:
            del finding["retained_bytes"], finding["cost"]
    return json.dumps(content, indent=2)


@pytest.mark.parametrize("isolation", ["process", "none"])
def test_the_same_leak_gives_the_same_bytes(project, monkeypatch, isolation):
    """Two runs with different hash seeds write the same document, times, sizes, reason and series aside."""
    project.write({"host.py": HOST + TANGLE_HOST, "tangle.py": TANGLE, "leaky.py": LEAKY})
    seen = []
    for seed in ("1", "4242"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        project.check_apart(*target("tangle", "leaky"), f"--reload-leak-isolation={isolation}")
        seen.append(stable(project))

    first, second = seen
    assert first == second
    assert len(json.loads(first)["checks"][1]["findings"]) >= 4


def test_the_numbers_of_a_leak_are_the_same_in_every_run(plugins):
    """Objects and bytes that a leak retains do not vary from run to run either, on one interpreter."""
    sizes = []
    for _ in range(2):
        plugins.check(*target("leaky"))
        sizes.append(
            [(f["retained_objects"], f["retained_bytes"]) for f in document(plugins)["checks"][0]["findings"]]
        )

    assert sizes[0] == sizes[1]


# -- signatures -------------------------------------------------------------------------------------------------------


def signatures(project, **files):
    """Signatures of the findings in `leaky`, after writing other sources."""
    project.write({f"{name}.py": source for name, source in files.items()})
    project.check(*target("leaky"))
    (check,) = document(project)["checks"]
    return [finding["signature"] for finding in check["findings"]]


def test_a_signature_outlives_edits_that_do_not_matter(plugins):
    """Moved lines, unrelated names, more entries and other rounds leave the signature as it is."""
    before = signatures(plugins)
    assert len(before) == 1

    assert signatures(plugins, leaky="\n\n\n    # moved\n" + LEAKY) == before
    assert signatures(plugins, leaky=LEAKY + "\n    unrelated = 1\n    def helper(): pass\n") == before
    assert signatures(plugins, host="\n    first = None\n    others = {}\n" + HOST) == before
    assert signatures(plugins, host="\n    listeners = [print, len]\n") == before
    plugins.check(*target("leaky"), "--reload-leak-rounds=8")
    assert [f["signature"] for f in document(plugins)["checks"][0]["findings"]] == before


def test_a_signature_tells_holders_and_held_objects_apart(plugins):
    """Renaming the holder, the held object, the target or the kind of container gives another signature."""
    variants = {
        "as it was": (LEAKY, HOST),
        "held": (LEAKY.replace("on_event", "on_message"), HOST),
        "holder": (LEAKY.replace("listeners", "handlers"), HOST.replace("listeners", "handlers")),
        "container": (
            LEAKY.replace(".append(on_event)", "[len(host.listeners)] = on_event"),
            "listeners = {}  # of another length: in the same second the old host's bytecode would do\n",
        ),
    }
    found = {name: signatures(plugins, leaky=leaky, host=host) for name, (leaky, host) in variants.items()}
    plugins.write({"leaky2.py": LEAKY, "host.py": HOST})
    plugins.check(*target("leaky2"))
    found["target"] = [f["signature"] for f in document(plugins)["checks"][0]["findings"]]

    assert all(len(one) == 1 for one in found.values())
    assert len({signature for one in found.values() for signature in one}) == len(found)


def test_a_signature_does_not_depend_on_the_generation_that_was_looked_at(plugins):
    """The findings of several strategies that see the same leak share its signature."""
    options = [f"--reload-leak-strategy={name}" for name in ("decache", "reimport")]
    plugins.check(*target("leaky"), *options)

    first, second = [[f["signature"] for f in check["findings"]] for check in document(plugins)["checks"]]
    assert first == second


# -- values -----------------------------------------------------------------------------------------------------------

REPORT = Report(
    target="a",
    nodeid=None,
    strategy="reimport",
    rounds=5,
    warmup=1,
    outcome="clean",
    reason="5 reloads left nothing behind",
    duration_s=0.5,
    reload_s=0.25,
    series=Series(rounds=(0, 5), objects=(10, 11), tasks=(None, None)),
    notes=("a note",),
)
SITE = Site(
    file="a.py",
    line=4,
    code="atexit.register(f)",
    function="start",
    stack=(Frame(file="a.py", line=4, function="start", code="atexit.register(f)"),),
)
FULL = Report(
    target="a",
    nodeid="the::node",
    strategy="reload",
    rounds=5,
    warmup=1,
    outcome="leaking",
    reason="a reason",
    duration_s=0.5,
    reload_s=0.25,
    retained_generations=(-1, 0),
    findings=(
        Finding(
            kind="registration",
            signature="0123abcd",
            growth="growing",
            per_round=1.5,
            generations=(-1, 0),
            registry="atexit",
            holder=Holder(root="atexit", path="atexit a.f", type="function"),
            held=Held(type="function", name="a.f", file="a.py", line=3),
            trace=("atexit", "function a.f"),
            site=SITE,
            sites=(SITE, Site(file="a.py", line=9, code="atexit.register(g)")),
            site_reason="a reason",
            retained_objects=3,
            retained_bytes=400,
            cost=Cost(objects=3, bytes=400, by_type=(TypeCost(type="function", objects=3, bytes=400),)),
            cure="import atexit\natexit.unregister(f)",
            sole_holder=True,
            proven=True,
            proof="removing it frees 2 of 2 old generations",
            together_with=("89abcdef",),
            cut_at=1,
            also_retains=("open-fd: fd * file a.log",),
            advice="an advice",
            known="a reason",
            details=("a line", "another"),
        ),
    ),
    not_reloaded=("a.b",),
    notes=("a note",),
    error="an error",
)
"""A report in which nothing is left out."""


def test_a_report_survives_the_way_through_json(plugins):
    """A report that crosses a process as text is equal to the one that was sent."""
    plugins.check(*target("leaky"))
    (check,) = document(plugins)["checks"]
    report = jsonfile.from_dict(check)

    assert json.loads(json.dumps(jsonfile.to_dict(report))) == check
    assert isinstance(report.findings[0].holder, Holder)
    assert isinstance(report.findings[0].held, Held)
    for made in (REPORT, FULL):
        assert jsonfile.from_dict(json.loads(json.dumps(jsonfile.to_dict(made)))) == made


@pytest.mark.parametrize("outcome", ["clean", "known", "leaking", "inconclusive", "error"])
def test_what_fails_a_check(outcome):
    """Whatever is neither clean nor known, so also what could not be judged; the error has the report."""
    report = replace(REPORT, outcome=outcome)
    if outcome in {"clean", "known"}:
        raise_unless_passing(report)
        return

    with pytest.raises(ReloadLeakError) as caught:
        raise_unless_passing(report)

    assert caught.value.report is report


def test_a_document_is_text_that_ends_with_a_line():
    """The file is indented JSON with a final newline, and entries keep their order."""
    text = jsonfile.document([jsonfile.to_dict(REPORT)] * 2)

    assert text.endswith("}\n")
    assert [check["target"] for check in json.loads(text)["checks"]] == ["a", "a"]

"""The sweeps' own logic: `sweeps/` judges modules with the tool and with an oracle, and reports where they differ."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from scripts import ROOT, SWEEPS, scripts_of

MODULES = {
    "swhost": "LISTENERS = []\nOTHER = []\n",
    "swgrows": "import swhost\ndef listen(): ...\nswhost.LISTENERS.append(listen)\n",
    "swgrows_cured": "import swhost\ndef listen(): ...\nswhost.OTHER[:] = [listen]\n",
    "swstale": "def name(): ...\nDATA = {}\n",
    "swimporter": "from swstale import name, DATA\n",
    "swstale_cured": "import swimporter_cured\ndef name(): ...\n",
    "swimporter_cured": "import sys\n",
    "swhangs": "import time\ntime.sleep(600)\n",
    "swexits": "import os\nos._exit(3)\n",
    "swraises": "raise KeyError('no')\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of small modules to sweep."""
    for name, body in MODULES.items():
        (tmp_path / f"{name}.py").write_text(body)
    return tmp_path


def sweep(folder: Path, *arguments: str) -> tuple[int, str, dict[str, dict[str, Any]]]:
    """Run a sweep under one strategy's eyes; returns status, output, and the rows of `reimport` by module."""
    out = folder / "rows.jsonl"
    path = os.pathsep.join([str(folder), str(ROOT)])
    done = subprocess.run(
        [sys.executable, SWEEPS / "sweep.py", *arguments, "--out", out],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONPATH": path},
    )
    rows = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    return (
        done.returncode,
        done.stdout + done.stderr,
        {r["module"]: r for r in rows if r["strategy"] == "reimport"},
    )


@pytest.fixture
def parts() -> Iterator[SimpleNamespace]:
    """Modules of the sweep that can be asked in this process; they are gone afterwards."""
    with scripts_of("comparing", "explanations", "forking", "holders", "modules", "servers") as parts:
        yield parts


def test_both_judges_see_a_leak_and_none_in_its_cured_twin(folder: Path) -> None:
    """A listener that each generation adds is growing by both, at a place where the oracle finds it.

    A list that holds just the newest is clean by both.
    """
    status, output, rows = sweep(folder, "swgrows", "swgrows_cured")
    assert (rows["swgrows"]["outcome"], rows["swgrows"]["oracle"]) == ("growing", "growing")
    assert rows["swgrows"]["findings"][0][3:] == ["swhost.LISTENERS[*]", "swgrows.listen", "holds"]
    assert (rows["swgrows_cured"]["outcome"], rows["swgrows_cured"]["oracle"]) == ("clean", "clean")
    assert status == 0, output


def test_both_judges_see_names_that_were_bound_once(folder: Path) -> None:
    """Functions and data of the first generation that another module imported are bounded by both.

    Each name that the oracle sees the tool names too.
    """
    (folder / "swstale.py").write_text("def name(): ...\nDATA = {}\nimport swimporter\n")
    status, output, rows = sweep(folder, "swstale", "swstale_cured")
    assert (rows["swstale"]["outcome"], rows["swstale"]["oracle"]) == ("bounded", "bounded")
    assert {(path, seen) for *_, path, _, seen in rows["swstale"]["findings"]} == {
        ("swimporter.name", "holds"),
        ("swimporter.DATA", "holds"),
    }
    assert (rows["swstale_cured"]["outcome"], rows["swstale_cured"]["oracle"]) == ("clean", "clean")
    assert status == 0, output


def test_what_cannot_be_checked_is_an_error_and_neither_a_hang_nor_the_end(folder: Path) -> None:
    """A module that sleeps for ten minutes, one that ends the process and one that raises are errors by both.

    They are so within the time limit, and the modules after them are checked.
    """
    begun_s = time.monotonic()
    status, output, rows = sweep(folder, "swhangs", "swexits", "swraises", "swgrows_cured", "--timeout", "3")
    assert time.monotonic() - begun_s < 60
    assert {name: row["outcome"] for name, row in rows.items()} == {
        "swhangs": "error",
        "swexits": "error",
        "swraises": "error",
        "swgrows_cured": "clean",
    }
    assert rows["swhangs"]["error"] == "timeout after 3 s"
    assert rows["swexits"]["error"] == "exited with status 3"
    assert "KeyError" in rows["swraises"]["error"]
    assert status == 0, output


def test_a_disagreement_is_reported(parts: SimpleNamespace) -> None:
    """Another verdict, a holder that is not named and one that holds nothing are differences that nothing explains.

    The same row without them has none.
    """
    finding = {
        "kind": "stale-reference",
        "growth": "bounded",
        "holder": {"root": "sys.modules", "path": "a.name"},
        "held": {"name": "m.name"},
        "also_retains": [],
    }
    said = {"outcome": "leaking", "findings": [finding]}
    truth = {"verdict": "bounded", "bindings": ["a.name"], "stale": [], "claims": ["holds"]}

    def differs(**changes: Any) -> list[str]:
        row = parts.comparing.compared("m", "reload", said, {**truth, **changes})
        return list(parts.explanations.unexplained(row))

    assert differs() == []
    assert differs(verdict="clean") == ["bounded against clean"]
    assert differs(bindings=["a.name", "b.name"]) == ["not named: b.name"]
    assert differs(bindings=["a.other|a.name"]) == []
    assert differs(claims=["holds nothing old"]) == ["a.name: holds nothing old"]
    assert parts.comparing.compared("m", "reload", {"outcome": "clean"}, truth).differs == [
        "clean against bounded"
    ]


def test_errors_of_one_kind_agree(parts: SimpleNamespace) -> None:
    """Where both fail they must fail with the same exception."""

    def differs(mine: str, theirs: str) -> list[str]:
        return list(parts.comparing.compared("m", "reload", {"error": mine}, {"error": theirs}).differs)

    assert differs("round 1: the reload raised: KeyError: 'no' (m.py:1)", "KeyError: 'no'") == []
    assert differs("round 1: the reload raised: KeyError: 'no' (m.py:1)", "TypeError: no") == [
        "errors of two kinds"
    ]


def test_an_explanation_holds_for_what_it_names_only(parts: SimpleNamespace) -> None:
    """An explanation of one module, strategy and version explains no other, and none is a bare wildcard."""
    row = parts.comparing.Row("m", "reload", "clean", "bounded", differs=["clean against bounded"])
    one = parts.explanations.Explanation(("m",), "clean against *", "it is so", ("reload",), (3, 11), (3, 12))
    assert one.explains(row, row.differs[0], (3, 12))
    assert not one.explains(row, row.differs[0], (3, 13))
    assert not one.explains(row, "growing against clean", (3, 12))
    row.strategy = "reimport"
    assert not one.explains(row, row.differs[0], (3, 12))
    for explanation in parts.explanations.EXPLANATIONS:
        assert "*" not in explanation.modules
        assert explanation.difference != "*"
        assert len(explanation.why) > 40


def test_the_oracle_is_independent() -> None:
    """The oracle loads nothing of the tool, and where a claimed holder holds nothing old it says so."""
    code = textwrap.dedent("""
        import sys
        sys.path.insert(0, sys.argv[1])
        import oracle
        verdict = oracle.judge({"module": "colorsys", "strategy": "reload", "rounds": 2, "claims": ["os.environ"]})
        print(verdict["verdict"], verdict["claims"], [n for n in sys.modules if n.startswith("pytest")])
    """)
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, SWEEPS], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "clean ['holds nothing old'] []"


class Both:
    """Its items are not what it refers to."""

    def __init__(self, held: object) -> None:
        self.held = held

    def __iter__(self) -> Iterator[object]:
        return iter(())


class Made:
    """Its method is old code, whatever it says that it is of."""

    def method(self) -> None: ...


@pytest.mark.parametrize(
    ("step", "answer"),
    [
        (".endless[*]", "holds nothing old"),
        (".tables[*]['b'][*]", "holds"),
        (".tables[*]['c']", "not there"),
        (".both<in tests.Both>", "holds"),
        (".both[*]", "not there"),
        (".made", "holds"),
    ],
)
def test_a_claim_is_looked_up_where_it_leads_and_nowhere_else(
    step: str, answer: str, parts: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As far as need be where there is no end: fastapi's models, with pydantic 2, once took all of the memory."""
    old = Both(None)
    module: Any = ModuleType("swheld")
    module.endless, module.both = itertools.count(), Both(old)
    module.tables, module.made = [{"a": old}, {"b": [old]}], Made()
    monkeypatch.setitem(sys.modules, "swheld", module)
    generations = SimpleNamespace(
        old=lambda _: {id(old): old, id(Made.method): Made.method},
        old_namespaces=lambda _: {},
        old_modules=lambda _: set(),
        data={},
    )

    judge = SimpleNamespace(generations=generations, limit=1)

    assert parts.holders.looked_up([f"swheld{step}"], judge) == [answer]


def test_a_server_that_ended_is_started_again(parts: SimpleNamespace, tmp_path: Path) -> None:
    """A judge that dies answers with an error, and the next question is answered."""
    script = tmp_path / "judge.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(SWEEPS)!r})\nimport forking, os\n"
        "forking.serve(lambda request: {'pid': os.getpid(), 'parent': os.getppid()}, sys.argv[2])\n"
    )
    server = parts.servers.Server(str(script))
    try:
        first = server.ask(module="m")
        assert first["pid"] != first["parent"]
        os.kill(first["parent"], 9)
        assert server.ask(module="m") == {"error": "the server ended"}
        assert server.ask(module="m")["parent"] != first["parent"]
    finally:
        server.close()


def test_the_pages_are_what_the_result_files_say(tmp_path: Path) -> None:
    """The pages in `docs/` are what `table.py` makes; each growing leak has a cause, each disagreement a reason."""
    code = textwrap.dedent("""
        import pathlib, sys
        sys.path.insert(0, sys.argv[1])
        import table
        table.DOCS = pathlib.Path(sys.argv[2])
        table.main()
    """)
    done = subprocess.run(
        [sys.executable, "-c", code, SWEEPS, tmp_path],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout
    for name in ("sweeps.md", "sweeps-packages.md"):
        assert (tmp_path / name).read_text() == (ROOT / "docs" / name).read_text(), f"run {SWEEPS}/table.py"

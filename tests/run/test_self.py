"""The tool under itself: a copy of its package by another name, reloaded and used, leaves nothing behind.

The package itself is refused as a target, as what holds the scales cannot lie in them; a copy is not.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_reloadleak

HERE = Path(pytest_reloadleak.__file__).parent
TWIN = "reloadleak_twin"

RELOADED = """
report = measure_reload("reloadleak_twin", strategy={strategy!r}, rounds=3)
print(json.dumps([report.outcome, [f.kind for f in report.findings], report.reason]))
"""

USED = """
inner = []


def again():
    for name in [name for name in sys.modules if name.partition(".")[0] == "reloadleak_twin"]:
        del sys.modules[name]
    twin = importlib.import_module("reloadleak_twin")
    inner.append([twin.measure_reload(name).outcome for name in ("leaks", "leaks_not")])
    sys.modules["host"].kept.clear()


report = measure_reload("reloadleak_twin", reload=again, rounds=3)
assert [outcomes[0] for outcomes in inner] == ["leaking"] * len(inner), inner
print(json.dumps([report.outcome, [f.kind for f in report.findings], report.reason]))
"""


@pytest.fixture
def verdict(tmp_path):
    """Run code in a fresh process beside a copy of the package that begins with `extra`; returns what it prints."""
    for source in HERE.rglob("*.py"):
        copy = tmp_path / TWIN / source.relative_to(HERE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text(encoding="utf-8").replace("pytest_reloadleak", TWIN)
        copy.write_text(text, encoding="utf-8")
    (tmp_path / "host.py").write_text("kept = []\n", encoding="utf-8")
    (tmp_path / "leaks.py").write_text(
        "import host\n\ndef f(): pass\n\nhost.kept.append(f)\n", encoding="utf-8"
    )
    (tmp_path / "leaks_not.py").write_text("def f(): pass\n", encoding="utf-8")

    def run(code, extra=""):
        with (tmp_path / TWIN / "__init__.py").open("a", encoding="utf-8") as init:
            init.write(extra)
        head = "import importlib, json, sys\nfrom pytest_reloadleak import measure_reload\n"
        arguments = [sys.executable, "-c", head + code]
        done = subprocess.run(
            arguments, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.mark.parametrize(
    "code",
    [RELOADED.format(strategy="reimport"), RELOADED.format(strategy="reload"), USED],
    ids=["reimport", "reload", "used in each round"],
)
def test_the_tool_is_clean_under_itself(code, verdict):
    """Also when each generation has made checks, one that found a leak among them."""
    assert verdict(code)[:2] == ["clean", []]


def test_a_tool_that_keeps_something_is_not(verdict):
    """The twin: each generation leaves a function with the interpreter."""
    outcome, kinds, _ = verdict(USED, extra="\nimport atexit\n\natexit.register(lambda: None)\n")

    assert outcome == "leaking"
    assert kinds == ["registration"]

"""Several isolated checks at once are reported as one after the other."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from support import CURED, LEAKY, target
from test_leaked_before import RERUNS

NAMES = ["zebra", "leaky", "apple", "mango"]


@pytest.fixture
def several(project):
    """A project with one leaking module among clean ones."""
    project.write({f"{name}.py": LEAKY if name == "leaky" else CURED for name in NAMES})
    return project


def lines(result):
    """What each item was reported as, in order."""
    return [line.split("[ ")[0].split() for line in result.outlines if line.startswith("reload-leak::")]


def test_the_order_is_that_of_one_after_the_other(several):
    """Items, verdicts and the JSON report are the same, whatever the number of jobs."""
    seen = []
    for jobs in ("1", "3"):
        result = several.run(
            "--reload-leak-check",
            "-v",
            f"--reload-leak-jobs={jobs}",
            "--reload-leak-rounds=2",
            *target(*NAMES),
        )
        assert [words[0] for words in lines(result)] == [f"reload-leak::{name}[reimport]" for name in NAMES]
        checks = json.loads(several.report.read_text())["checks"]
        seen.append((lines(result), [(c["nodeid"], c["outcome"], c["findings"]) for c in checks]))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("given", ["0", "-1", "two", "1.5", ""])
def test_a_number_that_is_none_is_a_usage_error(several, given):
    """One line says what is allowed."""
    result = several.run("--reload-leak-check", f"--reload-leak-jobs={given}", *target("apple"))
    assert result.ret == 4
    (line,) = [line for line in result.errlines if "reload-leak-jobs" in line]
    assert line.startswith("ERROR: --reload-leak-jobs must be")
    assert line.endswith("; or auto, one for each core")


def test_the_ini_file_sets_the_number(several):
    """The header says how many run at once; the option wins."""
    several.write({"pytest.ini": "[pytest]\npythonpath = .\nreload_leak_jobs = 3\n"})
    for given, said in ((), "3 at once"), (("--reload-leak-jobs=2",), "2 at once"):
        result = several.run("--reload-leak-check", "--collect-only", *given, *target("apple"))
        assert any(line.endswith(said) for line in result.outlines if line.startswith("reload-leak: ")), given


def test_the_first_failure_ends_the_run(several):
    """With `-x` the items after it are not reported, and no process is left."""
    result = several.run(
        "--reload-leak-check", "-x", "--reload-leak-jobs=2", "--reload-leak-rounds=2", *target(*NAMES)
    )
    result.assert_outcomes(passed=1, failed=1)
    content = json.loads(several.report.read_text())
    assert (len(content["checks"]), content["collected"], content["complete"]) == (2, 4, False)


def test_a_duration_is_that_of_the_check(several):
    """Also where the check was over before its turn came."""
    slow = "import time\ntime.sleep({})\n"
    several.write({"first.py": slow.format(0.3), "second.py": slow.format(0.2)})
    result = several.run(
        "--reload-leak-check",
        "--reload-leak-jobs=2",
        "--reload-leak-rounds=2",
        "--durations=0",
        *target("first", "second"),
    )
    found = {
        m[2]: float(m[1]) for line in result.outlines if (m := re.match(r"([\d.]+)s call .*::(\w+)\[", line))
    }
    assert found["first"] >= 0.9
    assert found["second"] >= 0.6


def test_marks_that_skip_begin_no_check(several):
    """A target that a conftest skips is not executed, and the others are."""
    several.write(
        {
            "apple.py": "open('executed', 'w')\n",
            "conftest.py": """
                import pytest
                def pytest_collection_modifyitems(items):
                    for item in items:
                        if "apple" in item.nodeid:
                            item.add_marker(pytest.mark.skip(reason="not today"))
            """,
        }
    )
    result = several.run(
        "--reload-leak-check",
        "--reload-leak-jobs=4",
        "--reload-leak-rounds=2",
        *target("zebra", "apple", "mango"),
    )
    result.assert_outcomes(passed=2, skipped=1)
    assert not (several.path / "executed").exists()


def test_another_test_finds_no_worker(several):
    """An item that follows on targets runs without child processes of ours."""
    several.write(
        {
            "test_children.py": """
                import os, pytest
                def test_children():
                    with pytest.raises(ChildProcessError):
                        os.waitpid(-1, os.WNOHANG)
            """,
            "conftest.py": "def pytest_collection_modifyitems(items):\n    items.insert(2, items.pop(0))\n",
        }
    )
    result = several.spawn(
        "--reload-leak-check",
        "--reload-leak-jobs=2",
        "--reload-leak-rounds=2",
        *target("zebra", "apple", "mango"),
    )
    result.assert_outcomes(passed=4)


STOPS = """
    import pdb

    class Stops(pdb.Pdb):
        def interaction(self, *_):
            print("looked at the failure")
"""


def test_a_debugger_stops_at_each_failure(several):
    """With `--pdb` the session stands still at a leak, in the frame of its item; the other checks go on meanwhile."""
    several.write({"stops.py": STOPS})
    result = several.check(
        "--pdb",
        "--pdbcls=stops:Stops",
        "--reload-leak-jobs=2",
        "--reload-leak-rounds=2",
        *target("leaky", "apple", "mango"),
    )

    result.assert_outcomes(passed=2, failed=1)
    assert result.outlines.count("looked at the failure") == 1
    assert several.outcomes() == {"leaky": "leaking", "apple": "clean", "mango": "clean"}


def test_a_rerun_is_a_check_of_its_own(several, monkeypatch):
    """What a rerun finds is not what was found before; the checks that began early meanwhile keep their results."""
    # Before 8.4, pytest imports plugins before it reads `pythonpath`.
    monkeypatch.syspath_prepend(several.path)
    several.write(
        {
            "reruns.py": RERUNS.replace('"test_" not in item.name', '"mango" in item.name'),
            # Crashes in its first two processes: the second is the pool's own, in which nothing runs beside it.
            "crashes.py": """
                import os, pathlib
                log = pathlib.Path(__file__).with_suffix(".log")
                pids = {*(log.read_text().split() if log.exists() else ()), str(os.getpid())}
                log.write_text(" ".join(pids))
                if len(pids) <= 2:
                    os._exit(3)
            """,
        }
    )
    result = several.check(
        "-preruns",
        "--reload-leak-jobs=2",
        "--reload-leak-rounds=2",
        *target("crashes", "leaky", "apple", "mango"),
    )

    assert several.outcomes() == {"crashes": "clean", "leaky": "leaking", "apple": "clean", "mango": "clean"}
    attempts = {check["target"]: check.get("attempts", 1) for check in several.checks()}
    assert attempts == {"crashes": 2, "leaky": 3, "apple": 1, "mango": 1}
    assert result.ret == 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_an_interrupt_ends_all_workers(several):
    """Ctrl-C while several hang: no process is left, and the report says that the run is not complete."""
    hang = "import os, time\nopen('begun-' + str(os.getpid()), 'w').close()\ntime.sleep(600)\n"
    several.write({"one.py": hang, "two.py": hang})
    # A job in the background of a shell ignores SIGINT, and so would what it starts.
    listening = "signal.signal(signal.SIGINT, signal.default_int_handler)"
    start = f"import signal, pytest; {listening}; raise SystemExit(pytest.main())"
    options = ["-p", "reloadleak", "--reload-leak-check", "--reload-leak-jobs=2"]
    command = [
        sys.executable,
        "-c",
        start,
        *options,
        f"--reload-leak-json={several.report}",
        *target("one", "two"),
    ]
    with subprocess.Popen(command, cwd=several.path, stdout=subprocess.PIPE) as process:
        try:
            end = time.monotonic() + 30
            while len(begun := list(several.path.glob("begun-*"))) < 2 and time.monotonic() < end:
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == pytest.ExitCode.INTERRUPTED
    assert len(begun) == 2
    for pid in (int(path.name.partition("-")[2]) for path in begun):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert json.loads(several.report.read_text())["complete"] is False

"""Break the tool in many small ways, and see whether its tests notice.

    python proofs/mutants/mutants.py [--only GLOB] [--jobs 2] [--list] [--timeout S]

Each mutant of `mutants_data.py` is one small change of one file. It is made in a copy of the whole project, where the
few tests that are expected to notice it are run; a test that fails, a crash and a hang are noticed. One line each; the
exit status is 1 if more than one survives, if a text that is to be changed does not occur exactly once any more, or if
the tests fail without any change. A survivor is a test that is missing: write it, and leave the mutant.
"""

from __future__ import annotations

import argparse
import compileall
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from mutants_data import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
PARTS = (
    "pytest_reloadleak",
    "tests",
    "examples",
    "docs",
    "conftest.py",
    "pyproject.toml",
    "README.md",
    "CHANGELOG.md",
)
"""What a copy consists of."""
ALLOWED = 1
"""Survivors that are let pass."""

PROOF = """
import subprocess, sys
import pytest_reloadleak
from pytest_reloadleak.isolation import worker
from pytest_reloadleak.settings import Settings

HERE = {copy!r}
ASKED = "import pytest_reloadleak; print(pytest_reloadleak.__file__)"


def test_this_process():
    assert pytest_reloadleak.__file__.startswith(HERE)


def test_a_process_below():
    done = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(HERE)


def test_a_worker(tmp_path, monkeypatch):
    (tmp_path / "telling.py").write_text(ASKED)
    monkeypatch.syspath_prepend(tmp_path)
    outcome = worker.run("telling", Settings(rounds=1, warmup=0), 60)
    assert set(outcome.output.split()) == {{pytest_reloadleak.__file__}}


def test_a_pytest_below(pytester):
    source = "import pytest_reloadleak\\ndef test(): assert pytest_reloadleak.__file__.startswith(%r)"
    pytester.makepyfile(source % HERE)
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
    pytester.runpytest_inprocess().assert_outcomes(passed=1)
"""
"""Tests that pass only where the copy is what is imported, by whatever way the suite starts a process."""


@dataclass(frozen=True)
class Run:
    """How a run of tests ended."""

    status: int | None
    """Exit status; `None` for one that was ended since it took too long."""
    output: str

    @property
    def noticed_by(self) -> str:
        """The first test that failed, or what happened instead."""
        if self.status is None:
            return "a hang"
        found = re.findall(r"^(?:FAILED|ERROR) (\S.*?)(?: - .*)?$", self.output, re.MULTILINE)
        return found[-1] if found else f"exit status {self.status}"


def copied(to: Path) -> Path:
    """Copy the project, or a copy of it with its bytecode."""
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, to / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, to / part)
    for part in ("pytest_reloadleak", "tests"):
        compileall.compile_dir(to / part, quiet=2)
    return to


def run(copy: Path, tests: list[str], timeout_s: float, *, to_the_end: bool = False) -> Run:
    """Run tests of a copy, which is what they import, and stop at the first that fails unless told otherwise."""
    options = [*([] if to_the_end else ["-x"]), "-q", "-rfE", "-p", "no:cacheprovider", "-p", "no:randomly"]
    command = [sys.executable, "-m", "pytest", *options, *tests]
    environment = {**os.environ, "PYTHONPATH": str(copy), "COLUMNS": "300"}
    with tempfile.TemporaryFile() as out:  # a pipe would be kept open by what a mutant leaves running
        process = subprocess.Popen(
            command,
            cwd=copy,
            env=environment,
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            status = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            if hasattr(os, "killpg"):
                end_group(process.pid)
            process.kill()
            process.wait()
        out.seek(0)
        return Run(status, out.read().decode("utf-8", "replace"))


def end_group(pid: int) -> None:
    """End what a run left behind: it leads a session of its own."""
    try:
        os.killpg(pid, 9)
    except (ProcessLookupError, PermissionError):
        return


def mutated(mutant: Mutant, copy: Path) -> None:
    """Make the change. Raises `ValueError` if its text does not occur exactly once."""
    path = copy / "pytest_reloadleak" / mutant.file
    text = path.read_text(encoding="utf-8")
    count = text.count(mutant.old)
    if count != 1:
        raise ValueError(
            f"its text occurs {count} times in {mutant.file}: bring it into step with the source"
        )
    path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    for cached in path.parent.glob(f"__pycache__/{path.stem}.*"):
        cached.unlink()  # an edit of the same size in the same second would not be seen


def judged(mutant: Mutant, base: Path, timeout_s: float) -> tuple[Mutant, bool | None, str]:
    """Whether a mutant was noticed (`None`: it could not be made) and by whom."""
    with tempfile.TemporaryDirectory(prefix="mutant-", ignore_cleanup_errors=True) as folder:
        copy = Path(folder, "copy")
        shutil.copytree(base, copy)
        try:
            mutated(mutant, copy)
        except ValueError as error:
            return mutant, None, str(error)
        result = run(copy, list(mutant.tests), timeout_s)
    if result.status == 0:
        return mutant, False, "SURVIVED"
    if result.status in {4, 5}:  # a test that is not there any more
        return mutant, None, result.output.strip().splitlines()[-1]
    return mutant, True, result.noticed_by


def unchanged(base: Path, chosen: list[Mutant], jobs: int, timeout_s: float) -> list[str]:
    """What fails without any change: whether the copy is what is imported, and every selection, each once."""
    proof = base / "tests" / "test_proof.py"
    proof.write_text(PROOF.format(copy=str(base)), encoding="utf-8")
    result = run(base, ["tests/test_proof.py"], timeout_s)
    proof.unlink()
    if result.status != 0:
        return [result.output]
    tests = sorted({test for mutant in chosen for test in mutant.tests})
    parts = [part for job in range(jobs) if (part := tests[job::jobs])]
    with ThreadPoolExecutor(jobs) as pool:
        results = pool.map(
            lambda tests: run(base, tests, 20 * timeout_s, to_the_end=True), [part for part in parts if part]
        )
    return [f"{result.output}\nexit status {result.status}" for result in results if result.status != 0]


def is_meant(mutant: Mutant, only: str) -> bool:
    """Whether a pattern is that of a mutant's name or file."""
    return fnmatchcase(mutant.name, only) or fnmatchcase(mutant.file, only)


def main() -> None:
    """Run the selected mutants."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", action="append", metavar="GLOB", help="names of mutants, or of files; repeatable"
    )
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--list", action="store_true", help="say what there is, and run nothing")
    parser.add_argument(
        "--timeout", type=float, default=120, metavar="S", help="seconds that the tests of one may take"
    )
    options = parser.parse_args()
    chosen = [m for m in MUTANTS if any(is_meant(m, only) for only in options.only or ["*"])]
    if options.list:
        for mutant in chosen:
            print(f"{mutant.name}  ({mutant.file})\n    {mutant.what}")
        return
    begun_s = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="mutants-", ignore_cleanup_errors=True) as folder:
        base = copied(Path(folder, "base"))
        failing = unchanged(base, chosen, options.jobs, options.timeout)
        if failing:
            print("\n".join(failing), "\nthe tests fail without any change", sep="")
            sys.exit(1)
        print(f"unchanged, the tests pass: {time.perf_counter() - begun_s:.0f} s", flush=True)
        survivors, broken = 0, 0
        with ThreadPoolExecutor(options.jobs) as pool:
            for mutant, is_noticed, how in pool.map(lambda m: judged(m, base, options.timeout), chosen):
                verdict = {True: f"noticed by {how}", False: how, None: f"OUT OF STEP: {how}"}[is_noticed]
                print(f"{mutant.name}: {verdict}", flush=True)
                survivors += is_noticed is False
                broken += is_noticed is None
    print(
        f"{len(chosen)} mutants, {len(chosen) - survivors - broken} noticed, {survivors} survived, "
        f"{broken} out of step, {time.perf_counter() - begun_s:.0f} s"
    )
    sys.exit(bool(broken or survivors > ALLOWED))


if __name__ == "__main__":
    main()

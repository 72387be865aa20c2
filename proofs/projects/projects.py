"""Check real projects with no configuration, beside their own tests.

    python proofs/projects/projects.py [NAME ...] [--folder DIR] [--list]

Each source package of `PROJECTS` is downloaded and unpacked, and its tests run twice: as they are, and with
`--reload-leak-check`. Every test must end as it did without the flag, every item must have an outcome, and nothing of
the tool may fail. The findings are printed, grouped: to be read, as no program knows which of them are right.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
WORSE = ("INTERNALERROR", "pytest_reloadleak/")
"""What the output of a run may not contain: an error of pytest's, or a line of the tool's own sources."""


@dataclass(frozen=True)
class Project:
    """A source package, and how its tests run."""

    name: str
    version: str
    tests: tuple[str, ...] = ()
    """Arguments of pytest: where the tests are, and what they cannot do here."""
    source: str = "."
    """The folder of its modules."""
    is_built: bool = False
    """Whether it has C extensions, which are compiled beside its modules."""


PROJECTS = (
    Project("apscheduler", "3.11.3", ("tests",), source="src"),
    Project("boltons", "26.2.0", ("tests",)),
    Project("cheroot", "11.1.2", ("cheroot",)),
    Project("colander", "2.0", ("tests",), source="src"),
    Project("cssselect", "1.6.0", ("tests",)),
    Project("furl", "2.1.4", ("tests",)),
    Project("glom", "25.12.0", ("glom",)),
    Project("prometheus_client", "0.26.0", ("tests",)),
    Project("pyfakefs", "6.3.2", ("pyfakefs",)),
    Project("schedule", "1.2.2", ("test_schedule.py",)),
    Project("simpleeval", "1.0.8", ("tests",)),
    Project("simplejson", "4.3.0", ("simplejson",), is_built=True),
    Project("tinydb", "4.9.0", ("tests",)),
    Project("transitions", "0.9.3", ("tests",)),
    Project("waitress", "3.0.2", ("tests",), source="src"),
    Project("watchdog", "7.1.0", ("tests",), source="src"),
    Project("webcolors", "25.10.0", ("tests",), source="src"),
    Project("wsproto", "1.3.2", ("tests",), source="src"),
    Project("wtforms", "3.3.2", ("tests",), source="src"),
    Project("xmltodict", "1.0.4", ("tests",)),
    Project("zope_event", "6.2", ("src/zope/event/tests.py",), source="src"),
)
"""None of them is checked elsewhere in this repository. Pinned, as findings are read by people; docs/projects.md says
which ones were."""


def unpacked(project: Project, folder: Path) -> Path:
    """Download and unpack a source package; returns its root."""
    requirement = f"{project.name}=={project.version}"
    packages = folder / "packages"
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", project.name]
    if not list(packages.glob(f"{project.name}-{project.version}.tar.gz")):
        subprocess.run([*command, "-d", str(packages), requirement], check=True)
    (archive,) = packages.glob(f"{project.name}-{project.version}.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    root = folder / f"{project.name}-{project.version}"
    if project.is_built:
        build = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
        subprocess.run(build, cwd=root, check=True, capture_output=True)
    return root


@dataclass(frozen=True)
class Session:
    """What one run of pytest left."""

    status: int
    output: str
    outcomes: dict[str, str]
    report: dict[str, Any]
    seconds: float


def run(project: Project, root: Path, *options: str) -> Session:
    """Run the tests of a project."""
    outcomes, report = root / ".outcomes.json", root / ".report.json"
    for path in (outcomes, report):
        path.unlink(missing_ok=True)
    environment = {**os.environ, "OUTCOMES": str(outcomes), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(root / project.source), str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    command = [sys.executable, "-m", "pytest", "-poutcomes", "-preloadleak", "-pno:cacheprovider", "-q"]
    begun_s = time.perf_counter()
    done = subprocess.run(
        [*command, "--tb=short", "-oaddopts=", f"--reload-leak-json={report}", *options, *project.tests],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    return Session(
        status=done.returncode,
        output=done.stdout + done.stderr,
        outcomes=json.loads(outcomes.read_text()) if outcomes.exists() else {},
        report=json.loads(report.read_text()) if report.exists() else {"checks": [], "complete": False},
        seconds=time.perf_counter() - begun_s,
    )


def faults(plain: Session, checked: Session) -> Iterator[str]:
    """What is wrong with a run that checks."""
    tests = {
        nodeid: outcome
        for nodeid, outcome in checked.outcomes.items()
        if not nodeid.startswith("reload-leak")
    }
    for nodeid in sorted(plain.outcomes.keys() | tests.keys()):
        before, after = plain.outcomes.get(nodeid), tests.get(nodeid)
        if before != after:
            yield f"{nodeid}: {before} without the flag, {after} with it"
    have = {check["nodeid"] for check in checked.report["checks"]}
    for nodeid in checked.outcomes.keys() - tests.keys() - have:
        yield f"{nodeid} has no entry"
    if not have:
        yield "nothing was checked"
    if not checked.report["complete"]:
        yield "the report is incomplete"
    for sign in WORSE:
        if sign in checked.output:
            yield f"the output contains {sign}"


def findings(report: dict[str, Any]) -> Iterator[str]:
    """The findings of a run, each kind of holder once, with the number of those like it."""
    seen: Counter[str] = Counter()
    for check in report["checks"]:
        if check["outcome"] in {"error", "inconclusive"}:
            seen[f"{check['target']}: {check['outcome']}: {check['reason'][:200]}"] += 1
        for finding in check["findings"]:
            holder, held = (finding["holder"] or {}).get("path"), (finding["held"] or {}).get("name")
            site = finding["site"] or {}
            place = f"{Path(site['file']).name}:{site['line']}" if site else "no line"
            seen[
                f"{check['target']}: {finding['kind']} {finding['growth']}: {holder} holds {held} ({place})"
            ] += 1
    return (text if count == 1 else f"{text} ({count} times)" for text, count in sorted(seen.items()))


def main() -> int:
    """Check the projects, and print what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument(
        "--folder", type=Path, help="where to unpack, and to find what was downloaded earlier"
    )
    parser.add_argument("--list", action="store_true")
    given = parser.parse_args()
    chosen = [one for one in PROJECTS if not given.names or one.name in given.names]
    if given.list:
        print(*(f"{one.name}=={one.version}" for one in chosen), sep="\n")
        return 0
    wrong = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        for project in chosen:
            try:
                root = unpacked(project, folder)
            except subprocess.CalledProcessError:
                print(f"== {project.name} {project.version} cannot be downloaded")
                wrong += 1
                continue
            plain = run(project, root)
            checked = run(project, root, "--reload-leak-check")
            found = list(faults(plain, checked))
            told = Counter(check["outcome"] for check in checked.report["checks"])
            passed = Counter(plain.outcomes.values())
            print(
                f"== {project.name} {project.version}: {dict(passed)} in {plain.seconds:.0f} s; "
                f"{dict(told)} in {checked.seconds:.0f} s"
            )
            for line in found:
                print(f"   WRONG: {line}")
            for line in findings(checked.report):
                print(f"   {line}")
            sys.stdout.flush()
            wrong += bool(found)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

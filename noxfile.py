"""The checks that need environments of their own; `nox -l` lists them, and `nox` alone runs lint and tests.

Arguments after `--` go to what the session runs. An interpreter that is not on PATH can be named in the environment:
RELOADLEAK_PYTHONS="3.14=/path/to/python3.14,3.15=/path/to/python3.15" (the name of such a session contains the path).
"""

import os
import shutil
import sysconfig
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.download_python = "never"  # an interpreter that is not here is skipped, with a line that says so
nox.options.error_on_missing_interpreters = False
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "tests"]

NAMED = dict(entry.split("=", 1) for entry in os.environ.get("RELOADLEAK_PYTHONS", "").split(",") if entry)
PYTHONS = [NAMED.get(version, version) for version in ("3.10", "3.11", "3.12", "3.13", "3.14", "3.15")]

PYTESTS = {"8.0": "==8.0.*", "8.4": "==8.4.*", "newest": ">=9"}
"""The versions of pytest under which its plugins are tried."""


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the test suite against the built wheel."""
    session.install(".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check format, style and types."""
    session.install("--editable", ".[lint]")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the docs site into `build/site`; a warning fails the session."""
    session.install(".[docs]")
    session.run("sphinx-build", "-E", "-W", "--keep-going", "-c", "docs", ".", "build/site", *session.posargs)


@nox.session
def realworld(session: nox.Session) -> None:
    """Check targets in real hosts (discord.py, Flask, loguru, Qt, ...) and under reloaders that patch in place."""
    session.install(".[realworld]", "pytest-xdist")
    # discord.py imports audioop, which warns on 3.11 and 3.12; from 3.13 on it brings its own.
    audioop = "-Wignore:'audioop' is deprecated:DeprecationWarning"
    session.run("pytest", audioop, "proofs/programs", *session.posargs)


@nox.session
def pycord(session: nox.Session) -> None:
    """Check extensions of py-cord, which has the import name of discord.py."""
    session.install(".[pycord,test]")
    session.run("pytest", "proofs/programs/test_presets.py", "-k", "discord", *session.posargs)


@nox.session
def apscheduler4(session: nox.Session) -> None:
    """Check modules of APScheduler 4, which is published as a pre-release only."""
    session.install("--pre", "apscheduler==4.0.0a6")
    session.install(".[test]")
    session.run("pytest", "proofs/programs/test_presets.py", "-k", "APScheduler", *session.posargs)


@nox.session(python=NAMED.get("3.13", "3.13"))
def blender(session: nox.Session) -> None:
    """Check add-ons of a real Blender without a window."""
    session.install(".[blender,test]")
    session.run("pytest", "proofs/programs/test_presets.py", "-k", "Blender", *session.posargs)


@nox.session(python=[NAMED.get(version, version) for version in ("3.13", "3.14")])
def homeassistant(session: nox.Session) -> None:
    """Check integrations of a real Home Assistant, whose test plugin takes over each test's event loop."""
    session.install(".[homeassistant]")
    session.run("pytest", "--asyncio-mode=auto", "proofs/programs/test_homeassistant.py", *session.posargs)


@nox.session(python=PYTHONS)
def noise(session: nox.Session) -> None:
    """Check that the tool distinguishes what other pytest plugins keep until a test is over from leaks."""
    session.install(".[noise]")
    session.run("pytest", "proofs/plugins", *session.posargs)


@nox.session
@nox.parametrize("version", [nox.param(f"pytest{pin}", id=name) for name, pin in PYTESTS.items()])
def plugins(session: nox.Session, version: str) -> None:
    """Check that no plugin or option of pytest changes a verdict: `plugins(newest) -- -n 2 --short` takes a minute."""
    session.install(".[plugins]", version)
    # Each run loads the plugins of its combination alone; all of them together show nothing of one.
    session.env["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    session.run("pytest", "-p", "xdist", "proofs/matrix", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Build and install the wheel with the extension, without it, and where there is no compiler."""
    session.install("build", "hatchling", "setuptools")
    compiler = shutil.which((sysconfig.get_config_var("CC") or "cc").split()[0])
    has_headers = Path(sysconfig.get_path("include"), "Python.h").exists()
    ways = [("off", None, "py3-none-any", "<function"), ("", "/no/compiler", "py3-none-any", "<function")]
    if compiler and has_headers:
        ways.append(("required", None, "cp310-abi3-*", "<built-in function"))
    else:
        session.log("no compiler, or no headers of Python: the extension is not built")
    for wanted, cc, kind, expected in ways:
        folder = Path(session.create_tmp(), wanted or "without")
        shutil.rmtree(folder, ignore_errors=True)
        environment = {"RELOADLEAK_ACCELERATOR": wanted, "CC": cc}
        session.run("python", "-m", "build", "--no-isolation", "-o", str(folder), env=environment)
        (wheel,) = folder.glob(f"*-{kind}.whl")
        session.install("--force-reinstall", "--no-deps", str(wheel))
        with session.chdir(folder):  # not the sources here
            asks = "import pytest_reloadleak.heap.levels.choice as choice; print(choice.expand)"
            said = session.run("python", "-c", asks, silent=True, env={"RELOADLEAK_ACCELERATOR": ""})
        if expected not in str(said):
            session.error(f"{wheel.name}: {said}")


@nox.session
def peers(session: nox.Session) -> None:
    """Run the scenarios that other tools were compared on."""
    session.install(".[test]")
    session.run("pytest", "proofs/peers", *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """Look at the page of `--reload-leak-html` in headless Chromium, which has to be installed, with axe-core."""
    session.install(".[test]", "axe-playwright-python", "playwright")
    session.run("pytest", "tests/browser", *session.posargs)


@nox.session
def screenshots(session: nox.Session) -> None:
    """Make the pictures of the docs again; it needs tmux and Chromium."""
    session.install(".[html]", "pillow", "playwright", "rich")
    session.run("python", "docs/screenshots.py")


@nox.session
def mutants(session: nox.Session) -> None:
    """Break the tool in many small ways; its tests have to notice each."""
    session.install(".[test]")
    session.run("python", "proofs/mutants/mutants.py", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure what a check costs beside bare reloads."""
    session.install(".")
    session.run("python", "benchmarks/run.py", *session.posargs)


@nox.session
def gate(session: nox.Session) -> None:
    """Fail where a check has become slower, by ratio; `-- --objects 1000000` prints the table of a large heap."""
    session.install(".")
    session.run("python", "benchmarks/table.py", *(session.posargs or ["--short", "--check"]))


@nox.session
def parts(session: nox.Session) -> None:
    """Measure the parts of a check with pytest-benchmark."""
    session.install(".[bench]")
    session.run("pytest", "-p", "no:randomly", "benchmarks/test_parts.py", *session.posargs)


@nox.session
def sweep(session: nox.Session) -> None:
    """Check every module of the standard library (`stdlib`) or of many packages (`packages`) beside an oracle."""
    what = session.posargs or ["stdlib"]
    pins = ["-r", "proofs/sweeps/packages.txt", "-c", "proofs/sweeps/constraints.txt"]
    session.install(".", *([] if what[0] == "stdlib" else pins))
    session.run("python", "proofs/sweeps/sweep.py", *what)


@nox.session
def soak(session: nox.Session) -> None:
    """Make many checks of clean targets (`clean`, `tests`) or of one leaking target per kind (`leaking`)."""
    session.install(".[test]")
    session.run("python", "proofs/soak/soak.py", *(session.posargs or ["clean"]))


@nox.session
def faults(session: nox.Session) -> None:
    """Kill workers at random moments: `-- --runs 2 --targets 40` takes half a minute."""
    session.install(".", "pytest-xdist")
    session.run("python", "proofs/faults/faults.py", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Try random baselines, patterns, names and answers of workers: `-- --examples=200` is short."""
    session.install(".[test]")
    session.run("pytest", "proofs/fuzz", *(session.posargs or ["--examples=10000"]))


@nox.session
def projects(session: nox.Session) -> None:
    """Run the tests of real projects with and without the flag, and print what leaks there."""
    needs = ["freezegun", "lxml", "orderedmultidict", "pytest-asyncio", "pytz", "pyyaml", "six"]
    session.install(".", "pip", "h11", "typing_extensions", *needs)
    session.run("python", "proofs/projects/projects.py", *session.posargs)


@nox.session
def leaks(session: nox.Session) -> None:
    """Show leaks of released packages without this project's tool."""
    session.install(*session.run("python", "proofs/projects/leaks.py", "--list", silent=True).split())
    session.run("python", "proofs/projects/leaks.py")

#!/usr/bin/env python3
"""Set this clone up and use it, with nothing but a python3.

    python3 dev.py example [pytest arguments]    check the plugins of examples/pluginhost for leaks
    python3 dev.py test [pytest arguments]       run the test suite

Each has an environment of its own below `.venv`, made the first time and brought up to date when what it installs
changes: the example runs as it does for a user, without the plugins that the test suite needs.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent
INSTALLED = ("pyproject.toml", "hatch_build.py", "pytest_reloadleak/heap/levels/_native.c")
"""What needs another installation when it changes; the rest of an editable one follows its sources."""


def fail(message: str) -> None:
    """Exit with one line that says what was wrong and what to do."""
    sys.exit(f"dev.py: {message}")


def digest(*inputs: object) -> str:
    """Return a short text that changes with `inputs`."""
    return hashlib.sha256(repr(inputs).encode()).hexdigest()[:16]


def set_up(name: str, requirement: str) -> Path:
    """Bring the environment `name` up to date with `requirement` installed, and return its interpreter."""
    venv = ROOT / ".venv" / name
    python = venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    # Two stamps, as only another interpreter takes a new environment: for a changed project it is enough to install
    # again, and this may be running in the environment itself.
    made, installed = venv / "made.stamp", venv / "installed.stamp"
    interpreter = digest(sys.version, sys.base_prefix, ROOT)
    project = digest(requirement, *((ROOT / name).read_bytes() for name in INSTALLED))

    if read(made) != interpreter:
        make(venv)
        made.write_text(interpreter)
    if read(installed) != project:
        print(f"dev.py: installing into {venv.relative_to(ROOT)}; this takes a minute, once", flush=True)
        pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
        if subprocess.run([*pip, "install", "--editable", requirement], cwd=ROOT, check=False).returncode:
            fail("pip could not install the project; its own message is above")
        installed.write_text(project)
    return python


def make(venv: Path) -> None:
    """Make a new virtual environment for the running interpreter, in the place of an older one."""
    if find_spec("venv") is None or find_spec("ensurepip") is None:
        fail("this python3 cannot make virtual environments; on Debian: apt install python3-venv")
    if venv.exists():
        shutil.rmtree(venv)
    if subprocess.run([sys.executable, "-m", "venv", venv], check=False).returncode:
        fail("python3 could not make a virtual environment; its own message is above")


def read(stamp: Path) -> str:
    """Return what `stamp` says; nothing when there is none, as after an interrupted set-up."""
    return stamp.read_text() if stamp.exists() else ""


def pytest(python: Path, arguments: list[str], directory: Path) -> int:
    """Run pytest with `arguments` in `directory`, showing the command, and return its exit status."""
    where = "" if directory == ROOT else f"cd {directory.relative_to(ROOT)} && "
    print(f"dev.py: {where}{shlex.join(['pytest', *arguments])}", flush=True)
    return subprocess.run([python, "-m", "pytest", *arguments], cwd=directory, check=False).returncode


def example(arguments: list[str]) -> None:
    """Check the example's plugins; succeed when the leak of the one that leaks was found."""
    python = set_up("example", ".")
    status = pytest(python, ["--reload-leak-check", *arguments], ROOT / "examples" / "pluginhost")
    if status != 1:
        fail(f"pytest ended with {status} where 1 was due: plugins/weather.py leaks and must fail its check")
    print("dev.py: all as it should be: plugins/weather.py leaks, so its check fails and pytest ends with 1")


def test(arguments: list[str]) -> None:
    """Run the test suite, and exit as pytest does."""
    sys.exit(pytest(set_up("test", ".[test]"), arguments, ROOT))


def main() -> None:
    """Run the command that the first argument names."""
    if sys.version_info < (3, 10):  # noqa: UP036 - the one file that an older python3 gets to read
        fail(f"needs Python 3.10 or newer, and this python3 is {sys.version.split()[0]}")
    command, arguments = sys.argv[1:2], sys.argv[2:]
    if command == ["example"]:
        example(arguments)
    elif command == ["test"]:
        test(arguments)
    else:
        fail("say `python3 dev.py example` or `python3 dev.py test`, each with any arguments for pytest")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)

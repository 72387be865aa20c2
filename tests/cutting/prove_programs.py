"""Prove the findings of many small programs in this process, one after the other; a script.

It reads a list of programs as JSON from its input: a name, modules, a target, a strategy and rounds. For each it
prints the report as JSON on a line. What one program leaves is undone before the next, as far as it can be.
"""

import contextvars
import json
import sys
import tempfile
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from cases import run

from pytest_reloadleak.check import Check
from pytest_reloadleak.isolation import proving
from pytest_reloadleak.report.jsonfile import to_dict
from pytest_reloadleak.settings import Settings


def proven(program):
    """The report on one program, as JSON."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        run.write(directory, program["files"])
        with run.importable(directory):
            try:
                return contextvars.copy_context().run(checked, directory, program)
            finally:
                stop = getattr(sys.modules.get("host"), "stop", None)
                if stop is not None:
                    with suppress(Exception):  # the trial may have closed what it closes
                        stop()


def checked(directory, program):
    """Import what stays, and check the target in the way of a process of the check's own."""
    for name in run.STAYS:
        if directory.joinpath(name).exists() or directory.joinpath(f"{name}.py").exists():
            import_module(name)
    settings = Settings(strategy=program["strategy"], rounds=program["rounds"], proves=True)
    check = Check([program["target"]], settings)
    # No frame of this script: one that begins while a trace function is set keeps it.
    report = check.perform(finish=partial(proving.proven, check, lambda _: None))
    return to_dict(report)


def reported(program):
    """The report on one program, or what its check raised."""
    try:
        return proven(program)
    except Exception as error:  # noqa: BLE001 - the test shows it
        return {"raised": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    for one in json.load(sys.stdin):
        sys.stdout.write(json.dumps(reported(one)) + "\n")
        sys.stdout.flush()

"""Tell other tools what runs in a worker: coverage gets the lines, and test selectors by changed files get the files.

Coverage measures a worker as it does other subprocesses. The worker ends by `os._exit`, so it saves the data itself.
`pytest-cov` combines the files of all processes.
"""

from __future__ import annotations

import contextlib
import os
import sys
from importlib import import_module
from typing import Any

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.strategies.dependencies.project import Project

_CONFIG = "COVERAGE_PROCESS_CONFIG"
"""Coverage's variable for the configuration of a subprocess; see its documentation, "Measuring subprocesses"."""
_VARIABLES = (_CONFIG, "COVERAGE_PROCESS_START")


def configuration() -> str | None:
    """The configuration for a worker; `None` if coverage does not measure here, or starts in subprocesses by itself."""
    coverage: Any = sys.modules.get("coverage")
    if coverage is None or any(name in os.environ for name in _VARIABLES):
        return None
    try:
        current = coverage.Coverage.current()
        if not os.path.isabs(current.get_data().data_filename()):
            return None  # data in memory, which nobody combines
        config = current.config.copy()
        config.parallel = True  # a file of its own for each process
        return str(config.serialize())
    except Exception:  # noqa: BLE001 - nothing is measured here, or by a coverage before 7.10
        return None


def begin(config: str | None) -> None:
    """Start measuring in a worker.

    Args:
        config: what `configuration` returned.
    """
    if config is None:
        return
    os.environ[_CONFIG] = config
    with contextlib.suppress(Exception):  # a check does not depend on it
        coverage: Any = import_module("coverage")
        if coverage.Coverage.current() is None:
            coverage.process_startup()
    del os.environ[_CONFIG]  # processes that the target starts are not ours to measure


def flush() -> None:
    """Save the measurement of any coverage in this process, since `os._exit` will end the process."""
    coverage: Any = sys.modules.get("coverage")
    if coverage is None:
        return
    with contextlib.suppress(Exception):  # as above
        current = coverage.Coverage.current()
        if current is not None:
            current.stop()
            current.save()


def loaded_files(project: Project) -> list[str]:
    """The source files of the project's own modules that are loaded."""
    names = [name for name, _ in foreign.loaded_modules()]
    return [str(foreign.namespace(name)["__file__"]) for name in names if project.owns(name)]

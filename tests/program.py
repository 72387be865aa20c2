"""A first-party program in a directory of its own, whose modules tell when they are executed."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cases import run

from pytest_reloadleak import Report, measure_reload
from pytest_reloadleak.strategies.dependencies import import_records

NOTE = "import log; log.begin(__name__)\n"
LOG = """\
ran = []
calls = []
bad = None

def begin(name):
    ran.append(name)
    if name == bad:
        raise LookupError(f"{name} is bad")
"""


class Program:
    """Modules in the working directory, which is on `sys.path`. The module `log` is told of every execution."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        run.write(directory, {"log": LOG})
        self.log: Any = importlib.import_module("log")

    def write(self, files: Mapping[str, str]) -> None:
        """Write modules by their dotted names; each begins by telling `log`, but for `from __future__`."""
        run.write(self.directory, {name: _noting(source) for name, source in files.items()})
        importlib.invalidate_caches()

    def load(self, files: Mapping[str, str], *names: str) -> None:
        """Write modules, import some, and forget that they ran."""
        self.write(files)
        for name in names:
            importlib.import_module(name)
        self.log.ran.clear()

    def measure(self, target: str, strategy: str = "cascade", **keywords: Any) -> Report:
        """Check a target of the program; two rounds unless more are asked for. Its log grows by who is executed."""
        keywords = {"rounds": 2, "probes": run.BESIDES_GROWTH, **keywords}
        return measure_reload(target, strategy=strategy, **keywords)

    def rounds(self) -> list[list[str]]:
        """Who was executed, a list per reload: each begins where a module comes that was there already.

        They may be more than were asked for: where the process has grown meanwhile, a check looks again, as when the
        interpreter doubles its table of interned strings.
        """
        out: list[list[str]] = [[]]
        for name in self.log.ran:
            if name in out[-1]:
                out.append([])
            out[-1].append(name)
        return out


def _noting(source: str) -> str:
    first, _, rest = source.partition("\n")
    return f"{first}\n{NOTE}{rest}" if first.startswith("from __future__") else NOTE + source


@contextmanager
def program(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    """A `Program`; afterwards nothing of it is left, and nothing is known of who imported whom."""
    monkeypatch.chdir(directory)
    monkeypatch.setattr(import_records, "_records", {})
    with run.importable(directory):
        yield Program(directory)


def state(*prefixes: str) -> dict[str, Any]:
    """Identity of the modules of these names and below, and of every value in their namespaces."""
    out: dict[str, Any] = {}
    for name, module in list(sys.modules.items()):
        if any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes):
            out[name] = id(module)
            out.update({f"{name}:{key}": id(value) for key, value in vars(module).items()})
    return out


def found(report: Report) -> list[tuple[str, str, str | None]]:
    """The findings of a report: kind, holder and what is held."""
    gc.collect()
    return [
        (f.kind, f.holder.path if f.holder is not None else "", f.held.name if f.held is not None else None)
        for f in report.findings
    ]

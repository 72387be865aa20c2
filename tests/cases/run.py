"""Check one twin: in this process with everything put back, or as a script in a process of its own.

The script takes a directory of modules, a target, a strategy or `callable`, and a number of rounds. It prints the
report as JSON.
"""

import contextvars
import gc
import importlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytest_reloadleak import Report, measure_reload
from pytest_reloadleak.report.jsonfile import to_dict

CALLABLE = "callable"
"""In place of a strategy: the program's own reload, which drops the module and imports it again."""
WAYS = ("reimport", "reload", CALLABLE)
"""The ways under which twins are checked."""
STAYS = ("host", "importer", "package")
"""Modules of a twin that are loaded before the check and stay: the foreign ones."""

BESIDES_GROWTH = (
    "threads",
    "tasks",
    "children",
    "watched",
    "registrations",
    "subinterpreters",
    "fds",
    "references",
)
"""All probes except `growth` and `files`, for tests whose host logs what the target did: such a log grows."""


def write(directory: Path, files: Mapping[str, str]) -> None:
    """Write modules, named with dots and without their suffix; `package.__init__` makes a package."""
    for name, source in files.items():
        path = directory.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")


def ways(strategies: Sequence[str]) -> tuple[str, ...]:
    """The strategies, and a callable where it does what one of them does."""
    return (*strategies, CALLABLE) if "reimport" in strategies else tuple(strategies)


def measure(directory: Path, target: str, strategy: str, rounds: int) -> Report:
    """Import the foreign modules, then check the target, in the present process."""
    for name in STAYS:
        if directory.joinpath(name).exists() or directory.joinpath(f"{name}.py").exists():
            importlib.import_module(name)
    return check(target, strategy, rounds)


def check(target: str, strategy: str, rounds: int) -> Report:
    """Check a target under a strategy, or under a callable that does the same as `reimport`."""
    if strategy != CALLABLE:
        return measure_reload(target, strategy=strategy, rounds=rounds)
    importlib.import_module(target)
    return measure_reload(target, reload=lambda: import_again(target), rounds=rounds)


def measure_and_undo(directory: Path, target: str, strategy: str, rounds: int) -> Report:
    """`measure` in a context of its own; afterwards no module of the directory is left, and no thread of its host."""
    with importable(directory):
        try:
            return contextvars.copy_context().run(measure, directory, target, strategy, rounds)
        finally:
            stop = getattr(sys.modules.get("host"), "stop", None)
            if stop is not None:
                stop()


def import_again(name: str) -> None:
    """Drop a module, with those below it, and import it again, as most hosts reload."""
    for loaded in [n for n in sys.modules if f"{n}.".startswith(f"{name}.")]:
        del sys.modules[loaded]
    importlib.import_module(name)


@contextmanager
def importable(directory: Path) -> Iterator[None]:
    """Within the block modules can be imported from `directory`; afterwards none of them is left."""
    before = dict(sys.modules)
    sys.path.insert(0, str(directory))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(directory))
        for name in [name for name in sys.modules if name not in before and _lies_in(directory, name)]:
            del sys.modules[name]
        for path in [path for path in sys.path_importer_cache if Path(path).is_relative_to(directory)]:
            del sys.path_importer_cache[path]
        del before
        gc.collect()


def _lies_in(directory: Path, name: str) -> bool:
    namespace: dict[str, Any] = vars(sys.modules[name]) if sys.modules[name] is not None else {}
    places = [namespace.get("__file__"), *(namespace.get("__path__") or ())]
    return any(place is not None and Path(place).is_relative_to(directory) for place in places)


def main() -> None:
    """Run as a script."""
    directory, target, strategy, rounds = sys.argv[1:]
    sys.path[0] = directory
    print(json.dumps(to_dict(measure(Path(directory), target, strategy, int(rounds)))))  # noqa: T201 - its output


if __name__ == "__main__":
    main()

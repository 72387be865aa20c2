"""Show leaks of released packages without this project's tool: import a module five times, and count what lives.

    python proofs/projects/leaks.py [--list]

Each program runs in a process of its own, and uses nothing but `importlib`, `weakref` and `gc`. It drops one module
from `sys.modules`, imports it again, and keeps a weak reference to an object of each generation. Of five, the last one
should be alive, and perhaps the first one, which other modules of the package imported. Where the reference can be
removed, the same program does so before each import, as the control: then no more are alive. Exit status 1 says that a
leak does not show, as when a newer version has mended it.
"""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from dataclasses import dataclass

GENERATIONS = 5
MOST_CURED = 2
"""The last generation, and the first one if other modules imported it."""
PROGRAM = """\
import gc, importlib, sys, weakref
references, module = [], None
for _ in range({generations}):
    if module is not None:
        {cure}
    sys.modules.pop({name!r}, None)
    module = importlib.import_module({name!r})
    references.append(weakref.ref(module.{witness}))
module = None
for _ in range(5):
    gc.collect()
print(sum(reference() is not None for reference in references))
"""


@dataclass(frozen=True)
class Leak:
    """A module of a released package, and the object of it whose generations are counted."""

    project: str
    version: str
    module: str
    witness: str
    cause: str
    cure: str = ""
    """Statements that remove the reference; empty if nothing can."""

    def alive(self, cure: str = "") -> int:
        """How many of five generations live."""
        program = PROGRAM.format(
            generations=GENERATIONS, name=self.module, witness=self.witness, cure=cure or "pass"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
        )
        return int(done.stdout.split()[-1])


LEAKS = (
    Leak(
        "billiard",
        "4.3.2",
        "billiard.heap",
        "Arena",
        "`reduction.register(Arena, reduce_arena)` at import: a table with the class as its key",
        "from billiard.reduction import ForkingPickler; ForkingPickler._extra_reducers.pop(module.Arena)",
    ),
    Leak(
        "boltons",
        "26.2.0",
        "boltons.timeutils",
        "ConstantTZInfo",
        "`EPOCH_AWARE = datetime.fromtimestamp(0, UTC)`: a `datetime` hides its zone from the collector",
        "vars(module).clear()",
    ),
    Leak(
        "bottle",
        "0.13.4",
        "bottle",
        "_ImportRedirect",
        "`sys.meta_path.append(self)` at import",
        "sys.meta_path[:] = [one for one in sys.meta_path if type(one) is not module._ImportRedirect]",
    ),
    Leak(
        "celery",
        "5.7.0",
        "celery.app.builtins",
        "add_map_task",
        "`@connect_on_app_finalize` adds each generation's nine functions to a set that nothing empties",
        "import celery._state; celery._state._on_app_finalizers.clear()",
    ),
    Leak(
        "filelock",
        "4.2.11",
        "filelock._api",
        "_release_live_locks",
        "`os.register_at_fork` and `atexit.register` at import; a fork hook cannot be removed",
    ),
    Leak(
        "idna",
        "3.20",
        "idna.codec",
        "search_function",
        "`codecs.register(search_function)` at import",
        "import codecs; codecs.unregister(module.search_function)",
    ),
    Leak(
        "importlib_metadata",
        "10.2.0",
        "importlib_metadata",
        "MetadataPathFinder",
        "a finder that is appended to `sys.meta_path`, and `os.register_at_fork`",
    ),
    Leak(
        "jsonschema",
        "4.26.0",
        "jsonschema._types",
        "TypeChecker",
        "functions of the module in an `rpds.HashTrieMap`, which hides them from the collector",
        "vars(module).clear()",
    ),
)


def main() -> int:
    """Run the programs, and print a line for each."""
    if "--list" in sys.argv:
        print(*(f"{leak.project}=={leak.version}" for leak in LEAKS), sep="\n")
        return 0
    unseen = 0
    for leak in LEAKS:
        alive = leak.alive()
        cured = leak.alive(leak.cure) if leak.cure else None
        is_seen = alive == GENERATIONS and (cured is None or cured <= MOST_CURED)
        unseen += not is_seen
        control = "" if cured is None else f", {cured} when the reference is removed"
        found = importlib.metadata.version(leak.project)
        print(f"{leak.module} ({leak.project} {found}): {alive} of {GENERATIONS} generations live{control}")
    return 1 if unseen else 0


if __name__ == "__main__":
    sys.exit(main())

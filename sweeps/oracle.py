"""An independent judge of one module: it knows nothing of pytest-reloadleak, and imports nothing of it.

    python oracle.py MODULE STRATEGY ROUNDS [OTHER ...]

The others are imported first. In a fresh process the module is imported and reloaded, by `importlib.reload` or by
dropping it with its submodules and importing it again. Each generation's namespace gets an object of its own, and its
functions and classes are referenced weakly; after everything has been collected, whatever of a generation older than
the last two is alive is retained. The heap is walked as well, for what weak references miss. Threads, descriptors and
the usual registries are counted after each round. Prints one line of JSON.
"""

import atexit
import gc
import importlib
import json
import logging
import os
import sys
import threading
import types
import warnings
import weakref

KEY = "__oracle_generation__"


class Mark:
    """An object of one generation's namespace."""

    def __init__(self, generation):
        self.generation = generation


def unit(name):
    """Names of the module and its submodules, parents first."""
    mine = [n for n in list(sys.modules) if n == name or n.startswith(name + ".")]
    return sorted(
        (n for n in mine if isinstance(sys.modules[n], types.ModuleType)), key=lambda n: n.count(".")
    )


def is_native(module):
    """Whether a module is written in C, and stays."""
    spec = getattr(module, "__spec__", None)
    origin = str(getattr(spec, "origin", ""))
    return origin.endswith((".so", ".pyd")) or origin in ("built-in", "frozen")


def mark(name, generation, marks, born):
    """Mark the namespaces of a unit, and note its functions and classes; each belongs to the first who sees it."""
    for n in unit(name):
        module = sys.modules[n]
        if is_native(module):
            continue
        namespace = vars(module)
        if generation == 0 or not isinstance(namespace.get(KEY), Mark):
            namespace[KEY] = Mark(generation)
            marks.append((generation, weakref.ref(namespace[KEY])))
        for value in list(namespace.values()):
            if isinstance(value, (types.FunctionType, type)) and getattr(value, "__module__", None) == n:
                known = born.get(id(value))
                if known is None or known[1]() is not value:
                    born[id(value)] = (generation, weakref.ref(value))


def again(name, strategy):
    """Reload the unit once."""
    names = [n for n in unit(name) if not is_native(sys.modules[n])]
    if strategy == "reload":
        for n in reversed(names):
            if n in sys.modules:
                importlib.reload(sys.modules[n])
        return
    for n in names:
        parent, _, leaf = n.rpartition(".")
        if parent in sys.modules and getattr(sys.modules[parent], leaf, None) is sys.modules[n]:
            delattr(sys.modules[parent], leaf)
        del sys.modules[n]
    importlib.invalidate_caches()
    for n in names:
        importlib.import_module(n)


def settle():
    """Empty the interpreter's bounded caches, and collect until nothing more goes."""
    typing = sys.modules.get("typing")
    for clear in list(getattr(typing, "_cleanups", ())):
        clear()
    before = -1
    for _ in range(12):
        gc.collect()
        after = len(gc.get_objects())
        if after == before:
            break
        before = after


def counts():
    """Numbers that must not grow with the rounds."""
    hooks = {
        "threads": threading.active_count(),
        "fds": len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0,
        "atexit": atexit._ncallbacks(),
        "meta_path": len(sys.meta_path),
        "path_hooks": len(sys.path_hooks),
        "path": len(sys.path),
        "filters": len(warnings.filters),
        "environ": len(os.environ),
        "gc.callbacks": len(gc.callbacks),
        "handlers": len(logging.root.handlers),
        "levels": len(logging._levelToName),
        "finalizers": len(weakref.finalize._registry),
    }
    copyreg = sys.modules.get("copyreg")
    if copyreg is not None:
        hooks["copyreg"] = len(copyreg.dispatch_table)
    return hooks


def judge(name, strategy, rounds):
    """The verdict: which generations are retained, and which numbers grew in every round."""
    importlib.import_module(name)
    marks, born, series = [], {}, []
    mark(name, 0, marks, born)
    for generation in range(1, rounds + 1):
        again(name, strategy)
        mark(name, generation, marks, born)
        gc.collect()
        series.append(counts())
    settle()
    limit = rounds - 1
    found = set()
    if strategy != "reload":  # which keeps the namespaces
        found |= {g for g, reference in marks if g < limit and reference() is not None}
        found |= {o.generation for o in gc.get_objects() if type(o) is Mark and o.generation < limit}
    alive = {
        g: value
        for g, reference in born.values()
        if g < limit and (value := reference()) is not None and not is_current(name, value)
    }
    found |= set(alive)
    grew = [k for k in series[0] if all(b.get(k, 0) > a.get(k, 0) for a, b in pairs(series[1:]))]
    return {"retained": sorted(found), "grew": sorted(grew)}


def pairs(items):
    """Each item with the next."""
    return [(items[at], items[at + 1]) for at in range(len(items) - 1)]


def is_current(name, value):
    """Whether an old object is what the module has now: it was not made again."""
    return any(value is other for n in unit(name) for other in vars(sys.modules[n]).values())


def main():
    name, strategy, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    sys.path[0] = ""
    for other in sys.argv[4:]:
        importlib.import_module(other)
    try:
        verdict = judge(name, strategy, rounds)
    except BaseException as error:
        verdict = {"error": f"{type(error).__name__}: {error}"[:200]}
    sys.stdout = sys.__stdout__
    print("\n" + json.dumps(verdict))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()

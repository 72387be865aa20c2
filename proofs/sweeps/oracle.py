"""An independent judge of one module: it knows nothing of pytest-reloadleak, and imports nothing of it.

    python oracle.py MODULE STRATEGY [ROUNDS]        one verdict, printed as JSON
    python oracle.py --serve FOLDER OTHER ...               a fork server, which has imported the others

The module is imported and reloaded, by `importlib.reload` or by dropping it with its submodules and importing it
again, twice ROUNDS times. It judges by means of its own, which are crude and slow where the tool's are clever:

- Each generation's namespace gets an object of its own, and after every round the whole heap is walked for functions
  that run in the module's namespace and for classes that say that they are of the module; what was not there before is
  this round's. At the end everything is collected, and whatever of a generation older than the last two is alive is
  retained, by weak references and by one more walk.
- More of it after twice the rounds is growth.
- Values of the first generation that another module had bound to a name, and still has, while the module has others,
  are stale data.
- Threads, descriptors, children and the length of the usual registries are counted after each round.

`holders.py` says, by looking there, whether what somebody else claims to be the holder does hold anything old.
"""

import atexit
import gc
import importlib
import os
import sys
import threading
import types
import warnings
import weakref

import forking
import holders

KEY = "__oracle_generation__"
PLAIN = (type(None), bool, int, float, complex, str, bytes, range, type(Ellipsis), type(NotImplemented))
IMMUTABLE_TYPE = 1 << 8


OURS = {"__main__", "forking", "holders"}


class Mark:
    """An object of one generation's namespace."""

    def __init__(self, generation):
        self.generation = generation


def unit(name):
    """Names of the module and its submodules, parents first."""
    mine = [n for n in list(sys.modules) if n == name or n.startswith(name + ".")]
    return sorted((n for n in mine if type(sys.modules[n]) is types.ModuleType or is_module(sys.modules[n])),
                  key=lambda n: n.count("."))  # fmt: skip


def is_module(value):
    """Whether something is a module, lazy and other sorts included, without asking it."""
    return issubclass(type(value), types.ModuleType)


def namespace_of(module):
    """A module's namespace, whatever its class does to attributes."""
    return types.ModuleType.__dict__["__dict__"].__get__(module)


def is_native(module):
    """Whether a module is written in C, and stays."""
    origin = str(getattr(namespace_of(module).get("__spec__"), "origin", ""))
    return origin.endswith((".so", ".pyd")) or origin in ("built-in", "frozen")


def is_pythons(cls):
    """Whether a class may be one that Python code made: types written in C cannot be changed, as a rule."""
    return not type.__dict__["__flags__"].__get__(cls) & IMMUTABLE_TYPE


def is_class(value):
    return issubclass(type(value), type)


def metaclasses(cls):
    """A metaclass and all that are derived from it."""
    found, left = set(), [cls]
    while left:
        one = left.pop()
        if one not in found and type.__dict__["__mro__"].__get__(one):
            found.add(one)
            left += type.__subclasses__(one)
    return found


def module_of(cls):
    """The module that a class says it is of, without asking its metaclass."""
    if not type.__dict__["__mro__"].__get__(cls):  # a husk that the collector has emptied and could not free
        return None
    value = type.__dict__["__dict__"].__get__(cls).get("__module__")
    return value if type(value) is str else None


class Generations:
    """What was born in which generation of a unit."""

    def __init__(self, name):
        self.name = name
        self.marks = []
        self.modules = []
        self.born = {}
        self.data = {}
        self.specs = {}
        self.executed = {}

    def note(self, generation):
        """Note what is there and was not before."""
        names = {n for n in unit(self.name) if not is_native(sys.modules[n])}
        homes, home_of = {}, {}
        for n in names:
            namespace = namespace_of(sys.modules[n])
            homes[id(namespace)] = namespace
            home_of[id(namespace)] = n
            self.modules.append((generation, weakref.ref(sys.modules[n])))
            if type(namespace.get(KEY)) is not Mark:
                namespace[KEY] = Mark(generation)
                self.marks.append(weakref.ref(namespace[KEY]))
                self.executed[n] = generation
            if self.specs.get(n) is not namespace.get("__spec__"):  # `importlib.reload` makes a new one
                self.specs[n], self.executed[n] = namespace.get("__spec__"), generation
        wanted = {types.FunctionType, *metaclasses(type)}
        for value in [o for o in gc.get_objects() if type(o) in wanted]:
            if type(value) is types.FunctionType:
                if id(value.__globals__) not in homes:
                    continue
                label = (home_of[id(value.__globals__)], value.__qualname__, value.__code__.co_firstlineno)
                has_code = True
            elif module_of(value) in names and is_pythons(value):
                own = type.__dict__["__dict__"].__get__(value)
                label = (module_of(value), type.__dict__["__qualname__"].__get__(value), None)
                has_code = any(
                    type(v) is types.FunctionType and id(v.__globals__) in homes for v in own.values()
                )
                if not has_code and not any(
                    value is v for space in homes.values() for v in list(space.values())
                ):
                    continue  # another module's: C code may set the name of this one
            else:
                continue
            known = self.born.get(id(value))
            if known is None or known[1]() is not value:
                self.born[id(value)] = (generation, weakref.ref(value), label, has_code)

    def note_data(self):
        """Note which values of the first generation other modules have bound."""
        mine = {}
        for n in (n for n in unit(self.name) if not is_native(sys.modules[n])):
            for key, value in list(namespace_of(sys.modules[n]).items()):
                if not (isinstance(key, str) and key.startswith("__")) and self.is_data(value):
                    mine.setdefault(id(value), (n, key))
        for other, namespace in self.others():
            for key, value in list(namespace.items()):
                if id(value) in mine:
                    self.data[other, key] = (id(value), *mine[id(value)])

    def is_data(self, value):
        """Whether a value has an identity that matters: equal constants are as good as the same."""
        if type(value) in (tuple, frozenset):
            return any(self.is_data(inner) for inner in value)
        functions = (types.FunctionType, types.BuiltinFunctionType)
        if type(value) in (*PLAIN, *functions) or is_class(value) or is_module(value):
            return False
        # Type expressions come from caches, which strangers share: `Callable[..., Any]` is one object everywhere.
        return type(value).__module__ not in {"typing", "types"}

    def others(self):
        """Name and namespace of every module that is not reloaded: those outside of the unit, and its native ones."""
        names = {n for n in unit(self.name) if not is_native(sys.modules[n])}
        for n, module in list(sys.modules.items()):
            if n not in names and n not in OURS and is_module(module):
                yield n, namespace_of(module)

    def old(self, limit):
        """Functions and classes of generations before `limit`, by id.

        Not those of a module that was not executed since, such as another package's under a second name; and a C type
        that merely says it is of the module was never born here.
        """
        made_anew = {label for generation, _, label, _ in self.born.values() if generation > 0}
        found = {}
        for generation, reference, label, has_code in self.born.values():
            value = reference()
            if value is None or generation >= limit or self.executed.get(label[0], limit) <= generation:
                continue
            if has_code or label in made_anew:
                found[id(value)] = (generation, value, label)
        return found

    def old_namespaces(self, limit):
        """Marks of old namespaces by id; the heap is walked for those that weak references no longer tell."""
        marks = {id(m): m for m in (r() for r in self.marks) if m is not None and m.generation < limit}
        marks.update((id(o), o) for o in gc.get_objects() if type(o) is Mark and o.generation < limit)
        current = {id(namespace_of(sys.modules[n]).get(KEY)) for n in unit(self.name)}
        return {key: mark for key, mark in marks.items() if key not in current}

    def old_modules(self, limit):
        """Ids of module objects of old generations that are alive and are not what `sys.modules` has now."""
        current = {id(module) for module in list(sys.modules.values())}
        return {
            id(module)
            for generation, reference in self.modules
            if generation < limit and (module := reference()) is not None and id(module) not in current
        }

    def stale_data(self):
        """Where others still have a value of the first generation that the module has replaced."""
        found = {}
        spaces = dict(self.others())
        for (other, key), (ident, n, own) in self.data.items():
            now = namespace_of(sys.modules[n]) if n in sys.modules else {}
            if id(spaces.get(other, {}).get(key)) == ident and own in now and id(now[own]) != ident:
                found.setdefault((id(spaces[other]), ident), []).append(f"{other}.{key}")
        return sorted("|".join(sorted(names)) for names in found.values())

    def bindings(self, limit):
        """Names elsewhere that are bound to old functions, classes or modules; several names of one object are joined.

        Those of one namespace too that has several names, as `os.path` is `posixpath`.
        """
        old = set(self.old(limit)) | self.old_modules(limit)
        names = {}
        for other, namespace in self.others():
            for key, value in list(namespace.items()):
                if id(value) in old:
                    names.setdefault((id(namespace), id(value)), []).append(f"{other}.{key}")
        return sorted("|".join(sorted(several)) for several in names.values())

    def retained(self, limit):
        """Generations of which something is alive that should not be, and a few names of it."""
        old = self.old(limit)
        found = {generation for generation, _, _ in old.values()}
        found |= {mark.generation for mark in self.old_namespaces(limit).values()}
        modules = self.old_modules(limit)
        found |= {generation for generation, reference in self.modules if id(reference()) in modules}
        return found, sorted(
            {f"{label[0]}.{label[1]}" for _, _, label in old.values()}, key=lambda n: n.count(".")
        )


def again(name, strategy):
    """Reload the unit once."""
    names = [n for n in unit(name) if not is_native(sys.modules[n])]
    if strategy == "reload":
        for n in ordered(names):
            if n in sys.modules:
                importlib.reload(sys.modules[n])
        return
    for n in names:
        parent, _, leaf = n.rpartition(".")
        if parent in sys.modules and namespace_of(sys.modules[parent]).get(leaf) is sys.modules[n]:
            delattr(sys.modules[parent], leaf)
        del sys.modules[n]
    # Since 3.12 `importlib.invalidate_caches` imports `importlib.metadata`, which would hold what that imports.
    for finder in list(sys.path_importer_cache.values()):
        getattr(finder, "invalidate_caches", int)()
    for n in names:
        importlib.import_module(n)


FIRST = {}


def ordered(names):
    """Submodules first, and each after those of which it has functions, classes or the module itself."""
    # Each reload moves a module to the end of `sys.modules`. A circle begins with the same module each time.
    names = sorted(names, key=lambda n: FIRST.setdefault(n, len(FIRST)))
    needs = {}
    for n in names:
        values = list(namespace_of(sys.modules[n]).values())
        homes = {module_of(v) if is_class(v) else getattr(v, "__module__", None)
                 for v in values if is_class(v) or type(v) is types.FunctionType}  # fmt: skip
        needs[n] = homes | {namespace_of(v).get("__name__") for v in values if is_module(v)}
    done = []

    def visit(n, under_way):
        if n in done or n in under_way:
            return
        inner = sorted((m for m in names if m.startswith(n + ".")), key=lambda m: -m.count("."))
        outer = [m for m in names if m in needs[n] and m != n and not n.startswith(m + ".")]
        for m in inner + outer:
            visit(m, under_way | {n})
        done.append(n)

    for n in sorted(names, key=lambda m: -m.count(".")):
        visit(n, frozenset())
    return done


def settle(most=12):
    """Empty the interpreter's bounded caches, and collect until nothing more goes."""
    typing = sys.modules.get("typing")
    for clear in list(getattr(typing, "_cleanups", ())):
        clear()
    before = -1
    for _ in range(most):
        gc.collect()
        after = len(gc.get_objects())
        if after == before:
            break
        before = after


def counts():
    """Numbers that must not grow with the rounds."""
    logging = sys.modules.get("logging")  # not loaded for its own sake: it would be a holder itself
    loggers = [logging.root, *logging.Logger.manager.loggerDict.values()] if logging is not None else []
    kinds = [type(o) for o in gc.get_objects()]
    return {
        "functions": sum(kind is types.FunctionType for kind in kinds),
        "classes": sum(issubclass(kind, type) for kind in kinds),
        "threads": threading.active_count(),
        "tasks": entries("/proc/self/task"),
        "fds": entries("/proc/self/fd"),
        "children": children(),
        "atexit": atexit._ncallbacks(),
        "meta_path": len(sys.meta_path),
        "path_hooks": len(sys.path_hooks),
        "path": len(sys.path),
        "modules": len(sys.modules),
        "filters": len(warnings.filters),
        "environ": len(os.environ),
        "gc.callbacks": len(gc.callbacks),
        "handlers": sum(len(getattr(logger, "handlers", ())) for logger in loggers),
        "loggers": len(loggers),
        "levels": len(getattr(logging, "_levelToName", ())),
        "finalizers": len(weakref.finalize._registry),
        "copyreg": len(getattr(sys.modules.get("copyreg"), "dispatch_table", ())),
        "mimetypes": len(getattr(sys.modules.get("mimetypes"), "knownfiles", ())),
    }


def entries(folder):
    return len(os.listdir(folder)) if os.path.isdir(folder) else 0


def children():
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
            return len(file.read().split())
    except OSError:
        return 0


class Judge:
    """One module under one strategy."""

    def __init__(self, name, strategy, rounds):
        self.name, self.strategy, self.rounds = name, strategy, rounds
        self.generations = Generations(name)
        self.generation = 0
        self.series = []

    def verdict(self):
        """What is retained, whether it grows, which numbers grew."""
        importlib.import_module(self.name)
        self.generations.note(0)
        self.generations.note_data()
        first = self.more()
        second = self.more()
        retained, names = second
        steps = [(self.series[at], self.series[at + 1]) for at in range(1, len(self.series) - 1)]
        grew = [k for k in self.series[0] if all(b[k] > a[k] for a, b in steps)]
        stale = self.generations.stale_data()
        growth = "clean"
        if retained or stale:
            growth = "bounded"
        if len(retained) > max(1, len(first[0])) or grew:
            growth = "growing"
        return {
            "verdict": growth,
            "retained": sorted(retained),
            "grew": sorted(grew),
            "stale": stale,
            "bindings": self.generations.bindings(self.limit),
            "names": names[:6],
        }

    @property
    def limit(self):
        """Generations before this one should be gone."""
        return self.generation - 1

    def more(self):
        """As many rounds again."""
        for _ in range(self.rounds):
            self.generations.note(self.generation)  # what the last one made after its import
            again(self.name, self.strategy)
            self.generation += 1
            self.generations.note(self.generation)
            settle(2)
            self.series.append(counts())
        settle()
        return self.generations.retained(self.limit)


def judge(request):
    """The verdict, and what the request claims about holders, looked up afterwards."""
    one = Judge(request["module"], request["strategy"], request["rounds"])
    try:
        verdict = one.verdict()
    except BaseException as error:
        return {"error": f"{type(error).__name__}: {error}"[:300]}
    if request.get("claims"):
        verdict["claims"] = holders.looked_up(request["claims"], one)
    return verdict


def main():
    if sys.argv[1] == "--serve":
        for other in sys.argv[3:]:
            importlib.import_module(other)
        forking.serve(judge, sys.argv[2])
        return
    sys.path[0] = ""
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    print(judge({"module": sys.argv[1], "strategy": sys.argv[2], "rounds": rounds}))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()

"""Resolve what the user named as a target, without importing it, and refuse what cannot be reloaded.

Everything is asked of the import system's own finders and specs, never of the file system: that is what makes zip
files, editable installs and rewritten modules work alike.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import pkgutil
import re
import sys
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from importlib.machinery import ModuleSpec

from pytest_reloadleak.errors import UsageError
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.strategies.imports.unit import is_glob, module_names

PROCESS_WIDE = frozenset({
    "__main__", "_thread", "abc", "asyncio", "atexit", "builtins", "codecs", "concurrent", "contextvars", "copyreg",
    "encodings", "enum", "functools", "gc", "importlib", "io", "logging", "multiprocessing", "os", "re", "runpy",
    "signal", "site", "sys", "threading", "types", "typing", "warnings", "weakref", "zipimport",
})  # fmt: skip
"""Modules of the standard library that own state of the whole process: a second copy splits it, and `isinstance`,
`except` and pickling stop to agree between the two (reload facts, E33 and E34)."""

_RUNNERS = frozenset({"pytest", "_pytest", "pluggy", "py", "iniconfig", "xdist", "execnet"})
_SELF = "pytest_reloadleak"


def find(name: str) -> ModuleSpec | None:
    """The spec of a module, found without executing anything that is not loaded yet; `None` if there is no such module.

    Parents that are not loaded are walked by the search locations of their specs.
    """
    loaded = sys.modules.get(name)
    if loaded is not None:
        known = (foreign.module_dict(loaded) or {}).get("__spec__")
        if type(known) is ModuleSpec:
            return known
    path: Sequence[str] | None = None
    parent, _, _ = name.rpartition(".")
    if parent:
        path = search_locations(parent)
        if path is None:
            return None
    for finder in list(sys.meta_path):
        find_spec = getattr(finder, "find_spec", None)
        spec = find_spec(name, path) if find_spec is not None else None
        if isinstance(spec, ModuleSpec):
            return spec
    return None


def search_locations(package: str) -> list[str] | None:
    """Where a package's submodules are looked for; `None` if it is not a package or does not exist."""
    loaded = sys.modules.get(package)
    path = (foreign.module_dict(loaded) or {}).get("__path__")
    if path is not None:
        return list(path)
    spec = find(package)
    if spec is None or spec.submodule_search_locations is None:
        return None
    return list(spec.submodule_search_locations)


def resolve(name: str, *, force: bool = False, plugins: Iterable[str] = ()) -> list[str]:
    """The targets that a name or glob stands for.

    Args:
        name: a module, a package, or a glob of modules.
        force: accept what is refused by default, as far as it can be reloaded at all.
        plugins: modules of the registered pytest plugins, which are refused.

    Returns:
        Module names in sorted order; those of a glob that are refused are left out.

    Raises:
        UsageError: the target does not exist or is refused.
    """
    assert_name(name)
    name = name.strip()
    if not is_glob(name):
        if name.endswith(".py") or "/" in name:
            raise UsageError(
                f"target {name!r} looks like a file: name the module instead, such as 'package.module'"
            )
        if not all(name.split(".")):
            raise UsageError(
                f"unknown target {name!r}: a module name has no empty part; name it from the top"
            )
        reason = refusal(name, force=force, plugins=plugins)
        if reason is not None:
            raise UsageError(reason)
        return [name]
    matches = sorted(n for n in _candidates(name) if fnmatchcase(n, name))
    accepted = [n for n in matches if refusal(n, force=force, plugins=plugins) is None]
    if not accepted:
        found = f"all {len(matches)} that match are refused" if matches else "no module matches"
        raise UsageError(
            f"target {name!r}: {found}; check the pattern and that the package can be imported from here"
        )
    return accepted


def assert_name(name: object) -> None:
    """Raise `UsageError` unless a target is given as text."""
    if not isinstance(name, str) or not name.strip():
        raise UsageError(f"a target must be the name of a module, not {name!r}")


def _candidates(pattern: str) -> set[str]:
    """Modules that may match a glob: the loaded ones, and those below the part of it that has no wildcard."""
    names = set(module_names())
    stem = re.split(r"[*?\[]", pattern, maxsplit=1)[0].rpartition(".")[0]
    if stem:
        names |= {stem, *_below(stem, depth=pattern.count(".") + 4)}
    else:
        names |= {info.name for info in pkgutil.iter_modules()}
    return names


def _below(package: str, depth: int) -> set[str]:
    path = search_locations(package)
    if path is None or depth == 0:
        return set()
    out = set()
    for info in pkgutil.iter_modules(path):
        out.add(f"{package}.{info.name}")
        if info.ispkg:
            out |= _below(f"{package}.{info.name}", depth - 1)
    return out


def refusal(name: str, *, force: bool = False, plugins: Iterable[str] = ()) -> str | None:
    """Why a target cannot be checked, as one line that says what to do; `None` if it can."""
    top = name.partition(".")[0]
    if top == _SELF:
        return f"target {name!r} is refused: the tool cannot reload itself while it checks"
    try:
        spec = find(name)
    except Exception as error:  # noqa: BLE001 - a foreign finder may raise anything; the target is what is wrong
        return f"target {name!r} cannot be looked up: {type(error).__name__}: {error}"
    if spec is None and name not in sys.modules:
        where = f"package {name.rpartition('.')[0]!r}" if "." in name else "sys.path"
        return f"unknown target {name!r}: no such module in {where}; check the spelling and where pytest is started"
    if spec is None:
        return f"target {name!r} has no module spec, so the import system cannot load it again; use reload=<a callable>"
    kind = _unloadable(spec)
    if kind is not None:
        return f"target {name!r} is refused: it is {kind}, which Python cannot execute again; name a module of your own"
    if force:
        return None
    hint = "use --reload-leak-force to check it all the same"
    if top in PROCESS_WIDE:
        return f"target {name!r} is refused: it owns state of the whole process, which a copy would split; {hint}"
    if top in _RUNNERS or any(name == plugin or plugin.startswith(f"{name}.") for plugin in plugins):
        return f"target {name!r} is refused: it is part of the pytest that runs this check; {hint}"
    return None


def _unloadable(spec: ModuleSpec) -> str | None:
    loader = spec.loader
    if spec.origin == "built-in" or _is(loader, importlib.machinery.BuiltinImporter):
        return "a builtin module"
    if spec.origin == "frozen" or _is(loader, importlib.machinery.FrozenImporter):
        return "a frozen module"
    if foreign.is_extension(spec):
        return "an extension module"
    return None


def _is(loader: object, importer: object) -> bool:
    """Whether a spec's loader is one of the importer classes, which are their own loaders."""
    return loader is importer
